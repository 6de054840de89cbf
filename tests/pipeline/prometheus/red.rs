//! RED of spans as PromQL tells it: what was sent, under every name, with exemplars that lead to traces.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};

use super::{ask, until, value};

const START: u64 = 1_700_000_000_000_000_000;
/// Spans are in RED within this after their OK: an epoch of 10 s, and its seal.
const RED_MAX: Duration = Duration::from_secs(15);

#[tokio::test]
async fn red_of_spans_is_what_was_sent() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    for trace in 1..=50 {
        let spans = (1..=4)
            .map(|id| otlp::span(trace, id, id - 1, START))
            .collect();
        ensure!(server.export(otlp::body("shop", spans)).await, "refused");
    }
    let calls = "sum(traces_span_metrics_calls_total)";
    until("200 calls", RED_MAX, async || {
        Ok(value(&server, calls).await?.filter(|calls| *calls == 200.0))
    })
    .await?;
    for (query, expected) in [
        (
            "sum(traces_spanmetrics_calls_total{service=\"shop\"})",
            200.0,
        ),
        (
            "sum(traces_span_metrics_calls_total{span_kind=\"SPAN_KIND_SERVER\"})",
            50.0,
        ),
        (
            "sum(traces_span_metrics_duration_milliseconds_count)",
            200.0,
        ),
        ("sum(traces_span_metrics_duration_milliseconds_sum)", 500.0),
        (
            "histogram_count(sum(tracewell_span_duration_seconds))",
            200.0,
        ),
        (
            "round(sum(increase(traces_span_metrics_calls_total[5m])))",
            200.0,
        ),
        ("60 * sum(rate(traces_span_metrics_calls_total[1m]))", 200.0),
        (
            "histogram_quantile(0.5, sum by (le) (traces_span_metrics_duration_milliseconds_bucket)) < bool 3",
            1.0,
        ),
        (
            "histogram_quantile(1, sum(rate(tracewell_span_duration_seconds[5m]))) > bool 0.0039",
            1.0,
        ),
        (
            "count(count by (span_name) (traces_span_metrics_calls_total))",
            4.0,
        ),
    ] {
        let found = value(&server, query)
            .await?
            .with_context(|| format!("{query}: nothing"))?;
        ensure!(
            (found - expected).abs() < 1e-6 * expected,
            "{query} is {found}, not {expected}"
        );
    }
    let (http, url) = (server.http_client(), server.query_url());
    for name in [
        "tracewell_span_duration_seconds",
        "traces_spanmetrics_latency_bucket",
    ] {
        let query = format!("sum(rate({name}[5m]))");
        let exemplars = ask(http, &url, "query_exemplars", &[("query", &query)]).await?;
        let id = exemplars[0]["exemplars"][0]["labels"]["trace_id"].as_str();
        let id = id.with_context(|| format!("{name} has no exemplar: {exemplars}"))?;
        let trace = server.jaeger_trace(id).await?;
        ensure!(
            trace.is_some_and(|spans| spans.len() == 4),
            "{id} of {name} is not there"
        );
    }
    let described = ask(
        http,
        &url,
        "metadata",
        &[("metric", "traces_spanmetrics_latency")],
    )
    .await?;
    ensure!(
        described["traces_spanmetrics_latency"][0]["type"] == "histogram",
        "{described}"
    );
    let answer = server
        .http_client()
        .get(format!("{}/api/v1/query?query=1", server.query_url()));
    let headers = answer.send().await?.headers().clone();
    ensure!(
        headers.contains_key("x-tracewell-complete-to"),
        "{headers:?}"
    );
    ensure!(!headers.contains_key("x-tracewell-partial"), "{headers:?}");
    let table = server.verb(&["query", calls, "-o", "table"]).await?;
    let told = String::from_utf8_lossy(&table.stdout).into_owned();
    ensure!(
        table.status.success() && told == "VALUE  SERIES\n200    {}\n",
        "{told:?}"
    );
    let wrong = server.verb(&["query", "sum("]).await?;
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    ensure!(
        wrong.status.code() == Some(64) && told.contains("parse error"),
        "{told:?}"
    );
    Ok(())
}
