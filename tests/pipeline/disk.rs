//! A full disk (F17): the product refuses before the disk is full, goes on answering, and takes spans again when there is room.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};

const DISK: &str = "64m";
/// What the product keeps free on this small disk.
const RESERVE: &str = "bus.disk_reserve=24MiB";
const RESUME_MAX: Duration = Duration::from_secs(5);

/// A small tmpfs, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this user may not mount.
    fn mount() -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs"])
            .arg(folder.path())
            .status();
        Ok(mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(folder)))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = Command::new("umount").arg("-l").arg(self.0.path()).status() {
            tracing::warn!("cannot unmount: {error}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_retryably_and_damages_nothing() -> Result<()> {
    let Some(disk) = SmallDisk::mount()? else {
        harness::skipped("disk", "this user may not mount a tmpfs");
        return Ok(());
    };
    let keep_all = r#"sampler.rules=[{ name = "all", sampler = { type = "keep" } }]"#;
    let mut server = Tracewell::new(
        disk.path(),
        &[keep_all, RESERVE, "bus.segment_bytes_max=4MiB"],
    )?;
    server.start().await?;
    let acknowledged = fill(&server).await?;
    // The disk is as full as the product lets it get: what was acknowledged answers, and new spans are refused so that they come again.
    found(&server, 1).await?;
    found(&server, acknowledged).await?;
    refused_retryably(&server, acknowledged + 1).await?;
    // Room again: the ballast was somebody else's file.
    std::fs::remove_file(disk.path().join("ballast"))?;
    let begun = tokio::time::Instant::now();
    while !export(&server, acknowledged + 1).await? {
        ensure!(
            begun.elapsed() < RESUME_MAX,
            "still refused {RESUME_MAX:?} after there was room again"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.kill()?;
    server.start().await?;
    for trace in 1..=acknowledged + 1 {
        found(&server, trace).await?;
    }
    ensure!(
        !server.log().contains("quarantine"),
        "a file was damaged: {}",
        server.log()
    );
    Ok(())
}

/// Sends until the product refuses; somebody else's file takes most of the room first. Returns the number of traces acknowledged.
async fn fill(server: &Tracewell) -> Result<u128> {
    std::fs::write(
        server.data_dir().with_file_name("ballast"),
        vec![7; 20 << 20],
    )?;
    for trace in 1..1_000 {
        if !export(server, trace).await? {
            ensure!(trace > 1, "nothing was taken at all");
            return Ok(trace - 1);
        }
    }
    anyhow::bail!("a thousand requests of 200 KB fitted on a disk of {DISK}")
}

async fn export(server: &Tracewell, trace: u128) -> Result<bool> {
    let answer = send(server, trace).await?;
    ensure!(
        answer.status() == 200 || answer.status() == 503,
        "{}",
        answer.status()
    );
    Ok(answer.status() == 200)
}

/// A request of about 200 KB with one trace.
async fn send(server: &Tracewell, trace: u128) -> Result<reqwest::Response> {
    let mut spans: Vec<_> = (1..=100)
        .map(|id| otlp::span(trace, id, id - 1, 1_700_000_000_000_000_000))
        .collect();
    for (i, span) in spans.iter_mut().enumerate() {
        span.attributes
            .push(otlp::text("filler", &format!("{trace}-{i}-").repeat(200)));
    }
    let request = server
        .http_client()
        .post(format!("{}/v1/traces", server.http_url()))
        .header("content-type", "application/x-protobuf");
    Ok(request.body(otlp::body("disk", spans)).send().await?)
}

async fn refused_retryably(server: &Tracewell, trace: u128) -> Result<()> {
    let answer = send(server, trace).await?;
    ensure!(answer.status() == 503, "{}", answer.status());
    let wait_s: u64 = answer
        .headers()
        .get("retry-after")
        .context("a refusal says when to come again")?
        .to_str()?
        .parse()?;
    ensure!((1..=60).contains(&wait_s), "{wait_s}");
    Ok(())
}

async fn found(server: &Tracewell, trace: u128) -> Result<()> {
    let spans = server
        .acknowledged_trace(&otlp::trace_hex(trace))
        .await?
        .with_context(|| format!("trace {trace} is lost"))?;
    ensure!(
        spans.len() == 100,
        "trace {trace} has {} spans",
        spans.len()
    );
    Ok(())
}
