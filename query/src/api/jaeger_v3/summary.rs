//! Summaries of traces, as messages and as the JSON of those messages.

use serde_json::{Value, json};

use super::message::{ServiceSummary, TraceSummary};
use crate::refusal::Refusal;
use crate::trace::found::{Found, with_view};
use crate::trace::summary::Summary;

pub(in crate::api) fn of(found: &Found) -> Result<TraceSummary, Refusal> {
    let summary = with_view(found, |view| Summary::of(found.id, view))?;
    let service = |(name, of): (String, crate::trace::summary::OfService)| ServiceSummary {
        name,
        span_count: count(of.n_spans),
        error_span_count: count(of.n_errors),
    };
    Ok(TraceSummary {
        trace_id: summary.id.to_string(),
        root_service_name: summary.root_service,
        root_operation_name: summary.root_operation,
        min_start_time_unix_nano: summary.start_unix_ns,
        max_end_time_unix_nano: summary.end_unix_ns,
        span_count: count(summary.n_spans),
        error_span_count: count(summary.n_errors),
        orphan_span_count: count(summary.n_orphans),
        services: summary.services.into_iter().map(service).collect(),
    })
}

fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

pub(super) fn json(summary: &TraceSummary) -> Value {
    let service = |of: &ServiceSummary| json!({ "name": of.name, "spanCount": of.span_count, "errorSpanCount": of.error_span_count });
    json!({
        "traceId": summary.trace_id,
        "rootServiceName": summary.root_service_name,
        "rootOperationName": summary.root_operation_name,
        "minStartTimeUnixNano": summary.min_start_time_unix_nano.to_string(),
        "maxEndTimeUnixNano": summary.max_end_time_unix_nano.to_string(),
        "spanCount": summary.span_count,
        "errorSpanCount": summary.error_span_count,
        "orphanSpanCount": summary.orphan_span_count,
        "services": summary.services.iter().map(service).collect::<Vec<_>>(),
    })
}
