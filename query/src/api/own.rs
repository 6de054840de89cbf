//! Our own API under `/api/tracewell/v1`, as far as it is there: one trace, lists of traces, and traces as they come.

mod entities;
mod infra;
mod list;
mod map;
mod services;
mod tail;

use axum::Router;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use telemetry::wire::json;

use super::request_id::RequestId;
use super::{json_answer, json_bytes, marked, tenant_of};
use crate::Query;
use crate::read::parameters::Parameters;
use crate::read::{time, trace_id};
use crate::refusal::{Kind, Refusal};
use crate::trace::facts;
use crate::trace::found::{Found, Marks, State as TraceState, with_view};
use crate::work::off_thread;

pub(super) fn routes() -> Router<Query> {
    Router::new()
        .route("/api/tracewell/v1/traces", get(traces))
        .route("/api/tracewell/v1/traces/{id}", get(trace))
        .route("/api/tracewell/v1/traces/{id}/infra", get(infra::infra))
        .route("/api/tracewell/v1/entities/{*id}", get(entities::entity))
        .merge(map::routes())
        .merge(services::routes())
}

/// The stream of traces, which holds its turn as long as it runs and so is not among the queries.
pub(super) fn tail_route() -> Router<Query> {
    Router::new().route("/api/tracewell/v1/tail", get(tail::stream))
}

/// What every answer says of itself.
#[derive(Serialize)]
struct Frame {
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_to: Option<String>,
    partial: bool,
    partial_reasons: Vec<&'static str>,
    /// What gives the same numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queries: Vec<Reproduced>,
    /// Where the list goes on, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Not in answers that have an `ETag`: they are the same bytes for everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The page that shows this.
    #[serde(skip_serializing_if = "Option::is_none")]
    ui: Option<String>,
}

/// A query that gives the numbers of an answer.
#[derive(Serialize)]
struct Reproduced {
    lang: &'static str,
    q: String,
}

impl Frame {
    fn of(marks: &Marks, request_id: &RequestId) -> Self {
        Self {
            request_id: Some(request_id.0.clone()),
            ..Self::shared(marks)
        }
    }

    /// Of an answer that is the same for everyone who asks the same.
    fn shared(marks: &Marks) -> Self {
        Self {
            complete_to: marks.complete_to.map(time::rfc3339),
            partial: !marks.partial.is_empty(),
            partial_reasons: marks.partial.clone(),
            queries: Vec::new(),
            next_cursor: None,
            request_id: None,
            ui: None,
        }
    }
}

/// What sampling says of a trace.
#[derive(Debug, Serialize)]
struct Sampled {
    /// `undecided`, `kept` or `dropped`.
    state: &'static str,
    rule: Option<String>,
    /// 1/p: how many traces this one stands for.
    adjusted_count: Option<f64>,
    /// Whether spans came after the decision.
    late: bool,
}

impl Sampled {
    fn of(found: &Found) -> Self {
        let (state, rule, adjusted_count) = match &found.state {
            TraceState::Undecided => ("undecided", None, None),
            TraceState::Dropped(rule) => ("dropped", Some(rule.to_string()), None),
            TraceState::Kept(sampling) => (
                "kept",
                Some(sampling.rule.to_string()),
                Some(facts::adjusted_count(sampling)),
            ),
        };
        Self {
            state,
            rule,
            adjusted_count,
            late: found.late,
        }
    }
}

/// The answer for one trace but for its spans, which follow as `resourceSpans`, so that it is OTLP JSON as well.
#[derive(Serialize)]
struct OneTrace {
    trace_id: String,
    #[serde(flatten)]
    sampled: Sampled,
    #[serde(flatten)]
    frame: Frame,
}

async fn trace(
    State(query): State<Query>,
    Path(id): Path<String>,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let id = trace_id::parse(&id).map_err(Refusal::invalid)?;
    let found = query
        .0
        .sources
        .find(&tenant_of(&extensions), id)
        .await?
        .ok_or_else(Refusal::trace_not_found)?;
    let frame = Frame::of(&Marks::default(), &request_id);
    let bytes = off_thread(move || {
        let head = OneTrace {
            trace_id: found.id.to_string(),
            sampled: Sampled::of(&found),
            frame,
        };
        with_spans(&head, &found)
    })
    .await?;
    Ok(json_bytes(StatusCode::OK, bytes))
}

/// One JSON object with the fields of `head` and then those of the trace's OTLP JSON.
fn with_spans(head: &OneTrace, found: &Found) -> Result<Vec<u8>, Refusal> {
    let mut bytes = serde_json::to_vec(head).map_err(|error| {
        Refusal::new(
            Kind::Internal,
            format!("the answer could not be written: {error}"),
        )
    })?;
    let mut spans = Vec::new();
    with_view(found, |view| json::encode_traces(view, &mut spans))?;
    let (Some(b'}'), Some((b'{', fields))) = (bytes.pop(), spans.split_first()) else {
        return Err(Refusal::new(
            Kind::Internal,
            "the trace was not written as an object",
        ));
    };
    if fields != b"}" {
        bytes.push(b',');
    }
    bytes.extend_from_slice(fields);
    Ok(bytes)
}

/// A list of traces.
#[derive(Serialize)]
struct ManyTraces {
    items: Vec<list::Item>,
    #[serde(flatten)]
    frame: Frame,
}

async fn traces(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let (filter, limit) = list::read(
        &Parameters::of_query(text.as_deref())?,
        query.0.clock.wall(),
    )?;
    let page = query
        .0
        .sources
        .search(&tenant_of(&extensions), &filter, limit)
        .await?;
    let frame = Frame::of(&page.marks, &request_id);
    let items = off_thread(move || {
        page.traces
            .iter()
            .map(list::Item::of)
            .collect::<Result<Vec<_>, _>>()
    })
    .await?;
    let mut response = json_answer(&ManyTraces { items, frame })?;
    marked(&query, &page.marks, response.headers_mut());
    Ok(response)
}
