//! Numbers as Prometheus writes them.

/// As Go's `strconv` at its shortest: `1`, `0.5`, `1e+21`, `5e-07`, `NaN`, `+Inf`.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return with_exponent(value);
    }
    format!("{value}")
}

/// Rust writes `1.5e-7` where Go writes `1.5e-07`.
fn with_exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// An instant as seconds since 1970, with milliseconds if there are some.
pub(super) fn instant(unix_ms: i64) -> String {
    let sign = if unix_ms < 0 { "-" } else { "" };
    let ms = unix_ms.unsigned_abs();
    match (ms / 1_000, ms % 1_000) {
        (seconds, 0) => format!("{sign}{seconds}"),
        (seconds, rest) => format!("{sign}{seconds}.{rest:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (9.5e-7, "9.5e-07"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn instants_are_seconds() {
        for (ms, text) in [
            (0, "0"),
            (1_000, "1"),
            (1_005, "1.005"),
            (-500, "-0.500"),
            (1_435_781_451_781, "1435781451.781"),
        ] {
            assert_eq!(instant(ms), text);
        }
    }
}
