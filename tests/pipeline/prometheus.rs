//! Metrics as their users have them: a real Prometheus writes to us and is asked the same questions, promtool asks us, and RED of spans is counted.

mod scraper;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness::{Tracewell, otlp};
use serde_json::{Value, json};

use scraper::{Scraper, promtool};

const START: u64 = 1_700_000_000_000_000_000;
/// Spans are in RED within this after their OK: an epoch of 10 s, and its seal.
const RED_MAX: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(200);

/// Asks a server until the answer is as wanted.
async fn until<T>(
    what: &str,
    at_most: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let answered = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(at_most, answered)
        .await
        .with_context(|| format!("{what}: not within {at_most:?}"))?
}

/// `data` of an answer of Prometheus' API at `url`.
async fn ask(
    http: &reqwest::Client,
    url: &str,
    path: &str,
    parameters: &[(&str, &str)],
) -> Result<Value> {
    let request = http.get(format!("{url}/api/v1/{path}")).query(parameters);
    let (status, mut body) = {
        let answer = request.send().await?;
        (answer.status(), answer.json::<Value>().await?)
    };
    ensure!(
        status.is_success(),
        "{path} {parameters:?}: {status} {body}"
    );
    Ok(body["data"].take())
}

/// The only value of an instant query now; none if there is no series.
async fn value(server: &Tracewell, query: &str) -> Result<Option<f64>> {
    let data = ask(
        server.http_client(),
        &server.query_url(),
        "query",
        &[("query", query)],
    )
    .await?;
    match data["result"][0]["value"][1].as_str() {
        Some(text) => Ok(Some(text.parse()?)),
        None => Ok(None),
    }
}

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
        wrong.status.code() == Some(1) && told.contains("parse error"),
        "{told:?}"
    );
    Ok(())
}

/// Questions that a Prometheus and we answer alike from the same samples.
const ALIKE: &[&str] = &[
    "up",
    "{job=\"prometheus\"}",
    "prometheus_build_info",
    "count({__name__=~\"go_.+\"})",
    "sum by (handler) (rate(prometheus_http_requests_total[10s]))",
    "increase(prometheus_tsdb_head_samples_appended_total[7s])",
    "histogram_quantile(0.9, sum by (le, handler) (rate(prometheus_http_request_duration_seconds_bucket[10s])))",
    "topk(3, go_memstats_alloc_bytes)",
    "avg_over_time(process_resident_memory_bytes[8s])",
    "quantile_over_time(0.5, go_goroutines[9s])",
    "stddev_over_time(go_goroutines[9s])",
    "deriv(process_resident_memory_bytes[8s])",
    "predict_linear(process_resident_memory_bytes[8s], 3600)",
    "changes(go_memstats_alloc_bytes[9s])",
    "prometheus_tsdb_head_series - on (instance, job) prometheus_tsdb_head_series offset 4s",
    "prometheus_http_requests_total / on (instance) group_left (version) prometheus_build_info",
    "label_replace(up, \"host\", \"$1\", \"instance\", \"(.*):.*\")",
    "time() - process_start_time_seconds",
    "absent(nobody)",
    "absent_over_time(nobody[5m])",
    "count_values(\"v\", prometheus_build_info)",
    "sort_desc(go_gc_duration_seconds)",
    "up == bool 1",
    "go_goroutines > 1 and on (job) up",
    "vector(1) or up",
    "timestamp(up)",
    "max_over_time(rate(process_cpu_seconds_total[5s])[8s:1s])",
    "irate(process_cpu_seconds_total[5s])",
    "minute(vector(1700000000))",
    "-process_open_fds ^ 2 % 7",
];

#[tokio::test]
async fn a_prometheus_that_writes_to_us_and_we_answer_alike() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let (http, ours) = (server.http_client(), server.query_url());
    let scraper = Scraper::start(&folder.path().join("prometheus"), &server.http_url(), &ours)?;
    let theirs = scraper.url();
    until(
        "20 samples of Prometheus itself",
        Duration::from_secs(60),
        async || {
            let n = value(&server, "count_over_time(up{job=\"prometheus\"}[1m])").await?;
            Ok(n.filter(|n| *n >= 20.0))
        },
    )
    .await?;
    // Everything up to this instant has come.
    let newest = value(&server, "timestamp(up{job=\"prometheus\"})")
        .await?
        .context("up")?;
    let at = format!("{:.3}", newest - 1.5);
    // Windows of 10 s lie behind the first sample: before 3.0 a Prometheus guessed otherwise how far a counter had come at its begin.
    let start = format!("{:.3}", newest - 6.5);
    let mut faults = Vec::new();
    for query in ALIKE {
        let instant = [("query", *query), ("time", &at)];
        let range = [
            ("query", *query),
            ("start", &start),
            ("end", &at),
            ("step", "1"),
        ];
        for (path, parameters) in [("query", instant.as_slice()), ("query_range", &range)] {
            let found = ask(http, &ours, path, parameters).await?;
            let expected = ask(http, &theirs, path, parameters).await?;
            if let Err(why) = same(&found["result"], &expected["result"]) {
                faults.push(format!("{path} {query}: {why:#}"));
            }
        }
    }
    ensure!(
        faults.is_empty(),
        "{} answers differ:\n{}",
        faults.len(),
        faults.join("\n")
    );
    for path in ["labels", "label/handler/values", "label/__name__/values"] {
        let (found, expected) = (
            ask(http, &ours, path, &[]).await?,
            ask(http, &theirs, path, &[]).await?,
        );
        ensure!(found == expected, "{path}: {found} is not {expected}");
    }
    let federated = "min_over_time(scrape_samples_scraped{job=\"federation\"}[5s])";
    let n = value(&server, federated).await?;
    ensure!(n == Some(1.0), "{n:?} samples came by federation");
    let described = until("metadata", Duration::from_secs(30), async || {
        let all = ask(http, &ours, "metadata", &[("metric", "go_goroutines")]).await?;
        Ok(all.get("go_goroutines").cloned())
    })
    .await?;
    let expected = ask(http, &theirs, "metadata", &[("metric", "go_goroutines")]).await?;
    ensure!(
        described == expected["go_goroutines"],
        "{described} is not {expected}"
    );
    Ok(())
}

/// Samples of everything that was scraped, as they are, from the begin.
const EVERYTHING: &str = "{job=~\".+\"}[10m]";
const KILLS: usize = 3;

#[tokio::test]
async fn what_a_prometheus_kept_for_a_killed_server_is_all_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let ours = server.query_url();
    let scraper = Scraper::start(
        &folder.path().join("prometheus"),
        &format!("{ours}/prometheus"),
        &ours,
    )?;
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_secs(4)).await;
        server.kill()?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.start().await?;
    }
    let (http, theirs) = (server.http_client(), scraper.url());
    let killed_at = ask(http, &theirs, "query", &[("query", "time()")]).await?;
    let killed_at: f64 = killed_at["result"][1].as_str().context("a time")?.parse()?;
    let newest = until("what was kept", Duration::from_secs(60), async || {
        let newest = value(&server, "min(timestamp(up))").await?;
        Ok(newest.filter(|at| *at > killed_at + 5.0))
    })
    .await?;
    let parameters = [
        ("query", EVERYTHING),
        ("time", &format!("{:.3}", newest - 1.5)),
    ];
    let found = ask(http, &ours, "query", &parameters).await?;
    let expected = ask(http, &theirs, "query", &parameters).await?;
    same(&found["result"], &expected["result"])?;
    let n_samples = |data: &Value| -> usize {
        let rows = data["result"].as_array().into_iter().flatten();
        rows.filter_map(|row| row["values"].as_array())
            .map(Vec::len)
            .sum()
    };
    ensure!(n_samples(&found) > 5_000, "{} samples", n_samples(&found));
    Ok(())
}

/// Series are compared whatever their order, values to nine digits.
fn same(found: &Value, expected: &Value) -> Result<()> {
    let rows = |value: &Value| -> Result<Vec<(String, Value)>> {
        let rows = value.as_array().context("a list")?.iter();
        let mut rows: Vec<_> = rows
            .map(|row| (row["metric"].to_string(), row.clone()))
            .collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(rows)
    };
    let (found, expected) = (rows(found)?, rows(expected)?);
    ensure!(
        found.len() == expected.len(),
        "{} series, not {}",
        found.len(),
        expected.len()
    );
    for ((metric, found), (expected_metric, expected)) in found.iter().zip(&expected) {
        ensure!(
            metric == expected_metric,
            "{metric} is not {expected_metric}"
        );
        if !alike(found, expected) {
            bail!("{found} is not {expected}");
        }
    }
    Ok(())
}

/// Whether two values are equal but for the last digits of numbers.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| alike(a, b)))
        }
        (Value::String(text), Value::String(other)) if text != other => {
            match (text.parse::<f64>(), other.parse::<f64>()) {
                (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
                _ => false,
            }
        }
        _ => a == b,
    }
}

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
