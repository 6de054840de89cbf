//! Integers: differences of some order, divided by their common step, bit-packed in groups of 64 above the least of each.

use super::ChunkError;
use super::bits::{BitReader, BitWriter};
use super::bytes::{Reader, put_varint, put_zigzag};

/// Numbers of one group.
const GROUP: usize = 64;
/// Orders of differences that are tried.
const ORDERS: u8 = 3;

/// Appends a column.
pub fn encode(numbers: &[i64], out: &mut Vec<u8>) {
    let mut best: Option<(usize, u8)> = None;
    let mut rest = numbers.to_vec();
    for order in 0..ORDERS {
        if order > 0 {
            difference(&mut rest, usize::from(order));
        }
        let tail = rest.get(usize::from(order)..).unwrap_or_default();
        let size = head_size(&rest, order) + tail_size(tail);
        if best.is_none_or(|(least, _)| size < least) {
            best = Some((size, order));
        }
    }
    let (_, order) = best.unwrap_or((0, 0));
    write(numbers, order, out);
}

fn write(numbers: &[i64], order: u8, out: &mut Vec<u8>) {
    out.push(order);
    let mut rest = numbers.to_vec();
    for depth in 1..=usize::from(order) {
        difference(&mut rest, depth);
    }
    let (head, tail) = rest.split_at(usize::from(order).min(rest.len()));
    for number in head {
        put_zigzag(out, *number);
    }
    let step = common_step(tail);
    put_varint(out, step as u64);
    if step == 0 {
        return;
    }
    for group in tail.chunks(GROUP) {
        let (least, width) = span(group, step);
        put_zigzag(out, least);
        out.push(width as u8);
        let mut bits = BitWriter::new(out);
        for number in group {
            bits.put((number / step).wrapping_sub(least) as u64, width);
        }
        bits.finish();
    }
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

/// Least of a group in steps, and the bits of the greatest above it.
fn span(group: &[i64], step: i64) -> (i64, u32) {
    let least = group.iter().min().copied().unwrap_or(0) / step;
    let greatest = group.iter().max().copied().unwrap_or(0) / step;
    let width = 64 - (greatest.wrapping_sub(least) as u64).leading_zeros();
    (least, width)
}

fn varint_size(number: u64) -> usize {
    (64 - (number | 1).leading_zeros()).div_ceil(7) as usize
}

fn zigzag_size(number: i64) -> usize {
    varint_size(((number << 1) ^ (number >> 63)) as u64)
}

fn head_size(numbers: &[i64], order: u8) -> usize {
    let head = numbers.iter().take(usize::from(order));
    head.map(|number| zigzag_size(*number)).sum()
}

fn tail_size(tail: &[i64]) -> usize {
    let step = common_step(tail);
    if step == 0 {
        return 1;
    }
    let group_size = |group: &[i64]| {
        let (least, width) = span(group, step);
        zigzag_size(least) + 1 + (group.len() * width as usize).div_ceil(8)
    };
    varint_size(step as u64) + tail.chunks(GROUP).map(group_size).sum::<usize>()
}

/// Reads a column of `n` numbers.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(bytes: &mut Reader<'_>, n: usize) -> Result<Vec<i64>, ChunkError> {
    let order = usize::from(bytes.u8()?);
    if order >= usize::from(ORDERS) {
        return Err(ChunkError("an unknown order of differences"));
    }
    // Nothing that a few bytes claim is reserved before they are read, but for the zeros that a step of 0 stands for.
    let mut numbers = Vec::new();
    for _ in 0..order.min(n) {
        numbers.push(bytes.zigzag()?);
    }
    let step = i64::try_from(bytes.varint()?).map_err(|_| ChunkError("a step over 2^63"))?;
    if step == 0 {
        numbers.resize(n, 0);
    }
    while numbers.len() < n {
        let n_group = (n - numbers.len()).min(GROUP);
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
        assert_eq!(check(&[5; 200]), 1 + 1 + 1);
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
