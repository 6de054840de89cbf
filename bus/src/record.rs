//! A record: a header outside the payload, and the payload, which for spans is valid OTLP (`TracesData`).

use bytes::Bytes;
use telemetry::{RecordTime, Tenant};

use crate::{Offset, TopicPartition};

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// OTLP protobuf: `TracesData` in the topic of spans, `MetricsData` in that of points.
    Otlp,
    /// Nothing: an owner says that a second passed without a record.
    Tick,
    /// A change of what a machine does, such as a sampling policy.
    Control,
    /// What an epoch of a partition of spans adds to the metrics (docs/formats/derived-record.md).
    Derived,
    /// Prometheus remote write 1.0: `prometheus.WriteRequest`, decompressed.
    RemoteWrite1,
}

/// xxh3-128 of a whole decompressed request. With the part number it is the identity of a record: the same again is a re-send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RequestHash(pub u128);

/// What stands beside a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub tenant: Tenant,
    pub kind: Kind,
    /// When the collector accepted the request, by its own clock.
    pub accepted_at: RecordTime,
    /// Spans or points in the payload.
    pub n_items: u32,
    pub request_hash: RequestHash,
    /// Which of a request's records this is, from 0.
    pub part: u16,
    /// Imported or replayed: labels take the spans' own times.
    pub historic: bool,
}

/// A record that is not in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub to: TopicPartition,
    pub header: Header,
    pub payload: Bytes,
}

/// A record as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub of: TopicPartition,
    pub offset: Offset,
    /// When the log took it (`t`), by the log's wall clock: it goes back when that clock is set back.
    pub appended_at: RecordTime,
    pub header: Header,
    pub payload: Bytes,
}
