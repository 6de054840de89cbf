//! What the process has on its disk, opened in the order in which a span meets it: the log, blocks, and the stages over them.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::Context;
use blocks::Blocks;
use bus::Bus;
use metrics::MetricsRunner;
use prometheus_client::registry::Registry;
use sampler::Sampler;
use telemetry::Clock;
use trace_store::TraceStore;

use super::StartError;
use crate::config::Config;
use crate::memory;

/// Makes the data directory, readable by its owner alone.
pub(super) fn make_private(data_dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .context("it cannot be made")
}

/// Partitions of a new log: as many shards as there are cores, at most 4; more only make small requests dearer.
const PARTITIONS_NEW_MAX: usize = 4;

pub(super) async fn open_bus(
    config: &Config,
    data_dir: &Path,
    clock: &Clock,
    metrics: bus::Metrics,
) -> anyhow::Result<Bus> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let (config, path, clock) = (config.bus.clone(), data_dir.join("log"), clock.clone());
    let opened = move || {
        Bus::open(
            &config,
            &path,
            cores.min(PARTITIONS_NEW_MAX) as u32,
            clock,
            metrics,
        )
    };
    Ok(tokio::task::spawn_blocking(opened).await??)
}

pub(super) async fn open_blocks(
    config: &Config,
    data_dir: &Path,
    clock: &Clock,
    registry: &mut Registry,
) -> anyhow::Result<Blocks> {
    let metrics = blocks::Metrics::default();
    metrics.register(registry);
    let local = blocks::local::Local::open(
        data_dir.join("blocks"),
        config.blocks.clone(),
        clock.clone(),
        metrics,
    )
    .await?;
    Ok(Blocks::Local(local))
}

pub(super) async fn open_sampler(
    config: &Config,
    bus: &Bus,
    blocks: &Blocks,
    store: &TraceStore,
    registry: &mut Registry,
) -> Result<Sampler<Bus>, StartError> {
    let metrics = sampler::Metrics::default();
    metrics.register(registry);
    let memory_bytes = memory::limit_bytes();
    let sampler = Sampler::new(
        &config.sampler(),
        bus.clone(),
        store.clone(),
        blocks.clone(),
        memory_bytes,
        metrics,
    )
    .await;
    sampler.map_err(|cause| StartError::Part {
        part: "sampler",
        cause: cause.into(),
    })
}

pub(super) async fn open_metrics(
    config: &Config,
    bus: &Bus,
    blocks: &Blocks,
    clock: &Clock,
    registry: &mut Registry,
) -> Result<MetricsRunner<Bus>, StartError> {
    let metrics = metrics::Metrics::default();
    metrics.register(registry);
    let runner = MetricsRunner::new(
        &config.metrics,
        bus.clone(),
        blocks.clone(),
        clock.clone(),
        metrics,
    )
    .await;
    runner.map_err(|cause| StartError::Part {
        part: "metrics store",
        cause: cause.into(),
    })
}
