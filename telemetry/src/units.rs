//! Amounts with units as people write them in a configuration: `30s`, `64MiB`, `500/s`, `80%`. A missing unit is an error.
//!
//! Use as `#[serde(with = "telemetry::units::duration")]` on a field.

use std::time::Duration;

/// Why text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseUnitError {
    #[error("{text:?} has no unit; write one of {units}")]
    MissingUnit { text: String, units: &'static str },
    #[error("{text:?} has an unknown unit; write one of {units}")]
    UnknownUnit { text: String, units: &'static str },
    #[error("{text:?} is no number with a unit, such as {example}")]
    NotANumber { text: String, example: &'static str },
    #[error("{text:?} is too large")]
    TooLarge { text: String },
}

/// A kind of amount: its units with their factor to the smallest one.
struct Scale {
    units: &'static str,
    example: &'static str,
    factors: &'static [(&'static str, u64)],
}

const DURATION: Scale = Scale {
    units: "ns, us, ms, s, m, h, d",
    example: "30s",
    factors: &[
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ],
};

const BYTES: Scale = Scale {
    units: "B, KB, MB, GB, TB, KiB, MiB, GiB, TiB",
    example: "64MiB",
    factors: &[
        ("B", 1),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ],
};

const RATE: Scale = Scale {
    units: "/s",
    example: "500/s",
    factors: &[("/s", 1)],
};

impl Scale {
    fn parse(&self, text: &str) -> Result<u64, ParseUnitError> {
        let trimmed = text.trim();
        let digits_end = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
            .unwrap_or(trimmed.len());
        let (digits, unit) = trimmed.split_at(digits_end);
        let number: f64 =
            digits
                .replace('_', "")
                .parse()
                .map_err(|_| ParseUnitError::NotANumber {
                    text: text.to_owned(),
                    example: self.example,
                })?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Err(ParseUnitError::MissingUnit {
                text: text.to_owned(),
                units: self.units,
            });
        }
        let (_, factor) = self
            .factors
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| ParseUnitError::UnknownUnit {
                text: text.to_owned(),
                units: self.units,
            })?;
        let amount = number * *factor as f64;
        if amount < u64::MAX as f64 {
            Ok(amount as u64)
        } else {
            Err(ParseUnitError::TooLarge {
                text: text.to_owned(),
            })
        }
    }

    /// The largest unit that gives a whole number.
    fn format(&self, amount: u64) -> String {
        let whole = |&&(name, factor): &&(&str, u64)| amount.is_multiple_of(factor) && name != "µs";
        let (unit, factor) = self
            .factors
            .iter()
            .filter(whole)
            .max_by_key(|(_, factor)| *factor)
            .unwrap_or(&self.factors[0]);
        if amount == 0 {
            format!("0{}", self.factors[0].0)
        } else {
            format!("{}{unit}", amount / factor)
        }
    }
}

/// Durations: `250ms`, `30s`, `15m`, `6h`, `15d`.
pub mod duration {
    use super::{DURATION, Duration, ParseUnitError};
    use serde::{Deserialize, Deserializer, Serializer};

    /// # Errors
    /// When the text is no number with a unit of time.
    pub fn parse(text: &str) -> Result<Duration, ParseUnitError> {
        DURATION.parse(text).map(Duration::from_nanos)
    }

    /// The shortest text that reads back as this duration.
    #[must_use]
    pub fn format(duration: Duration) -> String {
        DURATION.format(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }

    /// # Errors
    /// As [`parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(input)?;
        parse(&text).map_err(serde::de::Error::custom)
    }

    /// # Errors
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(duration: &Duration, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&format(*duration))
    }
}

/// Sizes in bytes: `900KB`, `64MiB`, `20GiB`.
pub mod bytes {
    use super::{BYTES, ParseUnitError};
    use serde::{Deserialize, Deserializer, Serializer};

    /// # Errors
    /// When the text is no number with a unit of size.
    pub fn parse(text: &str) -> Result<u64, ParseUnitError> {
        BYTES.parse(text)
    }

    /// The shortest text that reads back as this size.
    #[must_use]
    pub fn format(bytes: u64) -> String {
        BYTES.format(bytes)
    }

    /// # Errors
    /// As [`parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
        let text = String::deserialize(input)?;
        parse(&text).map_err(serde::de::Error::custom)
    }

    /// # Errors
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(bytes: &u64, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&format(*bytes))
    }
}

/// Whole numbers a second: `500/s`.
pub mod rate {
    use super::{ParseUnitError, RATE};
    use serde::{Deserialize, Deserializer, Serializer};

    /// # Errors
    /// When the text is no number with `/s`.
    pub fn parse(text: &str) -> Result<u64, ParseUnitError> {
        RATE.parse(text)
    }

    /// The text that reads back as this rate.
    #[must_use]
    pub fn format(per_s: u64) -> String {
        RATE.format(per_s)
    }

    /// # Errors
    /// As [`parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
        let text = String::deserialize(input)?;
        parse(&text).map_err(serde::de::Error::custom)
    }

    /// # Errors
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(per_s: &u64, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&format(*per_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        for (text, expected) in [
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("15m", 900_000),
            ("6h", 21_600_000),
            ("250ms", 250),
        ] {
            assert_eq!(
                duration::parse(text).map(|d| d.as_millis()),
                Ok(expected),
                "{text}"
            );
        }
        for per_s in [0, 500] {
            assert_eq!(rate::parse(&rate::format(per_s)), Ok(per_s));
        }
        assert!(rate::parse("500").is_err() && rate::parse("500/m").is_err());
        for (text, expected) in [("900KB", 900_000), ("64MiB", 64 << 20), ("1_000B", 1_000)] {
            assert_eq!(bytes::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_amount_without_a_unit_says_which_units_there_are() {
        let told = duration::parse("30").expect_err("no unit").to_string();
        assert_eq!(
            told,
            r#""30" has no unit; write one of ns, us, ms, s, m, h, d"#
        );
        assert!(bytes::parse("12 parsecs").is_err());
        assert!(bytes::parse("").is_err());
        assert!(bytes::parse("99999999999TiB").is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["30s", "5m", "15d", "0ns", "1500ms"] {
            assert_eq!(
                duration::format(duration::parse(text).expect("valid")),
                text
            );
        }
        for text in ["64MiB", "900KB", "0B", "100GiB"] {
            assert_eq!(bytes::format(bytes::parse(text).expect("valid")), text);
        }
    }
}
