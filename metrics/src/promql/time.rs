//! Times and lengths of time: ms inside, seconds in PromQL.

/// Longest length of time that is taken: a thousand years. Sums of a few with any time of the store stay in an i64.
pub(super) const LENGTH_MS_MAX: i64 = 1_000 * 365 * 24 * 3_600_000;
/// Furthest time from 1970, either way.
pub(super) const UNIX_MS_MAX: i64 = 10_000 * 365 * 24 * 3_600_000;

/// Seconds of ms.
#[expect(
    clippy::cast_precision_loss,
    reason = "times of PromQL are floats of seconds; ms of ten thousand years are exact"
)]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// The nearest ms; none if it lies beyond [`UNIX_MS_MAX`] or is no number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded by the comparison before"
)]
pub(super) fn ms_of_seconds(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1000.0).round();
    let is_in = ms.abs() <= self::seconds(UNIX_MS_MAX) * 1000.0;
    is_in.then_some(ms as i64)
}

/// The ms of a setting.
pub(super) fn ms_of(length: std::time::Duration) -> i64 {
    i64::try_from(length.as_millis()).map_or(LENGTH_MS_MAX, |ms| ms.min(LENGTH_MS_MAX))
}

/// A length as Prometheus writes it: `1h30m`, `90d`.
pub(super) fn duration_text(ms: i64) -> String {
    use std::fmt::Write as _;

    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = if ms < 0 { "-" } else { "" }.to_owned();
    let mut left = ms.unsigned_abs();
    let units = [
        ("y", 365 * 24 * 3_600_000, true),
        ("w", 7 * 24 * 3_600_000, true),
        ("d", 24 * 3_600_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1_000, false),
        ("ms", 1, false),
    ];
    for (unit, unit_ms, only_whole) in units {
        // years and weeks only when nothing is left: 90d reads better than 12w6d
        if left / unit_ms == 0 || (only_whole && !left.is_multiple_of(unit_ms)) {
            continue;
        }
        // writing to a string cannot fail
        let _written = write!(text, "{}{unit}", left / unit_ms);
        left %= unit_ms;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_prometheus_does() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1ms"),
            (300_000, "5m"),
            (5_400_000, "1h30m"),
            (90 * 86_400_000, "90d"),
            (7 * 86_400_000, "1w"),
            (365 * 86_400_000, "1y"),
            (-60_500, "-1m500ms"),
        ] {
            assert_eq!(duration_text(ms), text);
            if ms > 0 {
                assert_eq!(super::super::lex::number::duration_ms(text), Some(ms));
            }
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        assert_eq!(ms_of_seconds(1.0005), Some(1001));
        for bad in [f64::NAN, f64::INFINITY, 1e300, -1e300] {
            assert_eq!(ms_of_seconds(bad), None);
        }
    }
}
