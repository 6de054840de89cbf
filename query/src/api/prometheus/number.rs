//! Numbers as Prometheus writes them, straight into the text around them.

use std::fmt::{self, Display, Formatter};

/// A number as Go's `strconv` at its shortest: `1`, `0.5`, `1e+21`, `5e-07`, `NaN`, `+Inf`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Float(pub(super) f64);

impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        let size = value.abs();
        match value {
            _ if value.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            _ if size != 0.0 && !(1e-6..1e21).contains(&size) => with_exponent(value, f),
            _ => write!(f, "{value}"),
        }
    }
}

/// Rust writes `1.5e-7` where Go writes `1.5e-07`.
fn with_exponent(value: f64, f: &mut Formatter<'_>) -> fmt::Result {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    write!(f, "{digits}e{sign}{exponent:0>2}")
}

/// An instant in unix ms as seconds since 1970, with milliseconds if there are some.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds(pub(super) i64);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ms = self.0.unsigned_abs();
        match (ms / 1_000, ms % 1_000) {
            (seconds, 0) => write!(f, "{sign}{seconds}"),
            (seconds, rest) => write!(f, "{sign}{seconds}.{rest:03}"),
        }
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
            assert_eq!(Float(value).to_string(), text);
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
            assert_eq!(Seconds(ms).to_string(), text);
        }
    }
}
