//! A trace as the store takes it and gives it back.

mod merge;

use std::sync::Arc;

use bytes::Bytes;
use telemetry::{ShardTime, Tenant, TraceId};

pub use merge::merge_parts;

/// What decided that a trace is kept, and how probable that was (W3C `ot=th`; sampling thresholds have 56 bits).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sampling {
    /// Name of the rule that took the trace.
    pub rule: Arc<str>,
    /// T: the trace was kept because its randomness R ≥ T. 0 keeps all. p = (2^56 − T) / 2^56.
    pub threshold: u64,
    /// T of the trace as it arrived, from its spans' own `ot=th`; 0 if it was not sampled before.
    pub threshold_in: u64,
    /// p is not known: the trace's own thresholds contradict its randomness.
    pub p_unknown: bool,
    /// A decision by hash or bucket that R ≥ T does not describe: only attributes are shown, no `ot=th`.
    pub p_estimated: bool,
}

/// What an epoch block was made from. Plain numbers, since a store knows nothing of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochName {
    pub partition: u32,
    /// Offset of the record that closed the epoch.
    pub end_offset: u64,
    /// An epoch with more than 32 MiB of spans has several blocks, counted from 0.
    pub part: u32,
    /// Shard time of the second that ended the epoch. Not part of the name; it says in which window the block is merged.
    pub sealed_at: ShardTime,
}

/// One trace, or a late part of one, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTrace {
    pub id: TraceId,
    /// OTLP `TracesData` with this trace's spans only.
    pub traces_data: Bytes,
    pub sampling: Sampling,
    /// Spans that came after the decision.
    pub late: bool,
}

/// One trace as it is found: parts merged, equal spans collapsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTrace {
    pub tenant: Tenant,
    pub id: TraceId,
    /// OTLP `TracesData` with this trace's spans only.
    pub traces_data: Bytes,
    pub sampling: Sampling,
    /// Whether any part came after the decision.
    pub late: bool,
}
