//! Who makes how many series.

use ::metrics::store::Counted;
use axum::extract::State;
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::envelope::Answer;
use super::form::Form;
use super::marks;
use crate::Query;
use crate::api::tenant_of;
use crate::refusal::Refusal;

/// Lines of each list of `tsdb` without a word, and at most.
const LINES_DEFAULT: usize = 10;
const LINES_MAX: usize = 10_000;
/// `tsdb` counts the series that had points in this time before now, as the head of a Prometheus does.
const HEAD_MS: i64 = 2 * 3_600 * 1_000;

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    value: u64,
}

fn lines(counted: &[Counted]) -> Vec<Line<'_>> {
    counted
        .iter()
        .map(|Counted { name, n }| Line { name, value: *n })
        .collect()
}

/// `GET /status/tsdb`: who makes how many series.
pub(super) async fn tsdb(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let limit = parameters.number("limit")?.unwrap_or(LINES_DEFAULT);
    if !(1..=LINES_MAX).contains(&limit) {
        return Err(Refusal::invalid(format!(
            "limit must be a positive number up to {LINES_MAX}, this is {limit}"
        )));
    }
    let marks = marks(&query);
    let to = query.0.clock.wall().unix_ms;
    let from = to.saturating_sub(HEAD_MS);
    let series = &query.0.series;
    let counted = series
        .cardinality(&tenant_of(&extensions), from, to, limit)
        .await?;
    let data = json!({
        "headStats": {
            "numSeries": counted.n_series,
            "numLabelPairs": counted.n_label_pairs,
            // A series in memory is one open chunk.
            "chunkCount": counted.n_series,
            "minTime": from,
            "maxTime": to,
        },
        "seriesCountByMetricName": lines(&counted.series_by_metric),
        "labelValueCountByLabelName": lines(&counted.values_by_label),
        "memoryInBytesByLabelName": lines(&counted.bytes_by_label),
        "seriesCountByLabelValuePair": lines(&counted.series_by_pair),
    });
    Answer::of(&data)?.sent(&query, &marks)
}
