//! Every part of the process, in the order in which a span meets them. Tasks are spawned, named and awaited here alone.
//!
//! A start binds ports before data is touched. A task that ends before it is told to stops the process with its name and cause. A stop goes in
//! the order of the flow: receivers, shards, store. It saves time, never data.

mod listeners;
mod open;
mod read_only;
mod stage;
mod start_error;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use collector::Collector;
use metrics::{MetricsRunner, MetricsStore};
use prometheus_client::registry::Registry;
use sampler::Sampler;
use telemetry::Clock;
use tokio_util::sync::CancellationToken;
use trace_store::TraceStore;

use crate::config::Config;
use crate::grpc;
use crate::import;
use crate::live::LocalLive;
use crate::readiness::Readiness;
use crate::status::{self, Addresses, Status};
use crate::writes;

use listeners::{Listeners, bind};
use open::{make_private, open_blocks, open_bus, open_metrics, open_sampler};
use read_only::{is_read_only, until_read_only};
use stage::{Stage, report};

pub(crate) use start_error::StartError;

/// Why the process ends.
#[derive(Debug)]
pub(crate) enum StopCause {
    Asked,
    /// The log takes no more writes after failed ones.
    ReadOnly,
    Failed,
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
        let grpc = grpc::router(&standing);
        let collector = Collector::new(
            config.collector.clone(),
            bus.clone(),
            clock.clone(),
            receiver_metrics,
            standing,
        );
        let query = query::Query::new(
            config.query.clone(),
            config.service_map.clone(),
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
            .merge(grpc)
            .merge(writes::router(collector.clone()))
            .merge(query::router(query.clone()));

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
                query,
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
            query,
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
            let served = axum::serve(listeners.query, doors).with_graceful_shutdown(async move {
                stop.cancelled().await;
                query.end_tails();
            });
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

/// What runs, before it does.
struct Parts {
    collector: Collector<Bus>,
    query: query::Query,
    doors: axum::Router,
    sampler: Sampler<Bus>,
    metrics: MetricsRunner<Bus>,
    live: LocalLive,
    store: TraceStore,
    readiness: Readiness,
}

fn standing(registry: &Arc<Registry>, readiness: &Readiness) -> collector::Standing {
    let registry = Arc::clone(registry);
    collector::Standing {
        waiting: readiness.watch(),
        scrape: Arc::new(move || status::scrape(&registry)),
    }
}
