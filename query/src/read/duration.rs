//! Durations as Go writes them: `1.2ms`, `100us`, `1h2m3.5s`, `0`. In: text of a request. Out: whole nanoseconds.

/// Longest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 64;
/// Longest duration, as in Go: 2^63 − 1 ns, about 292 years.
const DURATION_NS_MAX: u64 = i64::MAX as u64;

/// Longest unit first where one begins with another.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Why text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseDurationError {
    #[error("a duration is numbers with units, as in \"1.2ms\" or \"1h30m\"")]
    Syntax,
    #[error("a duration has one of the units ns, us, ms, s, m, h after each number")]
    Unit,
    #[error("a duration here is not negative")]
    Negative,
    #[error("a duration is at most 2^63 - 1 ns")]
    TooLong,
}

/// Reads a duration that is not negative. Digits below a nanosecond are cut.
pub(crate) fn parse(text: &str) -> Result<u64, ParseDurationError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ParseDurationError::Syntax);
    }
    let unsigned = match text.strip_prefix('-') {
        Some("0") => return Ok(0),
        Some(_) => return Err(ParseDurationError::Negative),
        None => text.strip_prefix('+').unwrap_or(text),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    let mut rest = unsigned;
    let mut total_ns: u64 = 0;
    loop {
        let (part_ns, after) = number_and_unit(rest)?;
        total_ns = total_ns
            .checked_add(part_ns)
            .filter(|ns| *ns <= DURATION_NS_MAX)
            .ok_or(ParseDurationError::TooLong)?;
        rest = after;
        if rest.is_empty() {
            return Ok(total_ns);
        }
    }
}

fn number_and_unit(text: &str) -> Result<(u64, &str), ParseDurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => digits(after),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(ParseDurationError::Syntax);
    }
    let (unit_ns, rest) = UNITS
        .iter()
        .find_map(|(name, ns)| Some((*ns, rest.strip_prefix(name)?)))
        .ok_or(ParseDurationError::Unit)?;
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| ParseDurationError::TooLong)?
    };
    let whole_ns = whole
        .checked_mul(unit_ns)
        .ok_or(ParseDurationError::TooLong)?;
    let part_ns = whole_ns
        .checked_add(fraction_ns(fraction, unit_ns))
        .ok_or(ParseDurationError::TooLong)?;
    Ok((part_ns, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `0.fraction` of a unit. An hour has 13 digits of nanoseconds, so more than 18 digits of fraction cannot matter.
fn fraction_ns(fraction: &str, unit_ns: u64) -> u64 {
    let mut scale: u128 = 1;
    let mut value: u128 = 0;
    for digit in fraction.bytes().take(18) {
        value = value * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    (value * u128::from(unit_ns) / scale) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, ns) in [
            ("0", 0),
            ("4.5us", 4_500),
            ("4500ns", 4_500),
            ("1.2ms", 1_200_000),
            ("100µs", 100_000),
            ("100μs", 100_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("+1h2m3.000000004s", 3_723_000_000_004),
            ("0.9999999999ns", 0),
            ("9223372036854775807ns", i64::MAX as u64),
        ] {
            assert_eq!(parse(text), Ok(ns), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        use ParseDurationError::{Negative, Syntax, TooLong, Unit};
        let long = "1".repeat(65);
        for (text, why) in [
            ("", Syntax),
            (".s", Syntax),
            ("s", Syntax),
            ("1", Unit),
            ("1d", Unit),
            ("1s2", Unit),
            ("1 s", Unit),
            ("-1s", Negative),
            ("9223372036854775808ns", TooLong),
            ("99999999999999999999h", TooLong),
            (&long, Syntax),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
