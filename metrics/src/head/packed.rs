//! A window of the head in few bytes: a histogram as one run of bytes, whose counts have as many as the largest of them needs.
//!
//! In: windows as they come. Out: the same, bit for bit.

use std::sync::Arc;

use crate::chunk::bytes::{Reader, put_varint, put_zigzag};
use crate::chunk::{ChunkError, histograms::BUCKETS_MAX};
use crate::histogram::{Buckets, Histogram, ResetHint};
use crate::window::add;
use crate::{Value, Window};

/// What a histogram counts in the memory formula beside its bytes: a pointer's count and what the allocator adds.
const SHARED_BYTES: u64 = 32;

/// Bits of the first byte: how many bytes a count has, as a power of two; the reset hint; whether it has a zero bucket.
const WIDTH_BITS: u8 = 0b11;
const HINT_SHIFT: u8 = 2;
const HINT_BITS: u8 = 0b11;
const HAS_ZERO: u8 = 1 << 4;

/// A [`Window`] as the head holds it.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    start_unix_ms: i64,
    end_unix_ms: i64,
    value: PackedValue,
}

#[derive(Debug, Clone)]
enum PackedValue {
    Float(f64),
    Histogram(Arc<[u8]>),
}

const _: () = assert!(
    size_of::<Packed>() == 32,
    "the formula is the same on every machine"
);

impl Packed {
    pub(super) fn new(window: &Window) -> Self {
        Self {
            start_unix_ms: window.start_unix_ms,
            end_unix_ms: window.end_unix_ms,
            value: PackedValue::new(&window.value),
        }
    }

    pub(super) fn end_unix_ms(&self) -> i64 {
        self.end_unix_ms
    }

    pub(super) fn window(&self) -> Window {
        Window {
            start_unix_ms: self.start_unix_ms,
            end_unix_ms: self.end_unix_ms,
            value: self.value.value(),
        }
    }

    /// Adds a window of the same span of time; false if it is of another, or cannot be added.
    pub(super) fn add(&mut self, window: &Window) -> bool {
        let is_of_span =
            (self.start_unix_ms, self.end_unix_ms) == (window.start_unix_ms, window.end_unix_ms);
        if !is_of_span {
            return false;
        }
        let mut sum = self.value.value();
        let added = add(&mut sum, &window.value);
        if added {
            self.value = PackedValue::new(&sum);
        }
        added
    }

    /// What it takes beside its place, by formula.
    pub(super) fn bytes(&self) -> u64 {
        match &self.value {
            PackedValue::Float(_) => 0,
            PackedValue::Histogram(bytes) => SHARED_BYTES + bytes.len() as u64,
        }
    }
}

impl PackedValue {
    fn new(value: &Value) -> Self {
        match value {
            Value::Float(value) => Self::Float(*value),
            Value::Histogram(histogram) => Self::Histogram(pack(histogram).into()),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Float(value) => Value::Float(*value),
            Self::Histogram(bytes) => {
                let histogram = unpack(&mut Reader(bytes));
                Value::Histogram(Arc::new(histogram.expect("these are bytes of pack")))
            }
        }
    }
}

/// Bytes of a count, as a power of two, that all of them fit into: whole ones of 1, 2 or 4 bytes, any in 8.
fn width(histogram: &Histogram) -> u8 {
    let counts = histogram.positive.counts.iter();
    let of = |count: &f64| match (
        count.to_bits() == f64::from(*count as u32).to_bits(),
        *count,
    ) {
        (true, 0.0..256.0) => 0,
        (true, 0.0..65_536.0) => 1,
        (true, _) => 2,
        (false, _) => 3,
    };
    counts
        .chain(&histogram.negative.counts)
        .map(of)
        .max()
        .unwrap_or(0)
}

fn pack(histogram: &Histogram) -> Vec<u8> {
    let mut out = Vec::new();
    let width = width(histogram);
    let zero = [histogram.zero_threshold, histogram.zero_count].map(f64::to_bits);
    let has_zero = zero != [0; 2];
    out.push(
        width
            | hint_number(histogram.reset_hint) << HINT_SHIFT
            | if has_zero { HAS_ZERO } else { 0 },
    );
    put_zigzag(&mut out, histogram.schema.into());
    for bits in [histogram.count, histogram.sum].map(f64::to_bits) {
        out.extend(bits.to_le_bytes());
    }
    if has_zero {
        zero.iter().for_each(|bits| out.extend(bits.to_le_bytes()));
    }
    put_varint(&mut out, histogram.custom_bounds.len() as u64);
    for bound in &histogram.custom_bounds {
        out.extend(bound.to_bits().to_le_bytes());
    }
    for side in [&histogram.positive, &histogram.negative] {
        put_zigzag(&mut out, side.offset.into());
        put_varint(&mut out, side.counts.len() as u64);
        for count in &side.counts {
            match width {
                0 => out.push(*count as u8),
                1 => out.extend((*count as u16).to_le_bytes()),
                2 => out.extend((*count as u32).to_le_bytes()),
                _ => out.extend(count.to_bits().to_le_bytes()),
            }
        }
    }
    out
}

fn unpack(bytes: &mut Reader<'_>) -> Result<Histogram, ChunkError> {
    let first = bytes.u8()?;
    let float = |bytes: &mut Reader<'_>| bytes.u64().map(f64::from_bits);
    let schema = bytes.zigzag()? as i32;
    let (count, sum) = (float(bytes)?, float(bytes)?);
    let (zero_threshold, zero_count) = match first & HAS_ZERO {
        0 => (0.0, 0.0),
        _ => (float(bytes)?, float(bytes)?),
    };
    let n_bounds = bytes.count(BUCKETS_MAX)?;
    let custom_bounds: Result<_, _> = (0..n_bounds).map(|_| float(bytes)).collect();
    Ok(Histogram {
        schema,
        custom_bounds: custom_bounds?,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive: unpack_side(bytes, first & WIDTH_BITS)?,
        negative: unpack_side(bytes, first & WIDTH_BITS)?,
        reset_hint: hint_of(first >> HINT_SHIFT & HINT_BITS),
    })
}

fn unpack_side(bytes: &mut Reader<'_>, width: u8) -> Result<Buckets, ChunkError> {
    let offset = bytes.zigzag()? as i32;
    let n = bytes.count(BUCKETS_MAX)?;
    let packed = bytes.take(n << width)?;
    let counts = match width {
        0 => packed.iter().map(|count| f64::from(*count)).collect(),
        1 => wide(packed, |count| f64::from(u16::from_le_bytes(count))),
        2 => wide(packed, |count| f64::from(u32::from_le_bytes(count))),
        _ => wide(packed, |count| f64::from_bits(u64::from_le_bytes(count))),
    };
    Ok(Buckets { offset, counts })
}

fn wide<const N: usize>(packed: &[u8], count: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (counts, _) = packed.as_chunks::<N>();
    counts.iter().map(|bytes| count(*bytes)).collect()
}

fn hint_number(hint: ResetHint) -> u8 {
    match hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    }
}

fn hint_of(number: u8) -> ResetHint {
    match number {
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn buckets() -> impl Strategy<Value = Buckets> {
        let whole = |max: u64| vec((0..max).prop_map(|count| count as f64), 0..40);
        let counts = prop_oneof![
            whole(1 << 8),
            whole(1 << 16),
            whole(1 << 33),
            vec(any::<f64>(), 0..5),
            Just(vec![-0.0, 1.0]),
        ];
        (any::<i32>(), counts).prop_map(|(offset, counts)| Buckets { offset, counts })
    }

    prop_compose! {
        fn histograms()(
            schema in -53..=8i32, custom_bounds in vec(any::<f64>(), 0..4),
            [zero_threshold, zero_count] in prop_oneof![Just([0.0; 2]), any::<[f64; 2]>()],
            count: f64, sum: f64, positive in buckets(), negative in buckets(), hint in 0..4u8,
        ) -> Histogram {
            let reset_hint = hint_of(hint);
            Histogram { schema, custom_bounds, zero_threshold, zero_count, count, sum, positive, negative, reset_hint }
        }
    }

    fn window(value: Value) -> Window {
        Window {
            start_unix_ms: -10_000,
            end_unix_ms: 0,
            value,
        }
    }

    proptest! {
        #[test]
        fn a_window_comes_back_bit_for_bit(histogram in histograms()) {
            let sent = window(Value::Histogram(Arc::new(histogram)));
            // the text, as NaN is not equal to itself
            prop_assert_eq!(format!("{:?}", Packed::new(&sent).window()), format!("{sent:?}"));
        }
    }

    #[test]
    fn small_counts_take_a_byte_each() {
        let of = |count: f64| {
            let counts = vec![count; 100];
            let positive = Buckets { offset: 0, counts };
            let histogram = Histogram {
                positive,
                ..Histogram::default()
            };
            Packed::new(&window(Value::Histogram(Arc::new(histogram)))).bytes()
        };
        let counts = [255.0, 256.0, 65_536.0, 0.5].map(of);
        assert_eq!(counts.map(|bytes| bytes / 100), [1, 2, 4, 8]);
    }

    #[test]
    fn windows_of_one_span_of_time_add_and_others_do_not() {
        let mut packed = Packed::new(&window(Value::Float(1.0)));
        assert!(packed.add(&window(Value::Float(2.0))));
        assert_eq!(packed.window(), window(Value::Float(3.0)));
        let histogram = Value::Histogram(Arc::new(Histogram::default()));
        assert!(!packed.add(&window(histogram)), "another kind");
        let later = Window {
            end_unix_ms: 1,
            ..window(Value::Float(2.0))
        };
        assert!(!packed.add(&later));
        assert_eq!(packed.window(), window(Value::Float(3.0)));
    }
}
