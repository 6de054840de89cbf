//! Integers: differences of some order, divided by their common step, bit-packed in groups above the least of each.

use super::ChunkError;
use super::bits::{BitReader, BitWriter};
use super::bytes::{Reader, put_varint, put_zigzag};

/// Numbers of one group, by the code of its size.
const GROUPS: [usize; 3] = [64, 256, 1_024];
/// Numbers whose least and greatest are looked for; larger groups are put together from these.
const LEAST_GROUP: usize = 64;
/// Orders of differences that are tried.
const ORDERS: u8 = 3;

/// The first byte: order, size of groups, and what the common step is where it takes no bytes.
const ORDER_BITS: u8 = 0b11;
const GROUP_SHIFT: u32 = 2;
const STEP_IS_1: u8 = 1 << 4;
const REST_IS_0: u8 = 1 << 5;

/// How a column is written.
#[derive(Debug, Clone, Copy)]
struct Way {
    order: u8,
    /// Index into [`GROUPS`].
    group: u8,
    /// Greatest common divisor of what is packed; 0: all of it is 0.
    step: i64,
    n_bytes: usize,
}

/// Appends a column.
pub fn encode(numbers: &[i64], out: &mut Vec<u8>) {
    let mut rest = numbers.to_vec();
    let mut best: Option<Way> = None;
    for order in 0..ORDERS {
        if order > 0 {
            difference(&mut rest, usize::from(order));
        }
        let way = Way::of(&rest, order);
        if best.is_none_or(|best| way.n_bytes < best.n_bytes) {
            best = Some(way);
        }
    }
    if let Some(way) = best {
        way.write(numbers, out);
    }
}

impl Way {
    /// The shortest for numbers whose differences of this order were taken.
    fn of(numbers: &[i64], order: u8) -> Self {
        let (head, tail) = numbers.split_at(usize::from(order).min(numbers.len()));
        let step = common_step(tail);
        let head: usize = head.iter().map(|number| zigzag_size(*number)).sum();
        let mut way = Self {
            order,
            group: 0,
            step,
            n_bytes: 1 + head,
        };
        if step == 0 {
            return way;
        }
        if step > 1 {
            way.n_bytes += varint_size(step as u64);
        }
        let spans: Vec<Span> = tail
            .chunks(LEAST_GROUP)
            .map(|group| Span::of(group, step))
            .collect();
        let sizes = GROUPS.map(|group| {
            let groups = spans.chunks(group / LEAST_GROUP);
            groups.map(Span::size_together).sum::<usize>()
        });
        let least = (0u8..).zip(sizes).min_by_key(|(_, size)| *size);
        let (group, n_bytes) = least.unwrap_or_default();
        way.group = group;
        way.n_bytes += n_bytes;
        way
    }

    fn write(self, numbers: &[i64], out: &mut Vec<u8>) {
        let step_bits = match self.step {
            0 => REST_IS_0,
            1 => STEP_IS_1,
            _ => 0,
        };
        out.push(self.order | self.group << GROUP_SHIFT | step_bits);
        let mut rest = numbers.to_vec();
        for depth in 1..=usize::from(self.order) {
            difference(&mut rest, depth);
        }
        let (head, tail) = rest.split_at(usize::from(self.order).min(rest.len()));
        for number in head {
            put_zigzag(out, *number);
        }
        if self.step == 0 {
            return;
        }
        if self.step > 1 {
            put_varint(out, self.step as u64);
        }
        let n_group = GROUPS.get(usize::from(self.group)).copied();
        for group in tail.chunks(n_group.unwrap_or(LEAST_GROUP)) {
            let Span {
                least, greatest, ..
            } = Span::of(group, self.step);
            let width = width(least, greatest);
            put_zigzag(out, least);
            out.push(width as u8);
            let mut bits = BitWriter::new(out);
            for number in group {
                bits.put((number / self.step).wrapping_sub(least) as u64, width);
            }
            bits.finish();
        }
    }
}

/// Least and greatest of a group in steps.
#[derive(Debug, Clone, Copy)]
struct Span {
    least: i64,
    greatest: i64,
    n: usize,
}

impl Span {
    fn of(group: &[i64], step: i64) -> Self {
        Self {
            least: group.iter().min().copied().unwrap_or(0) / step,
            greatest: group.iter().max().copied().unwrap_or(0) / step,
            n: group.len(),
        }
    }

    /// Bytes of one group of all these numbers.
    fn size_together(all: &[Self]) -> usize {
        let least = all.iter().map(|span| span.least).min().unwrap_or(0);
        let greatest = all.iter().map(|span| span.greatest).max().unwrap_or(0);
        let n: usize = all.iter().map(|span| span.n).sum();
        zigzag_size(least) + 1 + (n * width(least, greatest) as usize).div_ceil(8)
    }
}

/// Bits of the greatest above the least.
fn width(least: i64, greatest: i64) -> u32 {
    64 - (greatest.wrapping_sub(least) as u64).leading_zeros()
}

/// Turns what lies behind the first `depth` numbers into differences to the number before each.
fn difference(numbers: &mut [i64], depth: usize) {
    for idx in (depth..numbers.len()).rev() {
        if let Some([before, number]) = numbers.get_mut(idx - 1..=idx) {
            *number = number.wrapping_sub(*before);
        }
    }
}

/// Greatest common divisor of the magnitudes: 0 if all are 0, 1 if it is no i64.
fn common_step(numbers: &[i64]) -> i64 {
    let mut step = 0u64;
    for number in numbers {
        step = gcd(step, number.unsigned_abs());
        if step == 1 {
            break;
        }
    }
    i64::try_from(step).unwrap_or(1)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn varint_size(number: u64) -> usize {
    (64 - (number | 1).leading_zeros()).div_ceil(7) as usize
}

fn zigzag_size(number: i64) -> usize {
    varint_size(((number << 1) ^ (number >> 63)) as u64)
}

/// Reads a column of `n` numbers.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(bytes: &mut Reader<'_>, n: usize) -> Result<Vec<i64>, ChunkError> {
    let first = bytes.u8()?;
    let order = usize::from(first & ORDER_BITS);
    let known = ORDER_BITS | 0b11 << GROUP_SHIFT | STEP_IS_1 | REST_IS_0;
    let n_group = GROUPS.get(usize::from(first >> GROUP_SHIFT & 0b11));
    let (true, true, Some(n_group)) = (order < usize::from(ORDERS), first & !known == 0, n_group)
    else {
        return Err(ChunkError("an unknown way of integers"));
    };
    // Nothing that a few bytes claim is reserved before they are read, but for the zeros that stand for no bytes.
    let mut numbers = Vec::new();
    for _ in 0..order.min(n) {
        numbers.push(bytes.zigzag()?);
    }
    let step = match first & (STEP_IS_1 | REST_IS_0) {
        REST_IS_0 => {
            numbers.resize(n, 0);
            0
        }
        STEP_IS_1 => 1,
        0 => i64::try_from(bytes.varint()?).map_err(|_| ChunkError("a step over 2^63"))?,
        _ => return Err(ChunkError("an unknown way of integers")),
    };
    while numbers.len() < n {
        let n_group = (n - numbers.len()).min(*n_group);
        let least = bytes.zigzag()?;
        let width = u32::from(bytes.u8()?);
        if width > 64 {
            return Err(ChunkError("numbers of more than 64 bits"));
        }
        let packed = bytes.take((n_group * width as usize).div_ceil(8))?;
        let mut bits = BitReader::new(packed);
        for _ in 0..n_group {
            let above = bits.take(width)? as i64;
            numbers.push(above.wrapping_add(least).wrapping_mul(step));
        }
    }
    for depth in (1..=order).rev() {
        sum(&mut numbers, depth);
    }
    Ok(numbers)
}

/// Undoes [`difference`].
fn sum(numbers: &mut [i64], depth: usize) {
    let (head, tail) = numbers.split_at_mut(depth.min(numbers.len()));
    let Some(mut before) = head.last().copied() else {
        return;
    };
    for number in tail {
        *number = number.wrapping_add(before);
        before = *number;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(numbers: &[i64]) -> usize {
        let mut out = Vec::new();
        encode(numbers, &mut out);
        let size = out.len();
        out.push(7);
        let mut reader = Reader(&out);
        assert_eq!(decode(&mut reader, numbers.len()).as_deref(), Ok(numbers));
        assert_eq!(reader.0, [7]);
        size
    }

    #[test]
    fn regular_times_cost_next_to_nothing() {
        let times: Vec<i64> = (0..720).map(|n| 1_700_000_000_000 + n * 10_000).collect();
        assert!(check(&times) <= 12);
        let counter: Vec<i64> = (0..64).map(|n| n * 1_000 + (n % 2) * 1_000).collect();
        assert!(check(&counter) <= 16);
        assert_eq!(check(&[5; 200]), 2);
        check(&[]);
        check(&[i64::MIN, i64::MAX, i64::MIN, 0, -1, i64::MAX]);
        check(&[i64::MIN; 3]);
        check(&[i64::MIN]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_numbers_come_back(numbers in vec(any::<i64>(), 0..200)) {
            check(&numbers);
        }

        #[test]
        fn close_numbers_come_back(first: i64, steps in vec(-100i64..100, 0..300), step in 1i64..10_000) {
            let mut at = first;
            let numbers: Vec<i64> = steps.iter().map(|n| { at = at.wrapping_add(n * step); at }).collect();
            check(&numbers);
        }

        #[test]
        fn any_bytes_are_a_column_or_an_error(bytes in vec(any::<u8>(), 0..60), n in 0usize..200) {
            if let Ok(numbers) = decode(&mut Reader(&bytes), n) {
                prop_assert_eq!(numbers.len(), n);
            }
        }
    }
}
