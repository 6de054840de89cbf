//! A row before it is written: names as text, spans raw or as the frame of an earlier block.

use std::sync::Arc;

use bytes::Bytes;

use super::index::{LATE, P_ESTIMATED, P_UNKNOWN, PART, Row};
use super::names::NamedOperation;
use super::usage::Usage;
use crate::Sampling;

#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// What the columns say, except for what refers to names, frames and filters: that is set when the row is written.
    pub(crate) row: Row,
    pub(crate) rule: Arc<str>,
    pub(crate) root: Option<(Arc<str>, Arc<str>)>,
    /// Sorted and distinct.
    pub(crate) operations: Vec<(NamedOperation, Usage)>,
    /// Bloom filter of the tags.
    pub(crate) filter: Bytes,
    pub(crate) spans: Spans,
}

/// The spans of a row.
#[derive(Debug, Clone)]
pub(crate) enum Spans {
    /// OTLP `TracesData`.
    Raw(Bytes),
    /// A frame as it lies in another block, with the dictionary that it was compressed with.
    Frame {
        frame: Bytes,
        raw_bytes: u32,
        crc: u32,
        dictionary: Option<Bytes>,
    },
}

/// How the frames of a block are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// What is raw is compressed, with raw rows for a dictionary; what is a frame already stays as it is.
    Keep,
    /// Everything is compressed anew with one trained dictionary.
    Anew,
}

impl Draft {
    pub(crate) fn raw(&self) -> Option<&Bytes> {
        match &self.spans {
            Spans::Raw(bytes) => Some(bytes),
            Spans::Frame { .. } => None,
        }
    }
}

/// The flags of a row with this sampling. What is late is a part.
pub(crate) fn flags(sampling: &Sampling, late: bool) -> u8 {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    flag(late, LATE | PART)
        | flag(sampling.p_unknown, P_UNKNOWN)
        | flag(sampling.p_estimated, P_ESTIMATED)
}

/// The sampling that a row tells.
pub(crate) fn sampling(row: &Row, rule: Arc<str>) -> Sampling {
    Sampling {
        rule,
        threshold: row.threshold,
        threshold_in: row.threshold_in,
        p_unknown: row.flags & P_UNKNOWN != 0,
        p_estimated: row.flags & P_ESTIMATED != 0,
    }
}
