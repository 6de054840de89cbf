//! What an epoch of a partition of spans adds to the metrics: the record that a sampler writes and the metrics store reads (docs/formats/derived-record.md).

mod decode;
mod encode;

use crate::histogram::ExpHistogram;
use crate::{RecordTime, SpanId, Tenant, TraceId};

pub use decode::DerivedError;

/// Version that is written.
pub(crate) const VERSION: u8 = 1;
/// Labels of a series at most.
pub const LABELS_MAX: u64 = 64;
/// Texts of a record at most.
pub const TEXTS_MAX: u64 = 1 << 20;

/// One part of an epoch, for one partition of `points`.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivedRecord {
    /// Partition of `spans` that it comes from.
    pub source_partition: u32,
    /// End offset of the epoch before it; 0 before the first.
    pub previous_end: u64,
    /// End offset of the epoch.
    pub end: u64,
    /// Which part of the epoch's this is, from 0.
    pub part: u32,
    pub is_last: bool,
    /// Record time up to which the counts are complete, once the last part is there.
    pub complete_to: RecordTime,
    /// In order of their names.
    pub tenants: Vec<TenantDelta>,
}

/// What it adds to the series of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantDelta {
    pub tenant: Tenant,
    /// In order of name, then labels; each identity once.
    pub series: Vec<SeriesDelta>,
}

/// What it adds to a series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesDelta {
    pub name: String,
    /// In order of names, without `__name__` and without empty values.
    pub labels: Vec<(String, String)>,
    /// In order of time.
    pub windows: Vec<WindowDelta>,
    pub exemplars: Vec<Exemplar>,
}

/// What was counted in a span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowDelta {
    pub start_unix_ms: i64,
    pub end_unix_ms: i64,
    pub value: DeltaValue,
}

/// A number, a distribution, or just that the series was there.
#[derive(Debug, Clone, PartialEq)]
pub enum DeltaValue {
    Seen,
    Count(f64),
    Histogram(ExpHistogram),
}

/// A kept trace that stands for a value of the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    pub unix_ms: i64,
    pub value: f64,
    pub trace_id: TraceId,
    pub span_id: SpanId,
}

#[cfg(test)]
mod tests;
