//! A real Prometheus that scrapes itself and writes to us: the same samples, and the same answers.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness::Tracewell;
use serde_json::Value;

use super::scraper::Scraper;
use super::{ask, until, value};

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
