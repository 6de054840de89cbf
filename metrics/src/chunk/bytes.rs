//! Varints and fixed-width numbers, written behind a vector and read from the front of a slice.

use super::ChunkError;

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

/// Appends LEB128.
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number, small magnitudes short.
pub fn put_zigzag(out: &mut Vec<u8>, number: i64) {
    put_varint(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// Appends a length and the bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// When fewer bytes are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], ChunkError> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or(ChunkError("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// # Errors
    /// When nothing is left.
    pub fn u8(&mut self) -> Result<u8, ChunkError> {
        let (first, rest) = self.0.split_first().ok_or(ChunkError("it is cut short"))?;
        self.0 = rest;
        Ok(*first)
    }

    /// # Errors
    /// When fewer than 8 bytes are left.
    pub fn u64(&mut self) -> Result<u64, ChunkError> {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .ok_or(ChunkError("it is cut short"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }

    /// # Errors
    /// When it is cut short or longer than a u64.
    pub fn varint(&mut self) -> Result<u64, ChunkError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ChunkError("a varint is too long"))
    }

    /// A count of at most `max`.
    ///
    /// # Errors
    /// When it is larger.
    pub fn count(&mut self, max: usize) -> Result<usize, ChunkError> {
        usize::try_from(self.varint()?)
            .ok()
            .filter(|n| *n <= max)
            .ok_or(ChunkError("a count is over its limit"))
    }

    /// # Errors
    /// As [`Reader::varint`].
    pub fn zigzag(&mut self) -> Result<i64, ChunkError> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A length of at most `max` and as many bytes.
    ///
    /// # Errors
    /// When it is longer, or cut short.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], ChunkError> {
        let n = self.count(max)?;
        self.take(n)
    }

    /// A length of at most `max` and as many bytes of UTF-8.
    ///
    /// # Errors
    /// When it is longer, cut short or no UTF-8.
    pub fn text(&mut self, max: usize) -> Result<&'a str, ChunkError> {
        str::from_utf8(self.bytes(max)?).map_err(|_| ChunkError("a text is no UTF-8"))
    }
}
