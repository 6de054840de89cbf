//! The dictionaries of a block: bytes that zstd may refer back to, so that a short frame need not repeat what all traces share.
//!
//! They are made of the block's own rows alone, so the bytes of a block depend on its content and this code, nothing else.

use bytes::Bytes;

use super::input::{DecodeError, Input, put_varint};

/// Fewest rows for which a dictionary is worth its own bytes.
const ROWS_MIN: usize = 64;
/// Longest dictionary of rows as they are, in bytes, and its share of all rows.
const RAW_BYTES_MAX: usize = 112 << 10;
const RAW_SHARE: usize = 16;
/// Length of a trained dictionary, in bytes.
const TRAINED_BYTES: usize = 64 << 10;
/// Most rows, and bytes of them, that one is trained on.
const SAMPLES_MAX: usize = 500;
const SAMPLE_BYTES_MAX: usize = 4 << 20;
/// Most dictionaries of a block.
pub(crate) const DICTIONARIES_MAX: usize = 4_096;

/// A dictionary for the rows of an epoch: some of them as they are, whole and spread evenly, which costs nothing to make.
/// None if there are too few rows.
pub(crate) fn of_rows(rows: &[Bytes]) -> Option<Bytes> {
    if rows.len() < ROWS_MIN {
        return None;
    }
    let bytes: usize = rows.iter().map(Bytes::len).sum();
    let bytes_max = (bytes / RAW_SHARE).min(RAW_BYTES_MAX);
    let n_samples = (bytes_max * rows.len() / bytes.max(1)).max(1);
    let mut dictionary = Vec::with_capacity(bytes_max);
    for row in rows.iter().step_by(rows.len().div_ceil(n_samples)) {
        let room = bytes_max - dictionary.len();
        dictionary.extend(row.iter().take(room));
    }
    Some(dictionary.into())
}

/// Which of `n_rows` rows a dictionary is trained on, ascending.
pub(crate) fn sample(n_rows: usize) -> impl Iterator<Item = usize> {
    (0..n_rows).step_by(n_rows.div_ceil(SAMPLES_MAX).max(1))
}

/// A dictionary trained on these rows, for blocks that stay: a tenth of a second for a tenth fewer bytes. None if they are too few or too alike
/// to learn from.
pub(crate) fn trained(samples: &[Bytes]) -> Option<Bytes> {
    let mut bytes = 0;
    let within = |row: &&Bytes| {
        bytes += row.len();
        bytes <= SAMPLE_BYTES_MAX
    };
    let samples: Vec<&Bytes> = samples.iter().take_while(within).collect();
    if samples.len() < ROWS_MIN {
        return None;
    }
    zstd::dict::from_samples(&samples, TRAINED_BYTES)
        .ok()
        .map(Bytes::from)
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
