//! Labels without end (B17): the store keeps as many series as it may, and no increment is lost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::Tracewell;
use serde_json::{Value, json};
use telemetry::Clock;

use crate::prometheus::{until, value};

const SERIES_MAX: f64 = 64.0;
const VALUES: u64 = 1_000;
/// Values are seen within this after their OK; the rest is slack for a slow machine.
const SEEN_MAX: Duration = Duration::from_secs(20);

/// One increment of a counter for each user, as deltas.
fn increments() -> Value {
    let now_ms = Clock::host().wall().unix_ms;
    let ns = |ms: i64| (ms * 1_000_000).to_string();
    let point = |user: u64| {
        json!({"startTimeUnixNano": ns(now_ms - 1_000), "timeUnixNano": ns(now_ms), "asInt": "1",
            "attributes": [{"key": "user", "value": {"stringValue": user.to_string()}}]})
    };
    let points: Vec<Value> = (0..VALUES).map(point).collect();
    let sum = json!({"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": points});
    let metrics = json!([{"name": "logins", "sum": sum}]);
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
}

#[tokio::test]
async fn b17_values_without_end_share_a_series_and_their_total_is_exact() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setting = format!("metrics.metric_series_max={SERIES_MAX}");
    let server = Tracewell::started(folder.path(), &[&setting]).await?;
    let request = server
        .http_client()
        .post(format!("{}/v1/metrics", server.http_url()))
        .json(&increments());
    let answer = request.send().await?;
    let (status, told) = (answer.status(), answer.text().await?);
    ensure!(status == 200 && told == "{}", "{status} {told}");

    until("the total", SEEN_MAX, async || {
        let total = value(&server, "sum(logins_total)").await?;
        Ok(total.filter(|total| *total == VALUES as f64))
    })
    .await?;
    let n = value(&server, "count(logins_total)").await?;
    let n = n.context("there are series")?;
    ensure!(n > 1.0 && n <= SERIES_MAX + 1.0, "{n} series");
    let overflow = "sum(logins_total{__overflow__=\"true\"})";
    let beyond = value(&server, overflow).await?;
    ensure!(
        beyond == Some(VALUES as f64 - (n - 1.0)),
        "{beyond:?} of {n} series"
    );
    Ok(())
}
