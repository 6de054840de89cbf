//! The doors that a Prometheus has: promtool reads, and the query port takes metrics under its paths.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::Tracewell;
use serde_json::json;

use super::scraper::promtool;
use super::{ask, until, value};

#[tokio::test]
async fn the_query_port_takes_metrics_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let now_s = ask(
        server.http_client(),
        &server.query_url(),
        "query",
        &[("query", "time()")],
    )
    .await?;
    let now_s: f64 = now_s["result"][1].as_str().context("a time")?.parse()?;
    for (n, path) in (1..).zip([
        "/api/v1/otlp/v1/metrics",
        "/prometheus/api/v1/otlp/v1/metrics",
    ]) {
        let point = json!({ "timeUnixNano": format!("{}000000000", now_s.floor()), "asDouble": n });
        let metric = json!({ "name": format!("heat_{n}"), "gauge": { "dataPoints": [point] } });
        let body = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [metric] }] }] });
        let url = format!("{}{path}", server.query_url());
        let answer = server.http_client().post(url).json(&body).send().await?;
        ensure!(answer.status() == 200, "{path}: {}", answer.status());
        until(path, Duration::from_secs(2), async || {
            Ok(value(&server, &format!("heat_{n}"))
                .await?
                .filter(|value| *value == f64::from(n)))
        })
        .await?;
    }
    for path in ["/api/v1/write", "/prometheus/api/v1/write"] {
        let url = format!("{}{path}", server.query_url());
        let empty = server
            .http_client()
            .post(&url)
            .header("content-encoding", "snappy")
            .body("\0");
        ensure!(empty.send().await?.status() == 204, "{path}");
        let garbage = server
            .http_client()
            .post(&url)
            .header("content-encoding", "snappy")
            .body("x");
        ensure!(garbage.send().await?.status() == 400, "{path}");
        ensure!(
            server.http_client().get(&url).send().await?.status() == 405,
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn promtool_is_answered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let url = server.query_url();
    let at = "2023-11-14T22:13:20Z";
    for (arguments, expected) in [
        (
            vec!["instant", "--time", at, &url, "vector(7)"],
            "{} => 7 @[1700000000]\n",
        ),
        (
            vec!["instant", "--time", at, &url, "1 / 0"],
            "scalar: +Inf @[1700000000]\n",
        ),
        (
            vec![
                "range",
                "--start",
                at,
                "--end",
                "1700000060",
                "--step",
                "30s",
                &url,
                "vector(time() - 1700000000)",
            ],
            "{} =>\n0 @[1700000000]\n30 @[1700000030]\n60 @[1700000060]\n",
        ),
        (vec!["series", "--match", "nobody", &url], ""),
        (vec!["labels", &url, "job"], ""),
    ] {
        let output = promtool(&arguments).await?;
        let (told, complaint) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(
            output.status.success() && told == expected,
            "{arguments:?}: {told}{complaint}"
        );
    }
    let wrong = promtool(&["instant", &url, "sum("]).await?;
    let complaint = String::from_utf8_lossy(&wrong.stderr);
    ensure!(
        !wrong.status.success() && complaint.contains("bad_data"),
        "{complaint}"
    );
    Ok(())
}
