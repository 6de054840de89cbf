//! Who calls whom, seen by the public APIs while the epoch that counts it is still open; and by the verbs of the program.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span, Status};
use prost::Message;
use serde_json::Value;
use telemetry::Clock;

const TRACES: u128 = 40;
/// A trace is decided some 2 s after its root ended; the rest is slack for a slow machine. An epoch lasts 10 s, so this is seen while it is open.
const SEEN_MAX: Duration = Duration::from_secs(30);

/// `web` calls `cart` and that its database; every second call of `cart` fails.
fn request(trace: u128) -> Vec<u8> {
    let now_ms = u64::try_from(Clock::host().wall().unix_ms).expect("after 1970");
    let start = now_ms * 1_000_000;
    let span = |id: u64, parent: u64, kind: i32| Span {
        kind,
        ..otlp::span(trace, id, parent, start)
    };
    let mut serves = span(3, 2, 2);
    if trace % 2 == 0 {
        serves.status = Some(Status {
            code: 2,
            ..Status::default()
        });
    }
    let mut asks = span(4, 3, 3);
    asks.attributes.extend([
        otlp::text("db.system.name", "postgresql"),
        otlp::text("db.namespace", "shop"),
    ]);
    let of = |service, spans| otlp::request(service, spans).resource_spans;
    let both: Vec<ResourceSpans> = [
        of("web", vec![span(1, 0, 2), span(2, 1, 3)]),
        of("cart", vec![serves, asks]),
    ]
    .concat();
    ExportTraceServiceRequest {
        resource_spans: both,
    }
    .encode_to_vec()
}

#[tokio::test]
async fn the_map_is_seen_at_once_and_by_everyone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let (_, empty) = server.get("/api/tracewell/v1/map").await?;
    let why = empty["why_empty"].as_str().context("a sentence")?;
    ensure!(why.contains("send spans"), "{why}");
    for trace in 1..=TRACES {
        ensure!(server.export(request(trace)).await, "refused");
    }
    let map = call_of_cart(&server).await?;
    let find = |list: &str, name: &str, value: &str| {
        let items = map[list].as_array().cloned().unwrap_or_default();
        let found = items.into_iter().find(|item| item[name] == value);
        found.with_context(|| format!("no {value} in {map}"))
    };
    let call = find("edges", "to", "service:cart")?;
    ensure!(
        call["error_ratio"] == 0.5 && call["state"] == "bad",
        "{call}"
    );
    ensure!(
        find("edges", "from", "user:user")?["to"] == "service:web",
        "{map}"
    );
    let node = find("nodes", "kind", "database")?;
    ensure!(node["inferred"] == true, "{node}");
    by_others(&server).await
}

/// Asks until every call of `cart` is counted, which is for good.
async fn call_of_cart(server: &Tracewell) -> Result<Value> {
    let mut map = Value::Null;
    for _ in 0..SEEN_MAX.as_millis() / 100 {
        let (status, body) = server.get("/api/tracewell/v1/map").await?;
        ensure!(status == 200, "{body}");
        map = body;
        let edges = map["edges"].as_array().cloned().unwrap_or_default();
        let call = edges.iter().find(|edge| edge["to"] == "service:cart");
        let rate = call.and_then(|call| call["rate"].as_f64());
        let n = rate.unwrap_or(0.0) * 300.0;
        ensure!(n < TRACES as f64 + 0.5, "counted twice: {n}");
        if (n - TRACES as f64).abs() < 1e-6 {
            return Ok(map);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("not seen: {map}")
}

/// Jaeger's dependencies, the list of services, and the verbs.
async fn by_others(server: &Tracewell) -> Result<()> {
    let (_, pairs) = server.get("/api/dependencies").await?;
    ensure!(
        pairs["data"][0]["parent"] == "web" && pairs["data"][0]["callCount"] == TRACES as u64,
        "{pairs}"
    );
    let services = server.verb(&["services", "-o", "table"]).await?;
    let told = String::from_utf8_lossy(&services.stdout).into_owned();
    let lines: Vec<&str> = told.lines().collect();
    ensure!(
        services.status.success() && lines.len() == 3,
        "{told} {}",
        String::from_utf8_lossy(&services.stderr)
    );
    ensure!(
        lines[1].starts_with("cart") && lines[1].contains("50.0 %"),
        "{told}"
    );
    let map = server
        .verb(&["map", "--focus", "cart", "-o", "table"])
        .await?;
    let told = String::from_utf8_lossy(&map.stdout).into_owned();
    ensure!(
        told.lines().count() == 3 && told.contains("service:web   →  service:cart"),
        "{told}"
    );
    let json = server.verb(&["map", "--only", "problems"]).await?;
    let body: Value = serde_json::from_slice(&json.stdout)?;
    ensure!(body["hidden"]["filter"].as_u64() > Some(0), "{body}");
    Ok(())
}
