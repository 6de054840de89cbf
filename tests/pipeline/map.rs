//! Who calls whom, seen by the public APIs, also while the epoch that counts it is still open; and by the verbs of the program.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span, Status};
use prost::Message;
use serde_json::Value;
use telemetry::Clock;

const TRACES: u128 = 40;
/// A trace is decided some 2 s after its root ended; the rest is slack for a slow machine.
const SEEN_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// An epoch ends 10 s of record time after the one before. It is open for sure a second less, since the record that ended that one may have been late, and
/// another less, since that time is told in whole seconds.
const OPEN_MS: i64 = 8_000;
/// So soon after the end of an epoch is early in the next one.
const EARLY_MS: i64 = 3_000;

fn now_ms() -> i64 {
    Clock::host().wall().unix_ms
}

/// `web` calls `cart` and that its database; every second call of `cart` fails.
fn request(trace: u128) -> Vec<u8> {
    let now_ms = u64::try_from(now_ms()).expect("after 1970");
    let start = now_ms * 1_000_000;
    let span = |id: u64, parent: u64, kind: i32| Span {
        kind,
        ..otlp::span(trace, id, parent, start)
    };
    let mut serves = span(3, 2, 2);
    if trace.is_multiple_of(2) {
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
        let n = calls_on(&map);
        ensure!(n < TRACES as f64 + 0.5, "counted twice: {n}");
        if (n - TRACES as f64).abs() < 1e-6 {
            return Ok(map);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("not seen: {map}")
}

/// How often `cart` is called on a map of 5 min.
fn calls_on(map: &Value) -> f64 {
    let edges = map["edges"].as_array().cloned().unwrap_or_default();
    let call = edges.iter().find(|edge| edge["to"] == "service:cart");
    let rate = call.and_then(|call| call["rate"].as_f64());
    rate.unwrap_or(0.0) * 300.0
}

#[tokio::test]
async fn calls_are_seen_while_the_epoch_that_counts_them_is_open() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = ["bus.partitions=1", "sampler.root_quiet=1s"];
    let server = Tracewell::started(folder.path(), &settings).await?;
    let ended_ms = epoch_ended_just_now(&server).await?;
    for trace in 1..=TRACES {
        ensure!(server.export(request(trace)).await, "refused");
    }
    let mut counted = (0.0, 0.0);
    while counted != (TRACES as f64, TRACES as f64) {
        ensure!(
            now_ms() < ended_ms + OPEN_MS,
            "calls and requests of {TRACES} traces seen while their epoch is open: {counted:?}"
        );
        counted = counted_of_cart(&server).await?;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let open_ms = now_ms() - ended_ms;
    ensure!(open_ms < OPEN_MS, "seen too late: after {open_ms} ms");
    ensure!(
        epoch_ended_ms(&server).await? == ended_ms,
        "the epoch has ended"
    );
    Ok(())
}

/// Calls of `cart` on the map, and its requests in the list of services: our own API is to know them within a second, PromQL after the seal.
async fn counted_of_cart(server: &Tracewell) -> Result<(f64, f64)> {
    let (_, map) = server.get("/api/tracewell/v1/map").await?;
    let path = "/api/tracewell/v1/services?from=now-5m&q=cart";
    let (_, services) = server.get(path).await?;
    let rate = services["items"][0]["rate"].as_f64();
    let requests = rate.unwrap_or(0.0) * 300.0;
    Ok((calls_on(&map).round(), requests.round()))
}

/// Waits until an epoch ended a moment ago. Returns when that was.
async fn epoch_ended_just_now(server: &Tracewell) -> Result<i64> {
    for _ in 0..SEEN_MAX.as_millis() / LOOK_AGAIN.as_millis() {
        let ended_ms = epoch_ended_ms(server).await?;
        if now_ms() < ended_ms + EARLY_MS {
            return Ok(ended_ms);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    anyhow::bail!("no epoch ends")
}

/// Record time at which the last stored epoch of the one partition ended, in whole seconds; 0 if there is none.
async fn epoch_ended_ms(server: &Tracewell) -> Result<i64> {
    let ended_s = server.metric("tracewell_sampler_watermark_seconds", &[]);
    Ok(ended_s.await? as i64 * 1_000)
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
