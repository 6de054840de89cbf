//! The time-series store as queries see it: heads of owned partitions and blocks as one. In: matchers and ranges. Out: series, names, values, exemplars.
//!
//! Everything durable is in the block store; this holds the list of visible blocks, indexes that fit into memory, and the heads that are in no block.

mod error;
mod exemplars;
mod labels;
mod progress;
mod put;
mod select;

use std::collections::BTreeMap;
use std::sync::Arc;

use blocks::{BlockKind, BlockStore, Blocks, BlocksError, CatalogEntry};
use bus::Partition;
use bus::machine::CaughtUp;
use moka::sync::Cache;
use parking_lot::RwLock;
use telemetry::Clock;

use crate::block::read::{Opened, ReadError};
use crate::catalog::{Catalog, KnownBlock};
use crate::live::LivePartition;
use crate::{Config, Metrics};

pub use error::{SelectError, WriteError};
pub use exemplars::SeriesExemplars;
pub use labels::{Cardinality, Counted};
pub(crate) use select::TRIES_MAX;
pub use select::{SAMPLES_MAX, SelectOptions};

/// Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub struct MetricsStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) blocks: Blocks,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    /// Locked before a partition, never after.
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) live: RwLock<BTreeMap<Partition, Arc<LivePartition>>>,
    caught_up: CaughtUp,
    opened: Cache<blocks::BlockName, Arc<Opened>>,
    /// Partitions of `points` and of `spans`, fixed for the life of the log.
    n_partitions: u32,
    n_source_partitions: u32,
    pub(crate) metrics: Metrics,
}

/// The blocks that a block store lists. One whose entry cannot be understood is told and left alone.
async fn listed(blocks: &Blocks) -> Result<Vec<KnownBlock>, BlocksError> {
    let known = |entry: CatalogEntry| {
        let name = entry.name.clone();
        let told = |error: &_| {
            tracing::error!(code = "TW6001", ?name, %error, "a block is left out");
        };
        KnownBlock::of(entry).inspect_err(told).ok()
    };
    let entries = blocks.list(BlockKind::Metrics).await?;
    Ok(entries.into_iter().filter_map(known).collect())
}

impl MetricsStore {
    /// Reads which blocks there are. A block whose entry cannot be understood is told and left alone.
    ///
    /// # Errors
    /// When the block store cannot list.
    pub async fn open(
        blocks: Blocks,
        config: Config,
        clock: Clock,
        (n_partitions, n_source_partitions): (u32, u32),
        metrics: Metrics,
    ) -> Result<Self, BlocksError> {
        let mut catalog = Catalog::default();
        for block in listed(&blocks).await? {
            catalog.insert(block);
        }
        let weight = |_: &blocks::BlockName, opened: &Arc<Opened>| {
            u32::try_from(opened.index.bytes()).unwrap_or(u32::MAX)
        };
        let opened = Cache::builder()
            .max_capacity(config.cache_bytes_max)
            .weigher(weight)
            .build();
        Ok(Self {
            inner: Arc::new(Inner {
                blocks,
                config,
                clock,
                catalog: RwLock::new(catalog),
                live: RwLock::default(),
                caught_up: CaughtUp::default(),
                opened,
                n_partitions,
                n_source_partitions,
                metrics,
            }),
        })
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Where its blocks are, and small metadata beside them.
    #[must_use]
    pub fn blocks(&self) -> &Blocks {
        &self.inner.blocks
    }

    /// Partitions of `points` that have read all that the log had: while one has not, points that were accepted may be missing from answers.
    #[must_use]
    pub fn caught_up(&self) -> &CaughtUp {
        &self.inner.caught_up
    }

    /// Returns once this process knows every partition of the log up to its end. Cancel-safe.
    pub async fn all_caught_up(&self) {
        self.inner.caught_up.all(self.inner.n_partitions).await;
    }

    /// A partition answers from its head from here on.
    pub(crate) fn add(&self, partition: Partition, live: Arc<LivePartition>) {
        self.inner.caught_up.remove(partition);
        self.inner.live.write().insert(partition, live);
    }

    pub(crate) fn remove(&self, partition: Partition) {
        self.inner.caught_up.remove(partition);
        self.inner.live.write().remove(&partition);
    }

    /// A block's index, from memory if it is there.
    pub(crate) async fn opened(&self, block: &KnownBlock) -> Result<Arc<Opened>, ReadError> {
        if let Some(opened) = self.inner.opened.get(&block.name) {
            return Ok(opened);
        }
        let opened = Opened::open(&self.inner.blocks, &block.name, block.size_bytes).await;
        let opened = Arc::new(opened.inspect_err(|error| self.told_unreadable(block, error))?);
        self.inner
            .opened
            .insert(block.name.clone(), Arc::clone(&opened));
        Ok(opened)
    }

    pub(crate) fn forget_opened(&self, name: &blocks::BlockName) {
        self.inner.opened.invalidate(name);
    }

    fn is_replaced(&self, block: &KnownBlock, error: &ReadError) -> bool {
        error.is_gone() && !self.inner.catalog.read().has(&block.name)
    }

    fn told_unreadable(&self, block: &KnownBlock, error: &ReadError) {
        if error.is_damage() {
            self.inner.metrics.damaged_blocks.inc();
            tracing::error!(code = "TW6002", name = ?block.name, %error, "a block cannot be read");
        }
    }
}
