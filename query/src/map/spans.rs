//! One service from inside: its requests by operation, version or instance.

use std::collections::BTreeMap;

use ::metrics::SeriesData;
use service_map::graph::measure::Measure;
use telemetry::Tenant;

use super::range::Range;
use super::source::series;
use super::tally::{STATUS_ERROR, durations, total, windows};
use crate::Query;
use crate::refusal::Refusal;
use crate::trace::found::Marks;
use crate::work::off_thread;

/// Every span of a service by operation, kind and status.
pub(crate) const SPAN_SECONDS: &str = "tracewell_span_duration_seconds";

/// What was counted, by the values of labels.
pub(crate) type Groups = BTreeMap<Vec<String>, Measure>;

/// Labels by which spans are put together, in the order that rows name them.
pub(crate) type By = &'static [&'static str];

/// Requests or spans with these labels by the values of `by`. Durations are those of the spans themselves.
pub(crate) async fn grouped(
    query: &Query,
    tenant: &Tenant,
    metric: &'static str,
    labels: &[(&str, &str)],
    by: By,
    range: Range,
    mut live: Option<&mut Marks>,
) -> Result<Groups, Refusal> {
    let mut groups = BTreeMap::new();
    for slice in range.slices() {
        let live = live.as_deref_mut();
        let found = series(query, tenant, metric, labels, slice, live).await?;
        groups = off_thread(move || Ok(added(groups, &found, by, slice))).await?;
    }
    Ok(groups)
}

fn added(mut groups: Groups, found: &[SeriesData], by: By, range: Range) -> Groups {
    for series in found {
        let key: Vec<String> = by
            .iter()
            .map(|name| series.labels.get(name).to_owned())
            .collect();
        let is_failed = series.labels.get("status_code") == STATUS_ERROR;
        let counted = windows(series)
            .chunk_by(|a, b| range.has(a.start_unix_ms) == range.has(b.start_unix_ms))
            .filter(|chunk| chunk.iter().all(|window| range.has(window.start_unix_ms)));
        for windows in counted {
            let group = groups.entry(Vec::clone(&key)).or_default();
            let calls = total(windows);
            group.calls += calls;
            group.failed += if is_failed { calls } else { 0.0 };
            group.server.merge(&durations(windows));
        }
    }
    groups
}
