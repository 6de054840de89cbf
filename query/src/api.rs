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

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use telemetry::{Clock, Tenant};
use tower_http::compression::CompressionLayer;

use crate::Query;
use crate::metrics::{Metrics, PartialLabels, QueryLabels};
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
    let asked = Asked::begin(query.0.metrics.clone(), query.0.clock.clone(), &request);
    let style = Style::of(&request);
    let path = request.uri().path().to_owned();
    let id = query.0.requests.next();
    request.extensions_mut().insert(id.clone());

    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = style.refuse(&refusal, &id, &path);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    asked.answered(response.status().as_u16());
    response
}

/// What a question counts as whose asker went away before its answer.
const CANCELED: u16 = 499;

/// A question until it is answered, or dropped because nobody waits for its answer any more: counted in either case.
struct Asked {
    metrics: Metrics,
    clock: Clock,
    api: &'static str,
    route: String,
    began: Instant,
    code: u16,
}

impl Asked {
    fn begin(metrics: Metrics, clock: Clock, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        Self {
            api: Style::of(request).api(),
            route: route.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned()),
            began: clock.monotonic(),
            code: CANCELED,
            metrics,
            clock,
        }
    }

    fn answered(mut self, code: u16) {
        self.code = code;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let took = self.clock.monotonic().saturating_duration_since(self.began);
        let labels = QueryLabels {
            api: self.api,
            route: std::mem::take(&mut self.route),
            code: self.code,
        };
        let seconds = self.metrics.query_seconds.get_or_create(&labels);
        seconds.observe(took.as_secs_f64());
    }
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

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_question_is_counted_with_its_answer_or_as_canceled() {
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let asked = || Asked::begin(metrics.clone(), Clock::host(), &Request::default());
        asked().answered(200);
        drop((asked(), asked()));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a string takes all");
        for (code, n) in [(200, 1), (499, 2)] {
            let line = format!("route=\"none\",code=\"{code}\"}} {n}");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
}
