//! From the bytes of a request to records, one a partition for each 900 KB: spans and points are copied by range, never built.
//!
//! In: an [`Arrival`]. Out: drafts for the log, or a refusal of the whole; single spans and points that are invalid are left out and counted. Pure work on
//! bytes: no I/O, no waiting.

mod records;
mod signals;

use bus::{Draft, Header, RequestHash};
use parking_lot::Mutex;
use telemetry::RecordTime;
use telemetry::wire::{MetricLimits, WalkLimits, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::admit::Reserved;
use crate::answer::{Accepted, Refusal};
use crate::arrival::{Arrival, Format, Signal};
use crate::config::Limits;
use crate::inflate::{Encoding, Inflater};
use records::Records;
use signals::{Out, Signals, malformed_at};

/// Largest payload of a record, in bytes: with its header it stays under the 1 MB that Kafka takes.
const RECORD_BYTES_MAX: usize = 900_000;

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
    /// Items in all drafts, and what was left out.
    pub(crate) accepted: Accepted,
    pub(crate) reserved: Reserved,
}

/// Tools that are used again from request to request: at most so many lie idle.
pub(crate) struct Workbenches {
    idle: Mutex<Vec<Workbench>>,
    n_idle_max: usize,
    inflated_max: u64,
    walk_limits: WalkLimits,
    metric_limits: MetricLimits,
}

/// What turns one request at a time into records.
struct Workbench {
    inflater: Inflater,
    signals: Signals,
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
            metric_limits: MetricLimits {
                items_max: limits.items_max,
                ..MetricLimits::default()
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
            signal,
            format,
            encoding,
            body,
            body_hash,
            mut reserved,
            is_historic,
            ..
        } = arrival;
        let Workbench { inflater, signals } = workbench;
        let inflated = inflater.inflate(encoding, &body, self.inflated_max, &mut reserved)?;
        let request_hash = RequestHash(match encoding {
            Encoding::Identity => body_hash,
            Encoding::Gzip | Encoding::Zstd | Encoding::Snappy => xxh3_128(inflated),
        });
        let decoded = match format {
            Format::Protobuf => None,
            Format::Json => Some(decode_json(signal, inflated, &mut reserved)?),
        };
        let bytes = decoded.as_deref().unwrap_or(inflated);
        // Where a request is over a cut limit, the walker writes it anew: as much again, until it is routed.
        reserved.grow(bytes.len() as u64)?;
        let mut records = Records::new(signal.topic(), bytes.len(), 2 * self.inflated_max);
        let out = Out {
            tenant: &tenant,
            n_partitions: to.n_partitions,
            records: &mut records,
            reserved: &mut reserved,
        };
        let accepted = match signal {
            Signal::Traces => signals.traces(bytes, &self.walk_limits, out)?,
            Signal::Metrics => signals.metrics(bytes, &self.metric_limits, out)?,
            Signal::RemoteWrite => signals.remote_write(bytes, &self.metric_limits, out)?,
        };
        let header = Header {
            tenant,
            kind: signal.kind(),
            accepted_at: to.accepted_at,
            n_items: 0,
            request_hash,
            part: 0,
            historic: is_historic,
        };
        let n_bytes = records.n_bytes();
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

/// The protobuf of a JSON request. Its length is reserved once more for it, and what numbers take beyond that before it is taken.
fn decode_json(signal: Signal, text: &[u8], reserved: &mut Reserved) -> Result<Vec<u8>, Refusal> {
    reserved.grow(text.len() as u64)?;
    let mut refused = None;
    let mut grow = |n_bytes: usize| {
        refused = reserved.grow(n_bytes as u64).err();
        refused.is_none()
    };
    let decoded = match signal {
        Signal::Traces => json::decode_traces(text),
        Signal::Metrics | Signal::RemoteWrite => json::decode_metrics(text, &mut grow),
    };
    match (decoded, refused) {
        (_, Some(refusal)) => Err(refusal),
        (decoded, None) => decoded.map_err(|error| malformed_at(error.to_string())),
    }
}

impl Workbench {
    fn new() -> Self {
        Self {
            inflater: Inflater::new(),
            signals: Signals::default(),
        }
    }
}

#[cfg(test)]
mod tests;
