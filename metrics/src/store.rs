//! The time-series store as queries see it: heads of owned partitions and blocks as one. In: matchers and ranges. Out: series, names, values, exemplars.
//!
//! Everything durable is in the block store; this holds the list of visible blocks, indexes that fit into memory, and the heads that are in no block.

mod exemplars;
mod labels;
mod put;

use std::collections::BTreeMap;
use std::sync::Arc;

use blocks::{BlockKind, BlockStore, Blocks, BlocksError};
use bus::Partition;
use bus::machine::CaughtUp;
use moka::sync::Cache;
use parking_lot::RwLock;
use telemetry::{Clock, RecordTime, Tenant};

use crate::block::read::{Opened, ReadError, leave_the_loop};
use crate::block::{BuildError, Meta};
use crate::catalog::{Catalog, KnownBlock};
use crate::live::{LivePartition, State};
use crate::select::{Joined, LabelsKey};
use crate::series::Kind;
use crate::view::{self, View};
use crate::{Config, Matcher, Metrics, SeriesData};

pub use exemplars::SeriesExemplars;
pub use labels::{Cardinality, Counted};

/// Points that a selection reads at most, unless it says otherwise (interfaces.md §1).
pub const SAMPLES_MAX: u64 = 50_000_000;

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

/// What a selection wants beside matchers and range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectOptions {
    /// Of series that came as windows also all that is retained from before the range: their raw value is the sum of it.
    pub all_windows: bool,
    /// Nothing of series that came as samples.
    pub windows_only: bool,
    /// Points that are read at most.
    pub samples_max: u64,
}

impl Default for SelectOptions {
    fn default() -> Self {
        Self {
            all_windows: false,
            windows_only: false,
            samples_max: SAMPLES_MAX,
        }
    }
}

/// Why a selection has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    #[error("the query reads more than {samples_max} samples")]
    TooManySamples { samples_max: u64 },
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<BlocksError> for SelectError {
    fn from(error: BlocksError) -> Self {
        Self::Read(error.into())
    }
}

/// Why a seal or a merge is not stored. It may be written again under the same name.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Blocks(#[from] BlocksError),
}

/// A range of times: (from, to] in unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimeRange {
    from: i64,
    to: i64,
}

/// Blocks to be read and what is in memory, of one instant.
struct Snapshot {
    blocks: Vec<Arc<KnownBlock>>,
    joined_memory: Vec<MemoryRow>,
}

struct MemoryRow {
    key: LabelsKey,
    labels: crate::Labels,
    row: crate::row::Row,
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
        for entry in blocks.list(BlockKind::Metrics).await? {
            let name = entry.name.clone();
            match KnownBlock::of(entry) {
                Ok(block) => catalog.insert(block),
                Err(error) => {
                    tracing::error!(code = "TW6001", ?name, %error, "a block is left out");
                }
            }
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

    /// Partitions that this process owns, each with the record time of its newest stored seal.
    pub(crate) fn owned(&self) -> Vec<(Partition, RecordTime)> {
        let catalog = self.inner.catalog.read();
        let live = self.inner.live.read();
        let sealed_to = |(partition, live): (&Partition, &Arc<LivePartition>)| {
            let in_blocks = catalog.progress(partition.0);
            (*partition, live.look(State::sealed_to).max(in_blocks))
        };
        live.iter().map(sealed_to).collect()
    }

    /// What the newest block of a partition says of itself.
    pub(crate) fn newest_of(&self, partition: u32) -> Option<Meta> {
        let catalog = self.inner.catalog.read();
        catalog.newest_of(partition).map(|block| block.meta.clone())
    }

    /// Record time up to which everything derived from spans is in answers: the least over partitions of `spans`, and over those of `points`. None while
    /// a partition of `points` is not taken over, or one of `spans` was never heard of.
    #[must_use]
    pub fn complete_to(&self) -> Option<RecordTime> {
        let live = self.inner.live.read();
        if live.len() < self.inner.n_partitions as usize {
            return None;
        }
        let of_one = |partition: &Arc<LivePartition>| {
            let applied = partition.applied();
            if applied.len() < self.inner.n_source_partitions as usize {
                return None;
            }
            applied.iter().map(|one| one.complete_to).min()
        };
        let all: Option<Vec<RecordTime>> = live.values().map(of_one).collect();
        // none of a partition's epochs may be whole yet
        all?.into_iter().min().filter(|at| at.unix_ms > i64::MIN)
    }

    /// End offset of the newest epoch of a partition of `spans` that is in answers: the least over partitions of `points`; of a large one the last parts may be
    /// on their way. None while a partition of `points` is not taken over or never heard of any.
    #[must_use]
    pub fn applied_to(&self, source_partition: u32) -> Option<u64> {
        let live = self.inner.live.read();
        if live.len() < self.inner.n_partitions as usize {
            return None;
        }
        let end_of = |partition: &Arc<LivePartition>| {
            let applied = partition.applied().into_iter();
            let mut of_source = applied.filter(|one| one.source_partition == source_partition);
            of_source.next().map(|one| one.end)
        };
        let ends: Option<Vec<u64>> = live.values().map(end_of).collect();
        ends?.into_iter().min()
    }

    /// Partitions of `spans`, which [`MetricsStore::applied_to`] can be asked of.
    #[must_use]
    pub fn n_source_partitions(&self) -> u32 {
        self.inner.n_source_partitions
    }

    /// Time of the oldest point in a tenant's blocks; none if there is no block.
    #[must_use]
    pub fn oldest_unix_ms(&self, tenant: &Tenant) -> Option<i64> {
        let blocks = self.inner.catalog.read().of_tenant(tenant);
        let oldest = blocks.iter().map(|block| block.meta.time_min_unix_ms);
        oldest.min()
    }

    /// Every series that all matchers agree with, with its points in (from, to], in order of labels; also under the names that other tools know.
    ///
    /// # Errors
    /// When it would read too much, or a block cannot be read.
    pub async fn select(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        from_unix_ms: i64,
        to_unix_ms: i64,
        options: SelectOptions,
    ) -> Result<Vec<SeriesData>, SelectError> {
        let range = (from_unix_ms, to_unix_ms);
        let mut series = self.read(tenant, matchers, range, options).await?;
        for view in View::wanted(matchers) {
            let source = view.source_matchers(matchers);
            let source = self.read(tenant, &source, range, options).await?;
            let matchers = matchers.to_vec();
            let show = move || view::join(series, view.show(source, &matchers));
            series = leave_the_loop(show).await?;
        }
        Ok(series)
    }

    /// The same under the names that series have in the store.
    async fn read(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        (from_unix_ms, to_unix_ms): (i64, i64),
        options: SelectOptions,
    ) -> Result<Vec<SeriesData>, SelectError> {
        let ranges = Ranges::new(from_unix_ms, to_unix_ms, options);
        let snapshot = self.snapshot(tenant, matchers, ranges);
        let mut left = options.samples_max;
        let mut take = |n_points: u64| {
            left = left
                .checked_sub(n_points)
                .ok_or(SelectError::TooManySamples {
                    samples_max: options.samples_max,
                })?;
            Ok::<(), SelectError>(())
        };
        for memory in &snapshot.joined_memory {
            take(memory.row.n_points() as u64)?;
        }
        let mut joined = Joined::default();
        for block in snapshot.blocks {
            let read = async {
                let opened = self.opened(&block).await?;
                let wanted = Wanted::select(&opened, matchers.to_vec(), ranges).await?;
                take(wanted.n_points)?;
                let part = wanted.rows(&self.inner.blocks, Arc::clone(&opened), ranges);
                let mut joined_so_far = std::mem::take(&mut joined);
                let rows = part.await?;
                joined = leave_the_loop(move || {
                    join(&mut joined_so_far, &opened, rows);
                    joined_so_far
                })
                .await?;
                Ok::<(), SelectError>(())
            };
            match read.await {
                Ok(()) => {}
                Err(SelectError::Read(error)) if self.is_replaced(&block, &error) => {
                    // A merge has it, and whoever asks again reads that.
                    return Box::pin(self.read(
                        tenant,
                        matchers,
                        (from_unix_ms, to_unix_ms),
                        options,
                    ))
                    .await;
                }
                Err(error) => return Err(error),
            }
        }
        let finish = move || {
            for memory in snapshot.joined_memory {
                joined.add(memory.key, || memory.labels, memory.row);
            }
            joined.finish()
        };
        Ok(leave_the_loop(finish).await?)
    }

    /// Blocks that overlap, and rows of heads: each point in exactly one of them.
    fn snapshot(&self, tenant: &Tenant, matchers: &[Matcher], ranges: Ranges) -> Snapshot {
        let catalog = self.inner.catalog.read();
        let mut blocks = catalog.of_tenant(tenant);
        blocks.retain(|block| block.overlaps(ranges.widest().from, ranges.widest().to));
        let mut joined_memory = Vec::new();
        for (partition, live) in self.inner.live.read().iter() {
            live.look(|state| {
                if let Some(begin) = state.begin() {
                    blocks.retain(|block| {
                        block.meta.partition != partition.0 || block.meta.end_offset <= begin.0
                    });
                }
                for head in state.heads(tenant) {
                    for id in head.select(matchers) {
                        let TimeRange { from, to } = ranges.of(head.series().kind(id));
                        let row = head.row(id, from, to);
                        if row.n_points() > 0 {
                            joined_memory.push(MemoryRow {
                                key: LabelsKey::of_texts(head.series().labels(id)),
                                labels: head.series().owned_labels(id),
                                row,
                            });
                        }
                    }
                }
            });
        }
        Snapshot {
            blocks,
            joined_memory,
        }
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

/// The range of samples, and that of windows.
#[derive(Debug, Clone, Copy)]
struct Ranges {
    samples: TimeRange,
    windows: TimeRange,
}

impl Ranges {
    fn new(from: i64, to: i64, options: SelectOptions) -> Self {
        let windows_from = if options.all_windows { i64::MIN } else { from };
        let samples_from = if options.windows_only { to } else { from };
        Self {
            samples: TimeRange {
                from: samples_from,
                to,
            },
            windows: TimeRange {
                from: windows_from,
                to,
            },
        }
    }

    fn of(self, kind: Kind) -> TimeRange {
        match kind {
            Kind::Samples => self.samples,
            Kind::Windows => self.windows,
        }
    }

    fn widest(self) -> TimeRange {
        TimeRange {
            from: self.samples.from.min(self.windows.from),
            to: self.samples.to,
        }
    }
}

/// Series of one block that are wanted, by kind.
struct Wanted {
    samples: Vec<u32>,
    windows: Vec<u32>,
    n_points: u64,
}

impl Wanted {
    async fn select(
        opened: &Arc<Opened>,
        matchers: Vec<Matcher>,
        ranges: Ranges,
    ) -> Result<Self, BlocksError> {
        let opened = Arc::clone(opened);
        leave_the_loop(move || {
            let index = &opened.index;
            let (mut samples, windows): (Vec<u32>, Vec<u32>) = index
                .select(&matchers)
                .into_iter()
                .partition(|series| index.kind(*series) == Kind::Samples);
            if ranges.samples.from >= ranges.samples.to {
                samples.clear();
            }
            let points = |series: &[u32], range: TimeRange| -> u64 {
                let chunks = series
                    .iter()
                    .flat_map(|series| index.chunks_in(*series, range.from, range.to));
                chunks.map(|chunk| index.n_points(chunk) as u64).sum()
            };
            Self {
                n_points: points(&samples, ranges.samples) + points(&windows, ranges.windows),
                samples,
                windows,
            }
        })
        .await
    }

    async fn rows(
        self,
        blocks: &Blocks,
        opened: Arc<Opened>,
        ranges: Ranges,
    ) -> Result<Vec<(u32, crate::row::Row)>, ReadError> {
        let mut rows = Vec::new();
        for (series, range) in [
            (self.samples, ranges.samples),
            (self.windows, ranges.windows),
        ] {
            if series.is_empty() {
                continue;
            }
            let pages = opened.fetch(blocks, &series, range.from, range.to).await?;
            let opened = Arc::clone(&opened);
            let read = leave_the_loop(move || opened.rows(&pages, &series, range.from, range.to));
            rows.extend(read.await??);
        }
        Ok(rows)
    }
}

/// Adds a block's rows; each distinct text is hashed once.
fn join(joined: &mut Joined, opened: &Opened, rows: Vec<(u32, crate::row::Row)>) {
    let mut texts = opened.index.text_keys();
    let mut owned = opened.index.owned_texts();
    for (series, row) in rows {
        let key = LabelsKey::of(texts.of_series(series));
        joined.add(key, || owned.labels(series), row);
    }
}
