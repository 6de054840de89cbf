//! Spans and points from files that a person imports: the same way as a request, but their records say that they are historic, so that whatever is counted
//! from them is counted at their own times.
//!
//! In: the bytes of a file, as they are. Out: the same unpacked, and records in the log. Which kind of file it is, the caller finds out.

use std::time::Duration;

use bus::Log;
use bytes::Bytes;
use telemetry::Tenant;
use tokio::task::spawn_blocking;
use xxhash_rust::xxh3::xxh3_128;

use crate::Collector;
use crate::answer::{Refusal, Refused};
use crate::arrival::{Arrival, Format, Signal};
use crate::inflate::{Encoding, Inflater};
use crate::receive::ended_early;

/// First bytes of a gzip member and of a zstd frame.
const MAGICS: [(&[u8], Encoding); 2] = [
    (&[0x1f, 0x8b], Encoding::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Encoding::Zstd),
];

/// What an OTLP file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Traces,
    Metrics,
}

/// What became of a file whose records are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Spans or points.
    pub accepted: u64,
    pub rejected: u32,
    /// Why the first ones were rejected, in at most 1 KiB; empty if none was.
    pub message: String,
}

/// Why nothing of a file was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImportError {
    /// The HTTP status that says the same (docs/decisions/050-answers.md).
    pub http_status: u16,
    pub message: String,
    /// When to try again, if that can help.
    pub retry_in: Option<Duration>,
}

impl From<Refused> for ImportError {
    fn from(refused: Refused) -> Self {
        Self {
            http_status: refused.refusal.http_status(),
            message: refused.refusal.message(),
            retry_in: refused.retry_in,
        }
    }
}

impl<L: Log> Collector<L> {
    /// What is in a file that may be compressed, as its first bytes tell. Bounded by `limits.inflated_max` and `limits.ingest_memory`.
    ///
    /// # Errors
    /// When the compression is damaged or the content too large.
    pub async fn unpack(&self, tenant: &Tenant, file: Bytes) -> Result<Bytes, ImportError> {
        let magic = MAGICS.iter().find(|(magic, _)| file.starts_with(magic));
        let Some(&(_, encoding)) = magic else {
            return Ok(file);
        };
        let (mut reserved, bytes_max) = (self.reserve(), self.limits().inflated_max);
        let inflate = move || {
            let mut inflater = Inflater::new();
            let inflated = inflater.inflate(encoding, &file, bytes_max, &mut reserved)?;
            Ok(Bytes::copy_from_slice(inflated))
        };
        let inflated = spawn_blocking(inflate).await;
        let inflated: Result<Bytes, Refusal> = inflated.map_err(ended_early).flatten();
        inflated.map_err(|refusal| self.refuse(tenant, refusal).into())
    }

    /// Takes the spans or points of an unpacked OTLP file. Its records are durable when this says so. The same file again within
    /// `late_window` is known and counted as a duplicate. Not cancel-safe: dropped, its records may be in the log or not.
    ///
    /// # Errors
    /// When nothing of it was taken.
    pub async fn import(
        &self,
        tenant: Tenant,
        holds: Holds,
        format: Format,
        body: Bytes,
    ) -> Result<Imported, ImportError> {
        let mut reserved = self.reserve();
        let open = self.check_open();
        if let Err(refusal) = open.and_then(|()| reserved.grow(body.len() as u64)) {
            return Err(self.refuse(&tenant, refusal).into());
        }
        let arrival = Arrival {
            tenant,
            signal: match holds {
                Holds::Traces => Signal::Traces,
                Holds::Metrics => Signal::Metrics,
            },
            format,
            encoding: Encoding::Identity,
            body_hash: xxh3_128(&body),
            body,
            reserved,
            is_historic: true,
            answer_by: self.answer_by(None),
        };
        let accepted = self.receive(arrival).await?;
        Ok(Imported {
            accepted: accepted.n_accepted,
            rejected: accepted.n_rejected,
            message: accepted.message,
        })
    }
}
