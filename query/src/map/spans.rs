//! One service from inside: its requests by operation, version or instance.

use std::collections::BTreeMap;

use ::metrics::SeriesData;
use service_map::graph::measure::Measure;
use telemetry::Tenant;

use super::range::Range;
use super::tally::{STATUS_ERROR, add, number, series, windows};
use crate::Query;
use crate::refusal::Refusal;
use crate::work::off_thread;

/// Every span of a service by operation, kind and status.
pub(crate) const SPAN_SECONDS: &str = "tracewell_span_duration_seconds";

/// Labels by which spans are put together, in the order that rows name them.
pub(crate) type By = &'static [&'static str];

/// Requests or spans by the values of `by`. Durations are those of the spans themselves.
pub(crate) async fn grouped(
    query: &Query,
    tenant: &Tenant,
    metric: &'static str,
    service: &str,
    by: By,
    range: Range,
) -> Result<BTreeMap<Vec<String>, Measure>, Refusal> {
    let found = series(query, tenant, metric, &[("service_name", service)], range).await?;
    off_thread(move || Ok(added(&found, by, range))).await
}

fn added(found: &[SeriesData], by: By, range: Range) -> BTreeMap<Vec<String>, Measure> {
    let mut groups: BTreeMap<Vec<String>, Measure> = BTreeMap::new();
    for series in found {
        let key = by
            .iter()
            .map(|name| series.labels.get(name).to_owned())
            .collect();
        let is_failed = series.labels.get("status_code") == STATUS_ERROR;
        let mut counted = windows(series)
            .iter()
            .filter(|window| range.has(window.start_unix_ms))
            .peekable();
        if counted.peek().is_none() {
            continue;
        }
        let group = groups.entry(key).or_default();
        for window in counted {
            let calls = number(&window.value);
            group.calls += calls;
            group.failed += if is_failed { calls } else { 0.0 };
            add(&mut group.server, &window.value);
        }
    }
    groups
}
