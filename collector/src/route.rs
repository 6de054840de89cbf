//! From the bytes of a request to records, one a partition for each 900 KB: spans are copied by range, never built.
//!
//! In: an [`Arrival`]. Out: drafts for the log, or a refusal of the whole; single spans that are invalid are left out and counted. Pure work on
//! bytes: no I/O, no waiting.

use std::ops::Range;

use bus::{Draft, Header, Kind, Partition, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use parking_lot::Mutex;
use telemetry::wire::{Regroup, TraceWalker, WalkError, WalkLimits, json};
use telemetry::{RecordTime, partition_of};
use xxhash_rust::xxh3::xxh3_128;

use crate::admit::Reserved;
use crate::answer::{Accepted, Refusal};
use crate::arrival::{Arrival, Format};
use crate::config::Limits;
use crate::inflate::{Encoding, Inflater};

/// Largest payload of a record, in bytes: with its header it stays under the 1 MB that Kafka takes.
const RECORD_BYTES_MAX: usize = 900_000;
/// Most records of a request: their part numbers have 16 bits.
const RECORDS_MAX: usize = 1 << 16;

/// Where records go and when they were accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination {
    pub(crate) n_partitions: u32,
    pub(crate) accepted_at: RecordTime,
}

/// A request as records.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) drafts: Vec<Draft>,
    /// Spans in all drafts, and what was left out.
    pub(crate) accepted: Accepted,
    pub(crate) reserved: Reserved,
}

/// Tools that are used again from request to request: at most so many lie idle.
pub(crate) struct Workbenches {
    idle: Mutex<Vec<Workbench>>,
    n_idle_max: usize,
    inflated_max: u64,
    walk_limits: WalkLimits,
}

/// What turns one request at a time into records.
struct Workbench {
    inflater: Inflater,
    walker: TraceWalker,
    regroup: Regroup,
}

impl Workbenches {
    pub(crate) fn new(limits: &Limits, n_idle_max: usize) -> Self {
        Self {
            idle: Mutex::default(),
            n_idle_max,
            inflated_max: limits.inflated_max,
            walk_limits: WalkLimits {
                spans_max: limits.items_max,
                ..WalkLimits::default()
            },
        }
    }

    /// Makes records of a request. After a panic the workbench is not used again.
    pub(crate) fn route(&self, arrival: Arrival, to: Destination) -> Result<Routed, Refusal> {
        let idle = self.idle.lock().pop();
        let mut workbench = idle.unwrap_or_else(Workbench::new);
        let routed = self.route_on(&mut workbench, arrival, to);
        workbench.inflater.trim();
        let mut idle = self.idle.lock();
        if idle.len() < self.n_idle_max {
            idle.push(workbench);
        }
        routed
    }

    fn route_on(
        &self,
        workbench: &mut Workbench,
        arrival: Arrival,
        to: Destination,
    ) -> Result<Routed, Refusal> {
        let Arrival {
            tenant,
            format,
            encoding,
            body,
            body_hash,
            mut reserved,
            is_historic,
            ..
        } = arrival;
        let Workbench {
            inflater,
            walker,
            regroup,
        } = workbench;
        let inflated = inflater.inflate(encoding, &body, self.inflated_max, &mut reserved)?;
        let request_hash = RequestHash(match encoding {
            Encoding::Identity => body_hash,
            Encoding::Gzip | Encoding::Zstd => xxh3_128(inflated),
        });
        let decoded = match format {
            Format::Protobuf => None,
            Format::Json => Some(decode_json(inflated, &mut reserved)?),
        };
        let bytes = decoded.as_deref().unwrap_or(inflated);
        // Where a request is over a cut limit, the walker writes it anew: as much again, until it is routed.
        reserved.grow(bytes.len() as u64)?;
        let view = walker
            .walk(bytes, &self.walk_limits)
            .map_err(refused_by_walk)?;
        let mut records = Records::new(bytes.len(), 2 * self.inflated_max);
        regroup.regroup(
            &view,
            to.n_partitions,
            |span| partition_of(&tenant, span.trace_id(), to.n_partitions),
            RECORD_BYTES_MAX,
            |partition, n_spans, payload| {
                records.push(Partition(partition), n_spans, payload, &mut reserved);
            },
        );
        let accepted = Accepted {
            accepted_spans: records.n_spans,
            rejected_spans: view.rejected().n_spans,
            message: view.rejected().reason.clone(),
        };
        let header = Header {
            tenant,
            kind: Kind::Otlp,
            accepted_at: to.accepted_at,
            n_items: 0,
            request_hash,
            part: 0,
            historic: is_historic,
        };
        let n_bytes = records.bytes.len() as u64;
        let drafts = records.into_drafts(&header)?;
        // Only the records are left: the body goes with this function, the buffers to the next request.
        reserved.shrink_to(n_bytes);
        Ok(Routed {
            drafts,
            accepted,
            reserved,
        })
    }
}

/// The protobuf of a JSON request. It is not longer than the JSON, whose length is reserved once more for it.
fn decode_json(text: &[u8], reserved: &mut Reserved) -> Result<Vec<u8>, Refusal> {
    reserved.grow(text.len() as u64)?;
    json::decode_traces(text).map_err(|error| malformed_at(error.to_string()))
}

fn refused_by_walk(error: WalkError) -> Refusal {
    match error {
        WalkError::Malformed(text) => malformed_at(text),
        WalkError::TooManyItems { spans_max } => Refusal::TooLarge {
            what: "spans, or messages around them",
            amount: u64::from(spans_max) + 1,
            limit: "limits.items_max",
            max: spans_max.into(),
        },
        WalkError::TooLarge { n_bytes } => Refusal::TooLarge {
            what: "body once decompressed in bytes",
            amount: n_bytes as u64,
            limit: "of 32-bit positions",
            max: u32::MAX.into(),
        },
    }
}

/// Takes the path of the field and the problem apart.
fn malformed_at(text: String) -> Refusal {
    match text.rsplit_once(": ") {
        Some((path, problem)) => Refusal::malformed(path.to_owned(), problem),
        None => Refusal::malformed("body", text),
    }
}

impl Workbench {
    fn new() -> Self {
        Self {
            inflater: Inflater::new(),
            walker: TraceWalker::new(),
            regroup: Regroup::new(),
        }
    }
}

/// Payloads of one request, end to end in one allocation.
struct Records {
    bytes: Vec<u8>,
    bytes_max: u64,
    parts: Vec<Part>,
    n_spans: u64,
    /// Why no more is taken.
    refused: Option<Refusal>,
}

struct Part {
    partition: Partition,
    n_spans: u32,
    range: Range<usize>,
}

impl Records {
    /// `n_bytes` is the size of the request: its records are a little longer, as resources are in each.
    fn new(n_bytes: usize, bytes_max: u64) -> Self {
        Self {
            bytes: Vec::with_capacity(n_bytes + n_bytes / 4),
            bytes_max,
            parts: Vec::new(),
            n_spans: 0,
            refused: None,
        }
    }

    /// Adds a record. Once one is refused, all are.
    fn push(
        &mut self,
        partition: Partition,
        n_spans: u32,
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
            n_spans,
            range: start..self.bytes.len(),
        });
        self.n_spans += u64::from(n_spans);
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

    fn into_drafts(self, header: &Header) -> Result<Vec<Draft>, Refusal> {
        if let Some(refusal) = self.refused {
            return Err(refusal);
        }
        let bytes = Bytes::from(self.bytes);
        let draft = |(part_no, part): (usize, Part)| Draft {
            to: TopicPartition {
                topic: Topic::Spans,
                partition: part.partition,
            },
            header: Header {
                n_items: part.n_spans,
                part: u16::try_from(part_no).expect("there are at most RECORDS_MAX"),
                ..header.clone()
            },
            payload: bytes.slice(part.range),
        };
        Ok(self.parts.into_iter().enumerate().map(draft).collect())
    }
}

#[cfg(test)]
mod tests;
