//! The real OpenTelemetry SDKs of other languages: every span they say they sent is found, equal in every attribute.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, now};
use serde_json::Value;
use tokio::process::Command;

/// An accepted span is found by id within this.
const BY_ID_MAX: Duration = Duration::from_secs(1);
/// An accepted span is found by search within this.
const BY_SEARCH_MAX: Duration = Duration::from_secs(2);
const TRACES: usize = 20;

#[tokio::test]
async fn spans_of_the_python_sdk_over_grpc_are_found() -> Result<()> {
    let python = root().join("target/sdk/python/bin/python");
    sent_spans_are_found("python-grpc", |server| {
        sender(
            &python,
            "pipeline/python/send.py",
            &["grpc", &server.grpc_url()],
        )
    })
    .await
}

#[tokio::test]
async fn spans_of_the_python_sdk_over_http_are_found() -> Result<()> {
    let python = root().join("target/sdk/python/bin/python");
    sent_spans_are_found("python-http", |server| {
        sender(
            &python,
            "pipeline/python/send.py",
            &["http", &server.http_url()],
        )
    })
    .await
}

#[tokio::test]
async fn spans_of_the_javascript_sdk_over_http_json_are_found() -> Result<()> {
    sent_spans_are_found("node-http-json", |server| {
        sender(
            Path::new("node"),
            "pipeline/node/send.js",
            &[&server.http_url()],
        )
    })
    .await
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ has a parent")
        .to_owned()
}

fn sender(program: &Path, script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .args(arguments)
        .arg(TRACES.to_string())
        .kill_on_drop(true);
    command
}

async fn sent_spans_are_found(
    service: &str,
    sender: impl FnOnce(&Tracewell) -> Command,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let output = sender(&server)
        .output()
        .await
        .context("the SDK could not be run; `make test-pipeline` sets it up")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answered = now();
    let sent: Vec<Value> = String::from_utf8(output.stdout)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(
        sent.len() == 3 * TRACES,
        "the SDK sent {} spans",
        sent.len()
    );
    for span in &sent {
        found_by_id(&server, span, answered).await?;
    }
    found_by_search(&server, service, answered).await
}

/// Finds one span by its trace id and compares it with what the SDK says of it.
async fn found_by_id(server: &Tracewell, sent: &Value, answered: Instant) -> Result<()> {
    let trace_id = sent["trace_id"].as_str().context("a trace id")?;
    let spans = loop {
        if let Some(spans) = server
            .jaeger_trace(trace_id)
            .await?
            .filter(|spans| spans.len() == 3)
        {
            break spans;
        }
        ensure!(
            answered.elapsed() < BY_ID_MAX,
            "trace {trace_id} is not whole by id after {BY_ID_MAX:?}"
        );
    };
    let span = spans
        .iter()
        .find(|span| span["spanID"] == sent["span_id"])
        .context("the span is in its trace")?;
    ensure!(span["operationName"] == sent["name"], "{span}");
    let parent = span["references"]
        .as_array()
        .and_then(|all| all.iter().find(|r| r["refType"] == "CHILD_OF"));
    let parent_id = parent.map_or("", |reference| {
        reference["spanID"].as_str().unwrap_or_default()
    });
    ensure!(parent_id == sent["parent_span_id"], "{span}");
    let start_us = sent["start_unix_ns"]
        .as_str()
        .context("a start")?
        .parse::<u64>()?
        / 1_000;
    ensure!(
        span["startTime"] == start_us,
        "{span} began at {start_us} µs"
    );
    for (key, value) in sent["attributes"].as_object().context("attributes")? {
        same_attribute(span, key, value)?;
    }
    Ok(())
}

fn same_attribute(span: &Value, key: &str, sent: &Value) -> Result<()> {
    let tag = span["tags"]
        .as_array()
        .and_then(|tags| tags.iter().find(|tag| tag["key"] == key))
        .with_context(|| format!("{key}: {span}"))?;
    let (kind, equal) = match sent {
        Value::String(_) => ("string", tag["value"] == *sent),
        Value::Bool(_) => ("bool", tag["value"] == *sent),
        Value::Number(number) if number.is_f64() => {
            ("float64", tag["value"].as_f64() == sent.as_f64())
        }
        // Beyond 2^53 Jaeger's JSON writes the digits, as a number or as text.
        Value::Number(number) => (
            "int64",
            tag["value"].to_string().trim_matches('"') == number.to_string(),
        ),
        array => (
            "string",
            serde_json::from_str::<Value>(tag["value"].as_str().unwrap_or_default())
                .is_ok_and(|read| same_numbers(&read, array)),
        ),
    };
    ensure!(
        equal && tag["type"] == kind,
        "attribute {key} was sent as {sent} and came back as {tag}"
    );
    Ok(())
}

/// Whether two arrays are equal, taking 1 and 1.0 for the same.
fn same_numbers(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_numbers(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

async fn found_by_search(server: &Tracewell, service: &str, answered: Instant) -> Result<()> {
    for filter in [
        "",
        "&operation=root",
        "&operation=fail&tag=error:true",
        "&tag=texts:%5B%22a%22,%22b%22%5D",
    ] {
        loop {
            let (status, body) = server
                .get(&format!("/api/traces?service={service}&limit=100{filter}"))
                .await?;
            let found = body["data"].as_array().map_or(0, Vec::len);
            if status == 200 && found == TRACES {
                break;
            }
            ensure!(
                answered.elapsed() < BY_SEARCH_MAX,
                "search {filter:?} found {found} of {TRACES} traces after {BY_SEARCH_MAX:?}: {status}"
            );
        }
    }
    Ok(())
}
