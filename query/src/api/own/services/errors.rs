//! `/services/{s}/errors`: what fails in a service, by operation and reason.
//!
//! How often an operation failed is counted before sampling and exact. For which of several reasons is known of kept and open traces alone: their shares of that
//! count are estimates with an interval.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;
use telemetry::wire::StatusCode;

use super::count::Count;
use super::evidence::{Key, Seen, Wanted, seen};
use super::group::Group;
use super::numbers::{Change, Numbers};
use super::sorted::{self, Page, Sort};
use super::{Asked, answer, reproduced, unknown};
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::request_id::RequestId;
use crate::map::range::{Range, Until};
use crate::map::spans::{By, Groups, SPAN_SECONDS};
use crate::refusal::Refusal;
use crate::work::off_thread;

/// Examples of a reason.
const EXAMPLES_MAX: usize = 5;
/// Reasons of one operation that are told apart; the rarer ones are one.
const REASONS_MAX: usize = 20;
/// What is said of them.
const OTHERS: &str = "other reasons, each rarer than those that are listed";
const NS_A_MS: u64 = 1_000_000;

/// Failures of an operation for one reason.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    of: Group,
    /// Class of the exception, or status of the protocol.
    r#type: Option<String>,
    /// Without ids and numbers.
    message: Option<String>,
    /// A message as it was sent.
    sample: Option<String>,
    count: Count,
    /// Failures of the operation for whatever reason: exact.
    count_of_operation: f64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    /// The newest first.
    examples: Vec<Example>,
    /// Of the operation, against the week before.
    change: Option<Change>,
    #[serde(skip)]
    numbers: Numbers,
}

#[derive(Debug, Serialize)]
struct Example {
    trace_id: String,
    span_id: String,
    at: String,
}

/// Why spans fail: type and shape of the message; none for the rarer reasons together.
type Reason = Option<(Option<String>, Option<String>)>;

pub(super) async fn errors(
    State(query): State<Query>,
    Path(name): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let page = Page::read(&asked.parameters, Sort::Errors)?;
    let by = Group::by(&asked.parameters)?;
    let mut marks = marks(&query);
    let range = asked.range;
    let (of, counted, labels) = (&asked.tenant, Group::counted(by), asked.labels(&name));
    let (now, before) = asked
        .compared(&query, SPAN_SECONDS, &labels, counted, &mut marks)
        .await?;
    let wanted = Wanted {
        service: &name,
        env: asked.env.as_deref(),
        by,
        range,
        status: Some(StatusCode::Error),
        duration_min_ns: None,
    };
    let (spans, has_more) = seen(&query, of, &wanted, &mut marks).await?;
    if now.is_empty() && spans.is_empty() {
        return Err(unknown(&name, asked.env.as_deref()));
    }
    marks.limited(has_more);
    let times = (range, asked.until);
    let items = off_thread(move || {
        let failures = Failures {
            now: &now,
            before: &before,
            by,
            times,
        };
        Ok(failures.rows(spans))
    })
    .await?;
    let key = |row: &Row| {
        let name = format!("{} {:?} {:?}", row.of.name(), row.r#type, row.message);
        sorted::Key {
            rate: row.count.value,
            error_ratio: Some(row.count.value),
            ..sorted::Key::of(name, &row.numbers)
        }
    };
    let ui = format!("/ui/services/{name}/errors");
    let queries = reproduced::requests(SPAN_SECONDS, counted, &labels, range);
    let frame = asked.frame(&marks, &request_id, queries, &ui);
    answer(&query, &marks, page.of(items, key), frame)
}

/// What was counted, and what spans are put together by.
struct Failures<'a> {
    now: &'a Groups,
    before: &'a Groups,
    by: By,
    times: (Range, Until),
}

/// What is known of all failures of one operation.
struct OfOperation {
    n_seen: usize,
    weight: f64,
    total: f64,
    numbers: Numbers,
    change: Option<Change>,
}

impl Failures<'_> {
    /// Reasons of every operation that failed. What failed and has no trace left is there without one.
    fn rows(&self, spans: Vec<Seen>) -> Vec<Row> {
        let n_counted = Group::counted(self.by).len();
        let mut by_operation: BTreeMap<Key, Vec<Seen>> = BTreeMap::new();
        for span in spans {
            let counted = span.key.iter().take(n_counted).cloned().collect();
            by_operation.entry(counted).or_default().push(span);
        }
        for (key, _) in self.now.iter().filter(|(_, of)| of.failed > 0.0) {
            by_operation.entry(key.clone()).or_default();
        }
        let mut rows = Vec::new();
        for (operation, spans) in by_operation {
            let of = self.of_operation(&operation, &spans);
            for ((key, reason), spans) in reasons(&operation, spans) {
                rows.push(Row::of(
                    Group::of(&key, self.by),
                    reason,
                    spans,
                    &of,
                    self.times.1,
                ));
            }
        }
        rows
    }

    fn of_operation(&self, operation: &Key, spans: &[Seen]) -> OfOperation {
        let range = self.times.0;
        let measure = self.now.get(operation).cloned().unwrap_or_default();
        let numbers = Numbers::of(&measure, range);
        OfOperation {
            n_seen: spans.len(),
            weight: spans.iter().map(|span| span.weight).sum(),
            // what is open may be in a trace already and in no series yet
            total: measure.failed.max(spans.len() as f64),
            change: numbers.change(self.before.get(operation), range),
            numbers,
        }
    }
}

/// Spans of an operation by what was asked for and why they failed; one group of none if there are no spans.
fn reasons(operation: &Key, spans: Vec<Seen>) -> BTreeMap<(Key, Reason), Vec<Seen>> {
    let mut all: BTreeMap<(Key, Reason), Vec<Seen>> = BTreeMap::new();
    for span in spans {
        let reason = span
            .fault
            .as_ref()
            .map(|fault| (fault.kind.clone(), fault.shape()));
        all.entry((span.key.clone(), reason))
            .or_default()
            .push(span);
    }
    if all.is_empty() {
        return BTreeMap::from([((operation.clone(), Some((None, None))), Vec::new())]);
    }
    let mut rarest: Vec<(usize, (Key, Reason))> = all
        .iter()
        .map(|(key, spans)| (spans.len(), key.clone()))
        .collect();
    rarest.sort_unstable();
    let n_rest = rarest.len().saturating_sub(REASONS_MAX);
    for (_, key) in rarest
        .into_iter()
        .take(if n_rest > 0 { n_rest + 1 } else { 0 })
    {
        if let Some(spans) = all.remove(&key) {
            all.entry((key.0, None)).or_default().extend(spans);
        }
    }
    all
}

impl Row {
    fn of(
        group: Group,
        reason: Reason,
        mut spans: Vec<Seen>,
        of: &OfOperation,
        until: Until,
    ) -> Self {
        spans.sort_by_key(|span| Reverse((span.end_unix_ns, span.trace)));
        let at = |span: &Seen| {
            let unix_ms = i64::try_from(span.end_unix_ns / NS_A_MS).unwrap_or(i64::MAX);
            until.text(unix_ms)
        };
        let example = |span: &Seen| Example {
            trace_id: span.trace.to_string(),
            span_id: span.span.to_string(),
            at: at(span),
        };
        let weight: f64 = spans.iter().map(|span| span.weight).sum();
        let share = if of.weight > 0.0 {
            weight / of.weight
        } else {
            1.0
        };
        let fault = spans.first().and_then(|span| span.fault.as_ref());
        let (r#type, message) = reason.unwrap_or_else(|| (None, Some(OTHERS.to_owned())));
        Self {
            of: group,
            r#type,
            message,
            sample: fault.and_then(|fault| fault.message.clone()),
            count: Count::of(of.total, share, (of.n_seen, spans.len())),
            count_of_operation: of.total,
            first_seen: spans.last().map(at),
            last_seen: spans.first().map(at),
            examples: spans.iter().take(EXAMPLES_MAX).map(example).collect(),
            change: of.change.clone(),
            numbers: of.numbers.clone(),
        }
    }
}
