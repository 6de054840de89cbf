//! Times as people type them: `now`, `now-15m`, RFC 3339, or seconds since 1970. In: text and what time it is. Out: unix ms.

use jiff::Timestamp;

/// Units of what is taken from now, in ms.
const UNITS: [(&str, i64); 7] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
    ("y", 365 * 86_400_000),
];

pub(super) fn read(text: &str, now_unix_ms: i64) -> Option<i64> {
    let text = text.trim();
    if let Some(after) = text.strip_prefix("now") {
        let Some(ago) = after.strip_prefix('-') else {
            return after.is_empty().then_some(now_unix_ms);
        };
        return now_unix_ms.checked_sub(duration_ms(ago)?);
    }
    match text.parse::<Timestamp>() {
        Ok(time) => Some(time.as_millisecond()),
        Err(_) => seconds_ms(text),
    }
}

/// Numbers with units, as in `1h30m`.
fn duration_ms(text: &str) -> Option<i64> {
    let (mut rest, mut total_ms) = (text, 0_i64);
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = after.find(|c: char| c.is_ascii_digit());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part_ms = digits.parse::<i64>().ok()?.checked_mul(*unit_ms)?;
        total_ms = total_ms.checked_add(part_ms)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total_ms)
}

/// Seconds with at most three digits of fraction; more are cut.
fn seconds_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ms: String = fraction.chars().chain("000".chars()).take(3).collect();
    let (whole, ms) = (whole.parse::<i64>().ok()?, ms.parse::<i64>().ok()?);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    whole.checked_mul(1_000)?.checked_add(sign * ms)
}

/// Unix ms as seconds, the way parameters have them.
pub(super) fn seconds(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    let text = format!("{sign}{}.{:03}", ms / 1_000, ms % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let now = 1_000_000_000;
        for (text, ms) in [
            ("now", Some(now)),
            ("now-15m", Some(now - 900_000)),
            ("now-1h30m", Some(now - 5_400_000)),
            ("now-2d", Some(now - 172_800_000)),
            ("1970-01-01T00:00:01.500Z", Some(1_500)),
            ("12", Some(12_000)),
            ("12.5", Some(12_500)),
            ("12.0009", Some(12_000)),
            ("-1.5", Some(-1_500)),
            ("now-", None),
            ("now+1h", None),
            ("now-1", None),
            ("now-1x", None),
            ("noon", None),
            ("", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(read(text, now), ms, "{text}");
        }
    }

    #[test]
    fn seconds_are_written() {
        for (ms, text) in [(0, "0"), (1_500, "1.5"), (-1_001, "-1.001"), (60_000, "60")] {
            assert_eq!(seconds(ms), text);
        }
    }
}
