//! Every part of the process, in the order in which a span meets them. This file alone spawns tasks, names them and awaits them.
//!
//! A start binds ports before data is touched. A task that ends before it is told to stops the process with its name and cause. A stop goes in
//! the order of the flow: receivers, shards, store. It saves time, never data.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use blocks::Blocks;
use bus::Bus;
use collector::Collector;
use metrics::{MetricsRunner, MetricsStore};
use prometheus_client::registry::Registry;
use sampler::Sampler;
use telemetry::Clock;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use trace_store::TraceStore;

use crate::config::Config;
use crate::import;
use crate::live::LocalLive;
use crate::memory;
use crate::readiness::Readiness;
use crate::status::{self, Addresses, Status};
use crate::writes;

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(
        "cannot listen on {address} ({key}): {cause}; choose another with --set {key}=127.0.0.1:PORT"
    )]
    Bind {
        key: &'static str,
        address: SocketAddr,
        cause: std::io::Error,
    },
    #[error(
        "{key} = {address} is reachable from outside this machine, without authentication; use 127.0.0.1, or --insecure-listen if the network is trusted"
    )]
    Exposed {
        key: &'static str,
        address: SocketAddr,
    },
    #[error("cannot use the data directory {path}: {cause}")]
    DataDirectory { path: PathBuf, cause: anyhow::Error },
    #[error("cannot start the {part}: {cause:#}")]
    Part {
        part: &'static str,
        cause: anyhow::Error,
    },
}

/// Why the process ends.
#[derive(Debug)]
pub(crate) enum StopCause {
    Asked,
    /// The log takes no more writes after failed ones.
    ReadOnly,
    Failed,
}

/// A part that runs until it is told to stop.
type Part = (&'static str, anyhow::Result<()>);

/// Parts that stop together, before those of the next stage.
struct Stage {
    stop: CancellationToken,
    parts: JoinSet<Part>,
}

impl Stage {
    fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            parts: JoinSet::new(),
        }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.parts.spawn(async move { (name, part.await) });
    }

    /// Tells the parts to stop and waits for them, at most until `deadline` has passed.
    async fn drain(&mut self, deadline: Duration) {
        self.stop.cancel();
        let all = async {
            while let Some(ended) = self.parts.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!(
                code = "TW1005",
                parts = self.parts.len(),
                "parts did not stop in time and are cut off; nothing acknowledged is lost"
            );
            self.parts.abort_all();
        }
    }
}

fn report(ended: Result<Part, JoinError>) {
    match ended {
        Ok((name, Ok(()))) => tracing::debug!(part = name, "stopped"),
        Ok((name, Err(error))) => {
            tracing::error!(code = "TW1002", part = name, "{name} failed: {error:#}")
        }
        Err(error) => tracing::error!(code = "TW1003", "a part panicked: {error}"),
    }
}

/// The running process.
pub(crate) struct App {
    addresses: Addresses,
    data_dir: PathBuf,
    bus_metrics: bus::Metrics,
    receivers: Stage,
    shards: Stage,
    stores: Stage,
    shutdown: Duration,
}

/// Ports that are bound before anything else happens.
struct Listeners {
    otlp_grpc: TcpListener,
    otlp_http: TcpListener,
    query: TcpListener,
}

impl App {
    /// Binds the ports, opens the data, and starts every part.
    ///
    /// # Errors
    /// When a port, the data directory or a part cannot be had; nothing is left running then.
    pub(crate) async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let (listeners, addresses) = bind(&config).await?;
        let readiness = Readiness::new();
        let mut registry = Registry::with_prefix("tracewell");

        // The log, and what is kept.
        let data_dir = config.server.data_dir.clone();
        let told = |cause: anyhow::Error| StartError::DataDirectory {
            path: data_dir.clone(),
            cause,
        };
        make_private(&data_dir).map_err(told)?;
        let bus_metrics = bus::Metrics::default();
        bus_metrics.register(&mut registry);
        let bus = open_bus(&config, &data_dir, &clock, bus_metrics.clone())
            .await
            .map_err(told)?;
        let blocks = open_blocks(&config, &data_dir, &clock, &mut registry)
            .await
            .map_err(told)?;
        let store = TraceStore::open(blocks.clone(), config.trace_store.clone(), clock.clone())
            .await
            .context("trace store")
            .map_err(told)?;
        store.metrics().register(&mut registry);

        // From the log to kept traces.
        let sampler = open_sampler(&config, &bus, &blocks, &store, &mut registry).await?;
        let live = LocalLive(sampler.live());
        let metrics = open_metrics(&config, &bus, &blocks, &clock, &mut registry).await?;

        // Into the log, and out of the store.
        let receiver_metrics = collector::Metrics::default();
        receiver_metrics.register(&mut registry);
        let query_metrics = query::Metrics::default();
        query_metrics.register(&mut registry);
        let registry = Arc::new(registry);
        let standing = standing(&registry, &readiness);
        let collector = Collector::new(
            config.collector.clone(),
            bus.clone(),
            clock.clone(),
            receiver_metrics,
            standing,
        );
        let query = query::Query::new(
            config.query.clone(),
            store.clone(),
            metrics.store(),
            live.shared(),
            clock,
            query_metrics,
        );
        let status = Status {
            registry,
            readiness: readiness.clone(),
            addresses,
        };
        let doors = status::router(status)
            .merge(import::router(collector.clone()))
            .merge(writes::router(collector.clone()))
            .merge(query::router(query));

        let mut app = Self {
            addresses,
            data_dir,
            bus_metrics,
            receivers: Stage::new(),
            shards: Stage::new(),
            stores: Stage::new(),
            shutdown: config.server.shutdown,
        };
        app.spawn_all(
            listeners,
            Parts {
                collector,
                doors,
                sampler,
                metrics,
                live,
                store,
                readiness,
            },
        );
        Ok(app)
    }

    fn spawn_all(&mut self, listeners: Listeners, parts: Parts) {
        let Parts {
            collector,
            doors,
            sampler,
            metrics,
            live,
            store,
            readiness,
        } = parts;
        let stop = self.stores.stop.clone();
        self.stores.spawn("trace store", async move {
            store.run_maintenance(stop).await;
            Ok(())
        });
        let stop = self.shards.stop.clone();
        self.shards.spawn("sampler", async move {
            sampler.run(stop).await.context("the sampler stopped")
        });
        let metrics_store = metrics.store();
        let stop = self.shards.stop.clone();
        self.shards.spawn("metrics", async move {
            metrics.run(stop).await.context("the metrics store stopped")
        });
        let (stop, metrics) = (self.shards.stop.clone(), self.bus_metrics.clone());
        self.shards
            .spawn("log", async move { until_read_only(&metrics, &stop).await });
        self.spawn_readiness(readiness, live, metrics_store);
        let stop = self.receivers.stop.clone();
        let grpc = collector.clone();
        self.receivers.spawn("otlp grpc", async move {
            grpc.serve_grpc(listeners.otlp_grpc, stop).await;
            Ok(())
        });
        let stop = self.receivers.stop.clone();
        self.receivers.spawn("otlp http", async move {
            collector.serve_http(listeners.otlp_http, stop).await;
            Ok(())
        });
        let stop = self.receivers.stop.clone();
        self.receivers.spawn("query", async move {
            let served = axum::serve(listeners.query, doors)
                .with_graceful_shutdown(async move { stop.cancelled().await });
            served.await.context("the query port failed")
        });
    }

    /// Ready once everything that the log had at the start is known, and so is found.
    fn spawn_readiness(&mut self, readiness: Readiness, live: LocalLive, metrics: MetricsStore) {
        readiness.waiting_for(SPANS_READ);
        readiness.waiting_for(POINTS_READ);
        let stop = self.shards.stop.clone();
        self.shards.spawn("readiness", async move {
            let spans = async {
                live.0.all_caught_up().await;
                readiness.done(SPANS_READ);
            };
            let points = async {
                metrics.all_caught_up().await;
                readiness.done(POINTS_READ);
            };
            tokio::select! {
                ((), ()) = async { tokio::join!(spans, points) } => stop.cancelled().await,
                () = stop.cancelled() => {}
            }
            Ok(())
        });
    }

    /// Lines that tell a person where everything is.
    pub(crate) fn greeting(&self) -> String {
        let Addresses {
            otlp_grpc,
            otlp_http,
            query,
        } = self.addresses;
        format!(
            "ready\n  OTLP gRPC  {otlp_grpc}\n  OTLP HTTP  {otlp_http}\n  queries    http://{query}  (Jaeger, Prometheus, /metrics)\n  \
             data       {}\n  auth       off, loopback only\n  no data yet? point an OpenTelemetry SDK at {otlp_grpc}, run tracewell agent, or tracewell import FILE",
            self.data_dir.display()
        )
    }

    /// Runs until `asked` fires or a part ends by itself, then stops every part in the order of the flow.
    pub(crate) async fn run(mut self, asked: CancellationToken) -> StopCause {
        let ended = tokio::select! {
            () = asked.cancelled() => None,
            ended = self.receivers.parts.join_next() => ended,
            ended = self.shards.parts.join_next() => ended,
            ended = self.stores.parts.join_next() => ended,
        };
        let cause = match ended {
            None => StopCause::Asked,
            Some(ended) => {
                report(ended);
                if is_read_only(&self.bus_metrics) {
                    StopCause::ReadOnly
                } else {
                    StopCause::Failed
                }
            }
        };
        for stage in [&mut self.receivers, &mut self.shards, &mut self.stores] {
            stage.drain(self.shutdown).await;
        }
        cause
    }
}

/// What readiness waits for: every partition is taken over and read to its end.
const SPANS_READ: &str = "sampler: reading what the log has";
const POINTS_READ: &str = "metrics: reading what the log has";

/// How often the log is asked whether it still takes writes.
const LOG_LOOK: Duration = Duration::from_millis(500);

fn is_read_only(metrics: &bus::Metrics) -> bool {
    metrics.read_only.get() != 0
}

/// Ends with an error once the log takes no more writes, which ends the process: a supervisor or a person must look at the disk.
async fn until_read_only(metrics: &bus::Metrics, stop: &CancellationToken) -> anyhow::Result<()> {
    while !is_read_only(metrics) {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOG_LOOK) => {}
        }
    }
    anyhow::bail!("the log is read-only after failed writes; repair the disk, then start again")
}

/// What runs, before it does.
struct Parts {
    collector: Collector<Bus>,
    doors: axum::Router,
    sampler: Sampler<Bus>,
    metrics: MetricsRunner<Bus>,
    live: LocalLive,
    store: TraceStore,
    readiness: Readiness,
}

async fn bind(config: &Config) -> Result<(Listeners, Addresses), StartError> {
    let open = config.server.insecure_listen;
    let otlp_grpc = bind_one(
        "collector.otlp_grpc.listen",
        config.collector.otlp_grpc.listen,
        open,
    )
    .await?;
    let otlp_http = bind_one(
        "collector.otlp_http.listen",
        config.collector.otlp_http.listen,
        open,
    )
    .await?;
    let query = bind_one("query.listen", config.query.listen, open).await?;
    let at = |listener: &TcpListener, asked: SocketAddr| listener.local_addr().unwrap_or(asked);
    let addresses = Addresses {
        otlp_grpc: at(&otlp_grpc, config.collector.otlp_grpc.listen),
        otlp_http: at(&otlp_http, config.collector.otlp_http.listen),
        query: at(&query, config.query.listen),
    };
    Ok((
        Listeners {
            otlp_grpc,
            otlp_http,
            query,
        },
        addresses,
    ))
}

async fn bind_one(
    key: &'static str,
    address: SocketAddr,
    insecure_listen: bool,
) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() && !insecure_listen {
        return Err(StartError::Exposed { key, address });
    }
    TcpListener::bind(address)
        .await
        .map_err(|cause| StartError::Bind {
            key,
            address,
            cause,
        })
}

/// Makes the data directory, readable by its owner alone.
fn make_private(data_dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .context("it cannot be made")
}

/// Partitions of a new log: as many shards as there are cores, at most 4; more only make small requests dearer.
const PARTITIONS_NEW_MAX: usize = 4;

async fn open_bus(
    config: &Config,
    data_dir: &Path,
    clock: &Clock,
    metrics: bus::Metrics,
) -> anyhow::Result<Bus> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let (config, path, clock) = (config.bus.clone(), data_dir.join("log"), clock.clone());
    let opened = move || {
        Bus::open(
            &config,
            &path,
            cores.min(PARTITIONS_NEW_MAX) as u32,
            clock,
            metrics,
        )
    };
    Ok(tokio::task::spawn_blocking(opened).await??)
}

async fn open_blocks(
    config: &Config,
    data_dir: &Path,
    clock: &Clock,
    registry: &mut Registry,
) -> anyhow::Result<Blocks> {
    let metrics = blocks::Metrics::default();
    metrics.register(registry);
    let local = blocks::local::Local::open(
        data_dir.join("blocks"),
        config.blocks.clone(),
        clock.clone(),
        metrics,
    )
    .await?;
    Ok(Blocks::Local(local))
}

async fn open_sampler(
    config: &Config,
    bus: &Bus,
    blocks: &Blocks,
    store: &TraceStore,
    registry: &mut Registry,
) -> Result<Sampler<Bus>, StartError> {
    let metrics = sampler::Metrics::default();
    metrics.register(registry);
    let memory_bytes = memory::limit_bytes();
    let sampler = Sampler::new(
        &config.sampler,
        bus.clone(),
        store.clone(),
        blocks.clone(),
        memory_bytes,
        metrics,
    )
    .await;
    sampler.map_err(|cause| StartError::Part {
        part: "sampler",
        cause: cause.into(),
    })
}

async fn open_metrics(
    config: &Config,
    bus: &Bus,
    blocks: &Blocks,
    clock: &Clock,
    registry: &mut Registry,
) -> Result<MetricsRunner<Bus>, StartError> {
    let metrics = metrics::Metrics::default();
    metrics.register(registry);
    let runner = MetricsRunner::new(
        &config.metrics,
        bus.clone(),
        blocks.clone(),
        clock.clone(),
        metrics,
    )
    .await;
    runner.map_err(|cause| StartError::Part {
        part: "metrics store",
        cause: cause.into(),
    })
}

fn standing(registry: &Arc<Registry>, readiness: &Readiness) -> collector::Standing {
    let registry = Arc::clone(registry);
    collector::Standing {
        waiting: readiness.watch(),
        scrape: Arc::new(move || status::scrape(&registry)),
    }
}
