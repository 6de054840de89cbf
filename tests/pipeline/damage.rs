//! Damaged files (F19): bits flipped in every kind of file, a tail zeroed, a segment missing. The product starts, says which file, and
//! what it still shows is right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};

const TRACES: u128 = 60;
const SPANS: u64 = 4;
const READY_MAX: Duration = Duration::from_secs(3);
const FLIPS_A_FILE: u64 = 8;

#[tokio::test]
async fn flipped_bits_never_stop_the_start_nor_show_wrong_data() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keep_all = r#"sampler.rules=[{ name = "all", sampler = { type = "keep" } }]"#;
    let mut server = Tracewell::new(folder.path(), &[keep_all, "bus.segment_bytes_max=1MiB"])?;
    server.start().await?;
    for trace in 1..=TRACES {
        ensure!(
            server.export(body(trace)).await,
            "trace {trace} was refused"
        );
    }
    stored(&server).await?;
    server.kill()?;
    let pristine = snapshot(&server.data_dir())?;
    ensure!(pristine.len() >= 4, "only {} files", pristine.len());
    let mut seed = 7_u64;
    for (path, bytes) in pristine.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        for (other, whole) in &pristine {
            std::fs::write(other, whole)?;
        }
        let mut damaged = bytes.clone();
        for _ in 0..FLIPS_A_FILE {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let bit = (seed >> 20) as usize % (damaged.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        std::fs::write(path, damaged)?;
        starts_and_tells_no_lie(&mut server)
            .await
            .with_context(|| format!("with bits flipped in {}", path.display()))?;
    }
    Ok(())
}

fn body(trace: u128) -> Vec<u8> {
    let mut spans: Vec<_> = (1..=SPANS)
        .map(|id| otlp::span(trace, id, id - 1, 1_700_000_000_000_000_000))
        .collect();
    for span in &mut spans {
        span.attributes
            .push(otlp::text("filler", &"x".repeat(3_000)));
    }
    otlp::body("damage", spans)
}

/// Waits until every span is in a block.
async fn stored(server: &Tracewell) -> Result<()> {
    for _ in 0..300 {
        if server
            .metric("tracewell_spans_total", &["state=\"stored\""])
            .await?
            == TRACES as f64 * SPANS as f64
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the spans are not in a block after 30 s")
}

fn snapshot(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(snapshot(&path)?);
        } else {
            let bytes = std::fs::read(&path)?;
            files.push((path, bytes));
        }
    }
    Ok(files)
}

async fn starts_and_tells_no_lie(server: &mut Tracewell) -> Result<()> {
    let ready = server.start().await?;
    ensure!(ready <= READY_MAX, "the start took {ready:?}");
    for trace in 1..=TRACES {
        // Lost to the damage is allowed for what the damage hit, wrong is not.
        let (status, body) = server
            .get(&format!("/api/traces/{}", otlp::trace_hex(trace)))
            .await?;
        ensure!(matches!(status, 200 | 404 | 500 | 503), "{status}: {body}");
        for span in body["data"][0]["spans"].as_array().into_iter().flatten() {
            let id = u64::from_str_radix(span["spanID"].as_str().context("a span id")?, 16)?;
            ensure!((1..=SPANS).contains(&id), "an invented span: {span}");
            ensure!(
                span["operationName"] == format!("operation-{id}"),
                "a wrong name: {span}"
            );
        }
    }
    ensure!(server.export(body(TRACES + 1)).await, "no spans are taken");
    server.kill()
}
