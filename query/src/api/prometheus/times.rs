//! Instants and durations as Prometheus' clients write them. In: text of a parameter. Out: milliseconds.

use jiff::Timestamp;

use crate::read::parameters::{Parameters, shortened};
use crate::refusal::Refusal;

/// Earliest and latest instants that are understood, in unix ms: 142 000 years around 1970, far from where sums overflow.
pub(super) const EARLIEST_MS: i64 = -(1 << 52);
pub(super) const LATEST_MS: i64 = 1 << 52;
/// Texts of Go's smallest and largest time, which some clients send for "from the beginning" and "to the end".
const GO_FIRST: &str = "-292273086-05-16T16:47:06Z";
const GO_LAST: &str = "292277025-08-18T07:12:54.999999999Z";

/// Units of Prometheus' durations, longest first, in ms; each at most once and in this order.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
/// Longest text of a duration, in bytes.
const DURATION_BYTES_MAX: usize = 64;

/// An instant in unix ms: seconds since 1970 with a fraction, or RFC 3339.
pub(super) fn instant(text: &str) -> Option<i64> {
    let unix_ms = match text.parse::<f64>() {
        Ok(seconds) => whole_ms(seconds)?,
        Err(_) if text == GO_FIRST => EARLIEST_MS,
        Err(_) if text == GO_LAST => LATEST_MS,
        Err(_) => {
            // A `+` that was not escaped arrives as a space.
            let time: Timestamp = text.replace(' ', "+").parse().ok()?;
            i64::try_from(time.as_nanosecond().div_euclid(1_000_000)).ok()?
        }
    };
    (EARLIEST_MS..=LATEST_MS)
        .contains(&unix_ms)
        .then_some(unix_ms)
}

/// A duration in ms, maybe negative: seconds with a fraction, or Prometheus' `1h30m`.
pub(super) fn duration(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => whole_ms(seconds),
        Err(_) => units(text),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to lie between the bounds, which are whole"
)]
fn whole_ms(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1_000.0).round();
    let bound = LATEST_MS as f64;
    (ms >= -bound && ms <= bound).then_some(ms as i64)
}

fn units(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > DURATION_BYTES_MAX {
        return None;
    }
    let (mut rest, mut total_ms, mut units) = (text, 0_i64, UNITS.as_slice());
    while !rest.is_empty() {
        let n_digits = rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, after) = rest.split_at(n_digits);
        let letters = after
            .bytes()
            .position(|byte| byte.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let place = units.iter().position(|(name, _)| *name == unit)?;
        let (_, unit_ms) = units.get(place)?;
        let part_ms = digits.parse::<i64>().ok()?.checked_mul(*unit_ms)?;
        total_ms = total_ms.checked_add(part_ms)?;
        units = units.get(place.saturating_add(1)..)?;
        rest = after;
    }
    (total_ms <= LATEST_MS).then_some(total_ms)
}

/// The instant of a parameter, or `otherwise` without one.
pub(super) fn instant_of(
    parameters: &Parameters,
    name: &str,
    otherwise: i64,
) -> Result<i64, Refusal> {
    let read = |text: &str| {
        instant(text).ok_or_else(|| {
            invalid(
                name,
                &format!("cannot parse {} to a valid timestamp", told(text)),
            )
        })
    };
    parameters.text(name).map_or(Ok(otherwise), read)
}

/// The duration of a parameter in ms, if there is one.
pub(super) fn duration_of(parameters: &Parameters, name: &str) -> Result<Option<i64>, Refusal> {
    let read = |text: &str| {
        duration(text).ok_or_else(|| {
            invalid(
                name,
                &format!("cannot parse {} to a valid duration", told(text)),
            )
        })
    };
    parameters.text(name).map(read).transpose()
}

/// Prometheus' words for a parameter that cannot be.
pub(super) fn invalid(name: &str, why: &str) -> Refusal {
    Refusal::invalid(format!("invalid parameter {name:?}: {why}"))
}

fn told(text: &str) -> String {
    format!("{:?}", shortened(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_seconds_or_rfc_3339() {
        for (text, ms) in [
            ("0", Some(0)),
            ("1.5", Some(1_500)),
            ("-1", Some(-1_000)),
            ("1435781451.781", Some(1_435_781_451_781)),
            ("1435781451.7816", Some(1_435_781_451_782)),
            ("1.435781451781e9", Some(1_435_781_451_781)),
            ("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781)),
            ("2015-07-01T20:10:51.781999Z", Some(1_435_781_451_781)),
            ("2015-07-01T22:10:51.781+02:00", Some(1_435_781_451_781)),
            ("2015-07-01T22:10:51.781 02:00", Some(1_435_781_451_781)),
            ("1969-12-31T23:59:59.9995Z", Some(-1)),
            (GO_FIRST, Some(EARLIEST_MS)),
            (GO_LAST, Some(LATEST_MS)),
            ("", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
            ("30s", None),
            ("2015-13-01T20:10:51Z", None),
        ] {
            assert_eq!(instant(text), ms, "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_or_prometheus_units() {
        for (text, ms) in [
            ("15", Some(15_000)),
            ("0.25", Some(250)),
            ("-1", Some(-1_000)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("1h30m", Some(5_400_000)),
            ("1y2w3d4h5m6s7ms", Some(33_019_506_007)),
            ("100ms", Some(100)),
            ("", None),
            ("1m1h", None),
            ("1h1h", None),
            ("1.5h", None),
            ("-1h", None),
            ("h", None),
            ("1h30", None),
            ("1µs", None),
            ("NaN", None),
            ("99999999999y", None),
        ] {
            assert_eq!(duration(text), ms, "{text}");
        }
    }
}
