//! Files that a person imports: every kind is told apart, keeps its times, and is found by them.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};
use serde_json::{Value, json};
use telemetry::Clock;

const START: u64 = 1_700_000_000_000_000_000;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a file and imports it.
async fn import(server: &Tracewell, folder: &Path, name: &str, content: &[u8]) -> Result<Value> {
    let path = folder.join(name);
    std::fs::write(&path, content)?;
    let imported = server
        .verb(&["import", &path.display().to_string()])
        .await?;
    ensure!(imported.status.success(), "{name}: {}", said(&imported));
    Ok(serde_json::from_slice(&imported.stdout)?)
}

#[tokio::test]
async fn files_of_every_kind_are_imported_and_keep_their_times() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let jaeger = json!({"data": [{"traceID": "11", "processes": {"p1": {"serviceName": "old"}}, "spans": [
        {"traceID": "11", "spanID": "1", "operationName": "get", "startTime": 1_600_000_000_000_000_u64, "duration": 7, "processID": "p1"}]}]});
    let otlp_json = json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": otlp::trace_hex(0x12), "spanId": "0000000000000001", "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]});
    let protobuf = otlp::body("old", vec![otlp::span(0x13, 1, 0, START)]);
    for (name, content) in [
        ("a.json", jaeger.to_string().into_bytes()),
        ("b.json", otlp_json.to_string().into_bytes()),
        ("c.pb", protobuf),
    ] {
        std::fs::write(folder.path().join(name), content)?;
    }
    let paths: Vec<String> = ["a.json", "b.json", "c.pb"]
        .iter()
        .map(|name| folder.path().join(name).display().to_string())
        .collect();
    let arguments: Vec<&str> = std::iter::once("import")
        .chain(paths.iter().map(String::as_str))
        .collect();
    let imported = server.verb(&arguments).await?;
    ensure!(imported.status.success(), "{}", said(&imported));
    for trace in [0x11, 0x12, 0x13] {
        ensure!(
            server
                .acknowledged_trace(&otlp::trace_hex(trace))
                .await?
                .is_some(),
            "trace {trace:x} was not imported"
        );
    }
    let spans = server.acknowledged_trace("11").await?.context("found")?;
    ensure!(
        spans[0]["startTime"] == 1_600_000_000_000_000_u64,
        "{spans:?}"
    );
    std::fs::write(folder.path().join("junk"), "{\"data\": 7}")?;
    let refused = server
        .verb(&["import", &folder.path().join("junk").display().to_string()])
        .await?;
    ensure!(
        refused.status.code() == Some(65) && said(&refused).contains("Jaeger JSON"),
        "{}",
        said(&refused)
    );
    let absent = server.verb(&["import", "/no/such/file"]).await?;
    ensure!(absent.status.code() == Some(65), "{}", said(&absent));
    Ok(())
}

#[tokio::test]
async fn the_social_network_fixture_is_imported_whole() -> Result<()> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/fixtures/replay/deathstar-social-network.jaeger.json.gz");
    if !fixture.exists() {
        harness::skipped("import", &format!("{} is not there", fixture.display()));
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let imported = server
        .verb(&["import", &fixture.display().to_string()])
        .await?;
    let answer: Value = serde_json::from_str(&String::from_utf8_lossy(&imported.stdout))
        .with_context(|| said(&imported))?;
    ensure!(
        answer["accepted_spans"] == 660 && answer["rejected_spans"] == 0,
        "{answer}"
    );
    let (_, services) = server.get("/api/services").await?;
    ensure!(
        services["data"].as_array().map(Vec::len) == Some(12),
        "{services}"
    );
    let (_, traces) = server
        .get("/api/traces?start=1695943858000000&end=1695943861000000&limit=100")
        .await?;
    ensure!(
        traces["data"].as_array().map(Vec::len) == Some(20),
        "{} traces",
        traces["data"].as_array().map_or(0, Vec::len)
    );
    Ok(())
}

/// One gauge of a machine that was measured a week ago.
fn gauge(name: &str, value: f64, unix_ms: i64) -> Value {
    let point = json!({"timeUnixNano": (unix_ms * 1_000_000).to_string(), "asDouble": value});
    let metric = json!({"name": name, "gauge": {"dataPoints": [point]}});
    json!({"resourceMetrics": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "old"}}]},
        "scopeMetrics": [{"metrics": [metric]}]}]})
}

#[tokio::test]
async fn metrics_of_last_week_are_imported_and_found_at_their_times() -> Result<()> {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use prost::Message;
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let then_ms = Clock::host().wall().unix_ms - 7 * 86_400_000;
    let taken = import(
        &server,
        folder.path(),
        "m.json",
        gauge("heat", 1.5, then_ms).to_string().as_bytes(),
    )
    .await?;
    ensure!(
        taken["accepted_points"] == 1 && taken["accepted_spans"] == 0,
        "{taken}"
    );

    // a request on the wire has no name on it
    let request: ExportMetricsServiceRequest = serde_json::from_value(gauge("cold", 2.5, then_ms))?;
    let taken = import(&server, folder.path(), "m.pb", &request.encode_to_vec()).await?;
    ensure!(taken["accepted_points"] == 1, "{taken}");

    // exporters to files write a document a line, traces and metrics as they come
    let span = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": otlp::trace_hex(0x21), "spanId": "0000000000000001", "name": "x",
        "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]});
    let lines = format!("{span}\n{}\n", gauge("wind", 3.5, then_ms));
    let taken = import(&server, folder.path(), "lines.jsonl", lines.as_bytes()).await?;
    ensure!(
        taken["accepted_points"] == 1 && taken["accepted_spans"] == 1,
        "{taken}"
    );
    ensure!(
        server
            .acknowledged_trace(&otlp::trace_hex(0x21))
            .await?
            .is_some(),
        "the line's trace is lost"
    );

    let at = format!("{}", (then_ms + 1_000) / 1_000);
    for (name, value) in [("heat", "1.5"), ("cold", "2.5"), ("wind", "3.5")] {
        let mut told = String::new();
        for _ in 0..100 {
            let found = server
                .verb(&["query", name, "--at", &at, "-o", "csv"])
                .await?;
            ensure!(found.status.success(), "{}", said(&found));
            told = String::from_utf8_lossy(&found.stdout).into_owned();
            if told.lines().count() > 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let row = told.lines().nth(1).unwrap_or_default();
        ensure!(
            row.starts_with(&format!("{name},")) && row.ends_with(&format!(",{value}")),
            "{name}: {told}"
        );
    }
    let logs = folder.path().join("logs.json");
    std::fs::write(&logs, "{\"resourceLogs\":[]}")?;
    let refused = server
        .verb(&["import", &logs.display().to_string()])
        .await?;
    ensure!(
        refused.status.code() == Some(65) && said(&refused).contains("resourceLogs"),
        "{}",
        said(&refused)
    );
    Ok(())
}
