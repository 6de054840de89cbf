//! Queries over HTTP and gRPC on one port: Jaeger's v1 and v3 APIs, Prometheus' and our own.
//!
//! In: requests, kept traces from `trace_store`, series from the store of metrics, and what is in no block yet through [`Live`]. Out: whole
//! traces and series, each as its API writes it.
//! Nothing here decides what is kept, changes what is stored, opens a port or knows of samplers.

mod api;
mod config;
mod correlate;
mod gate;
mod live;
mod map;
mod metrics;
mod read;
mod refusal;
mod trace;
mod work;

use std::sync::Arc;

use ::metrics::MetricsStore;
use ::metrics::promql::{Engine, EngineConfig};
use telemetry::Clock;
use trace_store::TraceStore;

pub use api::router;
pub use config::{Config, PromqlFeatures};
pub use live::{
    Live, LiveCounts, LiveEpoch, LiveError, LivePage, LivePartial, LiveState, LiveTrace,
};
pub use metrics::Metrics;

use gate::Gate;
use trace::found::Sources;

/// Everything a query is answered from. Cheap to clone; [`router`] serves it.
#[derive(Clone)]
pub struct Query(Arc<Parts>);

struct Parts {
    sources: Sources,
    series: MetricsStore,
    maps: map::Maps,
    promql: Engine,
    gate: Gate,
    config: Config,
    map: service_map::Config,
    clock: Clock,
    metrics: Metrics,
    requests: api::request_id::Source,
}

impl Query {
    #[must_use]
    pub fn new(
        config: Config,
        map: service_map::Config,
        store: TraceStore,
        series: MetricsStore,
        live: Arc<dyn Live>,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let sources = Sources {
            live,
            store,
            answer_bytes_max: config.answer_bytes_max,
        };
        let engine = EngineConfig {
            timeout: config.deadline,
            memory_bytes_max: config.answer_bytes_max,
            features: config.promql_features.features(),
            ..EngineConfig::default()
        };
        let gate = Gate::new(&config);
        let requests = api::request_id::Source::new(&clock);
        Self(Arc::new(Parts {
            sources,
            maps: map::Maps::new(&series, &clock, &metrics),
            promql: Engine::new(series.clone(), engine),
            series,
            gate,
            config,
            map,
            clock,
            metrics,
            requests,
        }))
    }

    /// Ends the tails, which would otherwise hold their connections for ever. For a stop; queries under way are not touched.
    pub fn end_tails(&self) {
        self.0.gate.end_tails();
    }
}
