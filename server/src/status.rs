//! What the query port says of the process itself: health, readiness, metrics, and a plain page with the addresses.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::readiness::Readiness;

/// Where the process listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
    pub(crate) query: SocketAddr,
}

/// What these routes read.
#[derive(Clone)]
pub(crate) struct Status {
    pub(crate) registry: Arc<Registry>,
    pub(crate) readiness: Readiness,
    pub(crate) addresses: Addresses,
}

pub(crate) fn router(status: Status) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/-/healthy", get(async || "healthy\n"))
        .route("/-/ready", get(ready))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(status)
}

async fn ready(State(status): State<Status>) -> Response {
    let waiting = status.readiness.watch().borrow().clone();
    let code = if waiting.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        code,
        axum::Json(json!({ "ready": waiting.is_empty(), "waiting": waiting })),
    )
        .into_response()
}

async fn metrics(State(status): State<Status>) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        scrape(&status.registry),
    )
        .into_response()
}

/// The text of `/metrics`.
pub(crate) fn scrape(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)
        .expect("writing to a string does not fail");
    text
}

/// Counters that the page shows, with their words.
const RECEIVED: [(&str, &str); 3] = [
    ("tracewell_spans_total{state=\"accepted\"", "spans accepted"),
    ("tracewell_spans_total{state=\"stored\"", "spans stored"),
    (
        "tracewell_spans_total{state=\"sampled_out\"",
        "spans sampled out",
    ),
];

async fn page(State(status): State<Status>) -> Html<String> {
    let Addresses {
        otlp_grpc,
        otlp_http,
        query,
    } = status.addresses;
    let mut received = String::new();
    for (what, count) in received_counts(&status.registry) {
        write!(received, "<tr><td>{what}</td><td>{count}</td></tr>")
            .expect("writing to a string does not fail");
    }
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tracewell</title>\
         <body><h1>Tracewell</h1><p>The web application is not part of this build; the APIs are.</p>\
         <h2>Send</h2><pre>export OTEL_EXPORTER_OTLP_ENDPOINT=http://{otlp_grpc}                                     # gRPC\n\
         export OTEL_EXPORTER_OTLP_ENDPOINT=http://{otlp_http} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf   # HTTP</pre>\
         <h2>Received since the start of this log</h2><table>{received}</table>\
         <h2>Find</h2><pre>curl http://{query}/api/services\ncurl 'http://{query}/api/traces?service=NAME&amp;limit=5'\n\
         tracewell trace ID --url http://{query}\ntracewell services --url http://{query}\n\
         tracewell query 'sum by (service_name) (rate(traces_span_metrics_calls_total[5m]))' --url http://{query}</pre>\
         <p><a href=\"/metrics\">metrics</a> · <a href=\"/-/ready\">readiness</a> · Grafana: a Jaeger data source at http://{query}, a Prometheus one at http://{query}/prometheus</p></body></html>"
    ))
}

/// Sums over tenants, read from the same text that `/metrics` serves.
fn received_counts(registry: &Registry) -> Vec<(&'static str, u64)> {
    let text = scrape(registry);
    let count_of = |series: &str| {
        let (name, label) = series.split_once('{').unwrap_or((series, ""));
        let samples = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    };
    RECEIVED
        .map(|(series, what)| (what, count_of(series)))
        .to_vec()
}
