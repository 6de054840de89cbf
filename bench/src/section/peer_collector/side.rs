//! A server to be measured: how it is started, where it takes spans, and where it says what it has counted.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use super::calls::Counted;
use crate::process::{Process, ask, free_address, version};
use crate::product::Product;

/// Drops every trace, so that storing is in no figure; what is counted is counted before.
const DROP_ALL: &str = "[[sampler.rules]]\nname = \"none\"\nsampler = { type = \"drop\" }\n";

/// Which server, by its binary, and what it is to do.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Takes spans and forgets them.
    PassThrough(PathBuf),
    /// Counts them in memory.
    Connectors(PathBuf),
    /// Makes them durable and counts them.
    Tracewell(PathBuf),
}

impl Kind {
    pub(super) fn told(&self) -> String {
        match self {
            Self::PassThrough(binary) => format!("{}, otlp → nop", version(binary)),
            Self::Connectors(binary) => {
                format!("{}, otlp → spanmetrics + servicegraph", version(binary))
            }
            Self::Tracewell(binary) => {
                format!("{}, durable, RED and edges", version(binary))
            }
        }
    }
}

/// A running server.
#[derive(Debug)]
pub(super) enum Side {
    Collector {
        process: Process,
        grpc: SocketAddr,
        /// Where the exporter is scraped, if it counts.
        exporter: Option<SocketAddr>,
    },
    Tracewell(Product),
}

impl Side {
    pub(super) fn start(kind: &Kind, folder: &Path) -> anyhow::Result<Self> {
        match kind {
            Kind::Tracewell(binary) => {
                Product::start(binary, folder, DROP_ALL).map(Self::Tracewell)
            }
            Kind::PassThrough(binary) => collector(binary, folder, None),
            Kind::Connectors(binary) => collector(binary, folder, Some(free_address()?)),
        }
    }

    pub(super) fn process(&self) -> &Process {
        match self {
            Self::Collector { process, .. } => process,
            Self::Tracewell(product) => product.process(),
        }
    }

    pub(super) fn grpc(&self) -> SocketAddr {
        match self {
            Self::Collector { grpc, .. } => *grpc,
            Self::Tracewell(product) => product.grpc(),
        }
    }

    /// What it says that it has counted so far; None if it counts nothing.
    pub(super) fn counted(&self) -> anyhow::Result<Option<Counted>> {
        match self {
            Self::Collector { exporter: None, .. } => Ok(None),
            Self::Collector {
                exporter: Some(exporter),
                ..
            } => {
                let (status, text) = ask(*exporter, "GET", "/metrics")?;
                ensure!(status == 200, "the exporter answered {status}: {text}");
                Ok(Some(Counted::of_exporter(&text)))
            }
            Self::Tracewell(product) => Counted::of_tracewell(product).map(Some),
        }
    }
}

fn collector(binary: &Path, folder: &Path, exporter: Option<SocketAddr>) -> anyhow::Result<Side> {
    let (grpc, health) = (free_address()?, free_address()?);
    let config = folder.join("otelcol.yaml");
    std::fs::write(&config, yaml(grpc, health, exporter))?;
    let mut command = Command::new(binary);
    command.arg(format!("--config=file:{}", config.display()));
    Ok(Side::Collector {
        process: Process::start(command, health, &folder.join("data"), "/")?,
        grpc,
        exporter,
    })
}

/// Defaults, but for the flush, for a store that has room for every call under way, and for how databases name themselves since the conventions of 2025.
fn yaml(grpc: SocketAddr, health: SocketAddr, exporter: Option<SocketAddr>) -> String {
    let counting = exporter.map(|exporter| {
        format!(
            "connectors:
  spanmetrics: {{ metrics_flush_interval: 15s }}
  servicegraph:
    metrics_flush_interval: 15s
    store: {{ max_items: 1000000 }}
    database_name_attributes: [db.namespace]
exporters:
  prometheus: {{ endpoint: {exporter} }}
service:
  pipelines:
    traces: {{ receivers: [otlp], exporters: [spanmetrics, servicegraph] }}
    metrics: {{ receivers: [spanmetrics, servicegraph], exporters: [prometheus] }}
"
        )
    });
    let passing = "exporters: { nop: }
service:
  pipelines:
    traces: { receivers: [otlp], exporters: [nop] }
";
    format!(
        "receivers:
  otlp: {{ protocols: {{ grpc: {{ endpoint: {grpc} }} }} }}
extensions:
  health_check: {{ endpoint: {health} }}
{}  extensions: [health_check]
  telemetry: {{ metrics: {{ level: none }}, logs: {{ level: error }} }}
",
        counting.as_deref().unwrap_or(passing)
    )
}
