//! `/services/{s}/examples`: traces to look at, by operation: slow ones, failed ones and usual ones. Each is kept or still open.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;
use service_map::graph::measure::{Measure, quantile};
use telemetry::wire::StatusCode;
use telemetry::{SpanId, TraceId};

use super::evidence::{Key, Seen, Wanted, seen};
use super::group::Group;
use super::numbers::{Change, Numbers};
use super::sorted::{self, Page, Sort};
use super::{Asked, answer, reproduced, unknown};
use crate::Query;
use crate::api::own::Sampled;
use crate::api::prometheus::marks;
use crate::api::request_id::RequestId;
use crate::map::spans::{Groups, SPAN_SECONDS};
use crate::refusal::Refusal;
use crate::work::off_thread;

/// Examples of one operation and reason.
const EXAMPLES_MAX: usize = 3;
/// A quantile may be half a bucket too large.
const BUCKET: f64 = 0.95;

/// Why a trace is an example, in the order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Why {
    /// Failed.
    Error,
    /// As long as the slowest twentieth of its operation.
    Slow,
    /// About as long as half of its operation.
    Typical,
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    of: Group,
    why: Why,
    trace_id: String,
    span_id: String,
    start_unix_ns: String,
    duration_s: f64,
    /// Of the operation, in s.
    p50: Option<f64>,
    p95: Option<f64>,
    #[serde(flatten)]
    sampled: Sampled,
    /// Of the operation, against the week before.
    change: Option<Change>,
    #[serde(skip)]
    numbers: Numbers,
    #[serde(skip)]
    place: usize,
}

pub(super) async fn examples(
    State(query): State<Query>,
    Path(name): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let page = Page::read(&asked.parameters, Sort::Total)?;
    let by = Group::by(&asked.parameters)?;
    let mut marks = marks(&query);
    let range = asked.range;
    let (of, counted, labels) = (&asked.tenant, Group::counted(by), asked.labels(&name));
    let (now, before) = asked
        .compared(&query, SPAN_SECONDS, &labels, counted, &mut marks)
        .await?;
    let mut spans = Vec::new();
    for (status, duration_min_ns) in [
        (None, None),
        (Some(StatusCode::Error), None),
        (None, slow_ns(&now)),
    ] {
        let wanted = Wanted {
            service: &name,
            env: asked.env.as_deref(),
            by,
            range,
            status,
            duration_min_ns,
        };
        // an example is one of many: that there are more is nothing that lacks
        let (found, _) = seen(&query, of, &wanted, &mut marks).await?;
        spans.extend(found);
    }
    if now.is_empty() && spans.is_empty() {
        return Err(unknown(&name, asked.env.as_deref()));
    }
    let wanted = asked.parameters.text("operation").map(str::to_owned);
    let items = off_thread(move || {
        let n_counted = counted.len();
        let mut rows = Vec::new();
        for (key, spans) in by_key(spans) {
            let of = Group::of(&key, by);
            if wanted
                .as_ref()
                .is_some_and(|wanted| *wanted != of.operation)
            {
                continue;
            }
            let counted: Key = key.into_iter().take(n_counted).collect();
            let measure = now.get(&counted).cloned().unwrap_or_default();
            let numbers = Numbers::of(&measure, range);
            let change = numbers.change(before.get(&counted), range);
            rows.extend(rows_of(
                &of,
                spans.into_values().collect(),
                &numbers,
                change.as_ref(),
            ));
        }
        Ok(rows)
    })
    .await?;
    let key = |row: &Row| {
        let name = format!("{} {:?} {}", row.of.name(), row.why, row.place);
        sorted::Key::of(name, &row.numbers)
    };
    let ui = format!("/ui/services/{name}");
    let queries = reproduced::requests(SPAN_SECONDS, counted, &labels, range);
    let frame = asked.frame(&marks, &request_id, queries, &ui);
    answer(&query, &marks, page.of(items, key), frame)
}

/// From where on spans are looked for as slow ones: p95 of the operation that most time goes to.
fn slow_ns(now: &Groups) -> Option<u64> {
    let total = |measure: &Measure| measure.durations().sum();
    let largest = now.values().max_by(|a, b| total(a).total_cmp(&total(b)))?;
    let p95_s = quantile(largest.durations(), 0.95)?;
    Some((p95_s * BUCKET * 1e9) as u64) // a float beyond the largest number becomes the largest
}

/// Each span once.
fn by_key(spans: Vec<Seen>) -> BTreeMap<Key, BTreeMap<(TraceId, SpanId), Seen>> {
    let mut all: BTreeMap<Key, BTreeMap<(TraceId, SpanId), Seen>> = BTreeMap::new();
    for span in spans {
        let of_key = all.entry(span.key.clone()).or_default();
        of_key.insert((span.trace, span.span), span);
    }
    all
}

/// Rows of one operation: what failed, what is slow of the rest, and what of the rest lies next to the median.
fn rows_of(of: &Group, spans: Vec<Seen>, numbers: &Numbers, change: Option<&Change>) -> Vec<Row> {
    let (mut failed, mut rest): (Vec<Seen>, Vec<Seen>) =
        spans.into_iter().partition(|span| span.fault.is_some());
    failed.sort_by_key(|span| Reverse(span.start_unix_ns));
    rest.sort_by(|a, b| b.duration_s.total_cmp(&a.duration_s));
    // where all take the same time, none is slow
    let usual_s = numbers.p50.unwrap_or(0.0) / BUCKET / BUCKET;
    let slow_s = (numbers.p95.unwrap_or(f64::INFINITY) * BUCKET).max(usual_s);
    let n_slow = rest
        .iter()
        .take_while(|span| span.duration_s >= slow_s)
        .count();
    let mut typical = rest.split_off(n_slow.min(EXAMPLES_MAX));
    if let Some(p50) = numbers.p50 {
        let off = |span: &Seen| (span.duration_s - p50).abs();
        typical.sort_by(|a, b| off(a).total_cmp(&off(b)));
    }
    let all = [
        (Why::Error, failed),
        (Why::Slow, rest),
        (Why::Typical, typical),
    ];
    let row = |(why, place, span): (Why, usize, Seen)| Row {
        of: of.clone(),
        why,
        trace_id: span.trace.to_string(),
        span_id: span.span.to_string(),
        start_unix_ns: span.start_unix_ns.to_string(),
        duration_s: span.duration_s,
        p50: numbers.p50,
        p95: numbers.p95,
        sampled: span.sampled,
        change: change.cloned(),
        numbers: numbers.clone(),
        place,
    };
    all.into_iter()
        .flat_map(|(why, spans)| {
            let some = spans.into_iter().take(EXAMPLES_MAX).enumerate();
            some.map(move |(place, span)| (why, place, span))
        })
        .map(row)
        .collect()
}
