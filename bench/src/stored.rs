//! A trace store with the shop's traces in it, filled as a sampler fills it: an epoch at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use blocks::Blocks;
use bytes::Bytes;
use telemetry::{Clock, ShardTime, Tenant, TraceId};
use trace_store::{EpochName, KeptTrace, Maintenance, Sampling, TraceStore};

use crate::corpus::{Shop, Spec};
use crate::cost;

/// Traces of an epoch: what a shard keeps in 10 s at 10,000 spans/s.
const EPOCH_TRACES: usize = 2_000;
const EPOCH_MS: u64 = 10_000;
/// Shard time after which the windows of all before it are merged: an hour, and the time for late parts.
const PAST_ALL_WINDOWS_MS: u64 = 2 * 3_600_000;

/// A filled store.
pub(crate) struct Stored {
    store: TraceStore,
    blocks: Blocks,
    pub(crate) tenant: Tenant,
    pub(crate) n_spans: u64,
    /// Bytes of the traces as OTLP.
    pub(crate) raw_bytes: u64,
    pub(crate) ids: Vec<TraceId>,
    /// CPU time of writing, the making of the corpus left out.
    pub(crate) write_cpu: Duration,
    sealed_at: ShardTime,
    n_epochs: u64,
}

async fn open_blocks(folder: &Path) -> anyhow::Result<Blocks> {
    let config = blocks::Config::default();
    Ok(Blocks::Local(
        blocks::Local::open(
            folder.to_path_buf(),
            config,
            Clock::host(),
            blocks::Metrics::default(),
        )
        .await?,
    ))
}

async fn open_store(blocks: Blocks) -> anyhow::Result<TraceStore> {
    Ok(TraceStore::open(blocks, trace_store::Config::default(), Clock::host()).await?)
}

/// Fills a new store in `folder` with at least `n_spans`.
pub(crate) async fn fill(folder: &Path, n_spans: u64) -> anyhow::Result<Stored> {
    let blocks = open_blocks(folder).await?;
    let mut stored = Stored {
        store: open_store(blocks.clone()).await?,
        blocks,
        tenant: Tenant::default_tenant(),
        n_spans: 0,
        raw_bytes: 0,
        ids: Vec::new(),
        write_cpu: Duration::ZERO,
        sealed_at: ShardTime::default(),
        n_epochs: 0,
    };
    let mut shop = Shop::new(Spec::shop(512));
    while stored.n_spans < n_spans {
        stored.write(&mut shop, EPOCH_TRACES).await?;
    }
    Ok(stored)
}

impl Stored {
    async fn write(&mut self, shop: &mut Shop, n_traces: usize) -> anyhow::Result<()> {
        let mut traces = Vec::with_capacity(n_traces);
        for _ in 0..n_traces {
            let request = shop.whole_trace();
            let id = TraceId(request.first_trace_id());
            self.n_spans += u64::from(request.n_spans);
            self.raw_bytes += request.bytes.len() as u64;
            self.ids.push(id);
            let traces_data = Bytes::from(request.bytes);
            traces.push(KeptTrace {
                id,
                traces_data,
                sampling: keep_all(),
                late: false,
            });
        }
        self.sealed_at.ms += EPOCH_MS;
        self.n_epochs += 1;
        let name = EpochName {
            partition: 0,
            end_offset: self.n_epochs,
            part: 0,
            sealed_at: self.sealed_at,
        };
        let before = cost::process_cpu();
        let put = self.store.write_epoch(&self.tenant, name, traces).await?;
        self.write_cpu += cost::process_cpu() - before;
        ensure!(
            put == blocks::Put::New,
            "an epoch of the corpus was stored before: {put:?}"
        );
        Ok(())
    }

    /// The same blocks behind a store that has cached nothing yet.
    pub(crate) async fn opened_anew(&self) -> anyhow::Result<TraceStore> {
        open_store(self.blocks.clone()).await
    }

    /// Lets so much shard time pass that everything is merged. CPU time of the merges.
    pub(crate) async fn compact(&mut self) -> anyhow::Result<Duration> {
        self.sealed_at.ms += PAST_ALL_WINDOWS_MS;
        self.write(
            &mut Shop::new(Spec {
                seed: 99,
                ..Spec::shop(512)
            }),
            1,
        )
        .await?;
        let mut maintenance = Maintenance::default();
        let before = cost::process_cpu();
        let mut idle_rounds = 0;
        // What was merged is hidden in one round and deleted in a later one.
        while idle_rounds < 2 {
            let done = self.store.maintain(&mut maintenance).await?;
            idle_rounds = if done == trace_store::Maintained::default() {
                idle_rounds + 1
            } else {
                0
            };
        }
        Ok(cost::process_cpu() - before)
    }
}

fn keep_all() -> Sampling {
    Sampling {
        rule: Arc::from("all"),
        threshold: 0,
        threshold_in: 0,
        p_unknown: false,
        p_estimated: false,
    }
}
