//! The program as a person uses it: verbs, exit codes, a clean stop, and what a wrong configuration is told.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};
use serde_json::Value;

const START: u64 = 1_700_000_000_000_000_000;

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_trace_is_shown_as_a_tree_and_as_json() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let spans = (1..=3).map(|id| otlp::span(5, id, id - 1, START)).collect();
    ensure!(server.export(otlp::body("shop", spans)).await, "refused");
    let tree = server.verb(&["trace", "5", "-o", "table"]).await?;
    let lines: Vec<String> = stdout(&tree).lines().map(str::to_owned).collect();
    ensure!(
        tree.status.success() && lines.len() == 4,
        "{lines:#?} {}",
        stderr(&tree)
    );
    ensure!(
        lines[0].contains(&otlp::trace_hex(5)) && lines[0].contains("3 spans"),
        "{lines:#?}"
    );
    ensure!(lines[3].ends_with("    shop: operation-3"), "{lines:#?}");
    let whole = server.verb(&["trace", "5"]).await?;
    let whole: Value = serde_json::from_str(&stdout(&whole))?;
    ensure!(
        whole["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .map(Vec::len)
            == Some(3),
        "{whole}"
    );
    let missing = server.verb(&["trace", "6"]).await?;
    ensure!(
        missing.status.code() == Some(1) && stderr(&missing).contains("404"),
        "{}",
        stderr(&missing)
    );
    let invalid = server.verb(&["trace", "xyz"]).await?;
    ensure!(
        invalid.status.code() == Some(64) && stderr(&invalid).contains("hex"),
        "{}",
        stderr(&invalid)
    );
    Ok(())
}

#[tokio::test]
async fn tail_shows_traces_as_they_come() -> Result<()> {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let mut tail = tokio::process::Command::new(harness::process::binary()?)
        .args(["tail", "--service", "wanted", "--url", &server.query_url()])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(tail.stdout.take().context("a pipe")?).lines();
    ensure!(
        server
            .export(otlp::body("other", vec![otlp::span(1, 1, 0, START)]))
            .await,
        "refused"
    );
    ensure!(
        server
            .export(otlp::body("wanted", vec![otlp::span(2, 1, 0, START)]))
            .await,
        "refused"
    );
    let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line())
        .await??
        .context("a line")?;
    let item: Value = serde_json::from_str(&line)?;
    ensure!(item["trace_id"] == otlp::trace_hex(2), "{item}");
    Ok(())
}

#[tokio::test]
async fn what_stops_a_start_is_told_by_word_and_exit_code() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Tracewell::started(folder.path(), &[]).await?;
    let other = tempfile::tempdir()?;
    let query = format!(
        "query.listen={}",
        running.query_url().trim_start_matches("http://")
    );
    let locked = format!("server.data_dir={}", running.data_dir().display());
    for (setting, code, word) in [
        (query.as_str(), 69, "cannot listen on"),
        (locked.as_str(), 73, "in use by another process"),
        ("query.listen=0.0.0.0:0", 64, "--insecure-listen"),
        (
            "sampler.decision_wate=1s",
            64,
            "did you mean \"decision_wait\"?",
        ),
        ("sampler.late_window=10s", 64, "late_window"),
        ("bus.retention=6", 64, "has no unit"),
    ] {
        let mut server = Tracewell::new(other.path(), &[setting])?;
        server.spawn()?;
        let mut ended = None;
        for _ in 0..200 {
            ended = server.ended()?;
            if ended.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ensure!(
            ended == Some(code),
            "{setting}: exit {ended:?}: {}",
            server.log()
        );
        ensure!(server.log().contains(word), "{setting}: {}", server.log());
    }
    Ok(())
}

#[tokio::test]
async fn the_configuration_is_checked_and_printed_with_its_sources() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Tracewell::new(folder.path(), &[])?;
    let file = folder.path().join("t.toml");
    std::fs::write(&file, "[sampler]\ndecision_wait = \"20s\"\n")?;
    let path = file.display().to_string();
    let printed = server.verb(&["config", "print", "--config", &path]).await?;
    let printed: Value = serde_json::from_str(&stdout(&printed))?;
    let entry = |key: &str| {
        printed["items"]
            .as_array()
            .and_then(|all| all.iter().find(|e| e["key"] == key))
            .cloned()
            .unwrap_or_default()
    };
    ensure!(
        entry("sampler.decision_wait")["value"] == "20s",
        "{printed}"
    );
    ensure!(
        entry("sampler.decision_wait")["source"]
            .as_str()
            .is_some_and(|s| s.ends_with("line 2")),
        "{printed}"
    );
    ensure!(entry("query.listen")["source"] == "default", "{printed}");
    ensure!(
        server
            .verb(&["config", "check", "--config", &path])
            .await?
            .status
            .success(),
        "a right file is refused"
    );
    std::fs::write(
        &file,
        "[trace_store]\nretenton = \"1d\"\n[sampler]\nroot_quiet = 2\n",
    )?;
    let checked = server.verb(&["config", "check", "--config", &path]).await?;
    let told = stderr(&checked);
    ensure!(checked.status.code() == Some(64), "{told}");
    ensure!(
        told.contains(
            "line 2: unknown key \"retenton\" in [trace_store]; did you mean \"retention\"?"
        ) && told.contains("line 4: "),
        "{told}"
    );
    let version = server.verb(&["version"]).await?;
    ensure!(
        stdout(&version).starts_with("tracewell "),
        "{}",
        stdout(&version)
    );
    Ok(())
}

#[tokio::test]
async fn a_stop_is_orderly_and_loses_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::started(folder.path(), &[]).await?;
    ensure!(
        server
            .export(otlp::body("stop", vec![otlp::span(1, 1, 0, START)]))
            .await,
        "refused"
    );
    ensure!(server.terminate()? == Some(0), "{}", server.log());
    server.start().await?;
    ensure!(
        server.jaeger_trace("1").await?.is_some(),
        "the trace is lost"
    );
    Ok(())
}

#[tokio::test]
async fn the_doors_tell_health_metrics_and_addresses() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    ensure!(
        server
            .export(otlp::body("doors", vec![otlp::span(1, 1, 0, START)]))
            .await,
        "refused"
    );
    let text = async |url: String| -> Result<(u16, String)> {
        let answer = server.http_client().get(url).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    };
    for base in [server.query_url(), server.http_url()] {
        for (path, word) in [
            ("/-/healthy", ""),
            ("/-/ready", "\"ready\":true"),
            ("/metrics", "tracewell_collector_requests_total{"),
        ] {
            let (status, body) = text(format!("{base}{path}")).await?;
            ensure!(
                status == 200 && body.contains(word),
                "{base}{path}: {status} {body}"
            );
        }
    }
    let (status, page) = text(format!("{}/", server.query_url())).await?;
    ensure!(
        status == 200
            && page.contains("OTEL_EXPORTER_OTLP_ENDPOINT")
            && page.contains(&server.grpc_url()),
        "{page}"
    );
    let (status, _) = server.get("/api/dependencies").await?;
    ensure!(status == 200, "nobody calls anybody yet: {status}");
    Ok(())
}
