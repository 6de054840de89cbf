//! Jaeger's API version 3 over HTTP: OTLP JSON in the envelope that gRPC gateways write, ids in hex, enums as integers.

pub(super) mod dependencies;
pub(super) mod find;
pub(super) mod message;
pub(super) mod summary;

use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::{json_answer, json_bytes, marked, tenant_of};
use crate::Query;
use crate::read::parameters::{Parameters, TEXT_BYTES_MAX};
use crate::read::{kind, trace_id};
use crate::refusal::{Kind, Refusal};
use crate::trace::facts::Facts;
use crate::trace::found::{Found, Marks, Page, State as TraceState, walked, with_view};
use crate::work::off_thread;
use find::Find;

pub(super) fn routes() -> Router<Query> {
    Router::new()
        .route("/api/v3/services", get(services))
        .route("/api/v3/operations", get(operations))
        .route("/api/v3/traces", get(find_traces).post(find_traces_by_body))
        .route("/api/v3/traces/{id}", get(trace))
        .route(
            "/api/v3/trace-summaries",
            get(find_summaries).post(find_summaries_by_body),
        )
        .route("/api/v3/dependencies", get(dependencies::dependencies))
}

async fn services(State(query): State<Query>, extensions: Extensions) -> Result<Response, Refusal> {
    let services = query.0.sources.services(&tenant_of(&extensions)).await?;
    json_answer(&json!({ "services": services }))
}

async fn operations(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let of_kind = parameters
        .kind("spanKind")?
        .or(parameters.kind("span_kind")?);
    let operations = query
        .0
        .sources
        .operations(&tenant_of(&extensions), parameters.text("service"), of_kind)
        .await?;
    let written: Vec<_> = operations
        .iter()
        .map(|operation| json!({ "name": operation.name, "spanKind": kind::text(operation.kind) }))
        .collect();
    json_answer(&json!({ "operations": written }))
}

async fn trace(
    State(query): State<Query>,
    Path(id): Path<String>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let raw = parameters.flag(&["rawTraces", "raw_traces"])?;
    find::check_optional_times(&parameters)?;
    let id = trace_id::parse(&id).map_err(Refusal::invalid)?;
    let found = query.0.sources.find(&tenant_of(&extensions), id).await?;
    let kept = found
        .filter(|found| !matches!(found.state, TraceState::Dropped(_)))
        .ok_or_else(Refusal::trace_not_found)?;
    traces_answer(&query, vec![kept], &Marks::default(), raw).await
}

async fn find_traces(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let find = Find::of_parameters(&Parameters::of_query(text.as_deref())?)?;
    answer_traces(&query, &find, &extensions).await
}

async fn find_traces_by_body(
    State(query): State<Query>,
    request: Request,
) -> Result<Response, Refusal> {
    let (extensions, find) = body(request).await?;
    answer_traces(&query, &find, &extensions).await
}

async fn find_summaries(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let find = Find::of_parameters(&Parameters::of_query(text.as_deref())?)?;
    answer_summaries(&query, &find, &extensions).await
}

async fn find_summaries_by_body(
    State(query): State<Query>,
    request: Request,
) -> Result<Response, Refusal> {
    let (extensions, find) = body(request).await?;
    answer_summaries(&query, &find, &extensions).await
}

async fn body(request: Request) -> Result<(Extensions, Find), Refusal> {
    let (head, body) = request.into_parts();
    let too_long = |_| {
        Refusal::invalid(format!(
            "the body cannot be read, or has more than {TEXT_BYTES_MAX} bytes"
        ))
    };
    let bytes = axum::body::to_bytes(body, TEXT_BYTES_MAX)
        .await
        .map_err(too_long)?;
    Ok((head.extensions, Find::of_json(&bytes)?))
}

async fn search(query: &Query, find: &Find, extensions: &Extensions) -> Result<Page, Refusal> {
    query
        .0
        .sources
        .search(&tenant_of(extensions), &find.filter, find.limit)
        .await
}

async fn answer_traces(
    query: &Query,
    find: &Find,
    extensions: &Extensions,
) -> Result<Response, Refusal> {
    let page = search(query, find, extensions).await?;
    if page.traces.is_empty() {
        return Err(Refusal::new(Kind::NotFound, "No traces found"));
    }
    traces_answer(query, page.traces, &page.marks, find.raw).await
}

async fn answer_summaries(
    query: &Query,
    find: &Find,
    extensions: &Extensions,
) -> Result<Response, Refusal> {
    let page = search(query, find, extensions).await?;
    let summaries: Vec<serde_json::Value> = page
        .traces
        .iter()
        .map(|found| summary::of(found).map(|summary| summary::json(&summary)))
        .collect::<Result<_, _>>()?;
    let mut response = json_answer(&json!({ "summaries": summaries }))?;
    marked(query, &page.marks, response.headers_mut());
    Ok(response)
}

async fn traces_answer(
    query: &Query,
    traces: Vec<Found>,
    marks: &Marks,
    raw: bool,
) -> Result<Response, Refusal> {
    let bytes = off_thread(move || enveloped(&traces, raw)).await?;
    let mut response = json_bytes(StatusCode::OK, bytes);
    marked(query, marks, response.headers_mut());
    Ok(response)
}

/// All traces as one OTLP JSON document in `result`.
fn enveloped(traces: &[Found], raw: bool) -> Result<Vec<u8>, Refusal> {
    // Encoded messages put one after the other are one message with the lists of both.
    let mut all = Vec::new();
    for found in traces {
        all.extend(encoded(found, raw)?);
    }
    let mut bytes = b"{\"result\":".to_vec();
    walked(&all, |view| {
        telemetry::wire::json::encode_traces(view, &mut bytes)
    })
    .map_err(|error| {
        Refusal::new(
            Kind::Internal,
            format!("the traces cannot be read: {error}"),
        )
    })?;
    bytes.push(b'}');
    Ok(bytes)
}

/// A trace as OTLP, with what sampling says on its root span unless `raw`.
pub(super) fn encoded(found: &Found, raw: bool) -> Result<Vec<u8>, Refusal> {
    if raw {
        return Ok(found.traces_data.to_vec());
    }
    let facts = Facts::of(&found.state);
    with_view(found, |view| facts.written_on(view))
}
