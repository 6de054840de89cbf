//! Bytes of a section, read without indexing; and the numbers they are made of, written.

/// Longest LEB128 varint of a u64, in bytes.
const VARINT_BYTES_MAX: usize = 10;

/// Why bytes are no block, or no part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no trace block: {0}")]
pub struct DecodeError(pub(crate) &'static str);

/// What is left to read.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or(DecodeError("a section ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?
            .try_into()
            .map_err(|_| DecodeError("a section ends too early"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0u64;
        for i in 0..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            let low = u64::from(byte & 0x7f);
            if i == VARINT_BYTES_MAX - 1 && byte > 1 {
                break;
            }
            number |= low << (7 * i);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError("a varint is too long"))
    }

    /// A varint that a limit bounds, or that must fit a type.
    pub(crate) fn varint_below(&mut self, bound: u64) -> Result<u64, DecodeError> {
        self.varint().and_then(|number| {
            if number < bound {
                Ok(number)
            } else {
                Err(DecodeError("a number is over its limit"))
            }
        })
    }

    pub(crate) fn varint_u32(&mut self) -> Result<u32, DecodeError> {
        self.varint_below(1 << 32).map(|number| number as u32)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.varint_u32()? as usize;
        str::from_utf8(self.take(length)?).map_err(|_| DecodeError("a name is no UTF-8"))
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_read_back(number: u64, shift in 0u32..64) {
            let number = number >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, number);
            prop_assert_eq!(Input(&out).varint(), Ok(number));
            out.pop();
            prop_assert!(Input(&out).varint().is_err());
        }
    }

    #[test]
    fn a_varint_over_64_bits_is_refused() {
        assert!(Input(&[0xff; 11]).varint().is_err());
        assert!(
            Input(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02])
                .varint()
                .is_err()
        );
    }
}
