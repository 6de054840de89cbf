//! The trailer of a block file: everything that the catalog says of a block, and the CRC of each chunk of its body.
//!
//! In: a catalog entry and a body. Out: bytes, and back. The layout is docs/formats/blocks-local.md.

use std::str::FromStr;

use bytes::Bytes;
use telemetry::Tenant;

use crate::block::{ID_BYTES_MAX, META_BYTES_MAX};
use crate::{BlockKind, BlockName, CatalogEntry, ContentHash};

/// Bytes of the body that one CRC covers.
pub(crate) const CHUNK_BYTES: u64 = 64 << 10;
/// Longest body, in bytes.
pub(crate) const BODY_BYTES_MAX: u64 = 1 << 30;
/// Length of what ends every trailer: its length, its CRC, the magic.
pub(crate) const TAIL_BYTES: usize = 16;
/// Longest trailer, in bytes: all its parts at their limits.
pub(crate) const TRAILER_BYTES_MAX: usize = 36
    + 255
    + ID_BYTES_MAX
    + META_BYTES_MAX
    + 4 * (BODY_BYTES_MAX / CHUNK_BYTES) as usize
    + TAIL_BYTES;

const MAGIC: &[u8; 8] = b"TWBLOCK\x01";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) entry: CatalogEntry,
    /// CRC32C of each [`CHUNK_BYTES`] of the body.
    pub(crate) chunk_crcs: Vec<u32>,
}

/// What is wrong with bytes that should be a trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no block trailer: {0}")]
pub(crate) struct TrailerError(&'static str);

impl Trailer {
    pub(crate) fn of(name: BlockName, content: ContentHash, meta: Bytes, body: &[u8]) -> Self {
        let chunk_crcs = body
            .chunks(CHUNK_BYTES as usize)
            .map(crc32c::crc32c)
            .collect();
        let entry = CatalogEntry {
            name,
            content,
            size_bytes: body.len() as u64,
            meta,
        };
        Self { entry, chunk_crcs }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let CatalogEntry {
            name,
            content,
            size_bytes,
            meta,
        } = &self.entry;
        let tenant = name.tenant.as_str();
        let mut out = Vec::with_capacity(128 + meta.len() + 4 * self.chunk_crcs.len());
        out.extend(size_bytes.to_le_bytes());
        out.extend(content.0.to_le_bytes());
        out.extend([
            kind_code(name.kind),
            tenant.len() as u8,
            name.id.len() as u8,
            0,
        ]);
        out.extend((meta.len() as u32).to_le_bytes());
        out.extend((self.chunk_crcs.len() as u32).to_le_bytes());
        out.extend(tenant.as_bytes());
        out.extend(name.id.as_bytes());
        out.extend(meta.iter());
        out.extend(self.chunk_crcs.iter().flat_map(|crc| crc.to_le_bytes()));
        out.extend(((out.len() + TAIL_BYTES) as u32).to_le_bytes());
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out.extend(MAGIC);
        out
    }

    /// Length of the trailer that ends with these [`TAIL_BYTES`].
    pub(crate) fn length(tail: &[u8; TAIL_BYTES]) -> Result<usize, TrailerError> {
        let mut input = Input(tail);
        let length = input.u32()? as usize;
        input.u32()?;
        if input.0 != MAGIC {
            return Err(TrailerError("magic or version differs"));
        }
        if !(36 + TAIL_BYTES..=TRAILER_BYTES_MAX).contains(&length) {
            return Err(TrailerError("impossible length"));
        }
        Ok(length)
    }

    /// Reads the bytes of a whole trailer.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, TrailerError> {
        let (covered, rest) = bytes
            .len()
            .checked_sub(12)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or(TrailerError("too short"))?;
        let mut tail = Input(rest);
        if tail.u32()? != crc32c::crc32c(covered) {
            return Err(TrailerError("checksum differs"));
        }
        if tail.0 != MAGIC {
            return Err(TrailerError("magic or version differs"));
        }
        let mut input = Input(covered);
        let size_bytes = input.u64()?;
        let content = ContentHash(u128::from_le_bytes(input.array()?));
        let [kind, tenant_bytes, id_bytes, _] = input.array()?;
        let meta_bytes = input.u32()? as usize;
        let n_chunks = input.u32()?;
        if size_bytes > BODY_BYTES_MAX
            || u64::from(n_chunks) != size_bytes.div_ceil(CHUNK_BYTES)
            || meta_bytes > META_BYTES_MAX
        {
            return Err(TrailerError("impossible length"));
        }
        let tenant = input.text(tenant_bytes.into())?;
        let tenant = Tenant::from_str(tenant).map_err(|_| TrailerError("no tenant id"))?;
        let id = input.text(id_bytes.into())?.to_owned();
        let kind = kind_of(kind).ok_or(TrailerError("unknown kind"))?;
        let meta = Bytes::copy_from_slice(input.take(meta_bytes)?);
        let chunk_crcs = (0..n_chunks)
            .map(|_| input.u32())
            .collect::<Result<_, _>>()?;
        let name = BlockName { kind, tenant, id };
        if !name.is_valid() {
            return Err(TrailerError("no block id"));
        }
        Ok(Self {
            entry: CatalogEntry {
                name,
                content,
                size_bytes,
                meta,
            },
            chunk_crcs,
        })
    }
}

fn kind_code(kind: BlockKind) -> u8 {
    match kind {
        BlockKind::Traces => 1,
        BlockKind::Metrics => 2,
    }
}

fn kind_of(code: u8) -> Option<BlockKind> {
    BlockKind::ALL
        .into_iter()
        .find(|kind| kind_code(*kind) == code)
}

/// What is left to read. Never indexes.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], TrailerError> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or(TrailerError("too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TrailerError> {
        self.take(N)?
            .try_into()
            .map_err(|_| TrailerError("too short"))
    }

    fn u32(&mut self) -> Result<u32, TrailerError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, TrailerError> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self, n: usize) -> Result<&'a str, TrailerError> {
        str::from_utf8(self.take(n)?).map_err(|_| TrailerError("no UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> BlockName {
        BlockName {
            kind: BlockKind::Traces,
            tenant: Tenant::default_tenant(),
            id: "e.p0.7.0".into(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_trailer_reads_back_and_no_flipped_bit_passes(
            n in 0usize..200_000, content: u128, meta in proptest::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, bit in 0u8..8,
        ) {
            let body: Vec<u8> = (0..n).map(|i| (i / 7) as u8).collect();
            let trailer = Trailer::of(name(), ContentHash(content), meta.into(), &body);
            let mut bytes = trailer.encode();
            let tail = bytes[bytes.len() - TAIL_BYTES..].try_into().unwrap();
            prop_assert_eq!(Trailer::length(tail), Ok(bytes.len()));
            prop_assert_eq!(Trailer::decode(&bytes), Ok(trailer));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Trailer::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Trailer::decode(&bytes).is_err());
        }
    }
}
