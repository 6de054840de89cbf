//! Trace and span ids as OpenTelemetry defines them: 16 and 8 raw bytes, written as lower-case hex, never all zero.

use std::fmt;
use std::str::FromStr;

/// Id of a trace: 16 bytes, not all zero when it came from an accepted span (W3C Trace Context).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TraceId(pub [u8; 16]);

/// Id of a span within its trace: 8 bytes, not all zero when it came from an accepted span (W3C Trace Context).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanId(pub [u8; 8]);

/// Why text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    #[error("an id has {expected} hex digits, this has {found} characters")]
    Length { expected: usize, found: usize },
    #[error("an id is written in hex digits, found {0:?}")]
    Digit(char),
}

impl TraceId {
    /// Whether every byte is zero, which no valid trace id is.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }

    /// The low 56 bits, the randomness that W3C Trace Context level 2 promises (`R` of OpenTelemetry consistent sampling).
    #[must_use]
    pub fn randomness_56(self) -> u64 {
        u128::from_be_bytes(self.0) as u64 & ((1 << 56) - 1)
    }

    /// Reads 1 to 32 hex digits of either case, padded with zeros on the left, as Jaeger and Tempo accept them.
    ///
    /// # Errors
    /// When there are none or too many characters, or one is no hex digit.
    pub fn parse_padded(text: &str) -> Result<Self, ParseIdError> {
        if text.is_empty() || text.len() > 32 {
            return Err(ParseIdError::Length {
                expected: 32,
                found: text.chars().count(),
            });
        }
        Self::from_str(&format!("{text:0>32}"))
    }
}

impl SpanId {
    /// Whether every byte is zero, which no valid span id is.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 8]
    }
}

fn decode_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    if text.len() != 2 * N {
        return Err(ParseIdError::Length {
            expected: 2 * N,
            found: text.chars().count(),
        });
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for &digit in pair {
            let nibble = char::from(digit)
                .to_digit(16)
                .ok_or(ParseIdError::Digit(char::from(digit)))?;
            *byte = *byte << 4 | nibble as u8;
        }
    }
    Ok(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! hex_id {
    ($id:ident) => {
        impl FromStr for $id {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                decode_hex(text).map(Self)
            }
        }
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
    };
}
hex_id!(TraceId);
hex_id!(SpanId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_write() {
        let id: TraceId = "83a9efd15c1c98a977e0711cc93EE28B"
            .parse()
            .expect("valid id");
        assert_eq!(id.to_string(), "83a9efd15c1c98a977e0711cc93ee28b");
        assert_eq!(id.randomness_56(), 0xe0_711c_c93e_e28b);
        let id: SpanId = "e127af99e3b3e074".parse().expect("valid id");
        assert_eq!(id.to_string(), "e127af99e3b3e074");
    }

    #[test]
    fn short_trace_ids_are_padded_on_the_left() {
        assert_eq!(
            TraceId::parse_padded("227").expect("valid id").to_string(),
            "00000000000000000000000000000227"
        );
    }

    #[test]
    fn what_is_no_id_says_why() {
        assert_eq!(
            "é27af99e3b3e074".parse::<SpanId>(),
            Err(ParseIdError::Digit('Ã'))
        );
        assert_eq!(
            "12".parse::<SpanId>(),
            Err(ParseIdError::Length {
                expected: 16,
                found: 2
            })
        );
        assert!(TraceId::parse_padded("").is_err());
    }
}
