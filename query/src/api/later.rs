//! Routes that clients know and this server does not have, or not yet: 404 with the reason in words.

use axum::extract::Request;

use super::style::below_mount;
use crate::refusal::{Kind, Refusal};

const DEEP: &str =
    "deep dependencies are a later piece and are not served yet; /api/dependencies is";
const TEMPO: &str = "the Tempo API and TraceQL are a later piece and are not served yet";
const PROMETHEUS: &str = "of the Prometheus API this server has queries, names and status: it scrapes nothing, and is not read or administered by this API";

/// Beginnings of paths, the first that fits counts. `/jaeger` before them is taken away.
const REASONS: [(&str, &str); 19] = [
    ("/api/deep-dependencies", DEEP),
    (
        "/api/tracewell/v1/receipts",
        "receipts are a later piece and are not served yet",
    ),
    ("/api/tracewell/v1/traceql", TEMPO),
    (
        "/api/quality-metrics",
        "quality metrics are a later piece and are not served yet",
    ),
    (
        "/api/metrics/",
        "Jaeger's monitor routes come with the metrics piece and are not served yet",
    ),
    (
        "/api/archive/",
        "archiving traces is a later piece and is not served yet",
    ),
    (
        "/api/transform",
        "transforming OTLP is a later piece and is not served yet",
    ),
    ("/tempo", TEMPO),
    ("/api/echo", TEMPO),
    ("/api/search", TEMPO),
    ("/api/v2/", TEMPO),
    ("/api/status/", TEMPO),
    ("/api/overrides", "overrides are not served"),
    ("/prometheus", PROMETHEUS),
    ("/api/v1/", PROMETHEUS),
    ("/federate", PROMETHEUS),
    (
        "/zipkin",
        "the Zipkin API is a later piece and is not served yet",
    ),
    (
        "/jaeger.api_v2.",
        "jaeger.api_v2 is not served; jaeger.api_v3.QueryService is",
    ),
    ("/tempopb.", TEMPO),
];

/// The answer to every path without a route.
pub(crate) async fn not_served(request: Request) -> Refusal {
    let path = request.uri().path();
    let below = below_mount(path);
    let reason = REASONS
        .iter()
        .find(|(prefix, _)| below.starts_with(prefix))
        .map(|(_, reason)| *reason);
    let unknown = || {
        format!(
            "there is no {}",
            path.chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect::<String>()
        )
    };
    Refusal::new(Kind::NotServed, reason.map_or_else(unknown, str::to_owned))
}
