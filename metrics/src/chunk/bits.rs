//! Runs of bits, the lowest first.

use super::ChunkError;

/// Appends bits to bytes; the last byte is filled with zeros.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    held: u128,
    n_held: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            held: 0,
            n_held: 0,
        }
    }

    /// Appends the lowest `width` (0 to 64) bits.
    pub(super) fn put(&mut self, number: u64, width: u32) {
        if width == 0 {
            return;
        }
        let kept = number & (u64::MAX >> (64 - width));
        self.held |= u128::from(kept) << self.n_held;
        self.n_held += width;
        if self.n_held >= 64 {
            self.out
                .extend_from_slice(&(self.held as u64).to_le_bytes());
            self.held >>= 64;
            self.n_held -= 64;
        }
    }

    pub(super) fn finish(self) {
        let n_bytes = self.n_held.div_ceil(8) as usize;
        let bytes = (self.held as u64).to_le_bytes();
        self.out.extend(bytes.iter().take(n_bytes));
    }
}

/// Reads bits from bytes.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    held: u128,
    n_held: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            held: 0,
            n_held: 0,
        }
    }

    /// The next `width` (0 to 64) bits.
    pub(super) fn take(&mut self, width: u32) -> Result<u64, ChunkError> {
        if width == 0 {
            return Ok(0);
        }
        if self.n_held < width {
            self.refill();
        }
        if self.n_held < width {
            return Err(ChunkError("its bits are cut short"));
        }
        let number = self.held as u64 & (u64::MAX >> (64 - width));
        self.held >>= width;
        self.n_held -= width;
        Ok(number)
    }

    /// At least 64 bits, if as many are left.
    fn refill(&mut self) {
        if let Some((word, rest)) = self.bytes.split_first_chunk::<8>() {
            self.held |= u128::from(u64::from_le_bytes(*word)) << self.n_held;
            self.n_held += 64;
            self.bytes = rest;
            return;
        }
        for byte in self.bytes {
            self.held |= u128::from(*byte) << self.n_held;
            self.n_held += 8;
        }
        self.bytes = &[];
    }

    /// Whether nothing but the filling of the last byte is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty() && self.n_held < 8
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn bits_come_back(numbers in vec((any::<u64>(), 0u32..=64), 0..100)) {
            let mut out = Vec::new();
            let mut writer = BitWriter::new(&mut out);
            for (number, width) in &numbers {
                writer.put(*number, *width);
            }
            writer.finish();
            let mut reader = BitReader::new(&out);
            for (number, width) in &numbers {
                let kept = if *width == 0 { 0 } else { number & (u64::MAX >> (64 - width)) };
                prop_assert_eq!(reader.take(*width), Ok(kept));
            }
            prop_assert!(reader.is_at_end());
        }
    }
}
