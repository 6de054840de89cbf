//! Floats: constant, decimals with their common step, Gorilla, or pco, whichever is shortest; every bit comes back.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};

use super::bytes::{Reader, put_bytes, put_varint, put_zigzag};
use super::{ChunkError, Effort, ints, xor};

/// The first byte: the way, decimal places, and a flag of the way.
const WAY_BITS: u8 = 0b11;
const CONSTANT: u8 = 0;
const SCALED: u8 = 1;
const XOR: u8 = 2;
const PCO: u8 = 3;
const PLACES_SHIFT: u32 = 2;
const PLACES_BITS: u8 = 0b1111;
/// Of a constant: its mantissa follows, not its bits.
const IS_DECIMAL: u8 = 1 << 6;
/// Of scaled values: exceptions follow.
const HAS_EXCEPTIONS: u8 = 1 << 6;
const RESERVED: u8 = 1 << 7;

/// Decimal places that are tried.
const PLACES_MAX: usize = 15;
/// Powers of ten, all exact.
const POWERS: [f64; PLACES_MAX + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];
/// One in so many values may be no decimal.
const EXCEPTIONS_SHARE: usize = 8;
/// Magnitude of mantissas with decimal places, and of whole numbers.
const MANTISSA_MAX: f64 = (1u64 << 53) as f64;
const WHOLE_MAX: f64 = (1u64 << 62) as f64;
/// pco's default is 8; 4 is a seventh of the time for 2 % more bytes.
const PCO_LEVEL: usize = 4;
/// Fewer values than this are never shorter by pco.
const PCO_VALUES_MIN: usize = 64;

/// Appends a column.
pub fn encode(values: &[f64], effort: Effort, out: &mut Vec<u8>) {
    let first = values.first().map_or(0, |value| value.to_bits());
    if values.iter().all(|value| value.to_bits() == first) {
        constant(f64::from_bits(first), out);
        return;
    }
    let mut best = scaled(values).unwrap_or_default();
    if best.is_empty() || (effort == Effort::Thorough && best.len() > values.len()) {
        let mut stream = Vec::new();
        xor::encode(values, &mut stream);
        let mut other = vec![XOR];
        put_bytes(&mut other, &stream);
        keep_shorter(&mut best, other);
    }
    if effort == Effort::Thorough && values.len() >= PCO_VALUES_MIN {
        let config = ChunkConfig::default().with_compression_level(PCO_LEVEL);
        if let Ok(packed) = simple_compress(values, &config) {
            let mut other = vec![PCO];
            put_bytes(&mut other, &packed);
            keep_shorter(&mut best, other);
        }
    }
    out.append(&mut best);
}

fn constant(value: f64, out: &mut Vec<u8>) {
    let places = places_of(&[value]);
    // beyond this the mantissa is not shorter
    let mantissa = mantissa(value, places).filter(|mantissa| mantissa.abs() < 1 << 48);
    if let Some(mantissa) = mantissa {
        out.push(CONSTANT | (places as u8) << PLACES_SHIFT | IS_DECIMAL);
        put_zigzag(out, mantissa);
    } else {
        out.push(CONSTANT);
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
}

fn keep_shorter(best: &mut Vec<u8>, other: Vec<u8>) {
    if best.is_empty() || other.len() < best.len() {
        *best = other;
    }
}

/// The mantissa of a value at so many places, if it gives back every bit.
fn mantissa(value: f64, places: usize) -> Option<i64> {
    let power = POWERS.get(places)?;
    let mantissa = (value * power).round();
    let limit = if places == 0 { WHOLE_MAX } else { MANTISSA_MAX };
    // compared so that NaN is out as well
    let in_range = mantissa.abs() < limit;
    (in_range && (mantissa as i64 as f64 / power).to_bits() == value.to_bits())
        .then_some(mantissa as i64)
}

/// Fewest places at which all values but the exceptions are decimals. A value that is one at p places is one at more, while its mantissa is in range.
fn places_of(values: &[f64]) -> usize {
    let mut places = 0;
    for value in values {
        if mantissa(*value, places).is_none() {
            let more = (places + 1..=PLACES_MAX).find(|p| mantissa(*value, *p).is_some());
            places = more.unwrap_or(places);
        }
    }
    places
}

fn scaled(values: &[f64]) -> Option<Vec<u8>> {
    let places = places_of(values);
    let mut exceptions = Vec::new();
    let mut mantissas = Vec::with_capacity(values.len());
    for (idx, value) in values.iter().enumerate() {
        let found = mantissa(*value, places);
        if found.is_none() {
            exceptions.push((idx, value.to_bits()));
            if exceptions.len() * EXCEPTIONS_SHARE > values.len() {
                return None;
            }
        }
        // the one before costs least in differences
        mantissas.push(found.or(mantissas.last().copied()).unwrap_or(0));
    }
    let way = SCALED | (places as u8) << PLACES_SHIFT;
    let mut out = Vec::new();
    if exceptions.is_empty() {
        out.push(way);
    } else {
        out.push(way | HAS_EXCEPTIONS);
        put_varint(&mut out, exceptions.len() as u64);
    }
    let mut before = 0;
    for (idx, bits) in exceptions {
        put_varint(&mut out, (idx - before) as u64);
        before = idx;
        out.extend_from_slice(&bits.to_le_bytes());
    }
    ints::encode(&mantissas, &mut out);
    Some(out)
}

/// Reads a column of `n` values.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(bytes: &mut Reader<'_>, n: usize) -> Result<Vec<f64>, ChunkError> {
    let first = bytes.u8()?;
    let places = first >> PLACES_SHIFT & PLACES_BITS;
    let has_flag = first & IS_DECIMAL != 0;
    let is_plain = places == 0 && !has_flag;
    match first & (WAY_BITS | RESERVED) {
        CONSTANT if is_plain => {
            let value = f64::from_bits(bytes.u64()?);
            Ok(vec![value; n])
        }
        CONSTANT if has_flag => {
            let value = bytes.zigzag()? as f64 / power(places)?;
            Ok(vec![value; n])
        }
        SCALED => decode_scaled(bytes, n, power(places)?, has_flag),
        XOR if is_plain => xor::decode(bytes.bytes(bytes.0.len())?, n),
        PCO if is_plain => {
            let packed = bytes.bytes(bytes.0.len())?;
            let mut values = vec![0.0; n];
            let progress = simple_decompress_into(packed, &mut values)
                .map_err(|_| ChunkError("pco refuses it"))?;
            if progress.finished && progress.n_processed == n {
                Ok(values)
            } else {
                Err(ChunkError("pco gives another number of values"))
            }
        }
        _ => Err(ChunkError("an unknown way of floats")),
    }
}

fn power(places: u8) -> Result<f64, ChunkError> {
    let power = POWERS.get(usize::from(places));
    power.copied().ok_or(ChunkError("too many decimal places"))
}

fn decode_scaled(
    bytes: &mut Reader<'_>,
    n: usize,
    power: f64,
    has_exceptions: bool,
) -> Result<Vec<f64>, ChunkError> {
    let n_exceptions = if has_exceptions { bytes.count(n)? } else { 0 };
    let mut exceptions = Vec::new();
    let mut at = 0usize;
    for _ in 0..n_exceptions {
        at += bytes.count(n)?;
        exceptions.push((at, f64::from_bits(bytes.u64()?)));
    }
    let mantissas = ints::decode(bytes, n)?;
    let mut values: Vec<f64> = mantissas.iter().map(|m| *m as f64 / power).collect();
    for (at, value) in exceptions {
        *values
            .get_mut(at)
            .ok_or(ChunkError("an exception behind the last value"))? = value;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Prometheus's marker of a series that ended.
    const STALE: u64 = 0x7ff0_0000_0000_0002;

    #[track_caller]
    fn check(values: &[f64]) -> usize {
        let mut size = 0;
        for effort in [Effort::Thorough, Effort::Quick] {
            let mut out = Vec::new();
            encode(values, effort, &mut out);
            size = out.len();
            let mut reader = Reader(&out);
            let read = decode(&mut reader, values.len()).expect("a column");
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&read), bits(values), "{effort:?}");
            assert!(reader.is_empty());
        }
        size
    }

    #[test]
    fn decimals_and_counters_are_short_and_markers_stay() {
        let counter: Vec<f64> = (0..360).map(|n| f64::from(n * 40 + n % 3)).collect();
        assert!(check(&counter) < 360, "{}", check(&counter));
        let mut percent: Vec<f64> = (0..360)
            .map(|n| f64::from(n * 7919 % 1000) / 10.0)
            .collect();
        assert!(check(&percent) < 360 * 3 / 2, "{}", check(&percent));
        percent[7] = f64::from_bits(STALE);
        percent[100] = -0.0;
        assert!(check(&percent) < 360 * 3 / 2 + 20);
        assert_eq!(check(&[1.0; 1000]), 2);
        assert_eq!(check(&[0.25; 9]), 2);
        assert_eq!(check(&[-0.0; 9]), 9);
        assert_eq!(check(&[1.0 / 3.0; 9]), 9);
        check(&[f64::from_bits(STALE); 3]);
        check(&[0.0, -0.0]);
        check(&[f64::INFINITY, 1.5, f64::NEG_INFINITY, f64::NAN]);
        check(&[9e18, -9e18, 4e18, 5e-324, f64::MAX]);
        check(&[1e15 + 0.3, 0.1, 1e300]);
        check(&[]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_bits_come_back(bits in vec(any::<u64>(), 0..200)) {
            check(&bits.into_iter().map(f64::from_bits).collect::<Vec<_>>());
        }

        #[test]
        fn decimals_with_markers_come_back(values in vec((-1_000_000i64..1_000_000, 0u8..20), 0..300), places in 0usize..8) {
            let value = |(m, dice): &(i64, u8)| match dice {
                0 => f64::from_bits(STALE),
                1 => -0.0,
                _ => *m as f64 / POWERS[places],
            };
            check(&values.iter().map(value).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_a_column_or_an_error(bytes in vec(any::<u8>(), 0..60), n in 0usize..200) {
            if let Ok(values) = decode(&mut Reader(&bytes), n) {
                prop_assert_eq!(values.len(), n);
            }
        }
    }
}
