//! The verbs as scripts and people use them: what each prints in every form, and how it ends.

use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::process::binary;
use harness::{Tracewell, now, otlp};
use telemetry::Clock;
use tokio::process::Command;

/// A stop that waits for nobody; the server would wait 10 s for whom it must.
const STOP_MAX: Duration = Duration::from_secs(8);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn check(told: &str, output: &Output, code: i32, out: &str, err: &str) -> Result<()> {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let is_right = output.status.code() == Some(code);
    ensure!(is_right, "{told}: {} {stdout} {stderr}", output.status);
    ensure!(stdout.contains(out), "{told}: {stdout:?} has no {out:?}");
    ensure!(stderr.contains(err), "{told}: {stderr:?} has no {err:?}");
    // no terminal, so nothing that moves one's text
    ensure!(
        !stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'),
        "{told}: escapes"
    );
    Ok(())
}

#[tokio::test]
async fn every_verb_answers_in_every_form() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let start = u64::try_from(Clock::host().wall().unix_ms)? * 1_000_000;
    let spans = (1..=3).map(|id| otlp::span(5, id, id - 1, start)).collect();
    ensure!(server.export(otlp::body("shop", spans)).await, "refused");
    let top = ["top", "--count", "1", "--interval", "200ms"];
    let cases: [(&[&str], [&str; 4]); 7] = [
        (
            &["trace", "5"],
            [
                "3 spans",
                "\"resourceSpans\":",
                "resourceSpans:\n",
                "shop,operation-2,internal,",
            ],
        ),
        (
            &["services"],
            [
                "SERVICE",
                "\"name\":\"shop\"",
                "  name: shop\n",
                "name,namespace,state,rate,",
            ],
        ),
        (
            &["map"],
            [
                "",
                "\"nodes\":",
                "nodes:\n",
                "from,to,async,state,rate,error_ratio,client_p95,server_p95\n",
            ],
        ),
        (
            &["query", "vector(1)"],
            [
                "VALUE",
                "\"resultType\":\"vector\"",
                "resultType: vector",
                "timestamp,value\n",
            ],
        ),
        (
            &top,
            [
                "trace store",
                "\"pipeline\":",
                "pipeline:\n",
                "at,ready,alarms,",
            ],
        ),
        (
            &["config", "print"],
            [
                "# default",
                "\"key\":\"bus.durability\"",
                "- key: bus.durability\n",
                "bus.durability,fsync,default\n",
            ],
        ),
        (
            &["version"],
            ["tracewell ", "{\"version\":", "version: ", "version\n"],
        ),
    ];
    for (verb, expected) in cases {
        for (form, out) in ["table", "json", "yaml", "csv"].into_iter().zip(expected) {
            let output = server.verb(&[verb, &["-o", form]].concat()).await?;
            check(&format!("{verb:?} {form}"), &output, 0, out, "")?;
        }
        let help = server.verb(&[verb[0], "--help"]).await?;
        check(verb[0], &help, 0, "Options of every verb:", "")?;
    }
    Ok(())
}

#[tokio::test]
async fn how_a_verb_ends_says_whose_fault_it_was() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let cases: [(&[&str], i32, &str); 14] = [
        (&["servces"], 64, "similar"),
        (&["trace"], 64, "<ID>"),
        (&["trace", "xyz"], 64, "is no trace id"),
        (&["trace", "123"], 1, "404"),
        (&["services", "--sort", "size"], 64, "possible values"),
        (&["services", "--from", "yesterday"], 64, "'from'"),
        (
            &["services", "--from", "now", "--to", "now-1h"],
            64,
            "after its end",
        ),
        (&["map", "--focus", "a", "--hops", "9"], 64, "1 to 3"),
        (
            &["map", "--at", "now", "--from", "now-1h"],
            64,
            "cannot be used with",
        ),
        (&["query", "rate("], 64, "parse error"),
        (&["query", "up", "--from", "yesterday"], 64, "is no time"),
        (&["tail", "--min-duration", "abc"], 64, "numbers with units"),
        (&["import", "/no/such/file"], 65, "/no/such/file"),
        (&["top", "--interval", "1"], 64, "no unit"),
    ];
    for (verb, code, err) in cases {
        let output = server.verb(verb).await?;
        check(&format!("{verb:?}"), &output, code, "", err)?;
        ensure!(
            output.stdout.is_empty(),
            "{verb:?}: {}",
            text(&output.stdout)
        );
    }
    let junk = folder.path().join("junk.pb");
    std::fs::write(&junk, "no such format")?;
    let output = server
        .verb(&["import", &junk.display().to_string()])
        .await?;
    check("junk", &output, 65, "", "junk.pb")
}

#[tokio::test]
async fn a_server_that_is_none_is_told_by_its_address() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Tracewell::started(folder.path(), &[]).await?;
    let (grpc, http) = (server.grpc_url(), server.http_url());
    let slash = format!("{}/", server.query_url());
    for (url, code, err) in [
        ("http://127.0.0.1:1", 69, "start one with `tracewell`"),
        ("nonsense", 64, "write http://HOST:PORT"),
        ("https://127.0.0.1:1", 64, "only http is spoken"),
        (grpc.as_str(), 1, "this port speaks gRPC"),
        (http.as_str(), 1, "is not served here"),
        (slash.as_str(), 0, ""),
    ] {
        for verb in [
            ["services"].as_slice(),
            &["trace", "1"],
            &["top", "--count", "1"],
            &["tail"],
        ] {
            if code == 0 && verb != ["services"] {
                continue;
            }
            let output = Command::new(binary()?)
                .args(verb)
                .args(["--url", url])
                .output();
            let output = tokio::time::timeout(Duration::from_secs(20), output).await??;
            check(&format!("{verb:?} {url}"), &output, code, "", err)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = |script: &str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .current_dir(folder.path())
            .stdin(Stdio::null());
        command
    };
    let program = binary()?;
    let gone = format!(
        "{{ {} config print -o csv; echo $? >&2; }} | head -n 1",
        program.display()
    );
    let output = script(&gone).output().await?;
    check("gone", &output, 0, "key,value,source", "0")?;
    let full = format!("{} config print > /dev/full", program.display());
    let output = script(&full).output().await?;
    check("full", &output, 1, "", "cannot write what was asked for")
}

#[tokio::test]
async fn a_tail_ends_with_its_server_and_by_ctrl_c() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::started(folder.path(), &[]).await?;
    let tail = || -> Result<tokio::process::Child> {
        let mut command = Command::new(binary()?);
        command.args(["tail", "--url", &server.query_url(), "-o", "csv"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command.spawn()?)
    };
    let (interrupted, left) = (tail()?, tail()?);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pid = interrupted.id().context("it runs")?.to_string();
    Command::new("kill").args(["-INT", &pid]).status().await?;
    let ended = interrupted.wait_with_output().await?;
    check("ctrl-c", &ended, 130, "trace_id,", "")?;
    let told = now();
    server.terminate()?;
    let took = told.elapsed();
    ensure!(took < STOP_MAX, "a tail held the stop up for {took:?}");
    let ended = tokio::time::timeout(Duration::from_secs(20), left.wait_with_output()).await??;
    check("left", &ended, 69, "trace_id,", "it has stopped")
}
