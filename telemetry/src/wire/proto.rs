//! Protobuf on the wire, read the way prost reads it: what prost refuses is refused here.
//!
//! In: bytes from outside. Out: keys, numbers and ranges of the same bytes. This knows nothing of OTLP.

use super::fault::Flaw;

/// How deep prost follows messages and groups (its `RECURSION_LIMIT`).
pub(crate) const DEPTH_MAX: u32 = 100;
/// Longest varint, in bytes.
const VARINT_BYTES_MAX: usize = 10;
/// Most bits of a field key that prost takes.
const KEY_MAX: u64 = u32::MAX as u64;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const GROUP_START: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED32: u64 = 5;

/// Key of a varint field.
pub(crate) const fn varint_key(field: u64) -> u64 {
    field << 3 | VARINT
}

/// Key of a string, bytes or message field.
pub(crate) const fn delimited_key(field: u64) -> u64 {
    field << 3 | DELIMITED
}

/// Key of a `fixed32` field.
pub(crate) const fn fixed32_key(field: u64) -> u64 {
    field << 3 | FIXED32
}

/// Key of a `fixed64` or `double` field.
pub(crate) const fn fixed64_key(field: u64) -> u64 {
    field << 3 | FIXED64
}

/// A range of the walked bytes. Requests are shorter than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Extent {
    pub(crate) fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// The text here; empty if it is none, which the walk has ruled out. What nobody sent is asked for at every span and costs nothing.
    #[inline]
    pub(crate) fn text(self, bytes: &[u8]) -> &str {
        match self.len() {
            0 => "",
            _ => text(self.of(bytes)),
        }
    }

    /// From the start of this to the end of `last`; `last` itself if this is empty.
    pub(crate) fn up_to(self, last: Self) -> Self {
        if self.end == 0 {
            last
        } else {
            Self {
                start: self.start,
                end: last.end,
            }
        }
    }
}

/// Bytes that the walk found to be UTF-8, as text; it lies where they lie, also if there are none.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Reads one message that ends where `bytes` end. Positions are those of the whole request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads what lies at `extent` of `bytes`.
    pub(crate) fn within(bytes: &'a [u8], extent: Extent) -> Self {
        Self {
            bytes: bytes.get(..extent.end as usize).unwrap_or_default(),
            at: extent.start as usize,
        }
    }

    /// A reader of what lies at `extent` of the same bytes, on the same level.
    pub(crate) fn within_same(&self, extent: Extent) -> Self {
        Self::within(self.bytes, extent)
    }

    #[inline(always)]
    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline(always)]
    pub(crate) fn at(&self) -> u32 {
        self.at as u32
    }

    /// Where the message ends.
    pub(crate) fn end(&self) -> u32 {
        self.bytes.len() as u32
    }

    pub(crate) fn bytes_at(&self, extent: Extent) -> &'a [u8] {
        extent.of(self.bytes)
    }

    /// Goes on at `to`, behind what needs no look.
    #[inline(always)]
    pub(crate) fn skip_to(&mut self, to: u32) {
        self.at = self.at.max(to as usize);
    }

    /// All of the message from `start` to here.
    pub(crate) fn since(&self, start: u32) -> &'a [u8] {
        self.bytes.get(start as usize..self.at).unwrap_or_default()
    }

    /// What is left of the message.
    #[inline(always)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u64, Flaw> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Flaw> {
        let mut value = 0_u64;
        for (i, &byte) in self.rest().iter().take(VARINT_BYTES_MAX).enumerate() {
            if i + 1 == VARINT_BYTES_MAX && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(Flaw::Varint)
    }

    #[inline(always)]
    pub(crate) fn fixed32(&mut self) -> Result<u32, Flaw> {
        let (value, _) = self.rest().split_first_chunk().ok_or(Flaw::Cut)?;
        self.at += size_of::<u32>();
        Ok(u32::from_le_bytes(*value))
    }

    #[inline(always)]
    pub(crate) fn fixed64(&mut self) -> Result<u64, Flaw> {
        let (value, _) = self.rest().split_first_chunk().ok_or(Flaw::Cut)?;
        self.at += size_of::<u64>();
        Ok(u64::from_le_bytes(*value))
    }

    /// The body of a string, bytes or message field.
    #[inline(always)]
    pub(crate) fn delimited(&mut self) -> Result<Extent, Flaw> {
        let len = self.varint()?;
        let left = self.bytes.len() - self.at;
        if len > left as u64 {
            return Err(Flaw::Cut);
        }
        let start = self.at;
        self.at += len as usize;
        Ok(Extent {
            start: start as u32,
            end: self.at as u32,
        })
    }

    #[inline(always)]
    pub(crate) fn delimited_bytes(&mut self) -> Result<&'a [u8], Flaw> {
        let extent = self.delimited()?;
        Ok(extent.of(self.bytes))
    }

    /// The body of a string field.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<Extent, Flaw> {
        let extent = self.delimited()?;
        let bytes = extent.of(self.bytes);
        if is_ascii(bytes) || std::str::from_utf8(bytes).is_ok() {
            Ok(extent)
        } else {
            Err(Flaw::Utf8)
        }
    }

    /// A reader of the message at `extent`, one level down. `budget` counts the levels that are left to the enclosing message.
    #[inline(always)]
    pub(crate) fn enter(&self, extent: Extent, budget: u32) -> Result<(Self, u32), Flaw> {
        let budget = budget.checked_sub(1).ok_or(Flaw::Depth)?;
        Ok((Self::within(self.bytes, extent), budget))
    }

    /// Leaves out the value of a field that the message does not have. `known` has a bit for each field number that it does have:
    /// such a field came with another wire type, which is an error.
    #[cold]
    pub(crate) fn skip_unknown(&mut self, key: u64, known: u64, budget: u32) -> Result<(), Flaw> {
        let field = key >> 3;
        if field < 64 && known >> field & 1 == 1 && key <= KEY_MAX {
            return Err(Flaw::WireType);
        }
        self.skip(key, budget)
    }

    /// Leaves out the value of the field whose key was read last.
    pub(crate) fn skip(&mut self, key: u64, budget: u32) -> Result<(), Flaw> {
        if key > KEY_MAX || key >> 3 == 0 {
            return Err(Flaw::Key);
        }
        let inner = budget.checked_sub(1).ok_or(Flaw::Depth);
        match key & 7 {
            VARINT => inner.and(self.varint()).map(drop),
            FIXED64 => inner.and(self.fixed64()).map(drop),
            DELIMITED => inner.and(self.delimited()).map(drop),
            FIXED32 => inner.and(self.fixed32()).map(drop),
            GROUP_START => self.skip_group(key >> 3, inner?),
            GROUP_END => Err(Flaw::Group),
            _ => Err(Flaw::Key),
        }
    }

    fn skip_group(&mut self, field: u64, budget: u32) -> Result<(), Flaw> {
        loop {
            let key = self.varint()?;
            if key == field << 3 | GROUP_END {
                return Ok(());
            }
            self.skip(key, budget)?;
        }
    }
}

/// Whether all bytes are ASCII; eight at a time, because most texts of a span are short.
#[inline(always)]
pub(crate) fn is_ascii(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words
        .iter()
        .fold(0, |all, word| all | u64::from_le_bytes(*word));
    let rest = rest.iter().fold(0, |all, &byte| all | byte);
    words & 0x8080_8080_8080_8080 == 0 && rest < 0x80
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that a varint takes.
pub(crate) fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Appends a field that is text, bytes or a message.
pub(crate) fn put_delimited(out: &mut Vec<u8>, field: u64, body: &[u8]) {
    put_varint(out, delimited_key(field));
    put_varint(out, body.len() as u64);
    out.extend_from_slice(body);
}

/// Bytes that a delimited field of `body_len` takes, for field numbers below 16.
pub(crate) fn delimited_len(body_len: usize) -> usize {
    1 + varint_len(body_len as u64) + body_len
}

/// Appends a message whose length is not known before it is written.
pub(crate) fn put_message(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    put_varint(out, delimited_key(field));
    let start = out.len();
    write(out);
    insert_len(out, start);
}

/// Puts the length of what lies from `start` to the end before it.
pub(crate) fn insert_len(out: &mut Vec<u8>, start: usize) {
    let len = (out.len() - start) as u64;
    let end = out.len();
    put_varint(out, len);
    let n_moved = end - start;
    if let Some(tail) = out.get_mut(start..) {
        tail.rotate_left(n_moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_read_back_what_they_write() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_len(value));
            assert_eq!(Reader::new(&bytes).varint(), Ok(value));
        }
    }

    #[test]
    fn what_is_no_varint_is_refused() {
        let too_long = [0x80; 11];
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        for bytes in [&[][..], &[0x80], &too_long, &too_large] {
            assert_eq!(Reader::new(bytes).varint(), Err(Flaw::Varint), "{bytes:x?}");
        }
    }

    #[test]
    fn a_length_stands_before_what_it_counts() {
        let mut out = vec![9];
        put_message(&mut out, 1, |out| out.extend_from_slice(&[7; 200]));
        let mut expected = vec![9, 0x0a, 200, 1];
        expected.extend_from_slice(&[7; 200]);
        assert_eq!(out, expected);
    }

    #[test]
    fn groups_end_with_their_own_number_and_not_too_deep() {
        let nested = |depth: usize| [vec![0x0b; depth], vec![0x0c; depth]].concat();
        let skip = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let key = reader.varint()?;
            reader.skip(key, DEPTH_MAX)
        };
        assert_eq!(skip(&nested(100)), Ok(()));
        assert_eq!(skip(&nested(101)), Err(Flaw::Depth));
        assert_eq!(skip(&[0x0b, 0x14]), Err(Flaw::Group));
        assert_eq!(skip(&[0x0b]), Err(Flaw::Varint));
    }
}
