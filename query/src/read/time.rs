//! Points in time as requests write them, and as answers write them back.

use jiff::{SignedDuration, Timestamp};
use telemetry::RecordTime;

use crate::read::duration;
use crate::read::parameters::shortened;
use crate::refusal::Refusal;

/// Reads RFC 3339 with up to nanoseconds. A `+` of an offset that arrived as a space (`+` in a query string means that) is mended.
pub(crate) fn rfc3339_unix_ns(name: &str, text: &str) -> Result<u64, Refusal> {
    let mended = if text.contains('T') {
        text.replace(' ', "+")
    } else {
        text.to_owned()
    };
    let told = |why: &str| {
        Refusal::invalid(format!(
            "unable to parse param '{name}': {why}, this is {:?}",
            shortened(text)
        ))
    };
    let time: Timestamp = mended
        .parse()
        .map_err(|_| told("expected a time like 2017-01-26T16:46:31.639875Z"))?;
    u64::try_from(time.as_nanosecond()).map_err(|_| told("a time is not before 1970"))
}

/// Reads RFC 3339, ms since 1970, `now`, or `now-15m`.
pub(crate) fn own_unix_ns(name: &str, text: &str, now_unix_ns: u64) -> Result<u64, Refusal> {
    if let Some(after) = text.strip_prefix("now") {
        let ago = after
            .strip_prefix('-')
            .map_or(Ok(0), |ago| ago_ns(name, ago));
        return if after.is_empty() || after.starts_with('-') {
            Ok(now_unix_ns.saturating_sub(ago?))
        } else {
            Err(unread(name, text))
        };
    }
    match text.parse::<u64>() {
        Ok(ms) => ms.checked_mul(1_000_000).ok_or_else(|| unread(name, text)),
        Err(_) => rfc3339_unix_ns(name, text),
    }
}

/// A duration that may also be whole days, as people write look-backs.
pub(crate) fn ago_ns(name: &str, text: &str) -> Result<u64, Refusal> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u64>().ok());
    match days {
        Some(days) => days
            .checked_mul(24 * 3_600 * 1_000_000_000)
            .ok_or_else(|| unread(name, text)),
        None => duration::parse(text).map_err(|error| {
            Refusal::invalid(format!(
                "unable to parse param '{name}': {error}, this is {:?}",
                shortened(text)
            ))
        }),
    }
}

fn unread(name: &str, text: &str) -> Refusal {
    Refusal::invalid(format!(
        "unable to parse param '{name}': expected a time or now-15m, this is {:?}",
        shortened(text)
    ))
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(time: RecordTime) -> String {
    Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::from_millis(time.unix_ms))
        .map_or_else(|_| Timestamp::MAX.to_string(), |at| format!("{at:.3}"))
}

/// Nanoseconds since 1970 of a record time; what lies before is 0.
pub(crate) fn unix_ns(time: RecordTime) -> u64 {
    u64::try_from(time.unix_ms)
        .unwrap_or(0)
        .saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_nanosecond() {
        for (text, ns) in [
            ("2017-01-26T16:46:31.639875Z", 1_485_449_191_639_875_000),
            (
                "2017-01-26T17:46:31.639875001+01:00",
                1_485_449_191_639_875_001,
            ),
            (
                "2017-01-26T17:46:31.639875001 01:00",
                1_485_449_191_639_875_001,
            ),
        ] {
            assert_eq!(rfc3339_unix_ns("t", text).expect(text), ns);
        }
        for text in [
            "",
            "yesterday",
            "1485449191",
            "1969-12-31T23:59:59Z",
            "2017-13-01T00:00:00Z",
        ] {
            assert!(rfc3339_unix_ns("t", text).is_err(), "{text}");
        }
    }

    #[test]
    fn own_times_may_be_relative() {
        let now = 10_000_000_000_000_000;
        for (text, ns) in [
            ("now", now),
            ("now-15m", now - 900_000_000_000),
            ("now-1d", now - 86_400_000_000_000),
            ("5", 5_000_000),
        ] {
            assert_eq!(own_unix_ns("from", text, now).expect(text), ns);
        }
        for text in ["nowish", "now-", "now-x", "99999999999999999999"] {
            assert!(own_unix_ns("from", text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_written_with_milliseconds() {
        assert_eq!(
            rfc3339(RecordTime {
                unix_ms: 1_485_449_191_639
            }),
            "2017-01-26T16:46:31.639Z"
        );
        assert_eq!(
            rfc3339(RecordTime { unix_ms: 0 }),
            "1970-01-01T00:00:00.000Z"
        );
    }
}
