//! Samples of numbers of many series, packed: of each series the newest one, and before it entries that tell each from the one after it. In: a time and
//! a value of any series. Out: those of one, as they came.
//!
//! What the next sample needs lies in one line of memory for each series, and the lines in the order of the series: most senders send in that order too.

mod entry;
mod strips;

use super::chunks::Chunks;
use crate::series::NONE;
use entry::{Entries, Entry, Sample};
use strips::Strips;

/// What a series with samples counts in the memory formula, in bytes.
const LATEST_BYTES: u64 = size_of::<Latest>() as u64;
/// What a strip of entries counts beside its bytes.
const STRIP_BYTES: u64 = strips::HEAD_BYTES as u64;
/// What a time that lies apart counts.
const FAR_BYTES: u64 = size_of::<i64>() as u64;
/// Bytes of entries that lie beside the newest sample: what fills 64 B with it.
const TAIL_BYTES: usize = 42;
/// Half of the span of time in which times are near: 12 days.
const NEAR_MS: i64 = 1 << 30;
const IS_FAR: u32 = 1 << 31;

/// The newest sample of a series, and the entries of those just before it.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Latest {
    /// In ms since the begin of what is near; with [`IS_FAR`] the number of a time that lies apart.
    at: u32,
    /// The halves of its value's bits.
    high: u32,
    low: u32,
    /// How far times lie apart, of late.
    step: u32,
    /// The newest strip of entries before those here, or [`NONE`].
    strip: u32,
    /// Whether no time lies before that of an earlier record.
    is_sorted: bool,
    tail_len: u8,
    tail: [u8; TAIL_BYTES],
}

const _: () = assert!(size_of::<Latest>() == 64);
const _: () = assert!(entry::ENTRY_BYTES_MAX as usize <= TAIL_BYTES);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Floats {
    latest: Chunks<Latest, 10>,
    /// Entries that a newer tail took the place of.
    strips: Strips,
    /// Where what is near begins; none before the first sample.
    begin_unix_ms: Option<i64>,
    /// Times that are not near.
    far: Vec<i64>,
}

impl Latest {
    fn new(sample: Sample) -> Self {
        let mut latest = Self {
            at: 0,
            high: 0,
            low: 0,
            step: 0,
            strip: NONE,
            is_sorted: sample.at < IS_FAR,
            tail_len: 0,
            tail: [0; TAIL_BYTES],
        };
        latest.put(sample);
        latest
    }

    fn put(&mut self, sample: Sample) {
        self.at = sample.at;
        (self.high, self.low) = ((sample.bits >> 32) as u32, sample.bits as u32);
    }

    fn tail(&self) -> &[u8] {
        let len = usize::from(self.tail_len);
        self.tail.get(..len).unwrap_or_default()
    }

    /// Takes an entry behind the others; false if there is no room.
    fn take(&mut self, entry: &Entry) -> bool {
        let begin = usize::from(self.tail_len);
        let newest = begin.checked_sub(1).and_then(|at| self.tail.get_mut(at));
        if newest.is_some_and(|tag| entry.repeat(tag)) {
            return true;
        }
        let bytes = entry.bytes();
        let Some(room) = self.tail.get_mut(begin..begin + bytes.len()) else {
            return false;
        };
        room.copy_from_slice(bytes);
        self.tail_len += bytes.len() as u8;
        true
    }

    fn sample(&self) -> Sample {
        Sample {
            at: self.at,
            bits: u64::from(self.high) << 32 | u64::from(self.low),
        }
    }
}

impl Floats {
    /// Puts a sample behind those of the series whose number here is `series`, which a new one gets. Returns the bytes that it takes by formula.
    pub(super) fn push(&mut self, series: &mut u32, (unix_ms, value): (i64, f64)) -> u64 {
        let n_far = self.far.len();
        let at = self.near(unix_ms).unwrap_or_else(|| self.apart(unix_ms));
        let far_bytes = FAR_BYTES * (self.far.len() - n_far) as u64;
        let newer = Sample {
            at,
            bits: value.to_bits(),
        };
        let Some(latest) = self.latest.at_mut(*series).first_mut() else {
            *series = self.latest.push(Latest::new(newer));
            return far_bytes + LATEST_BYTES;
        };
        let older = latest.sample();
        if latest.strip == NONE && latest.tail_len == 0 {
            latest.step = newer.at.wrapping_sub(older.at);
        }
        latest.is_sorted &= older.at <= newer.at && newer.at < IS_FAR;
        let entry = Entry::new(older, newer, &mut latest.step);
        latest.put(newer);
        if latest.take(&entry) {
            return far_bytes;
        }
        let strip_bytes = STRIP_BYTES + u64::from(latest.tail_len);
        latest.strip = self.strips.push(latest.strip, latest.tail());
        latest.tail_len = 0;
        latest.take(&entry); // an empty tail has room for any
        far_bytes + strip_bytes
    }

    /// The samples of a series in (from, to], in order of records.
    pub(super) fn of(&self, series: u32, from_unix_ms: i64, to_unix_ms: i64) -> Vec<(i64, f64)> {
        let mut found = Vec::new();
        let Some(latest) = self.latest.at(series).first() else {
            return found;
        };
        // false once no earlier record is asked for
        let mut keep = |sample: Sample| {
            let unix_ms = self.time(sample.at);
            let is_early = unix_ms <= from_unix_ms;
            if !is_early && unix_ms <= to_unix_ms {
                found.push((unix_ms, f64::from_bits(sample.bits)));
            }
            !(is_early && latest.is_sorted)
        };
        if keep(latest.sample()) {
            self.back(latest, keep);
        }
        found.reverse();
        found
    }

    /// Every sample before the newest, from the newest on, while they are kept.
    fn back(&self, latest: &Latest, mut keep: impl FnMut(Sample) -> bool) {
        let (mut sample, mut step) = (latest.sample(), latest.step);
        let strips = self.strips.back(latest.strip);
        for entries in std::iter::once(latest.tail()).chain(strips) {
            let mut entries = Entries(entries);
            while let Some(told) = entries.pop(sample.bits, &mut step) {
                sample.bits = told.bits;
                for _ in 0..told.n {
                    sample.at = sample.at.wrapping_sub(told.gap);
                    if !keep(sample) {
                        return;
                    }
                }
            }
        }
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

    proptest! {
        #[test]
        fn samples_come_back_bit_for_bit_however_far_their_times_lie(
            samples in prop::collection::vec((any::<i64>(), 0..64u32, any::<u64>(), 1..40usize), 0..30),
            is_sorted: bool, range in (-1_000_000..1_000_000i64, -1_000_000..1_000_000i64),
        ) {
            let mut samples = samples;
            if is_sorted {
                samples.sort_by_key(|(at, shift, ..)| at >> shift);
            }
            let samples = samples.into_iter().flat_map(|(at, shift, bits, n)| {
                let times = (0..n as i64).map(move |n| (at >> shift).saturating_add(n * 10_000));
                times.map(move |at| (at, f64::from_bits(bits)))
            });
            let (mut floats, mut series) = (Floats::default(), NONE);
            let expected: Vec<(i64, u64)> = samples
                .inspect(|sample| {
                    floats.push(&mut series, *sample);
                })
                .map(|(at, value)| (at, value.to_bits()))
                .collect();
            let found = |from, to| {
                let found = floats.of(series, from, to).into_iter();
                found.map(|(at, value)| (at, value.to_bits())).collect::<Vec<_>>()
            };
            // no range that has no end has the earliest time of all
            let all = || expected.iter().copied().filter(|(at, _)| *at > i64::MIN);
            prop_assert_eq!(found(i64::MIN, i64::MAX), all().collect::<Vec<_>>());
            let (from, to) = range;
            let inside = all().filter(|(at, _)| (from + 1..=to).contains(at));
            prop_assert_eq!(found(from, to), inside.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_series_takes_what_its_samples_need() {
        let bytes_of = |samples: &mut dyn Iterator<Item = f64>| {
            let (mut floats, mut series, mut bytes) = (Floats::default(), NONE, 0);
            for (n, value) in samples.enumerate() {
                bytes += floats.push(&mut series, (1_700_000_000_000 + 10_000 * n as i64, value));
            }
            bytes
        };
        assert_eq!(bytes_of(&mut [1.0].into_iter()), 64);
        let constant = bytes_of(&mut (0..600).map(|_| 1.0));
        assert_eq!(constant, 64, "a tag for 16 samples");
        let counter = bytes_of(&mut (0..30).map(|n| f64::from(n * n)));
        assert_eq!(counter, 64 + 5 + 42, "2 bytes each");
    }

    #[test]
    fn a_time_that_lies_apart_takes_8_bytes_more() {
        let mut floats = Floats::default();
        let mut bytes_at = |unix_ms| floats.push(&mut NONE.clone(), (unix_ms, 1.0));
        let near = bytes_at(1_700_000_000_000);
        assert_eq!(near, bytes_at(1_700_000_000_000 - NEAR_MS));
        assert_eq!(near, bytes_at(1_700_000_000_000 + NEAR_MS - 1));
        assert_eq!(near + 8, bytes_at(1_700_000_000_000 + NEAR_MS));
        assert_eq!(near + 8, bytes_at(i64::MIN));
    }
}
