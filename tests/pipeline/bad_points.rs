//! Labels without end (B17): the store keeps as many series as it may, and no increment is lost.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::Tracewell;
use serde_json::{Value, json};
use telemetry::Clock;

use crate::prometheus::{until, value};

/// What one of two partitions keeps; all points of the request come from one resource, and so lie in one.
const SERIES_MAX: f64 = 64.0;
const N_PARTITIONS: f64 = 2.0;
const VALUES: u64 = 1_000;
/// Values are seen within this after their OK; the rest is slack for a slow machine.
const SEEN_MAX: Duration = Duration::from_secs(20);

/// DELTA or CUMULATIVE of OTLP.
#[derive(Clone, Copy)]
enum Temporality {
    Delta = 1,
    Cumulative = 2,
}

/// One increment of a counter for each user.
fn increments(metric: &str, temporality: Temporality) -> Value {
    let now_ms = Clock::host().wall().unix_ms;
    let ns = |ms: i64| (ms * 1_000_000).to_string();
    let point = |user: u64| {
        json!({"startTimeUnixNano": ns(now_ms - 1_000), "timeUnixNano": ns(now_ms), "asInt": "1",
            "attributes": [{"key": "user", "value": {"stringValue": user.to_string()}}]})
    };
    let points: Vec<Value> = (0..VALUES).map(point).collect();
    let sum = json!({"aggregationTemporality": temporality as u8, "isMonotonic": true, "dataPoints": points});
    let metrics = json!([{"name": metric, "sum": sum}]);
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
}

async fn send(server: &Tracewell, points: &Value) -> Result<()> {
    let request = server
        .http_client()
        .post(format!("{}/v1/metrics", server.http_url()))
        .json(points);
    let answer = request.send().await?;
    let (status, told) = (answer.status(), answer.text().await?);
    ensure!(status == 200 && told == "{}", "{status} {told}");
    Ok(())
}

async fn started(folder: &Path) -> Result<Tracewell> {
    let settings = [
        format!("metrics.metric_series_max={}", SERIES_MAX * N_PARTITIONS),
        format!("bus.partitions={N_PARTITIONS}"),
    ];
    Tracewell::started(folder, &[&settings[0], &settings[1]]).await
}

#[tokio::test]
async fn b17_values_without_end_share_a_series_and_their_total_is_exact() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = started(folder.path()).await?;
    send(&server, &increments("logins", Temporality::Delta)).await?;
    until("the total", SEEN_MAX, async || {
        let total = value(&server, "sum(logins_total)").await?;
        Ok(total.filter(|total| *total == VALUES as f64))
    })
    .await?;
    let n = value(&server, "count(logins_total)").await?;
    ensure!(n == Some(SERIES_MAX + 1.0), "{n:?} series");
    let overflow = "sum(logins_total{__overflow__=\"true\"})";
    let beyond = value(&server, overflow).await?;
    ensure!(beyond == Some(VALUES as f64 - SERIES_MAX), "{beyond:?}");
    Ok(())
}

#[tokio::test]
async fn totals_of_processes_beyond_the_cap_are_let_go_and_added_to_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = started(folder.path()).await?;
    send(&server, &increments("visits", Temporality::Cumulative)).await?;
    let n = until("the series", SEEN_MAX, async || {
        value(&server, "count(visits_total)").await
    })
    .await?;
    ensure!(n == SERIES_MAX, "{n} series");
    let overflow = value(&server, "count({__overflow__=\"true\"})").await?;
    ensure!(
        overflow.is_none(),
        "{overflow:?}: what is no delta cannot be added up"
    );
    Ok(())
}
