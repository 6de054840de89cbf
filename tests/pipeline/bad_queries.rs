//! Questions that no server should work on: each is refused before any work, and the next good one is answered.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Tracewell, now};
use reqwest::Url;
use serde_json::Value;

/// A refusal comes within this.
const REFUSED_MAX: Duration = Duration::from_secs(1);
/// 100 years after 1970, in s.
const FAR: &str = "3153600000";

/// Asks by POST, so that the length of an address is no limit; the status and the body.
async fn ask(server: &Tracewell, path: &str, parameters: &[(&str, &str)]) -> Result<(u16, Value)> {
    let url = format!("{}{path}", server.query_url());
    // the form is what would stand behind the question mark
    let form = Url::parse_with_params(&url, parameters)?;
    let request = server
        .http_client()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.query().unwrap_or_default().to_owned());
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.unwrap_or_default()))
}

async fn refused(server: &Tracewell, path: &str, parameters: &[(&str, &str)]) -> Result<()> {
    let asked = now();
    let (status, body) = ask(server, path, parameters).await?;
    let told: String = format!("{parameters:?}").chars().take(80).collect();
    ensure!(matches!(status, 400 | 422), "{told}: {status} {body}");
    let took = asked.elapsed();
    ensure!(took < REFUSED_MAX, "{told}: refused after {took:?}");
    let (status, body) = ask(server, "/api/v1/query", &[("query", "1 + 1")]).await?;
    let value = &body["data"]["result"][1];
    ensure!(status == 200 && value == "2", "after {told}: {body}");
    Ok(())
}

#[tokio::test]
async fn b15_huge_ranges_steps_and_limits_are_refused_before_any_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let range = |query, end, step| {
        [
            ("query", query),
            ("start", "0"),
            ("end", end),
            ("step", step),
        ]
    };
    for parameters in [
        range("up", FAR, "0.000000001"),
        range("up", FAR, "1"),
        range("vector(1)", "1000000000", "1"),
        range("vector(1)", "86400", "0.001"),
        range("up", "10", "0"),
        range("up", "10", "-1"),
    ] {
        refused(&server, "/api/v1/query_range", &parameters).await?;
    }
    for query in [
        "max_over_time(up[100y:1s])",
        "sum_over_time(vector(1)[100y:1s])",
        "sum_over_time(sum_over_time(vector(1)[30d:1s])[30d:1s])",
    ] {
        refused(&server, "/api/v1/query", &[("query", query)]).await?;
    }
    let (status, body) = server
        .get("/api/traces?service=a&limit=1000000000000")
        .await?;
    ensure!(status == 400, "{body}");
    Ok(())
}

#[tokio::test]
async fn b16_texts_that_are_long_deep_or_explode_are_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let texts = [
        "up + ".repeat(200_000) + "up",
        "(".repeat(10_000) + "up" + &")".repeat(10_000),
        vec!["up"; 10_000].join(" or "),
        vec!["1"; 5_000].join(" + "),
        "-".repeat(10_000) + "1",
        "up{a=~\"(a{1000}){1000}\"}".to_owned(),
        "up{a=~\"((a{100}){100}){100}\"}".to_owned(),
        format!("up{{a=~\"{}\"}}", "a".repeat(10_000)),
    ];
    for text in &texts {
        for path in ["/api/v1/query", "/api/v1/format_query"] {
            // what is only formatted is compiled by nobody
            if path == "/api/v1/query" || !text.contains("=~") {
                refused(&server, path, &[("query", text)]).await?;
            }
        }
    }
    // a pattern that makes others try for ever takes linear time
    let (status, body) = ask(&server, "/api/v1/query", &[("query", "up{a=~\"(a+)+$\"}")]).await?;
    ensure!(status == 200, "{body}");
    Ok(())
}
