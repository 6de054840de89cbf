//! Payloads of one request on their way to be records.

use std::ops::Range;

use bus::{Draft, Header, Partition, Topic, TopicPartition};
use bytes::Bytes;

use crate::admit::Reserved;
use crate::answer::Refusal;

/// Most records of a request: their part numbers have 16 bits.
pub(super) const RECORDS_MAX: usize = 1 << 16;

/// Payloads of one request, end to end in one allocation.
pub(super) struct Records {
    topic: Topic,
    bytes: Vec<u8>,
    bytes_max: u64,
    parts: Vec<Part>,
    n_items: u64,
    /// Why no more is taken.
    refused: Option<Refusal>,
}

struct Part {
    partition: Partition,
    n_items: u32,
    range: Range<usize>,
}

impl Records {
    /// `n_bytes` is the size of the request: its records are a little longer, as resources are in each.
    pub(super) fn new(topic: Topic, n_bytes: usize, bytes_max: u64) -> Self {
        Self {
            topic,
            bytes: Vec::with_capacity(n_bytes + n_bytes / 4),
            bytes_max,
            parts: Vec::new(),
            n_items: 0,
            refused: None,
        }
    }

    /// Adds a record. Once one is refused, all are.
    pub(super) fn push(
        &mut self,
        partition: Partition,
        n_items: u32,
        payload: &[u8],
        reserved: &mut Reserved,
    ) {
        if self.refused.is_some() {
            return;
        }
        if let Err(refusal) = self.admit(payload, reserved) {
            self.refused = Some(refusal);
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.parts.push(Part {
            partition,
            n_items,
            range: start..self.bytes.len(),
        });
        self.n_items += u64::from(n_items);
    }

    /// Items of all records so far.
    pub(super) fn n_items(&self) -> u64 {
        self.n_items
    }

    /// Bytes of all records so far.
    pub(super) fn n_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn admit(&self, payload: &[u8], reserved: &mut Reserved) -> Result<(), Refusal> {
        if self.parts.len() >= RECORDS_MAX {
            return Err(Refusal::TooLarge {
                what: "records of this request",
                amount: self.parts.len() as u64 + 1,
                limit: "of their part numbers",
                max: RECORDS_MAX as u64,
            });
        }
        let n_bytes = (self.bytes.len() + payload.len()) as u64;
        if n_bytes > self.bytes_max {
            return Err(Refusal::TooLarge {
                what: "records of this request in bytes, resources repeated in each",
                amount: n_bytes,
                limit: "of twice limits.inflated_max",
                max: self.bytes_max,
            });
        }
        reserved.grow(payload.len() as u64)
    }

    pub(super) fn into_drafts(self, header: &Header) -> Result<Vec<Draft>, Refusal> {
        if let Some(refusal) = self.refused {
            return Err(refusal);
        }
        // They wait for the log as they are: without the room that was left for resources.
        let (topic, bytes) = (self.topic, Bytes::from(self.bytes.into_boxed_slice()));
        let draft = |(part_no, part): (usize, Part)| Draft {
            to: TopicPartition {
                topic,
                partition: part.partition,
            },
            header: Header {
                n_items: part.n_items,
                part: u16::try_from(part_no).expect("there are at most RECORDS_MAX"),
                ..header.clone()
            },
            payload: bytes.slice(part.range),
        };
        Ok(self.parts.into_iter().enumerate().map(draft).collect())
    }
}
