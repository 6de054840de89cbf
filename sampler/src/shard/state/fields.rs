//! Reads little-endian fields off the front of untrusted bytes; running out of them is an error.

use super::StateError;

pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], StateError> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(StateError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(StateError::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, StateError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, StateError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, StateError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, StateError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, StateError> {
        let len = self.u16()?;
        str::from_utf8(self.take(usize::from(len))?).map_err(|_| StateError::Value)
    }

    pub(super) fn long_text(&mut self) -> Result<&'a str, StateError> {
        let len = self.u32()?;
        str::from_utf8(self.take(len as usize)?).map_err(|_| StateError::Value)
    }

    /// A count, then as many. Nothing is reserved for what is only announced.
    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, StateError>,
    ) -> Result<Vec<T>, StateError> {
        let n = self.u32()?;
        (0..n).map(|_| read(self)).collect()
    }
}

/// Text of at most 64 KiB: names of tenants and rules.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("names have at most 150 bytes");
    out.extend(len.to_le_bytes());
    out.extend(text.as_bytes());
}
