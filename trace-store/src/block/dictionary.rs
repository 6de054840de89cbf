//! The dictionaries of a block: bytes that zstd may refer back to, so that a short frame need not repeat what all traces share.
//!
//! They are made of the block's own rows alone, so the bytes of a block depend on its content and this code, nothing else.

use bytes::Bytes;

use super::input::{DecodeError, Input, put_varint};

/// Fewest rows for which a dictionary is worth its own bytes.
const ROWS_MIN: usize = 64;
/// Longest dictionary, in bytes.
const BYTES_MAX: usize = 32 << 10;
/// Most rows that are taken for one.
const SAMPLES_MAX: usize = 8;
/// Most dictionaries of a block.
pub(crate) const DICTIONARIES_MAX: usize = 4_096;

/// A dictionary for these rows: some of them, spread evenly. None if there are too few rows.
pub(crate) fn of(rows: &[Bytes]) -> Option<Bytes> {
    if rows.len() < ROWS_MIN {
        return None;
    }
    let mut dictionary = Vec::with_capacity(BYTES_MAX);
    for row in rows.iter().step_by(rows.len().div_ceil(SAMPLES_MAX)) {
        let room = BYTES_MAX - dictionary.len();
        dictionary.extend(row.iter().take(room.min(BYTES_MAX / SAMPLES_MAX)));
    }
    Some(dictionary.into())
}

pub(crate) fn encode(dictionaries: &[Bytes]) -> Result<Vec<u8>, DecodeError> {
    if dictionaries.len() > DICTIONARIES_MAX {
        return Err(DecodeError("too many dictionaries"));
    }
    let mut out = Vec::new();
    put_varint(&mut out, dictionaries.len() as u64);
    for dictionary in dictionaries {
        put_varint(&mut out, dictionary.len() as u64);
        out.extend(dictionary.iter());
    }
    Ok(out)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Bytes>, DecodeError> {
    let mut input = Input(bytes);
    let count = input.varint_below(DICTIONARIES_MAX as u64 + 1)?;
    let mut dictionary = || {
        let length = input.varint_u32()? as usize;
        input.take(length).map(Bytes::copy_from_slice)
    };
    (0..count).map(|_| dictionary()).collect()
}
