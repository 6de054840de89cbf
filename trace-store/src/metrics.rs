//! What the trace store counts of itself.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Cheap to clone; every clone counts the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Traces, late parts included, that were written in blocks that are new.
    pub traces: Counter,
    pub spans: Counter,
    /// Bytes of those blocks.
    pub bytes: Counter,
    pub compaction_seconds: Histogram,
    /// Blocks that went into a merge.
    pub compacted_blocks: Counter,
    /// Blocks that retention deleted.
    pub expired_blocks: Counter,
    /// Blocks that could not be read when they were wanted.
    pub damaged_blocks: Counter,
    /// Rows that a search could not rule out without reading their spans.
    pub search_rows_read: Counter,
    /// Bytes of spans that searches read, decompressed.
    pub search_bytes_read: Counter,
    /// Searches that answered with less than there is.
    pub search_partial: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            traces: Counter::default(),
            spans: Counter::default(),
            bytes: Counter::default(),
            compaction_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            compacted_blocks: Counter::default(),
            expired_blocks: Counter::default(),
            damaged_blocks: Counter::default(),
            search_rows_read: Counter::default(),
            search_bytes_read: Counter::default(),
            search_partial: Counter::default(),
        }
    }
}

impl Metrics {
    pub fn register(&self, registry: &mut Registry) {
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone())
        };
        counter(
            "trace_store_traces",
            "Traces and late parts written",
            &self.traces,
        );
        counter("trace_store_spans", "Spans written", &self.spans);
        counter("trace_store_bytes", "Bytes of blocks written", &self.bytes);
        counter(
            "compaction_blocks",
            "Blocks merged into larger ones",
            &self.compacted_blocks,
        );
        counter(
            "trace_store_expired_blocks",
            "Blocks deleted by retention",
            &self.expired_blocks,
        );
        counter(
            "trace_store_damaged_blocks",
            "Blocks that could not be read",
            &self.damaged_blocks,
        );
        counter(
            "trace_store_search_rows_read",
            "Rows whose spans a search read",
            &self.search_rows_read,
        );
        counter(
            "trace_store_search_read_bytes",
            "Bytes of spans that searches read",
            &self.search_bytes_read,
        );
        counter(
            "trace_store_search_partial",
            "Searches that answered with less than there is",
            &self.search_partial,
        );
        registry.register_with_unit(
            "compaction",
            "Time of one merge",
            Unit::Seconds,
            self.compaction_seconds.clone(),
        );
    }
}
