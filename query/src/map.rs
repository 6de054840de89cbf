//! The map and the services as series tell them. In: series of edges, of requests and of what instances are (interfaces: they are counted before sampling,
//! so every number here is exact). Out: rows for `service_map`, and layouts that stay where they were.

pub(crate) mod direct;
pub(crate) mod environment;
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
use moka::sync;
use service_map::graph::cluster::Communities;
use telemetry::{Clock, Tenant};

use crate::Metrics;
use range::{Range, Scale};
use shelf::Shelf;
use tally::Tally;

/// Bytes of baselines that are kept in memory, and for how long one is.
const BASELINES_BYTES_MAX: u64 = 32 << 20;
const BASELINE_LIFE: Duration = Duration::from_secs(600);

/// Entities whose communities are remembered, of all tenants.
const COMMUNITIES_MAX: u64 = 100_000;

/// What is remembered between answers.
pub(crate) struct Maps {
    pub(crate) shelf: Shelf,
    /// The communities of the last whole map of each tenant, for ranges of about one length: an hour has calls that five minutes have not.
    communities: sync::Cache<(Tenant, Scale), Arc<Communities>>,
    /// What was counted in the hour before, by whose it is and when it ends.
    baselines: Cache<(Tenant, Range), Arc<Tally>>,
}

impl Maps {
    pub(crate) fn new(series: &MetricsStore, clock: &Clock, metrics: &Metrics) -> Self {
        let weight = |_: &(Tenant, Range), tally: &Arc<Tally>| {
            u32::try_from(tally.bytes()).unwrap_or(u32::MAX)
        };
        Self {
            shelf: Shelf::new(series.blocks().clone(), clock.clone(), metrics.clone()),
            communities: sync::Cache::builder()
                .max_capacity(COMMUNITIES_MAX)
                .weigher(|_: &(Tenant, Scale), found: &Arc<Communities>| {
                    u32::try_from(found.n_entities() + 1).unwrap_or(u32::MAX)
                })
                .build(),
            baselines: Cache::builder()
                .max_capacity(BASELINES_BYTES_MAX)
                .weigher(weight)
                .time_to_live(BASELINE_LIFE)
                .build(),
        }
    }

    /// The communities that the next search begins with.
    pub(crate) fn communities(&self, tenant: &Tenant, scale: Scale) -> Communities {
        let known = self.communities.get(&(tenant.clone(), scale));
        known.map_or_else(Communities::default, |known| (*known).clone())
    }

    /// Those of a whole map.
    pub(crate) fn note_communities(&self, tenant: Tenant, scale: Scale, found: Communities) {
        self.communities.insert((tenant, scale), Arc::new(found));
    }
}
