//! The parameters of `GET /api/traces`.

use telemetry::wire::{SpanKind, StatusCode};
use telemetry::{RecordTime, TraceId};
use trace_store::Filter;

use crate::read::parameters::{Parameters, check_durations, check_range};
use crate::read::{time, trace_id};
use crate::refusal::Refusal;

/// How far back a search goes that says nothing of time: 2 days.
const LOOKBACK_NS: u64 = 2 * 24 * 3_600 * 1_000_000_000;
/// How far the clocks of senders may be ahead of ours before a search up to now misses their spans.
const CLOCK_SKEW_NS: u64 = 60 * 1_000_000_000;
/// Most traces that are asked for by id at once.
const IDS_MAX: usize = 1_000;

/// The ids of `traceID`, which may be repeated. With them nothing else counts.
pub(super) fn ids(parameters: &Parameters) -> Result<Vec<TraceId>, Refusal> {
    let ids: Vec<&str> = parameters
        .all("traceID")
        .filter(|id| !id.is_empty())
        .collect();
    if ids.len() > IDS_MAX {
        return Err(Refusal::invalid(format!(
            "{} trace ids, at most {IDS_MAX} are looked up at once",
            ids.len()
        )));
    }
    ids.into_iter()
        .map(|id| {
            trace_id::parse(id)
                .map_err(|why| Refusal::invalid(format!("cannot parse traceID param: {why}")))
        })
        .collect()
}

/// What is searched for, and how many traces at most.
pub(super) fn read(parameters: &Parameters, now: RecordTime) -> Result<(Filter, usize), Refusal> {
    let limit = parameters.limit("limit")?;
    let (start_min, start_max) = range_unix_ns(parameters, time::unix_ns(now))?;
    let (duration_min_ns, duration_max_ns) = (
        parameters.duration_ns("minDuration")?,
        parameters.duration_ns("maxDuration")?,
    );
    check_durations(
        duration_min_ns,
        duration_max_ns,
        "maxDuration",
        "minDuration",
    )?;
    let filter = Filter {
        service: parameters.text("service").map(str::to_owned),
        // The UI writes "all" for none.
        operation: parameters
            .text("operation")
            .filter(|operation| *operation != "all")
            .map(str::to_owned),
        tags: parameters.tags()?,
        duration_min_ns: duration_min_ns.filter(|ns| *ns > 0),
        duration_max_ns: duration_max_ns.filter(|ns| *ns > 0),
        start_min_unix_ns: Some(start_min),
        start_max_unix_ns: Some(start_max),
        kind: None::<SpanKind>,
        status: None::<StatusCode>,
    };
    Ok((filter, limit))
}

/// `start` and `end` in µs; else `lookback` before the end, which is now.
fn range_unix_ns(parameters: &Parameters, now_unix_ns: u64) -> Result<(u64, u64), Refusal> {
    let us = |name: &str| {
        Ok::<_, Refusal>(
            parameters
                .number::<u64>(name)?
                .map(|us| us.saturating_mul(1_000)),
        )
    };
    let end = us("end")?.unwrap_or_else(|| now_unix_ns.saturating_add(CLOCK_SKEW_NS));
    let lookback_ns = match parameters.text("lookback") {
        None | Some("custom") => LOOKBACK_NS,
        Some(text) => time::ago_ns("lookback", text)?,
    };
    let start = us("start")?.unwrap_or_else(|| end.saturating_sub(lookback_ns));
    check_range(start, end)?;
    Ok((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: RecordTime = RecordTime {
        unix_ms: 1_485_449_191_639,
    };

    fn read_text(query: &str) -> Result<(Filter, usize), Refusal> {
        read(&Parameters::of_query(Some(query)).expect("short"), NOW)
    }

    #[test]
    fn everything_that_jaeger_asks_is_understood() {
        let (filter, limit) = read_text(
            "service=a+b&operation=GET%20%2F&start=1485445591639875&end=1485452791639875&minDuration=4.5us&maxDuration=5500ns\
             &limit=7&lookback=custom&tag=x:y",
        )
        .expect("valid");
        assert_eq!(limit, 7);
        let expected = Filter {
            service: Some("a b".to_owned()),
            operation: Some("GET /".to_owned()),
            tags: vec![("x".to_owned(), "y".to_owned())],
            duration_min_ns: Some(4_500),
            duration_max_ns: Some(5_500),
            start_min_unix_ns: Some(1_485_445_591_639_875_000),
            start_max_unix_ns: Some(1_485_452_791_639_875_000),
            ..Filter::default()
        };
        assert_eq!(filter, expected);
    }

    #[test]
    fn without_a_word_it_is_100_traces_of_two_days() {
        let (filter, limit) =
            read_text("service=&operation=all&minDuration=&maxDuration=0s").expect("valid");
        let end = 1_485_449_191_639_000_000 + CLOCK_SKEW_NS;
        let expected = Filter {
            start_min_unix_ns: Some(end - LOOKBACK_NS),
            start_max_unix_ns: Some(end),
            ..Filter::default()
        };
        assert_eq!((filter, limit), (expected, 100));
        let (filter, _) = read_text("lookback=1h&end=1485449191639875").expect("valid");
        assert_eq!(filter.start_min_unix_ns, Some(1_485_445_591_639_875_000));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for query in [
            "start=x",
            "start=-1",
            "start=2&end=1",
            "start=0&end=2678400000001",
            "lookback=32d",
            "lookback=x",
            "minDuration=2s&maxDuration=1s",
            "limit=10001",
        ] {
            assert!(read_text(query).is_err(), "{query}");
        }
    }

    #[test]
    fn ids_may_be_repeated_and_are_all_checked() {
        let of = |query: &str| ids(&Parameters::of_query(Some(query)).expect("short"));
        assert_eq!(of("traceID=1&traceID=&traceID=2").expect("valid").len(), 2);
        assert!(of("traceID=1&traceID=x").is_err());
        assert!(of(&"traceID=1&".repeat(1_001)).is_err());
    }
}
