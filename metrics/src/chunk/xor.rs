//! Gorilla (Pelkonen et al., VLDB 2015): each value as the XOR with the one before. The fallback for floats that are no decimals.

use super::ChunkError;
use super::bits::{BitReader, BitWriter};

/// Appends a stream of at least one value.
pub(super) fn encode(values: &[f64], out: &mut Vec<u8>) {
    let Some((first, rest)) = values.split_first() else {
        return;
    };
    out.extend_from_slice(&first.to_bits().to_le_bytes());
    let mut bits = BitWriter::new(out);
    let mut before = first.to_bits();
    // trailing zeros and length of the window; a length of 0 is none
    let (mut trailing, mut length) = (0, 0);
    for value in rest {
        let xor = value.to_bits() ^ before;
        before = value.to_bits();
        if xor == 0 {
            bits.put(0, 1);
            continue;
        }
        let (first_bit, last_bit) = (xor.leading_zeros(), xor.trailing_zeros());
        let fits = length > 0 && last_bit >= trailing && first_bit >= 64 - length - trailing;
        if fits {
            bits.put(0b01, 2);
        } else {
            (trailing, length) = (last_bit, 64 - first_bit - last_bit);
            bits.put(0b11, 2);
            bits.put(u64::from(first_bit), 6);
            bits.put(u64::from(length - 1), 6);
        }
        bits.put(xor >> trailing, length);
    }
    bits.finish();
}

/// Reads `n` values from the whole of a stream.
pub(super) fn decode(bytes: &[u8], n: usize) -> Result<Vec<f64>, ChunkError> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let (first, stream) = bytes
        .split_first_chunk()
        .ok_or(ChunkError("it is cut short"))?;
    let mut before = u64::from_le_bytes(*first);
    let mut values = vec![f64::from_bits(before)];
    let mut bits = BitReader::new(stream);
    let (mut trailing, mut length) = (0, 0);
    for _ in 1..n {
        if bits.take(1)? == 1 {
            if bits.take(1)? == 1 {
                let leading = bits.take(6)? as u32;
                length = bits.take(6)? as u32 + 1;
                trailing = 64u32
                    .checked_sub(leading + length)
                    .ok_or(ChunkError("a window of more than 64 bits"))?;
            } else if length == 0 {
                return Err(ChunkError("a window is used before it is set"));
            }
            before ^= bits.take(length)? << trailing;
        }
        values.push(f64::from_bits(before));
    }
    if bits.is_at_end() {
        Ok(values)
    } else {
        Err(ChunkError("bits behind the last value"))
    }
}
