//! Native histograms as columns: everything but the buckets one column a field, the buckets one column of all points.

use std::sync::Arc;

use super::bytes::{Reader, put_varint};
use super::{ChunkError, Effort, POINTS_MAX, floats, ints};
use crate::histogram::{Buckets, Histogram, ResetHint};

/// Buckets, and custom bounds, of one histogram.
pub const BUCKETS_MAX: usize = 16_384;
/// Buckets, and custom bounds, of one chunk.
pub const CHUNK_BUCKETS_MAX: usize = 4 << 20;
const WHOLE_MAX: f64 = (1u64 << 53) as f64;

const WHOLE: u8 = 0;
const AGAINST_BEFORE: u8 = 1;
const FLOATS: u8 = 2;

/// Appends the columns of at most [`POINTS_MAX`] points.
pub fn encode(points: &[Arc<Histogram>], effort: Effort, out: &mut Vec<u8>) {
    let number = |of: fn(&Histogram) -> i64| points.iter().map(|p| of(p)).collect::<Vec<i64>>();
    let value = |of: fn(&Histogram) -> f64| points.iter().map(|p| of(p)).collect::<Vec<f64>>();
    ints::encode(&number(|p| i64::from(p.schema)), out);
    ints::encode(&number(|p| hint_number(p.reset_hint)), out);
    floats::encode(&value(|p| p.zero_threshold), effort, out);
    floats::encode(&value(|p| p.zero_count), effort, out);
    floats::encode(&value(|p| p.count), effort, out);
    floats::encode(&value(|p| p.sum), effort, out);
    ints::encode(&number(|p| i64::from(p.positive.offset)), out);
    ints::encode(&number(|p| p.positive.counts.len() as i64), out);
    ints::encode(&number(|p| i64::from(p.negative.offset)), out);
    ints::encode(&number(|p| p.negative.counts.len() as i64), out);
    ints::encode(&number(|p| p.custom_bounds.len() as i64), out);
    let bounds: Vec<f64> = points
        .iter()
        .flat_map(|p| p.custom_bounds.iter().copied())
        .collect();
    put_varint(out, bounds.len() as u64);
    floats::encode(&bounds, effort, out);
    encode_buckets(points, effort, out);
}

fn buckets_of(point: &Histogram) -> impl Iterator<Item = f64> {
    let negative = point.negative.counts.iter();
    point.positive.counts.iter().chain(negative).copied()
}

fn encode_buckets(points: &[Arc<Histogram>], effort: Effort, out: &mut Vec<u8>) {
    let all: Vec<f64> = points.iter().flat_map(|p| buckets_of(p)).collect();
    let whole = |count: f64| {
        (count.abs() < WHOLE_MAX && (count as i64 as f64).to_bits() == count.to_bits())
            .then_some(count as i64)
    };
    let Some(numbers) = all.iter().map(|c| whole(*c)).collect::<Option<Vec<i64>>>() else {
        out.push(FLOATS);
        put_varint(out, all.len() as u64);
        return floats::encode(&all, effort, out);
    };
    let mut plain = vec![WHOLE];
    put_varint(&mut plain, numbers.len() as u64);
    ints::encode(&numbers, &mut plain);
    let mut against = vec![AGAINST_BEFORE];
    put_varint(&mut against, numbers.len() as u64);
    ints::encode(&against_before(points, &numbers), &mut against);
    let shorter = if against.len() < plain.len() {
        &against
    } else {
        &plain
    };
    out.extend_from_slice(shorter);
}

fn against_before(points: &[Arc<Histogram>], numbers: &[i64]) -> Vec<i64> {
    let mut out = numbers.to_vec();
    let mut at = 0;
    let mut before: Option<&Histogram> = None;
    for point in points {
        let n = point.positive.counts.len() + point.negative.counts.len();
        if before.is_some_and(|before| same_layout(before, point)) {
            let pairs = numbers.get(at - n..at).unwrap_or_default();
            for (number, earlier) in out.iter_mut().skip(at).zip(pairs) {
                *number = number.wrapping_sub(*earlier);
            }
        }
        at += n;
        before = Some(point);
    }
    out
}

fn same_layout(a: &Histogram, b: &Histogram) -> bool {
    let layout = |h: &Histogram| {
        (
            h.schema,
            h.positive.offset,
            h.positive.counts.len(),
            h.negative.offset,
            h.negative.counts.len(),
        )
    };
    layout(a) == layout(b)
}

fn hint_number(hint: ResetHint) -> i64 {
    match hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    }
}

fn hint_of(number: i64) -> Result<ResetHint, ChunkError> {
    match number {
        0 => Ok(ResetHint::Unknown),
        1 => Ok(ResetHint::Reset),
        2 => Ok(ResetHint::NotReset),
        3 => Ok(ResetHint::Gauge),
        _ => Err(ChunkError("an unknown reset hint")),
    }
}

/// Reads the columns of `n` points.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(bytes: &mut Reader<'_>, n: usize) -> Result<Vec<Arc<Histogram>>, ChunkError> {
    if n > POINTS_MAX {
        return Err(ChunkError("more points than a chunk has"));
    }
    let schemas = ints::decode(bytes, n)?;
    let hints = ints::decode(bytes, n)?;
    let zero_thresholds = floats::decode(bytes, n)?;
    let zero_counts = floats::decode(bytes, n)?;
    let counts = floats::decode(bytes, n)?;
    let sums = floats::decode(bytes, n)?;
    let positive = (ints::decode(bytes, n)?, lengths(ints::decode(bytes, n)?)?);
    let negative = (ints::decode(bytes, n)?, lengths(ints::decode(bytes, n)?)?);
    let n_bounds = lengths(ints::decode(bytes, n)?)?;
    let all_bounds = bytes.count(CHUNK_BUCKETS_MAX)?;
    if n_bounds.iter().sum::<usize>() != all_bounds {
        return Err(ChunkError("another number of custom bounds"));
    }
    let mut bounds = floats::decode(bytes, all_bounds)?.into_iter();
    let mut points = Vec::with_capacity(n);
    for idx in 0..n {
        let int = |of: &[i64]| of.get(idx).copied().unwrap_or_default();
        let float = |of: &[f64]| of.get(idx).copied().unwrap_or_default();
        let len = |of: &[usize]| of.get(idx).copied().unwrap_or_default();
        let buckets = |(offsets, lengths): &(Vec<i64>, Vec<usize>)| {
            Ok(Buckets {
                offset: index(int(offsets))?,
                counts: vec![0.0; len(lengths)],
            })
        };
        points.push(Histogram {
            schema: index(int(&schemas))?,
            custom_bounds: bounds.by_ref().take(len(&n_bounds)).collect(),
            zero_threshold: float(&zero_thresholds),
            zero_count: float(&zero_counts),
            count: float(&counts),
            sum: float(&sums),
            positive: buckets(&positive)?,
            negative: buckets(&negative)?,
            reset_hint: hint_of(int(&hints))?,
        });
    }
    decode_buckets(bytes, &mut points)?;
    Ok(points.into_iter().map(Arc::new).collect())
}

fn decode_buckets(bytes: &mut Reader<'_>, points: &mut [Histogram]) -> Result<(), ChunkError> {
    let way = bytes.u8()?;
    let n = bytes.count(CHUNK_BUCKETS_MAX)?;
    let wanted: usize = points
        .iter()
        .map(|p| p.positive.counts.len() + p.negative.counts.len())
        .sum();
    if n != wanted {
        return Err(ChunkError("another number of buckets"));
    }
    let mut all = match way {
        WHOLE | AGAINST_BEFORE => ints::decode(bytes, n)?
            .into_iter()
            .map(|count| count as f64)
            .collect(),
        FLOATS => floats::decode(bytes, n)?,
        _ => return Err(ChunkError("an unknown way of buckets")),
    }
    .into_iter();
    for idx in 0..points.len() {
        let (earlier, rest) = points.split_at_mut(idx);
        let Some(point) = rest.first_mut() else { break };
        let before = earlier
            .last()
            .filter(|before| way == AGAINST_BEFORE && same_layout(before, point));
        let mut earlier_counts = before.map(buckets_of);
        let positive = point.positive.counts.iter_mut();
        for place in positive.chain(&mut point.negative.counts) {
            let count: f64 = all.next().unwrap_or_default();
            let earlier = earlier_counts.as_mut().and_then(Iterator::next);
            // whole numbers below 2^53: exact
            *place = earlier.map_or(count, |earlier| count + earlier);
        }
    }
    Ok(())
}

fn lengths(numbers: Vec<i64>) -> Result<Vec<usize>, ChunkError> {
    let length = |n: i64| usize::try_from(n).ok().filter(|n| *n <= BUCKETS_MAX);
    let all: Option<Vec<usize>> = numbers.into_iter().map(length).collect();
    all.filter(|all| all.iter().sum::<usize>() <= CHUNK_BUCKETS_MAX)
        .ok_or(ChunkError("too many buckets"))
}

fn index(number: i64) -> Result<i32, ChunkError> {
    i32::try_from(number).map_err(|_| ChunkError("an index over 32 bits"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn buckets() -> impl Strategy<Value = Buckets> {
        let counts = prop_oneof![
            vec((0u32..50).prop_map(f64::from), 0..20),
            vec(any::<f64>(), 0..3),
        ];
        (-100i32..100, counts).prop_map(|(offset, counts)| Buckets { offset, counts })
    }

    fn histograms() -> impl Strategy<Value = Histogram> {
        (
            -4i32..=8,
            vec(any::<f64>(), 0..3),
            any::<[f64; 4]>(),
            buckets(),
            buckets(),
            0i64..4,
        )
            .prop_map(
                |(schema, custom_bounds, [a, b, c, d], positive, negative, hint)| Histogram {
                    schema,
                    custom_bounds,
                    zero_threshold: a,
                    zero_count: b,
                    count: c,
                    sum: d,
                    positive,
                    negative,
                    reset_hint: hint_of(hint).expect("one of four"),
                },
            )
    }

    fn text(points: &[Arc<Histogram>]) -> String {
        format!("{points:?}") // NaN equals itself as text
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn any_histograms_come_back(points in vec(histograms().prop_map(Arc::new), 0..12)) {
            let mut out = Vec::new();
            encode(&points, Effort::Quick, &mut out);
            let mut reader = Reader(&out);
            let read = decode(&mut reader, points.len()).expect("columns");
            prop_assert_eq!(text(&read), text(&points));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn a_changed_byte_is_other_histograms_or_an_error(
            points in vec(histograms().prop_map(Arc::new), 1..4), at: prop::sample::Index, byte: u8,
        ) {
            let mut out = Vec::new();
            encode(&points, Effort::Quick, &mut out);
            let at = at.index(out.len());
            out[at] = byte;
            if let Ok(read) = decode(&mut Reader(&out), points.len()) {
                prop_assert_eq!(read.len(), points.len());
            }
        }
    }

    #[test]
    fn buckets_that_grow_cost_their_growth() {
        let point = |n: u32| {
            let counts: Vec<f64> = (0..40).map(|b| f64::from(1_000_000 * b + n * b)).collect();
            Arc::new(Histogram {
                schema: 3,
                count: counts.iter().sum(),
                sum: 0.25 * f64::from(n),
                positive: Buckets {
                    offset: -20,
                    counts,
                },
                ..Histogram::default()
            })
        };
        let points: Vec<_> = (0..30).map(point).collect();
        let mut out = Vec::new();
        encode(&points, Effort::Quick, &mut out);
        assert!(out.len() < 30 * 40, "{} bytes", out.len());
        assert_eq!(decode(&mut Reader(&out), 30), Ok(points));
    }
}
