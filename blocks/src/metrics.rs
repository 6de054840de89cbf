//! What the block store counts of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::BlockKind;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabels {
    pub kind: &'static str,
}

/// Cheap to clone; every clone counts the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Bytes of the visible blocks.
    pub bytes: Family<KindLabels, Gauge>,
    /// Visible blocks.
    pub count: Family<KindLabels, Gauge>,
    pub put_seconds: Histogram,
    /// Reads that met damaged bytes.
    pub damaged: Counter,
    /// Puts of other content under a name that was taken. Not zero: somebody's determinism is broken.
    pub beside: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            bytes: Family::default(),
            count: Family::default(),
            put_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            damaged: Counter::default(),
            beside: Counter::default(),
        }
    }
}

impl Metrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "blocks_bytes",
            "Bytes of visible blocks",
            self.bytes.clone(),
        );
        registry.register("blocks_count", "Visible blocks", self.count.clone());
        registry.register_with_unit(
            "blocks_put",
            "Time to make a block durable",
            Unit::Seconds,
            self.put_seconds.clone(),
        );
        registry.register(
            "blocks_damaged_reads",
            "Reads that met damaged bytes",
            self.damaged.clone(),
        );
        registry.register(
            "determinism_violation",
            "Blocks of other content under a name that was taken",
            self.beside.clone(),
        );
    }

    pub(crate) fn added(&self, kind: BlockKind, size_bytes: u64) {
        let labels = KindLabels { kind: kind.name() };
        self.bytes.get_or_create(&labels).inc_by(size_bytes as i64);
        self.count.get_or_create(&labels).inc();
    }

    pub(crate) fn removed(&self, kind: BlockKind, size_bytes: u64) {
        let labels = KindLabels { kind: kind.name() };
        self.bytes.get_or_create(&labels).dec_by(size_bytes as i64);
        self.count.get_or_create(&labels).dec();
    }
}
