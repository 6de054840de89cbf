//! Jaeger's HTTP API version 1, as the Jaeger UI and Grafana ask it: times in µs, one envelope around everything.

mod convert;
mod dependencies;
mod search;
mod tag;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use telemetry::Tenant;

use super::{json_answer, json_bytes, marked, tenant_of};
use crate::Query;
use crate::read::parameters::Parameters;
use crate::read::{kind, trace_id};
use crate::refusal::{Kind, Refusal};
use crate::trace::facts::Facts;
use crate::trace::found::{Found, Marks, State as TraceState, with_view};
use crate::work::off_thread;
use convert::Trace;

pub(super) fn routes() -> Router<Query> {
    Router::new()
        .route("/api/services", get(services))
        .route("/api/services/{service}/operations", get(operation_names))
        .route("/api/operations", get(operations))
        .route("/api/traces", get(traces))
        .route("/api/traces/{id}", get(trace))
        .route("/api/dependencies", get(dependencies::dependencies))
}

/// What is around every answer.
#[derive(Serialize)]
struct Envelope<T> {
    data: T,
    total: usize,
    limit: usize,
    offset: usize,
    errors: Option<Vec<Error>>,
}

#[derive(Serialize)]
struct Error {
    code: u16,
    msg: String,
    #[serde(rename = "traceID")]
    trace_id: String,
}

impl<T> Envelope<T> {
    fn of(data: T, total: usize, errors: Vec<Error>) -> Self {
        Self {
            data,
            total,
            limit: 0,
            offset: 0,
            errors: (!errors.is_empty()).then_some(errors),
        }
    }
}

async fn services(State(query): State<Query>, extensions: Extensions) -> Result<Response, Refusal> {
    let services = query.0.sources.services(&tenant_of(&extensions)).await?;
    let total = services.len();
    json_answer(&Envelope::of(services, total, Vec::new()))
}

async fn operation_names(
    State(query): State<Query>,
    Path(service): Path<String>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let operations = query
        .0
        .sources
        .operations(&tenant_of(&extensions), Some(&service), None)
        .await?;
    let mut names: Vec<String> = operations
        .into_iter()
        .map(|operation| operation.name)
        .collect();
    names.dedup();
    let total = names.len();
    json_answer(&Envelope::of(names, total, Vec::new()))
}

#[derive(Serialize)]
struct OperationWithKind {
    name: String,
    #[serde(rename = "spanKind")]
    span_kind: &'static str,
}

async fn operations(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let kind = parameters.kind("spanKind")?;
    let operations = query
        .0
        .sources
        .operations(&tenant_of(&extensions), parameters.text("service"), kind)
        .await?;
    let with_kind = |operation: trace_store::Operation| OperationWithKind {
        name: operation.name,
        span_kind: kind::text(operation.kind),
    };
    let operations: Vec<OperationWithKind> = operations.into_iter().map(with_kind).collect();
    let total = operations.len();
    json_answer(&Envelope::of(operations, total, Vec::new()))
}

async fn trace(
    State(query): State<Query>,
    Path(id): Path<String>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let written = Written {
        raw: parameters.flag(&["raw"])?,
        pretty: parameters.flag(&["prettyPrint"])?,
    };
    let id = trace_id::parse(&id).map_err(Refusal::invalid)?;
    let found = query.0.sources.find(&tenant_of(&extensions), id).await?;
    let kept = found
        .filter(|found| !matches!(found.state, TraceState::Dropped(_)))
        .ok_or_else(Refusal::trace_not_found)?;
    answer(&query, vec![kept], Vec::new(), &Marks::default(), written).await
}

async fn traces(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let written = Written {
        raw: parameters.flag(&["raw"])?,
        pretty: parameters.flag(&["prettyPrint"])?,
    };
    let tenant = tenant_of(&extensions);
    let ids = search::ids(&parameters)?;
    if ids.is_empty() {
        let (filter, limit) = search::read(&parameters, query.0.clock.wall())?;
        let page = query.0.sources.search(&tenant, &filter, limit).await?;
        return answer(&query, page.traces, Vec::new(), &page.marks, written).await;
    }
    let (found, errors) = by_ids(&query, &tenant, ids).await?;
    answer(&query, found, errors, &Marks::default(), written).await
}

/// The traces of these ids in their order, and an error for each that is not there.
async fn by_ids(
    query: &Query,
    tenant: &Tenant,
    ids: Vec<telemetry::TraceId>,
) -> Result<(Vec<Found>, Vec<Error>), Refusal> {
    let (mut traces, mut errors, mut bytes) = (Vec::new(), Vec::new(), 0);
    for id in ids {
        match query.0.sources.find(tenant, id).await? {
            Some(found) if !matches!(found.state, TraceState::Dropped(_)) => {
                bytes += found.traces_data.len() as u64;
                traces.push(found);
            }
            _ => errors.push(Error {
                code: StatusCode::NOT_FOUND.as_u16(),
                msg: "trace not found".to_owned(),
                trace_id: id.to_string(),
            }),
        }
        if bytes > query.0.config.answer_bytes_max {
            return Err(Refusal::new(
                Kind::TooLarge,
                format!(
                    "the traces have more than {} bytes; ask for fewer at once",
                    query.0.config.answer_bytes_max
                ),
            ));
        }
    }
    Ok((traces, errors))
}

/// How traces are written.
#[derive(Clone, Copy)]
struct Written {
    /// As stored, without what sampling says.
    raw: bool,
    pretty: bool,
}

async fn answer(
    query: &Query,
    traces: Vec<Found>,
    errors: Vec<Error>,
    marks: &Marks,
    written: Written,
) -> Result<Response, Refusal> {
    let bytes = off_thread(move || write(&traces, errors, written)).await?;
    let mut response = json_bytes(StatusCode::OK, bytes);
    marked(query, marks, response.headers_mut());
    Ok(response)
}

fn write(traces: &[Found], errors: Vec<Error>, written: Written) -> Result<Vec<u8>, Refusal> {
    // A trace is converted and written at once: of all of them only the text is held.
    let mut data = Vec::with_capacity(traces.len());
    for found in traces {
        let facts = (!written.raw).then(|| Facts::of(&found.state));
        data.push(with_view(found, |view| {
            json_of(&Trace::of(found.id, view, facts.as_ref()))
        })??);
    }
    let envelope = Envelope::of(data, 0, errors);
    let bytes = if written.pretty {
        serde_json::to_vec_pretty(&envelope)
    } else {
        serde_json::to_vec(&envelope)
    };
    bytes.map_err(unwritten)
}

fn json_of(trace: &Trace<'_>) -> Result<Box<serde_json::value::RawValue>, Refusal> {
    serde_json::value::to_raw_value(trace).map_err(unwritten)
}

fn unwritten(error: serde_json::Error) -> Refusal {
    Refusal::new(
        Kind::Internal,
        format!("the answer could not be written: {error}"),
    )
}
