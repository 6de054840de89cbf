//! Metrics that are written to the query port, since it has the address that a Prometheus knows: remote write and OTLP, under the paths of a Prometheus.
//! They are taken as on the collector's own port.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::any;
use bus::Bus;
use collector::Collector;

const REMOTE_WRITE: &str = "/api/v1/write";
const OTLP: &str = "/v1/metrics";

pub(crate) fn router(collector: Collector<Bus>) -> Router {
    let to = |path: &'static str| {
        any(
            move |State(collector): State<Collector<Bus>>, request: Request| {
                write(collector, request, path)
            },
        )
    };
    let doors = Router::new()
        .route("/api/v1/write", to(REMOTE_WRITE))
        .route("/api/v1/otlp/v1/metrics", to(OTLP));
    Router::new()
        .merge(doors.clone())
        .nest("/prometheus", doors)
        .with_state(collector)
}

async fn write(collector: Collector<Bus>, mut request: Request, path: &'static str) -> Response {
    *request.uri_mut() = Uri::from_static(path);
    collector.respond_http(request).await.map(Body::new)
}
