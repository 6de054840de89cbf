//! The APIs: routes, and what is around every answer. In: requests, each with its tenant as an extension. Out: answers in the style of the
//! API that was asked.

mod grpc;
mod jaeger_v1;
mod jaeger_v3;
mod later;
mod own;
mod prometheus;
pub(crate) mod request_id;
mod style;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use telemetry::Tenant;
use tower_http::compression::CompressionLayer;

use crate::Query;
use crate::metrics::{PartialLabels, QueryLabels};
use crate::read::time;
use crate::refusal::{Kind, Refusal};
use crate::trace::found::Marks;
use style::Style;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const COMPLETE_TO: HeaderName = HeaderName::from_static("x-tracewell-complete-to");
const PARTIAL: HeaderName = HeaderName::from_static("x-tracewell-partial");

/// All query routes, HTTP and gRPC, for one port. The tenant is read from the request's extensions; without one it is `default`.
pub fn router(query: Query) -> Router {
    let queries = Router::new()
        .merge(jaeger())
        .nest("/jaeger", jaeger())
        .merge(grpc::routes())
        .merge(own::routes())
        .nest("/api/v1", prometheus::routes())
        .nest("/prometheus/api/v1", prometheus::routes())
        .merge(prometheus::federation())
        .nest("/prometheus", prometheus::federation())
        .layer(middleware::from_fn_with_state(query.clone(), in_turn))
        .merge(own::tail_route());
    queries
        .fallback(later::not_served)
        .layer(middleware::from_fn_with_state(query.clone(), answered))
        .layer(CompressionLayer::new())
        .with_state(query)
}

fn jaeger() -> Router<Query> {
    Router::new()
        .merge(jaeger_v1::routes())
        .merge(jaeger_v3::routes())
}

/// Runs a query when it is its turn, and not for longer than one may.
async fn in_turn(State(query): State<Query>, request: Request, next: Next) -> Response {
    let running = Running::count(&query);
    let answer = query.0.gate.run(next.run(request)).await;
    drop(running);
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// Counts a query as running until it is dropped, also when the asker goes away.
struct Running(Query);

impl Running {
    fn count(query: &Query) -> Self {
        query.0.metrics.query_running.inc();
        Self(query.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.metrics.query_running.dec();
    }
}

/// Gives every request its id, writes refusals in their style, and counts.
async fn answered(State(query): State<Query>, mut request: Request, next: Next) -> Response {
    let began = query.0.clock.monotonic();
    let style = Style::of(&request);
    let path = request.uri().path().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let id = query.0.requests.next();
    request.extensions_mut().insert(id.clone());

    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = style.refuse(&refusal, &id, &path);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let code = response.status().as_u16();
    let seconds = query
        .0
        .clock
        .monotonic()
        .saturating_duration_since(began)
        .as_secs_f64();
    query
        .0
        .metrics
        .query_seconds
        .get_or_create(&QueryLabels {
            api: style.api(),
            route,
            code,
        })
        .observe(seconds);
    response
}

/// A refusal on its way out: [`answered`] writes it.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Whose data is asked for.
fn tenant_of(extensions: &axum::http::Extensions) -> Tenant {
    extensions
        .get::<Tenant>()
        .cloned()
        .unwrap_or_else(Tenant::default_tenant)
}

/// Says in headers how complete an answer is, and counts the partial ones.
fn marked(query: &Query, marks: &Marks, headers: &mut HeaderMap) {
    if let Some(at) = marks.complete_to
        && let Ok(value) = HeaderValue::from_str(&time::rfc3339(at))
    {
        headers.insert(COMPLETE_TO, value);
    }
    for reason in &marks.partial {
        query
            .0
            .metrics
            .query_partial
            .get_or_create(&PartialLabels { reason })
            .inc();
    }
    if !marks.partial.is_empty()
        && let Ok(value) = HeaderValue::from_str(&marks.partial.join(","))
    {
        headers.insert(PARTIAL, value);
    }
}

/// A JSON answer from bytes that are JSON already.
fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response {
    let content_type = HeaderValue::from_static("application/json");
    (
        status,
        [(axum::http::header::CONTENT_TYPE, content_type)],
        bytes,
    )
        .into_response()
}

/// A JSON answer.
fn json_answer(value: &impl serde::Serialize) -> Result<Response, Refusal> {
    let bytes = serde_json::to_vec(value).map_err(|error| {
        Refusal::new(
            Kind::Internal,
            format!("the answer could not be written: {error}"),
        )
    })?;
    Ok(json_bytes(StatusCode::OK, bytes))
}
