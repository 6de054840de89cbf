//! Keys and values of small metadata as they lie in its table: one text for scope and key, a checksum behind each value.

use bytes::Bytes;

use crate::BlocksError;

/// Longest scope and key together, in bytes.
const KEY_BYTES_MAX: usize = 1_000;

/// Key of the row of (scope, key). All rows of a scope begin with that of its empty key.
pub(super) fn row_key(scope: &str, key: &str) -> Result<String, BlocksError> {
    let joined = format!("{scope}\0{key}");
    let valid = joined.len() <= KEY_BYTES_MAX && joined.matches('\0').count() == 1;
    if valid {
        Ok(joined)
    } else {
        Err(BlocksError::Key(
            joined.chars().take(KEY_BYTES_MAX).collect(),
        ))
    }
}

pub(super) fn key_of(row: &str) -> String {
    row.split_once('\0').map_or(row, |(_, key)| key).to_owned()
}

/// A value with the checksum of its key and itself, so that a value can neither rot nor change places unseen.
pub(super) fn seal(row: &str, value: &[u8]) -> Vec<u8> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(row.as_bytes()), value);
    [value, &crc.to_le_bytes()].concat()
}

/// The value out of what was stored under a row key.
pub(super) fn open(row: &str, sealed: &[u8]) -> Result<Bytes, BlocksError> {
    let opened = sealed.split_last_chunk::<4>().filter(|(value, crc)| {
        u32::from_le_bytes(**crc) == crc32c::crc32c_append(crc32c::crc32c(row.as_bytes()), value)
    });
    let scope = row
        .split_once('\0')
        .map_or("", |(scope, _)| scope)
        .to_owned();
    opened
        .map(|(value, _)| Bytes::copy_from_slice(value))
        .ok_or_else(|| BlocksError::DamagedValue {
            scope,
            key: key_of(row),
        })
}
