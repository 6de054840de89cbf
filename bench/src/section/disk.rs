//! Bytes a span on disk: epoch blocks as they are written, then merged ones, indexes included, beside plain zstd.

use std::time::Duration;

use super::Settings;
use crate::corpus::{Shop, Spec};
use crate::cost;
use crate::stored;
use crate::table::Table;

const N_SPANS: u64 = 1_000_000;
const REFERENCE_TRACES: usize = 2_000;

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(settings.scaled(N_SPANS)))
}

async fn measure(n_spans: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stored = stored::fill(folder.path(), n_spans).await?;
    let mut table = Table::new(
        format!(
            "disk: {} spans of {} traces, kept",
            stored.n_spans,
            stored.ids.len()
        ),
        &["", "B/span", "CPU µs/span"],
    );
    let n_spans = stored.n_spans as f64;
    let row = |name: &str, bytes: u64, cpu: Duration| {
        [
            name.to_owned(),
            format!("{:.1}", bytes as f64 / n_spans),
            format!("{:.2}", cpu.as_secs_f64() * 1e6 / n_spans),
        ]
    };
    table.row(row(
        "raw OTLP, resource and scope once a trace and instance",
        stored.raw_bytes,
        Duration::ZERO,
    ));
    let (bytes, cpu) = reference()?;
    table.row([
        "zstd -3 of each trace alone".to_owned(),
        format!("{bytes:.1}"),
        format!("{cpu:.2}"),
    ]);
    let epoch_bytes = cost::folder_bytes(folder.path())?;
    table.row(row(
        "epoch blocks, every file",
        epoch_bytes,
        stored.write_cpu,
    ));
    let merge_cpu = stored.compact().await?;
    table.row(row(
        "merged blocks, every file",
        cost::folder_bytes(folder.path())?,
        merge_cpu,
    ));
    table.note("CPU of all threads of this process: to write the epochs; to merge them afterwards");
    table.print()?;
    Ok(())
}

/// Bytes and CPU µs a span of plain zstd, a frame a trace.
fn reference() -> anyhow::Result<(f64, f64)> {
    let mut shop = Shop::new(Spec::shop(512));
    let traces: Vec<_> = (0..REFERENCE_TRACES).map(|_| shop.whole_trace()).collect();
    let n_spans: u64 = traces.iter().map(|trace| u64::from(trace.n_spans)).sum();
    let mut compressor = zstd::bulk::Compressor::new(3)?;
    let before = cost::thread_cpu();
    let mut n_bytes = 0;
    for trace in &traces {
        n_bytes += compressor.compress(&trace.bytes)?.len();
    }
    let cpu = cost::thread_cpu() - before;
    Ok((
        n_bytes as f64 / n_spans as f64,
        cpu.as_secs_f64() * 1e6 / n_spans as f64,
    ))
}
