//! OTLP metrics as their users have them: the real SDK for Python sends them over gRPC and HTTP, cumulative and as deltas, and they are asked for by
//! PromQL within a second.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, now};
use serde_json::{Value, json};
use telemetry::Clock;
use tokio::process::Command;

use crate::prometheus::value;

/// Points are found within this after their OK.
const SEEN_MAX: Duration = Duration::from_secs(1);

#[tokio::test]
async fn metrics_of_the_python_sdk_over_grpc_are_found() -> Result<()> {
    sent_metrics_are_found("grpc", |server| server.grpc_url()).await
}

#[tokio::test]
async fn metrics_of_the_python_sdk_over_http_are_found() -> Result<()> {
    sent_metrics_are_found("http", |server| server.http_url()).await
}

#[tokio::test]
async fn b18_a_scale_beyond_all_bounds_is_taken_as_the_nearest_and_bad_points_are_named()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let time = std::time::UNIX_EPOCH.elapsed()?.as_nanos();
    let point = |scale: i64, count: u64| {
        format!(
            r#"{{"timeUnixNano":"{time}","scale":{scale},"count":"{count}","positive":{{"offset":0,"bucketCounts":["3"]}},
            "attributes":[{{"key":"scale","value":{{"intValue":"{scale}"}}}}]}}"#
        )
    };
    let points = [
        point(1_000_000_000, 3),
        point(-1_000_000_000, 3),
        point(0, 2),
    ]
    .join(",");
    let body = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"h","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{points}]}}}}]}}]}}]}}"#
    );
    let url = format!("{}/v1/metrics", server.http_url());
    let request = server
        .http_client()
        .post(url)
        .header("content-type", "application/json");
    let answer: Value = request.body(body).send().await?.json().await?;
    let partial = &answer["partialSuccess"];
    ensure!(partial["rejectedDataPoints"] == "1", "{answer}");
    let told = partial["errorMessage"].as_str().unwrap_or_default();
    ensure!(told.contains("data_points[2].bucket_counts"), "{answer}");
    let answered = now();
    for scale in ["1000000000", "-1000000000"] {
        let query = format!("histogram_count(h{{scale=\"{scale}\"}})");
        while value(&server, &query).await? != Some(3.0) {
            ensure!(answered.elapsed() < SEEN_MAX, "{query} is not 3");
        }
    }
    Ok(())
}

/// What no SDK sends, and the Collector does: a summary, a point that says that there is no value, and an exemplar of a total.
#[tokio::test]
async fn summaries_exemplars_and_ends_of_series_are_found() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let now_ms = Clock::host().wall().unix_ms;
    let at = |before_ms: i64| format!("{}000000", now_ms - before_ms);
    let quantile = |quantile: f64, value: f64| json!({"quantile": quantile, "value": value});
    let summary = json!([{"timeUnixNano": at(0), "count": "3", "sum": 10.5,
        "quantileValues": [quantile(0.5, 3.0), quantile(0.99, 7.25)]}]);
    let ended =
        json!([{"timeUnixNano": at(2_000), "asDouble": 1.0}, {"timeUnixNano": at(0), "flags": 1}]);
    let exemplar = json!({"timeUnixNano": at(500), "asDouble": 42.0, "spanId": "00f067aa0ba902b7",
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "filteredAttributes": [{"key": "user", "value": {"stringValue": "ada"}}]});
    let total = json!([{"timeUnixNano": at(0), "asInt": "7", "exemplars": [exemplar]}]);
    let sum = json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": total});
    let metrics = json!([
        {"name": "latency", "unit": "s", "summary": {"dataPoints": summary}},
        {"name": "fan", "gauge": {"dataPoints": ended}},
        {"name": "logins", "sum": sum},
    ]);
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]});
    let url = format!("{}/v1/metrics", server.http_url());
    let request = server.http_client().post(url).json(&body);
    let answer: Value = request.send().await?.json().await?;
    ensure!(answer == json!({}), "{answer}");
    let answered = now();
    for (query, expected) in [
        ("latency_seconds{quantile=\"0.5\"}", Some(3.0)),
        ("latency_seconds{quantile=\"0.99\"}", Some(7.25)),
        ("latency_seconds_count", Some(3.0)),
        ("latency_seconds_sum", Some(10.5)),
        ("logins_total", Some(7.0)),
        ("fan", None),
        ("last_over_time(fan[1m])", Some(1.0)),
    ] {
        while value(&server, query).await? != expected {
            ensure!(answered.elapsed() < SEEN_MAX, "{query} is not {expected:?}");
        }
    }
    let (from, to) = (now_ms / 1_000 - 60, now_ms / 1_000 + 60);
    let url = format!(
        "{}/api/v1/query_exemplars?query=logins_total&start={from}&end={to}",
        server.query_url()
    );
    let answer: Value = server.http_client().get(url).send().await?.json().await?;
    let found = &answer["data"][0]["exemplars"][0];
    let labels = json!({"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "user": "ada"});
    ensure!(
        found["labels"] == labels && found["value"] == "42",
        "{answer}"
    );
    Ok(())
}

async fn sent_metrics_are_found(protocol: &str, url: impl Fn(&Tracewell) -> String) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    for temporality in ["cumulative", "delta"] {
        run_sdk(&[protocol, &url(&server), temporality]).await?;
        found(&server, &format!("{protocol}-{temporality}")).await?;
    }
    let accepted = "tracewell_collector_points_accepted_total";
    // five metrics in each of three exports, and in the last one on shutdown: all of them, or what is no delta
    ensure!(
        server.metric(accepted, &[]).await? >= 30.0,
        "too few points"
    );
    let rejected = "tracewell_collector_points_rejected_total";
    ensure!(
        server.metric(rejected, &[]).await? == 0.0,
        "some were rejected"
    );
    Ok(())
}

/// Asks for what the SDK has counted.
async fn found(server: &Tracewell, instance: &str) -> Result<()> {
    let answered = now();
    let of = format!("instance=\"{instance}\"");
    for (query, expected) in [
        (
            format!("orders_total{{{of},job=\"shop\",kind=\"book\",express=\"true\"}}"),
            10.0,
        ),
        (format!("queue_length{{{of},host_name=\"a-host\"}}"), 5.0),
        (format!("temperature_celsius{{{of},room=\"grün ✓\"}}"), 21.5),
        (format!("bounded_seconds_count{{{of}}}"), 3.0),
        (format!("bounded_seconds_sum{{{of}}}"), 10.0),
        (
            format!(
                "bounded_seconds_bucket{{{of},le=\"5.0\"}} or bounded_seconds_bucket{{{of},le=\"5\"}}"
            ),
            2.0,
        ),
        (format!("histogram_count(native_seconds{{{of}}})"), 3.0),
        (format!("histogram_sum(native_seconds{{{of}}})"), 10.0),
        (format!("target_info{{{of},build=\"7\"}}"), 1.0),
    ] {
        let mut last = None;
        while last != Some(expected) {
            ensure!(
                answered.elapsed() < SEEN_MAX,
                "{query} is {last:?}, not {expected}, after {SEEN_MAX:?}"
            );
            last = value(server, &query).await?;
        }
    }
    Ok(())
}

async fn run_sdk(arguments: &[&str]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../target/sdk/python/bin/python");
    let output = Command::new(python)
        .arg(root.join("pipeline/python/send_metrics.py"))
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .context("the SDK could not be run; `make test-pipeline` sets it up")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    // the SDK logs what it could not send, and goes on
    ensure!(told.is_empty(), "{told}");
    Ok(())
}
