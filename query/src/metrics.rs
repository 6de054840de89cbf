//! What queries say of themselves.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Series of queries. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Seconds from request to answer, waiting for its turn included.
    pub(crate) query_seconds: Family<QueryLabels, Histogram, fn() -> Histogram>,
    pub(crate) query_running: Gauge,
    pub(crate) query_partial: Family<PartialLabels, Counter>,
    /// Seconds that laying out a map took; a layout that is used again is not counted.
    pub(crate) map_layout_seconds: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QueryLabels {
    pub(crate) api: &'static str,
    /// The route's pattern, never the path.
    pub(crate) route: String,
    pub(crate) code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PartialLabels {
    pub(crate) reason: &'static str,
}

/// 1 ms to 33 s, doubling.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            query_seconds: Family::new_with_constructor(seconds),
            query_running: Gauge::default(),
            query_partial: Family::default(),
            map_layout_seconds: seconds(),
        }
    }
}

impl Metrics {
    /// Names the series in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "query",
            "Time from a query to its answer",
            Unit::Seconds,
            self.query_seconds.clone(),
        );
        registry.register(
            "query_running",
            "Queries that run now",
            self.query_running.clone(),
        );
        registry.register_with_unit(
            "map_layout",
            "Time to lay out a map anew",
            Unit::Seconds,
            self.map_layout_seconds.clone(),
        );
        registry.register(
            "query_partial",
            "Answers that may lack something",
            self.query_partial.clone(),
        );
    }
}
