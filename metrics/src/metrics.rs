//! What the time-series store counts of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bus::Partition;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use telemetry::Tenant;

use crate::head::TenantHead;

/// A state of a tenant's points.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfState {
    pub tenant: String,
    pub partition: u32,
    pub state: String,
}

/// A tenant's share of a partition of `points`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfTenant {
    pub tenant: String,
    pub partition: u32,
}

/// A metric of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfMetric {
    pub tenant: String,
    pub metric: String,
}

/// Metrics of a tenant beyond a cap that are counted by name; the rest counts under none.
const METRICS_MAX: usize = 100;

/// A partition of `points`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfPartition {
    pub partition: u32,
}

/// Cheap to clone; every clone counts the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Points by what became of them, as of the last seal: a replay counts once.
    pub points: Family<OfState, Gauge<u64, AtomicU64>>,
    /// Series of the last sealed head.
    pub series_active: Family<OfTenant, Gauge>,
    /// Points that a cap allowed no series of their own: deltas count in the overflow series, other samples are refused.
    pub series_overflow: Family<OfMetric, Counter>,
    /// The metrics that it names.
    overflowing: Arc<Mutex<BTreeMap<Tenant, BTreeSet<String>>>>,
    /// Derived records whose predecessor never came.
    pub derived_gaps: Family<OfPartition, Gauge<u64, AtomicU64>>,
    /// Points in blocks that are new.
    pub samples: Counter,
    /// Bytes of those blocks.
    pub bytes: Counter,
    pub seal_seconds: Histogram,
    pub compaction_seconds: Histogram,
    /// Blocks that went into a merge.
    pub compacted_blocks: Counter,
    /// Blocks that retention deleted.
    pub expired_blocks: Counter,
    /// Blocks that could not be read when they were wanted.
    pub damaged_blocks: Counter,
    /// Two owners made different blocks of one range of offsets.
    pub determinism_violations: Counter,
    /// Ledgers that were lost: the partition went on behind its newest block.
    pub ledgers_lost: Counter,
    /// Offsets that the log no longer had.
    pub offsets_lost: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        Self {
            points: Family::default(),
            series_active: Family::default(),
            series_overflow: Family::default(),
            overflowing: Arc::default(),
            derived_gaps: Family::default(),
            samples: Counter::default(),
            bytes: Counter::default(),
            seal_seconds: seconds(),
            compaction_seconds: seconds(),
            compacted_blocks: Counter::default(),
            expired_blocks: Counter::default(),
            damaged_blocks: Counter::default(),
            determinism_violations: Counter::default(),
            ledgers_lost: Counter::default(),
            offsets_lost: Counter::default(),
        }
    }
}

impl Metrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "metrics_points",
            "Points by what became of them",
            self.points.clone(),
        );
        registry.register(
            "metrics_series_active",
            "Series of the last sealed head",
            self.series_active.clone(),
        );
        registry.register(
            "metrics_series_overflow",
            "Points that a cap allowed no series of their own",
            self.series_overflow.clone(),
        );
        registry.register(
            "metrics_derived_gaps",
            "Derived records whose predecessor never came",
            self.derived_gaps.clone(),
        );
        let counters = [
            ("metrics_samples", "Points written", &self.samples),
            ("metrics_bytes", "Bytes of blocks written", &self.bytes),
            (
                "metrics_compaction_blocks",
                "Blocks merged into larger ones",
                &self.compacted_blocks,
            ),
            (
                "metrics_expired_blocks",
                "Blocks deleted by retention",
                &self.expired_blocks,
            ),
            (
                "metrics_damaged_blocks",
                "Blocks that could not be read",
                &self.damaged_blocks,
            ),
            (
                "metrics_determinism_violations",
                "Blocks of one name and different content",
                &self.determinism_violations,
            ),
            (
                "metrics_ledgers_lost",
                "Ledgers that were lost",
                &self.ledgers_lost,
            ),
            (
                "metrics_offsets_lost",
                "Offsets that the log no longer had",
                &self.offsets_lost,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let times = [
            (
                "metrics_seal",
                "Time of building and storing one head",
                &self.seal_seconds,
            ),
            (
                "metrics_compaction",
                "Time of one merge",
                &self.compaction_seconds,
            ),
        ];
        for (name, help, histogram) in times {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
    }

    fn overflow(&self, tenant: &Tenant, metric: &str, n_points: u64) {
        let mut overflowing = self.overflowing.lock();
        let named = overflowing.entry(tenant.clone()).or_default();
        if named.len() < METRICS_MAX && !named.contains(metric) {
            named.insert(metric.to_owned());
        }
        let of = OfMetric {
            tenant: tenant.to_string(),
            metric: named.get(metric).cloned().unwrap_or_default(),
        };
        self.series_overflow.get_or_create(&of).inc_by(n_points);
    }

    /// What a seal says of the partition's points.
    pub(crate) fn sealed(&self, partition: Partition, sealed: &crate::machine::SealedHead) {
        let of = OfPartition {
            partition: partition.0,
        };
        for (tenant, head) in sealed.head.tenants() {
            for (metric, n) in head.beyond() {
                self.overflow(tenant, metric, n);
            }
        }
        self.derived_gaps
            .get_or_create(&of)
            .set(sealed.derived_gaps);
        for (tenant, totals) in &sealed.totals {
            let of = OfTenant {
                tenant: tenant.to_string(),
                partition: partition.0,
            };
            let n_series = sealed.head.get(tenant).map_or(0, TenantHead::n_series);
            let n_series = i64::try_from(n_series).unwrap_or(i64::MAX);
            self.series_active.get_or_create(&of).set(n_series);
            for (state, number) in [
                ("accepted", totals.accepted),
                ("stored", totals.stored),
                ("duplicates", totals.duplicates),
                ("too_old", totals.too_old),
                ("beyond_cap", totals.beyond_cap),
                ("dead_lettered", totals.dead_lettered),
                ("overflowed", totals.overflowed),
            ] {
                let of = OfState {
                    tenant: tenant.to_string(),
                    partition: partition.0,
                    state: state.to_owned(),
                };
                self.points.get_or_create(&of).set(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_with_names_without_end_takes_none_of_the_others() {
        let metrics = Metrics::default();
        let [wild, tame] = ["wild", "tame"].map(|name| name.parse().expect("a tenant"));
        for n in 0..METRICS_MAX + 5 {
            metrics.overflow(&wild, &format!("m{n}"), 1);
        }
        metrics.overflow(&tame, "logins", 7);
        metrics.overflow(&wild, "m0", 1);
        let count = |tenant: &str, metric: &str| {
            let (tenant, metric) = (tenant.to_owned(), metric.to_owned());
            let of = OfMetric { tenant, metric };
            metrics.series_overflow.get_or_create(&of).get()
        };
        assert_eq!(
            (
                count("wild", "m0"),
                count("wild", ""),
                count("tame", "logins")
            ),
            (2, 5, 7)
        );
    }
}
