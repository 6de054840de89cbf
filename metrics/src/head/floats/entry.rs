//! How the head tells a sample from the one after it: few bytes if its time is a usual step before and its value is the same, a number not far off, or
//! most of the same bits. In: two samples that follow each other. Out: bytes that give back the older one bit for bit, read from their end.
//!
//! An entry is a value's bytes, a time's bytes, and a tag whose upper two bits are the [`Gap`] and whose lower six are how the value is told.

/// A time as a number of ms from any begin, and a value's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at: u32,
    pub(super) bits: u64,
}

/// How a time lies before the next one: as the step says, off it by what fits 1 or 2 bytes, or by a step of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    Step = 0,
    Off1 = 1,
    Off2 = 2,
    /// Its bytes are the step that counts before it.
    New = 3,
}

const GAP_SHIFT: u32 = 6;
const WAY_BITS: u8 = (1 << GAP_SHIFT) - 1;

/// Tags of so many equal values at the usual step, and of one at any.
const SAME: u8 = 0;
const SAMES_MAX: u8 = 16;
/// A difference of whole numbers in 1 to 6 bytes.
const WHOLE: u8 = SAME + SAMES_MAX;
const WHOLE_BYTES_MAX: u8 = 6;
/// A difference of millionths in 1 to 4 bytes, less 0 to 6 zeros at its decimal end.
const DECIMAL: u8 = WHOLE + WHOLE_BYTES_MAX;
const DECIMAL_BYTES_MAX: u8 = 4;
const ZEROS_MAX: u8 = 6;
/// The XOR of both values' bits, without the zero bytes at its high end (1 to 8 bytes are left), or at its low end (1 to 6).
const XOR_LOW: u8 = DECIMAL + (ZEROS_MAX + 1) * DECIMAL_BYTES_MAX;
const XOR_HIGH: u8 = XOR_LOW + 8;
const XOR_HIGH_BYTES_MAX: u8 = 6;

const _: () = assert!(XOR_HIGH + XOR_HIGH_BYTES_MAX == 1 << GAP_SHIFT);

const MILLION: f64 = 1e6;
/// Magnitude below which every whole number is a float.
const EXACT_MAX: f64 = (1u64 << 53) as f64;

/// Bytes of an entry at most.
pub(super) const ENTRY_BYTES_MAX: u8 = 8 + 4 + 1;

/// The bytes that tell one sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    bytes: [u8; 16],
    len: u8,
}

const _: () = assert!(ENTRY_BYTES_MAX <= 16);

impl Entry {
    /// Tells `older` from `newer`, where times lie `step` apart; the step moves along if they lie by far more or less.
    pub(super) fn new(older: Sample, newer: Sample, step: &mut u32) -> Self {
        let (way, value, n_bytes) = tell(older.bits, newer.bits);
        let gap = newer.at.wrapping_sub(older.at);
        let off = gap.wrapping_sub(*step).cast_signed();
        let (gap, time, n_time_bytes) = match off {
            0 => (Gap::Step, 0, 0),
            -0x80..=0x7f => (Gap::Off1, u32::from(off as u8), 1),
            -0x8000..=0x7fff => (Gap::Off2, u32::from(off as u16), 2),
            _ => (Gap::New, std::mem::replace(step, gap), 4),
        };
        let tag = (gap as u8) << GAP_SHIFT | way;
        let behind_time = n_bytes + n_time_bytes;
        let all = u128::from(value)
            | u128::from(time) << (8 * n_bytes)
            | u128::from(tag) << (8 * behind_time);
        Self {
            bytes: all.to_le_bytes(),
            len: behind_time + 1,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }

    /// Counts one more sample, of the same value at the usual step, into the entry that ends with `tag`; false if it cannot.
    pub(super) fn repeat(&self, tag: &mut u8) -> bool {
        let repeats = self.bytes() == [SAME] && *tag < SAMES_MAX - 1;
        *tag += u8::from(repeats);
        repeats
    }
}

/// How a value is told from the next one: the tag's part, a number, and in how many bytes it fits.
fn tell(older: u64, newer: u64) -> (u8, u64, u8) {
    let xor = older ^ newer;
    if xor == 0 {
        return (SAME, 0, 0);
    }
    let low = n_bytes_of(xor);
    let n_zeros = (xor.trailing_zeros() / 8) as u8;
    let high = 8 - n_zeros;
    let as_bits = if high < low && high <= XOR_HIGH_BYTES_MAX {
        (XOR_HIGH + high - 1, xor >> (8 * n_zeros), high)
    } else {
        (XOR_LOW + low - 1, xor, low)
    };
    let (older, newer) = (f64::from_bits(older), f64::from_bits(newer));
    let as_number = whole(older, newer).or_else(|| decimal(older, newer));
    as_number
        .filter(|(_, _, n_bytes)| *n_bytes < as_bits.2)
        .unwrap_or(as_bits)
}

fn whole(older: f64, newer: f64) -> Option<(u8, u64, u8)> {
    let told = zigzag(whole_number(newer)? - whole_number(older)?);
    let n_bytes = n_bytes_of(told);
    (n_bytes <= WHOLE_BYTES_MAX).then_some((WHOLE + n_bytes - 1, told, n_bytes))
}

fn whole_number(value: f64) -> Option<i64> {
    let number = value as i64;
    let is_whole = value.abs() < EXACT_MAX && (number as f64).to_bits() == value.to_bits();
    is_whole.then_some(number)
}

fn decimal(older: f64, newer: f64) -> Option<(u8, u64, u8)> {
    let millionths = millionths(older)?;
    if (millionths as f64 / MILLION).to_bits() != older.to_bits() {
        return None;
    }
    let mut difference = self::millionths(newer)? - millionths;
    let mut n_zeros = 0;
    while n_zeros < ZEROS_MAX && difference != 0 && difference % 10 == 0 {
        difference /= 10;
        n_zeros += 1;
    }
    let told = zigzag(difference);
    let n_bytes = n_bytes_of(told).max(1);
    let way = DECIMAL + n_zeros * DECIMAL_BYTES_MAX + n_bytes - 1;
    (n_bytes <= DECIMAL_BYTES_MAX).then_some((way, told, n_bytes))
}

/// The nearest number of millionths.
fn millionths(value: f64) -> Option<i64> {
    let millionths = (value * MILLION).round();
    (millionths.abs() < EXACT_MAX).then_some(millionths as i64)
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(told: u64) -> i64 {
    (told >> 1).cast_signed() ^ -((told & 1).cast_signed())
}

fn n_bytes_of(number: u64) -> u8 {
    (64 - number.leading_zeros()).div_ceil(8) as u8
}

/// Entries of one page, from the newest.
pub(super) struct Entries<'a>(pub(super) &'a [u8]);

/// What an entry says: `n` samples with this value, each by `gap` before the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) n: u8,
    pub(super) gap: u32,
    pub(super) bits: u64,
}

impl Entries<'_> {
    /// Takes the newest entry, which lies before a sample with the bits `newer`; the step moves back with it.
    pub(super) fn pop(&mut self, newer: u64, step: &mut u32) -> Option<Told> {
        let tag = self.take(1)? as u8;
        let gap = match tag >> GAP_SHIFT {
            0 => *step,
            1 => step.wrapping_add_signed((self.take(1)? as i8).into()),
            2 => step.wrapping_add_signed((self.take(2)? as i16).into()),
            _ => std::mem::replace(step, self.take(4)? as u32),
        };
        let way = tag & WAY_BITS;
        Some(Told {
            n: if way < WHOLE { way + 1 } else { 1 },
            gap,
            bits: self.value(way, newer)?,
        })
    }

    fn value(&mut self, way: u8, newer: u64) -> Option<u64> {
        let number = f64::from_bits(newer);
        Some(match way {
            SAME..WHOLE => newer,
            WHOLE..DECIMAL => {
                let difference = unzigzag(self.take(way - WHOLE + 1)?);
                ((number as i64).wrapping_sub(difference) as f64).to_bits()
            }
            DECIMAL..XOR_LOW => {
                let n_zeros = (way - DECIMAL) / DECIMAL_BYTES_MAX;
                let n_bytes = (way - DECIMAL) % DECIMAL_BYTES_MAX + 1;
                let difference = unzigzag(self.take(n_bytes)?) * 10i64.pow(n_zeros.into());
                (millionths(number)?.wrapping_sub(difference) as f64 / MILLION).to_bits()
            }
            XOR_LOW..XOR_HIGH => newer ^ self.take(way - XOR_LOW + 1)?,
            _ => {
                let n_bytes = way - XOR_HIGH + 1;
                newer ^ self.take(n_bytes)? << (64 - 8 * n_bytes)
            }
        })
    }

    /// The number in the last bytes, 1 to 8 of them.
    fn take(&mut self, n_bytes: u8) -> Option<u64> {
        let at = self.0.len().checked_sub(n_bytes.into())?;
        let whole = self.0.last_chunk().copied().unwrap_or_else(|| {
            let mut whole = [0; 8];
            for (place, byte) in whole.iter_mut().rev().zip(self.0.iter().rev()) {
                *place = *byte;
            }
            whole
        });
        self.0 = self.0.get(..at)?;
        Some(u64::from_le_bytes(whole) >> (64 - 8 * n_bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn told(older: f64, newer: f64) -> usize {
        let samples = [older, newer].map(|value| Sample {
            at: 0,
            bits: value.to_bits(),
        });
        let mut step = 0;
        let entry = Entry::new(samples[0], samples[1], &mut step);
        let read = Entries(entry.bytes()).pop(samples[1].bits, &mut step);
        let expected = Told {
            n: 1,
            gap: 0,
            bits: samples[0].bits,
        };
        assert_eq!(read, Some(expected), "{older} {newer}");
        entry.bytes().len()
    }

    #[test]
    fn usual_values_are_told_in_few_bytes() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let cases = [
            (1.5, 1.5, 1),
            (1_000_000.0, 1_000_001.0, 2),
            (1e12, 1e12 + 4_096.0, 3),
            (0.0, -0.0, 2),
            (12.34, 12.37, 2),
            (7.000_001, 7.1, 4),
            (0.3, 0.1 + 0.2, 2),
            (f64::MAX, f64::MIN, 2),
            (0.123_456_789, 0.987_654_321, 8),
            (1.0, stale, 9),
            (stale, 1.0, 9),
            (f64::NAN, f64::INFINITY, 3),
        ];
        for (older, newer, n_bytes) in cases {
            assert_eq!(told(older, newer), n_bytes, "{older} {newer}");
        }
    }

    #[test]
    fn a_time_costs_nothing_at_the_step_and_more_the_farther_it_is_off() {
        let n_bytes = |gap: u32| {
            let mut step = 10_000;
            let (older, newer) = (
                Sample { at: 7, bits: 0 },
                Sample {
                    at: gap + 7,
                    bits: 0,
                },
            );
            Entry::new(older, newer, &mut step).bytes().len()
        };
        let cases = [
            (10_000, 1),
            (10_127, 2),
            (9_872, 2),
            (10_128, 3),
            (0, 3),
            (60_000, 5),
        ];
        for (gap, expected) in cases {
            assert_eq!(n_bytes(gap), expected, "{gap}");
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_back(older: u64, newer: u64, shift in 0..64u32, whole: i32, places in 0..9u32) {
            told(f64::from_bits(older), f64::from_bits(newer));
            told(f64::from_bits(older), f64::from_bits(older ^ newer >> shift));
            told(f64::from_bits(older), f64::from_bits(older ^ newer << shift));
            let power = 10i64.pow(places) as f64;
            let decimals = [f64::from(whole), f64::from(whole >> (shift / 2)), f64::from(older as i16)].map(|value| value / power);
            told(decimals[0], decimals[1]);
            told(decimals[0], decimals[0] + decimals[2]);
            told(decimals[0], f64::from_bits(newer));
            told(f64::from_bits(newer), decimals[0]);
        }

        #[test]
        fn any_bytes_are_entries_or_none(bytes in vec(any::<u8>(), 0..40), mut bits: u64, mut step: u32) {
            let mut entries = Entries(&bytes);
            let mut n_left = bytes.len();
            while let Some(told) = entries.pop(bits, &mut step) {
                prop_assert!(entries.0.len() < n_left);
                (n_left, bits) = (entries.0.len(), told.bits);
            }
        }
    }
}
