//! Decompression under a bound: nothing is allocated that was not reserved, and nothing beyond `limits.inflated_max`.
//!
//! In: a body as sent and its encoding. Out: the bytes in it, all of them, in a buffer that is used again; or a refusal. Every gzip member and
//! every zstd frame is read; what is cut, damaged or followed by junk is malformed.

mod gzip;
mod snappy;
mod zstd;

use crate::admit::Reserved;
use crate::answer::Refusal;

/// Least step by which the buffer grows while the size is unknown, in bytes.
const STEP_BYTES: usize = 256 << 10;
/// Largest buffer that is kept for the next request, in bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// How much smaller compressed bodies of telemetry are, usually at most.
const EXPECTED_RATIO: u64 = 8;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
    /// One block of snappy without frames, which only remote write uses.
    Snappy,
}

impl Encoding {
    /// What a `content-encoding` or `grpc-encoding` header names.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        [
            (&b"identity"[..], Self::Identity),
            (b"gzip", Self::Gzip),
            (b"zstd", Self::Zstd),
        ]
        .into_iter()
        .find(|(known, _)| name.trim_ascii().eq_ignore_ascii_case(known))
        .map(|(_, encoding)| encoding)
    }

    /// What a body of so many bytes is expected to come to, before any of it is seen.
    pub(crate) fn expected(self, n_bytes: u64) -> u64 {
        match self {
            Self::Identity => n_bytes,
            Self::Gzip | Self::Zstd | Self::Snappy => n_bytes.saturating_mul(EXPECTED_RATIO),
        }
    }
}

/// Decompressors and their output buffer, used again and again. One request at a time.
pub(crate) struct Inflater {
    gzip: libdeflater::Decompressor,
    zstd: Option<::zstd::stream::raw::Decoder<'static>>,
    snappy: snap::raw::Decoder,
    out: Output,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self {
            gzip: libdeflater::Decompressor::new(),
            zstd: None,
            snappy: snap::raw::Decoder::new(),
            out: Output::default(),
        }
    }

    /// The bytes in `body`. What they take is added to `reserved`.
    pub(crate) fn inflate<'a>(
        &'a mut self,
        encoding: Encoding,
        body: &'a [u8],
        bytes_max: u64,
        reserved: &mut Reserved,
    ) -> Result<&'a [u8], Refusal> {
        self.out.clear();
        let mut sink = Sink {
            out: &mut self.out,
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            reserved,
        };
        match encoding {
            Encoding::Identity => return Ok(body),
            Encoding::Gzip => gzip::inflate(&mut self.gzip, body, &mut sink)?,
            Encoding::Zstd => zstd::inflate(&mut self.zstd, body, &mut sink)?,
            Encoding::Snappy => snappy::inflate(&mut self.snappy, body, &mut sink)?,
        }
        Ok(self.out.filled())
    }

    /// Lets go of a buffer that was grown for one large request.
    pub(crate) fn trim(&mut self) {
        if self.out.buffer.len() > KEPT_BYTES_MAX {
            self.out = Output::default();
        }
    }
}

/// The size of what is in `body` as it says itself, without believing it: a guess for deciding where to do the work.
pub(crate) fn size_hint(encoding: Encoding, body: &[u8]) -> u64 {
    match encoding {
        Encoding::Identity => body.len() as u64,
        Encoding::Gzip => gzip::size_hint(body).unwrap_or(body.len()) as u64,
        Encoding::Zstd => encoding.expected(body.len() as u64),
        Encoding::Snappy => snappy::size_hint(body).unwrap_or(body.len()) as u64,
    }
}

/// A buffer whose bytes stay initialised from request to request, so that growing it is the only cost.
#[derive(Default)]
struct Output {
    buffer: Vec<u8>,
    n_filled: usize,
    reserved_bytes: u64,
}

impl Output {
    fn clear(&mut self) {
        self.n_filled = 0;
        self.reserved_bytes = 0;
    }

    fn filled(&self) -> &[u8] {
        self.buffer.get(..self.n_filled).unwrap_or_default()
    }
}

/// Where a decompressor writes: room is reserved, then made.
struct Sink<'a> {
    out: &'a mut Output,
    bytes_max: usize,
    reserved: &'a mut Reserved,
}

impl Sink<'_> {
    /// Room for at least one byte beyond what is filled, in doubling steps up to the limit.
    fn room(&mut self) -> Result<&mut [u8], Refusal> {
        let len = self.out.n_filled;
        if len as u64 >= self.out.reserved_bytes {
            let wanted = len.saturating_mul(2).max(STEP_BYTES);
            // One byte over the limit may be written: that is how going over it shows.
            self.reserve(wanted.min(self.bytes_max.saturating_add(1)))?;
        }
        let end = usize::try_from(self.out.reserved_bytes).unwrap_or(usize::MAX);
        Ok(self.out.buffer.get_mut(len..end).unwrap_or_default())
    }

    /// Room for exactly `bytes` in all, from the start.
    fn room_for(&mut self, bytes: usize) -> Result<&mut [u8], Refusal> {
        self.reserve(bytes)?;
        Ok(self.out.buffer.get_mut(..bytes).unwrap_or_default())
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = (bytes as u64).saturating_sub(self.out.reserved_bytes);
        self.reserved.grow(more)?;
        self.out.reserved_bytes += more;
        if self.out.buffer.len() < bytes {
            self.out.buffer.resize(bytes, 0);
        }
        Ok(())
    }

    /// `n` more bytes of the room were filled.
    fn fill(&mut self, n: usize) -> Result<(), Refusal> {
        self.out.n_filled += n;
        if self.out.n_filled > self.bytes_max {
            return Err(Refusal::TooLarge {
                what: "body once decompressed in bytes, so far",
                amount: self.out.n_filled as u64,
                limit: "limits.inflated_max",
                max: self.bytes_max as u64,
            });
        }
        Ok(())
    }
}

fn damaged(problem: impl std::fmt::Display) -> Refusal {
    Refusal::malformed("body", format!("damaged compression: {problem}"))
}

#[cfg(test)]
mod tests;
