//! What a list of traces is asked, and one line of it.

use serde::Serialize;
use telemetry::RecordTime;
use telemetry::wire::StatusCode;
use trace_store::Filter;

use super::Sampled;
use crate::read::parameters::{Parameters, check_durations, check_range};
use crate::read::time;
use crate::refusal::Refusal;
use crate::trace::found::{Found, with_view};
use crate::trace::summary::Summary;

/// Range of a list that says nothing of time: the last hour.
const RANGE_NS: u64 = 3_600 * 1_000_000_000;
/// How far the clocks of senders may be ahead of ours before a list up to now misses their spans.
const CLOCK_SKEW_NS: u64 = 60 * 1_000_000_000;

/// One trace in a list or a tail. Times are decimal text, since JSON numbers do not hold them.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    trace_id: String,
    root_service: String,
    root_operation: String,
    start_unix_ns: String,
    duration_ns: String,
    span_count: u32,
    error_count: u32,
    services: Vec<String>,
    #[serde(flatten)]
    sampled: Sampled,
}

impl Item {
    pub(super) fn of(found: &Found) -> Result<Self, Refusal> {
        let summary = with_view(found, |view| Summary::of(found.id, view))?;
        Ok(Self {
            trace_id: found.id.to_string(),
            root_service: summary.root_service,
            root_operation: summary.root_operation,
            start_unix_ns: summary.start_unix_ns.to_string(),
            duration_ns: summary
                .end_unix_ns
                .saturating_sub(summary.start_unix_ns)
                .to_string(),
            span_count: summary.n_spans,
            error_count: summary.n_errors,
            services: summary.services.into_keys().collect(),
            sampled: Sampled::of(found),
        })
    }
}

/// What is listed, and how many traces at most.
pub(super) fn read(parameters: &Parameters, now: RecordTime) -> Result<(Filter, usize), Refusal> {
    let limit = parameters.limit("limit")?;
    let now_unix_ns = time::unix_ns(now);
    let at = |name: &str| {
        parameters
            .text(name)
            .map(|text| time::own_unix_ns(name, text, now_unix_ns))
            .transpose()
    };
    let to = at("to")?.unwrap_or_else(|| now_unix_ns.saturating_add(CLOCK_SKEW_NS));
    let from = at("from")?.unwrap_or_else(|| to.saturating_sub(RANGE_NS));
    check_range(from, to)?;
    let filter = Filter {
        start_min_unix_ns: Some(from),
        start_max_unix_ns: Some(to),
        ..conditions(parameters)?
    };
    Ok((filter, limit))
}

/// The conditions on spans, without time.
pub(super) fn conditions(parameters: &Parameters) -> Result<Filter, Refusal> {
    for (name, why) in [
        (
            "q",
            "TraceQL (q) is a later piece; use service, operation, tag, min_duration, max_duration, kind, status",
        ),
        ("order", "order is a later piece; traces come newest first"),
        ("cursor", "cursor is a later piece; narrow from and to"),
        (
            "env",
            "env is a later piece; use tag=deployment.environment.name:NAME",
        ),
    ] {
        if parameters
            .text(name)
            .is_some_and(|value| (name, value) != ("order", "newest"))
        {
            return Err(Refusal::invalid(why));
        }
    }
    let (duration_min_ns, duration_max_ns) = (
        parameters.duration_ns("min_duration")?,
        parameters.duration_ns("max_duration")?,
    );
    check_durations(
        duration_min_ns,
        duration_max_ns,
        "max_duration",
        "min_duration",
    )?;
    Ok(Filter {
        service: parameters.text("service").map(str::to_owned),
        operation: parameters.text("operation").map(str::to_owned),
        tags: parameters.tags()?,
        duration_min_ns,
        duration_max_ns,
        kind: parameters.kind("kind")?,
        status: parameters.text("status").map(status).transpose()?,
        ..Filter::default()
    })
}

fn status(text: &str) -> Result<StatusCode, Refusal> {
    match text {
        "unset" => Ok(StatusCode::Unset),
        "ok" => Ok(StatusCode::Ok),
        "error" => Ok(StatusCode::Error),
        _ => Err(Refusal::invalid(
            "unable to parse param 'status': expected unset, ok or error",
        )),
    }
}

#[cfg(test)]
mod tests {
    use telemetry::wire::SpanKind;

    use super::*;

    const NOW: RecordTime = RecordTime {
        unix_ms: 10_000_000,
    };

    fn of(query: &str) -> Result<(Filter, usize), Refusal> {
        read(&Parameters::of_query(Some(query)).expect("short"), NOW)
    }

    #[test]
    fn every_condition_is_understood() {
        let (filter, limit) = of(
            "service=s&operation=o&tag=a:b&min_duration=1ms&max_duration=2ms&kind=server&status=error&from=now-15m&to=10000000&limit=3&order=newest",
        )
        .expect("valid");
        let expected = Filter {
            service: Some("s".to_owned()),
            operation: Some("o".to_owned()),
            tags: vec![("a".to_owned(), "b".to_owned())],
            duration_min_ns: Some(1_000_000),
            duration_max_ns: Some(2_000_000),
            start_min_unix_ns: Some(9_100_000_000_000),
            start_max_unix_ns: Some(10_000_000_000_000),
            kind: Some(SpanKind::Server),
            status: Some(StatusCode::Error),
        };
        assert_eq!((filter, limit), (expected, 3));
    }

    #[test]
    fn what_is_not_there_yet_is_named() {
        for (query, why) in [
            ("q=%7B%7D", "TraceQL (q) is a later piece"),
            ("order=slowest", "order is a later piece"),
            ("cursor=x", "cursor is a later piece"),
            ("env=prod", "env is a later piece"),
            ("kind=x", "param 'kind'"),
            ("status=x", "param 'status'"),
            ("from=0&to=10000000000", "744"),
            ("from=x", "param 'from'"),
            ("limit=0", "'limit' is 1 to 10000"),
        ] {
            let told = of(query).expect_err(query).to_string();
            assert!(told.contains(why), "{query}: {told}");
        }
    }
}
