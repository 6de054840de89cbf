//! What traces count for: calls, failures and durations of each edge as the service-graph tools name them, exactly; and exemplars that lead to their traces.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span, span::SpanKind, status};
use prost::Message;
use serde_json::Value;

const TRACES: u128 = 20;
/// Of this many traces one fails at its database.
const FAILED_EVERY: u128 = 5;
/// A trace settles 2 s after its root and its epoch ends within 10; the rest is slack for a slow machine.
const REST_MAX: Duration = Duration::from_secs(30);

#[tokio::test]
async fn edges_are_exact_and_exemplars_lead_to_traces() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // edges count from dropped traces too
    let rule =
        r#"sampler.rules=[{ name = "half", sampler = { type = "probability", percent = 50 } }]"#;
    let mut server = Tracewell::new(folder.path(), &[rule])?;
    server.start().await?;
    for trace in 1..=TRACES {
        ensure!(
            server.export(request(trace)).await,
            "trace {trace} is refused"
        );
    }
    let n = TRACES as f64;
    let n_failed = (TRACES / FAILED_EVERY) as f64;
    let calls = [
        ("user>front virtual_node client", n),
        ("front>back  ", n),
        ("back>orders-db database ", n),
        ("back>jobs messaging_system server", n),
        ("jobs>worker messaging_system client", n),
        ("back>worker messaging_system ", n),
        ("worker>api.example.com:443 virtual_node server", n),
    ];
    let failed = [("back>orders-db database ", n_failed)];
    settles_at(&server, "traces_service_graph_request_total", &calls).await?;
    settles_at(
        &server,
        "traces_service_graph_request_failed_total",
        &failed,
    )
    .await?;
    // as each side saw it: 50 ms and 40 ms
    let seen = |edge: &'static str, ms: f64| [(edge, n * ms / 1_000.0)];
    for (side, ms) in [("client", 50.0), ("server", 40.0)] {
        let sum = format!(r#"traces_service_graph_request_{side}_seconds_sum{{client="front"}}"#);
        settles_at(&server, &sum, &seen("front>back  ", ms)).await?;
    }
    let waited = "traces_service_graph_request_messaging_system_seconds_sum";
    settles_at(
        &server,
        waited,
        &seen("back>worker messaging_system ", 30.0),
    )
    .await?;
    exemplars_lead_to_traces(&server).await
}

/// Asks until the edges of a metric are these; then they are for good.
async fn settles_at(server: &Tracewell, query: &str, expected: &[(&str, f64)]) -> Result<()> {
    let mut found = BTreeMap::new();
    for _ in 0..REST_MAX.as_millis() / 100 {
        found = edges(server, query).await?;
        let is_one = |(edge, n): &(&str, f64)| {
            let found = found.get(*edge);
            found.is_some_and(|found: &f64| (found - n).abs() < 1e-6)
        };
        if found.len() == expected.len() && expected.iter().all(is_one) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{query}: {found:?}, not {expected:?}")
}

/// Values by `client>server connection_type virtual_node`.
async fn edges(server: &Tracewell, query: &str) -> Result<BTreeMap<String, f64>> {
    let result = ask(server, "query", &[("query", query)]).await?;
    let mut edges = BTreeMap::new();
    for one in result["result"].as_array().context("a vector")? {
        let label = |name: &str| one["metric"][name].as_str().unwrap_or_default();
        let edge = format!(
            "{}>{} {} {}",
            label("client"),
            label("server"),
            label("connection_type"),
            label("virtual_node")
        );
        let value = one["value"][1].as_str().context("a value")?;
        edges.insert(edge, value.parse()?);
    }
    Ok(edges)
}

async fn ask(server: &Tracewell, what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
    let url = format!("{}/api/v1/{what}", server.query_url());
    let request = server.http_client().get(url).query(parameters);
    let body: Value = request.send().await?.json().await?;
    ensure!(body["status"] == "success", "{what} {parameters:?}: {body}");
    Ok(body["data"].clone())
}

async fn exemplars_lead_to_traces(server: &Tracewell) -> Result<()> {
    let now_s = now_unix_ns() / 1_000_000_000;
    let range = [
        ("query", "tracewell_span_duration_seconds"),
        ("start", &(now_s - 600).to_string()),
        ("end", &(now_s + 60).to_string()),
    ];
    let found = ask(server, "query_exemplars", &range).await?;
    let mut n_exemplars = 0;
    for series in found.as_array().context("series")? {
        for exemplar in series["exemplars"].as_array().context("exemplars")? {
            let id = |name: &str| exemplar["labels"][name].as_str().context("an id");
            let spans = server.jaeger_trace(id("trace_id")?).await?;
            let spans = spans.context("an exemplar leads to no trace")?;
            let span_id = id("span_id")?;
            let is_there = spans.iter().any(|span| span["spanID"] == span_id);
            ensure!(is_there, "{span_id} is not in its trace");
            n_exemplars += 1;
        }
    }
    ensure!(n_exemplars > 0, "there is no exemplar: {found}");
    Ok(())
}

fn request(trace: u128) -> Vec<u8> {
    // spread over all ids, so that about half are kept
    let id = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let start = now_unix_ns() - 1_000_000_000;
    let span = |id_in_trace: u64, parent: u64, kind: SpanKind, (from_ms, to_ms): (u64, u64)| Span {
        kind: kind.into(),
        start_time_unix_nano: start + from_ms * 1_000_000,
        end_time_unix_nano: start + to_ms * 1_000_000,
        ..otlp::span(id, id_in_trace, parent, start)
    };
    let with = |mut span: Span, attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(key, value)| otlp::text(key, value));
        span.attributes.extend(attributes);
        span
    };
    let mut query = with(
        span(4, 3, SpanKind::Client, (30, 35)),
        &[
            ("db.system.name", "postgresql"),
            ("server.address", "orders-db"),
        ],
    );
    if trace.is_multiple_of(FAILED_EVERY) {
        query.status.get_or_insert_default().code = status::StatusCode::Error.into();
    }
    let queue = [("messaging.destination.name", "jobs")];
    let send = with(span(5, 3, SpanKind::Producer, (36, 40)), &queue);
    let process = with(span(6, 5, SpanKind::Consumer, (70, 90)), &queue);
    let api = with(
        span(7, 6, SpanKind::Client, (75, 80)),
        &[
            ("server.address", "api.example.com"),
            ("server.port", "443"),
        ],
    );
    let services: [(&str, Vec<Span>); 3] = [
        (
            "front",
            vec![
                span(1, 0, SpanKind::Server, (0, 100)),
                span(2, 1, SpanKind::Client, (10, 60)),
            ],
        ),
        (
            "back",
            vec![span(3, 2, SpanKind::Server, (15, 55)), query, send],
        ),
        ("worker", vec![process, api]),
    ];
    let resource_spans: Vec<ResourceSpans> = services
        .into_iter()
        .flat_map(|(service, spans)| otlp::request(service, spans).resource_spans)
        .collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

#[expect(
    clippy::disallowed_methods,
    reason = "spans of today, as an SDK sends them"
)]
fn now_unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(0)
}
