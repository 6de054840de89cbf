//! What the log tells about itself (names as in the documentation of `/metrics`; the registry adds the prefix `tracewell_`).

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::{Appended, Topic};

/// Counters of one log. Clones count into the same place.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// From the call of `append` to its answer, in seconds.
    pub append_seconds: Histogram,
    /// Records that were acknowledged.
    pub records: Family<TopicLabel, Counter>,
    /// Bytes of all segments.
    pub log_bytes: Gauge,
    /// Bytes that wait to be written.
    pub queue_bytes: Gauge,
    /// Writes or fsyncs that failed; each abandons a segment.
    pub write_failures: Counter,
    /// Bytes of holes: damage that was found and stepped over.
    pub quarantined_bytes: Counter,
    /// 1 after two failed writes within a minute.
    pub read_only: Gauge,
}

/// Label `topic`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TopicLabel {
    pub topic: Topic,
}

impl prometheus_client::encoding::EncodeLabelValue for Topic {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        std::fmt::Write::write_str(encoder, self.name())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            append_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 15)),
            records: Family::default(),
            log_bytes: Gauge::default(),
            queue_bytes: Gauge::default(),
            write_failures: Counter::default(),
            quarantined_bytes: Counter::default(),
            read_only: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Counts an append that took `took`.
    pub(crate) fn count(&self, appended: &[Appended], took: Duration) {
        self.append_seconds.observe(took.as_secs_f64());
        for topic in Topic::ALL {
            let n_records = appended.iter().filter(|one| one.of.topic == topic).count();
            if n_records > 0 {
                self.records
                    .get_or_create(&TopicLabel { topic })
                    .inc_by(n_records as u64);
            }
        }
    }

    /// Makes these numbers part of what `registry` exposes.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "bus_append_seconds",
            "Append to its answer",
            self.append_seconds.clone(),
        );
        registry.register("bus_records", "Records acknowledged", self.records.clone());
        registry.register(
            "bus_log_bytes",
            "Bytes of all segments",
            self.log_bytes.clone(),
        );
        registry.register(
            "bus_queue_bytes",
            "Bytes that wait to be written",
            self.queue_bytes.clone(),
        );
        registry.register(
            "bus_write_failures",
            "Writes or fsyncs that failed",
            self.write_failures.clone(),
        );
        registry.register(
            "bus_quarantined_bytes",
            "Damaged bytes stepped over",
            self.quarantined_bytes.clone(),
        );
        registry.register(
            "bus_read_only",
            "1 after two failed writes within a minute",
            self.read_only.clone(),
        );
    }
}
