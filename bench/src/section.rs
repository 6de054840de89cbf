//! The sections of `make bench`: each measures one part and prints its tables.

mod agent;
mod collector;
mod disk;
mod map;
mod metrics;
mod overload;
mod peer_collector;
mod query;
mod regroup;
mod shard;
mod walk;
mod whole;

pub use metrics::{hold as active_series, live as short_lived_series};
pub use peer_collector::hold as counted_memory;
pub use shard::open_traces;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::table::Table;

/// One part to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// The OTLP walker beside prost.
    Walk,
    /// A request split by partition.
    Regroup,
    /// The collector over real sockets.
    Collector,
    /// The sampler's shard, and what open traces hold.
    Shard,
    /// Bytes of a span in blocks.
    Disk,
    /// Traces by id and by search.
    Query,
    /// The service map, from rows to places.
    Map,
    /// The real binary: samples in, durable, sealed into blocks.
    Metrics,
    /// What a series holds, and a sample in the store alone.
    Series,
    /// PromQL over HTTP.
    Promql,
    /// Metrics beside VictoriaMetrics and Prometheus.
    Peers,
    /// RED and edges of spans beside the OpenTelemetry Collector.
    PeerCollector,
    /// The agent on this host.
    Agent,
    /// The real binary: OTLP in, durable, assembled, stored.
    Whole,
    /// The real binary with more load than it can take.
    Overload,
}

/// How much is measured, and with what beside it.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Times that each side of a comparison is run
    #[arg(long, default_value_t = 7)]
    pub rounds: usize,
    /// Part of the full amount of work, for a quick look
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// The server's binary; without it the one beside this program
    #[arg(long, env = "TRACEWELL_BIN")]
    pub server: Option<PathBuf>,
    /// VictoriaMetrics' binary, to be measured beside
    #[arg(long, env = "PEER_VICTORIA_METRICS")]
    pub victoria_metrics: Option<PathBuf>,
    /// Prometheus' binary, to be measured beside
    #[arg(long, env = "PEER_PROMETHEUS")]
    pub prometheus: Option<PathBuf>,
    /// OpenTelemetry Collector's binary, to be measured beside
    #[arg(long, env = "PEER_OTELCOL")]
    pub otelcol: Option<PathBuf>,
}

impl Settings {
    /// `full` at the chosen scale, at least 1.
    #[must_use]
    pub fn scaled(&self, full: u64) -> u64 {
        ((full as f64 * self.scale) as u64).max(1)
    }

    /// The binary to measure, if it was built.
    fn server_binary(&self) -> Option<PathBuf> {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("tracewell"));
        self.server
            .clone()
            .or_else(beside)
            .filter(|path| path.exists())
    }
}

impl Section {
    pub const ALL: [Self; 15] = [
        Self::Walk,
        Self::Regroup,
        Self::Collector,
        Self::Shard,
        Self::Disk,
        Self::Query,
        Self::Map,
        Self::Metrics,
        Self::Series,
        Self::Promql,
        Self::Peers,
        Self::PeerCollector,
        Self::Agent,
        Self::Whole,
        Self::Overload,
    ];

    /// Whether it measures a process that writes gigabytes to files.
    #[must_use]
    pub fn starts_a_server(self) -> bool {
        matches!(
            self,
            Self::Metrics
                | Self::Promql
                | Self::Peers
                | Self::PeerCollector
                | Self::Whole
                | Self::Overload
        )
    }

    /// Measures and prints.
    ///
    /// # Errors
    /// When the measurement could not be made. A bad figure is no error.
    pub fn run(self, settings: &Settings) -> anyhow::Result<()> {
        match self {
            Self::Walk => walk::run(settings),
            Self::Regroup => regroup::run(settings),
            Self::Collector => collector::run(settings),
            Self::Shard => shard::run(settings),
            Self::Disk => disk::run(settings),
            Self::Query => query::run(settings),
            Self::Map => map::run(settings),
            Self::Metrics => metrics::run_ingest(settings),
            Self::Series => metrics::run_series(settings),
            Self::Promql => metrics::run_promql(settings),
            Self::Peers => metrics::run_peers(settings),
            Self::PeerCollector => peer_collector::run(settings),
            Self::Agent => agent::run(settings),
            Self::Whole => whole::run(settings),
            Self::Overload => overload::run(settings),
        }
    }
}

/// Runs a verb of this program in a process with memory of its own; it prints for itself.
fn in_own_process(arguments: &[&str]) -> anyhow::Result<()> {
    let status = std::process::Command::new(std::env::current_exe()?)
        .args(arguments)
        .status()?;
    anyhow::ensure!(
        status.success(),
        "{arguments:?} in a process of its own ended with {status}"
    );
    Ok(())
}

/// Says that a section could not be measured, and why.
fn absent(section: &str, why: &str) -> anyhow::Result<()> {
    Ok(Table::new(format!("{section}: absent ({why})"), &[]).print()?)
}

const NO_SERVER: &str = "no tracewell beside this program: cargo build --profile dist -p tracewell-server, or TRACEWELL_BIN";
