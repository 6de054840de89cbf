//! Samples of numbers of many series, 12 B each: their times lie near that of the first. In: a time and a value of any series. Out: those of one, as they
//! came.

use super::pages::Pages;

/// What room for a sample counts in the memory formula, in bytes.
const SAMPLE_BYTES: u64 = size_of::<Sample>() as u64;
/// What a time that lies apart counts.
const FAR_BYTES: u64 = size_of::<i64>() as u64;
/// Half of the span of time in which times are near: 12 days.
const NEAR_MS: i64 = 1 << 30;
const IS_FAR: u32 = 1 << 31;

/// A time, and the halves of a value's bits.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// In ms since the begin of what is near; with [`IS_FAR`] the number of a time that lies apart.
    at: u32,
    high: u32,
    low: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Floats {
    samples: Pages<Sample>,
    /// Where what is near begins; none before the first sample.
    begin_unix_ms: Option<i64>,
    /// Times that are not near.
    far: Vec<i64>,
}

impl Default for Floats {
    fn default() -> Self {
        Self {
            samples: Pages::new(SAMPLE_BYTES),
            begin_unix_ms: None,
            far: Vec::new(),
        }
    }
}

impl Floats {
    /// Puts a sample behind those of the series whose newest page is `last`, and moves `last` along. Returns the bytes that it takes by formula.
    pub(super) fn push(&mut self, last: &mut u32, (unix_ms, value): (i64, f64)) -> u64 {
        let n_far = self.far.len();
        let at = self.near(unix_ms).unwrap_or_else(|| self.apart(unix_ms));
        let bits = value.to_bits();
        let sample = Sample {
            at,
            high: (bits >> 32) as u32,
            low: bits as u32,
        };
        let far_bytes = FAR_BYTES * (self.far.len() - n_far) as u64;
        far_bytes + self.samples.push(last, sample)
    }

    /// The samples of the series whose newest page is `last`, in order of records.
    pub(super) fn of(&self, last: u32) -> impl Iterator<Item = (i64, f64)> {
        self.samples.of(last).map(|sample| {
            let bits = u64::from(sample.high) << 32 | u64::from(sample.low);
            (self.time(sample.at), f64::from_bits(bits))
        })
    }

    fn near(&mut self, unix_ms: i64) -> Option<u32> {
        let begin = *self
            .begin_unix_ms
            .get_or_insert(unix_ms.saturating_sub(NEAR_MS));
        let at = u32::try_from(unix_ms.checked_sub(begin)?).ok()?;
        (at < IS_FAR).then_some(at)
    }

    fn apart(&mut self, unix_ms: i64) -> u32 {
        let number = u32::try_from(self.far.len()).ok();
        let number = number.filter(|number| *number < IS_FAR);
        self.far.push(unix_ms);
        IS_FAR | number.expect("a head is sealed before it has 2^31 samples")
    }

    fn time(&self, at: u32) -> i64 {
        if at & IS_FAR == 0 {
            return self.begin_unix_ms.unwrap_or_default() + i64::from(at);
        }
        let far = self.far.get((at & !IS_FAR) as usize);
        far.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::series::NONE;

    proptest! {
        #[test]
        fn samples_come_back_bit_for_bit_however_far_their_times_lie(
            samples in prop::collection::vec((any::<i64>(), 0..64u32, any::<u64>()), 0..60),
        ) {
            let samples = samples.into_iter().map(|(at, shift, bits)| (at >> shift, f64::from_bits(bits)));
            let (mut floats, mut last) = (Floats::default(), NONE);
            let expected: Vec<(i64, u64)> = samples
                .inspect(|sample| {
                    floats.push(&mut last, *sample);
                })
                .map(|(at, value)| (at, value.to_bits()))
                .collect();
            let found: Vec<_> = floats.of(last).map(|(at, value)| (at, value.to_bits())).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_sample_takes_12_bytes_and_20_if_its_time_lies_apart() {
        let mut floats = Floats::default();
        let mut bytes_at = |unix_ms| {
            let mut last = NONE;
            floats.push(&mut last, (unix_ms, 1.0))
        };
        let near = bytes_at(1_700_000_000_000);
        assert_eq!(near, bytes_at(1_700_000_000_000 - NEAR_MS));
        assert_eq!(near, bytes_at(1_700_000_000_000 + NEAR_MS - 1));
        assert_eq!(near + 8, bytes_at(1_700_000_000_000 + NEAR_MS));
        assert_eq!(near + 8, bytes_at(i64::MIN));
        assert_eq!(near, 12 + 2 * 12, "a page and room for two");
    }
}
