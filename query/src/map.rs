//! The map and the services as series tell them. In: series of edges, of requests and of what instances are (interfaces: they are counted before sampling,
//! so every number here is exact). Out: rows for `service_map`, and layouts that stay where they were.

pub(crate) mod direct;
pub(crate) mod native;
pub(crate) mod range;
pub(crate) mod rows;
pub(crate) mod shelf;
pub(crate) mod source;
pub(crate) mod spans;
pub(crate) mod tally;

use std::sync::Arc;
use std::time::Duration;

use ::metrics::MetricsStore;
use moka::future::Cache;
use telemetry::Tenant;

use range::Range;
use shelf::Shelf;
use tally::Tally;

/// Bytes of baselines that are kept in memory, and for how long one is.
const BASELINES_BYTES_MAX: u64 = 32 << 20;
const BASELINE_LIFE: Duration = Duration::from_secs(600);

/// What is remembered between answers.
pub(crate) struct Maps {
    pub(crate) shelf: Shelf,
    /// What was counted in the hour before, by whose it is and when it ends.
    baselines: Cache<(Tenant, Range), Arc<Tally>>,
}

impl Maps {
    pub(crate) fn new(series: &MetricsStore) -> Self {
        let weight = |_: &(Tenant, Range), tally: &Arc<Tally>| {
            u32::try_from(tally.bytes()).unwrap_or(u32::MAX)
        };
        Self {
            shelf: Shelf::new(series.blocks().clone()),
            baselines: Cache::builder()
                .max_capacity(BASELINES_BYTES_MAX)
                .weigher(weight)
                .time_to_live(BASELINE_LIFE)
                .build(),
        }
    }
}
