//! gzip: in one shot where the trailer allows it, else member by member.
//!
//! libdeflate is 1.5 times as fast as streaming but reads one member and does not tell where it ended. So its answer counts only if what it
//! wrote has the CRC and the length of the body's last eight bytes, and no other member can begin within the body: two equal members, one
//! after the other, end in the same eight bytes.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use libdeflater::{DecompressionError, Decompressor};
use memchr::memmem;

use super::{Sink, damaged};
use crate::answer::Refusal;

/// Deflate makes at most this many bytes of one.
const RATIO_MAX: usize = 1032;
/// Header and trailer of a member without any optional field, in bytes.
const FRAME_BYTES: usize = 18;
/// How a member begins: magic number and the one method.
const MEMBER: &[u8] = &[0x1f, 0x8b, 0x08];

pub(super) fn inflate(
    one_shot: &mut Decompressor,
    body: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), Refusal> {
    let fits = |size: &usize| *size <= sink.bytes_max && !has_more_members(body);
    if let Some(size) = size_hint(body).filter(fits)
        && inflate_one(one_shot, body, size, sink)?
    {
        return sink.fill(size);
    }
    inflate_members(body, sink)
}

/// The length that the trailer gives, if that many bytes can be in this body.
pub(super) fn size_hint(body: &[u8]) -> Option<usize> {
    let (compressed, size) = body.split_at_checked(body.len().checked_sub(4)?)?;
    let size = u32::from_le_bytes(size.try_into().ok()?) as usize;
    (size <= compressed.len().saturating_mul(RATIO_MAX)).then_some(size)
}

fn has_more_members(body: &[u8]) -> bool {
    body.get(1..)
        .is_some_and(|rest| memmem::find(rest, MEMBER).is_some())
}

/// Whether the body was one member, whole, of exactly `size` bytes.
fn inflate_one(
    one_shot: &mut Decompressor,
    body: &[u8],
    size: usize,
    sink: &mut Sink<'_>,
) -> Result<bool, Refusal> {
    if body.len() < FRAME_BYTES {
        return Err(damaged("gzip is cut short"));
    }
    let room = sink.room_for(size)?;
    match one_shot.gzip_decompress(body, room) {
        Ok(n) => Ok(n == size && body.ends_with(&trailer_of(room))),
        Err(DecompressionError::InsufficientSpace) => Ok(false),
        Err(DecompressionError::BadData) => Err(damaged("gzip data is cut or corrupt")),
    }
}

/// The trailer that a member with these bytes ends in: CRC32 and length.
fn trailer_of(bytes: &[u8]) -> [u8; 8] {
    let mut trailer = [0; 8];
    let (crc, len) = trailer.split_at_mut(4);
    crc.copy_from_slice(&libdeflater::crc32(bytes).to_le_bytes());
    len.copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    trailer
}

/// Every member, as a stream under the same bound.
fn inflate_members(body: &[u8], sink: &mut Sink<'_>) -> Result<(), Refusal> {
    if body.is_empty() {
        return Err(damaged("gzip is cut short"));
    }
    let mut members = MultiGzDecoder::new(body);
    loop {
        let n = members.read(sink.room()?).map_err(damaged)?;
        if n == 0 {
            return Ok(());
        }
        sink.fill(n)?;
    }
}
