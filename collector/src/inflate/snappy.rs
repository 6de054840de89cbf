//! Snappy as remote write sends it: one block, which says its length before its bytes.

use snap::raw::{Decoder, decompress_len};

use super::{Sink, damaged};
use crate::answer::Refusal;

/// A copy of at most 64 bytes takes three: no block becomes more than so many times as long.
const RATIO_MAX: usize = 22;

pub(super) fn inflate(
    decoder: &mut Decoder,
    body: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), Refusal> {
    let len = decompress_len(body).map_err(damaged)?;
    if len > sink.bytes_max {
        return Err(Refusal::TooLarge {
            what: "body once decompressed in bytes, as it says",
            amount: len as u64,
            limit: "limits.inflated_max",
            max: sink.bytes_max as u64,
        });
    }
    if len / RATIO_MAX > body.len() {
        return Err(damaged(format_args!(
            "{len} bytes cannot lie in {}",
            body.len()
        )));
    }
    let room = sink.room_for(len)?;
    let n = decoder.decompress(body, room).map_err(damaged)?;
    sink.fill(n)
}

/// What a block says of its length.
pub(super) fn size_hint(body: &[u8]) -> Option<usize> {
    decompress_len(body).ok()
}
