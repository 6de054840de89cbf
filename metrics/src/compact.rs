//! Compaction: the blocks of a window become one. In: visible blocks that are committed. Out: a merge, whose inputs are hidden at once and deleted later.
//!
//! Inputs are fixed: all blocks of (tenant, partition, aligned window of record time), once a later seal has passed the window. So whoever merges them
//! makes the same, and a crash at any step costs the work alone.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use blocks::{BlockKind, BlockName, ContentHash};
use telemetry::{RecordTime, Tenant};
use xxhash_rust::xxh3::Xxh3;

use crate::MetricsStore;
use crate::block::build::compare_series;
use crate::block::meta::INPUTS_MAX;
use crate::block::read::{Opened, Pages, ReadError, leave_the_loop};
use crate::block::{BlockBuilder, BuildError, Built, Meta};
use crate::catalog::{Catalog, KnownBlock};
use crate::chunk::Effort;
use crate::row::{Exemplar, Metadata, Row};
use crate::store::WriteError;

/// Lengths of the windows in seconds of record time, by level less one.
const WINDOWS_S: [i64; 2] = [3_600, 86_400];
/// Record time that must pass after a window: clocks are set back now and then.
const GRACE_S: i64 = 600;

/// Blocks that are to become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merge {
    name: BlockName,
    level: u8,
    generation: u64,
    inputs: Vec<Arc<KnownBlock>>,
}

/// How far a partition of `points` that this process owns has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComeTo {
    /// Offsets before this are committed: nobody will seal them anew.
    pub end_offset: u64,
    /// Record time of the newest seal that is stored.
    pub sealed_to: RecordTime,
}

impl ComeTo {
    /// Whether a block is one that nobody will make again.
    pub(crate) fn has_committed(all: &BTreeMap<u32, Self>, block: &KnownBlock) -> bool {
        let at = all.get(&block.meta.partition);
        at.is_some_and(|at| block.meta.end_offset <= at.end_offset)
    }
}

/// Why a merge was not made. What was to go in stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A window of a tenant's partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Window {
    tenant: Tenant,
    partition: u32,
    begin_s: i64,
}

impl Window {
    fn of(block: &KnownBlock, length_s: i64) -> Self {
        let sealed_s = block.meta.sealed_first.unix_ms.div_euclid(1_000);
        Self {
            tenant: block.name.tenant.clone(),
            partition: block.meta.partition,
            begin_s: sealed_s.div_euclid(length_s) * length_s,
        }
    }
}

impl MetricsStore {
    /// The merges that are due in partitions whose blocks are committed up to an end offset, lower levels first. `damaged` blocks are left alone. A window
    /// waits until nothing below it is due.
    pub(crate) fn due_merges(
        &self,
        come_to: &BTreeMap<u32, ComeTo>,
        damaged: &BTreeSet<BlockName>,
    ) -> Vec<Merge> {
        let catalog = self.inner.catalog.read();
        let mut merges: Vec<Merge> = Vec::new();
        for (level, length_s) in (1u8..).zip(WINDOWS_S) {
            let is_past = |window: &Window| {
                let sealed_to = come_to.get(&window.partition).map(|at| at.sealed_to);
                sealed_to.is_some_and(|sealed_to| {
                    sealed_to.unix_ms.div_euclid(1_000) > window.begin_s + length_s + GRACE_S
                })
            };
            let busy: BTreeSet<Window> = merges
                .iter()
                .flat_map(|merge| &merge.inputs)
                .map(|block| Window::of(block, length_s))
                .collect();
            let mut windows: BTreeMap<Window, Vec<Arc<KnownBlock>>> = BTreeMap::new();
            for block in catalog.visible() {
                let window = Window::of(block, length_s);
                if block.meta.level < level
                    && ComeTo::has_committed(come_to, block)
                    && is_past(&window)
                    && !busy.contains(&window)
                    && !damaged.contains(&block.name)
                {
                    windows.entry(window).or_default().push(Arc::clone(block));
                }
            }
            let bytes_max = self.inner.config.merge_bytes_max;
            for (window, blocks) in windows {
                merges.extend(merges_of(&catalog, level, &window, blocks, bytes_max));
            }
        }
        merges
    }

    /// Makes one merge; it is visible on return, and its inputs are not. A block that is damaged is told by the error and must be left out the next time.
    pub(crate) async fn compact(&self, merge: Merge) -> Result<(), CompactError> {
        let begun = self.inner.clock.monotonic();
        let mut sources = Vec::new();
        for input in &merge.inputs {
            sources.push(self.source(input).await?);
        }
        let n_inputs = merge.inputs.len() as u64;
        let built = leave_the_loop(move || build(&sources))
            .await
            .map_err(ReadError::from)??;
        let meta = merge.meta(built.meta);
        let content = content_of(&merge.inputs);
        let built = Built {
            meta,
            content,
            body: built.body,
        };
        let put = self
            .put(merge.name, built)
            .await
            .map_err(WriteError::from)?;
        if let Some(block) = put {
            self.inner.catalog.write().insert(block);
        }
        let took = begun.elapsed().as_secs_f64();
        self.inner.metrics.compaction_seconds.observe(took);
        self.inner.metrics.compacted_blocks.inc_by(n_inputs);
        Ok(())
    }

    async fn source(&self, block: &KnownBlock) -> Result<Source, ReadError> {
        let blocks = &self.inner.blocks;
        let opened = Opened::open(blocks, &block.name, block.size_bytes).await?;
        let all: Vec<u32> = (0..opened.index.n_series() as u32).collect();
        let pages = opened.fetch(blocks, &all, i64::MIN, i64::MAX).await?;
        Ok(Source {
            pages,
            exemplars: opened.exemplars(blocks).await?,
            metadata: opened.metadata(blocks).await?,
            opened,
        })
    }
}

/// The merges of one window: as many as its bytes need, none of a single block.
fn merges_of(
    catalog: &Catalog,
    level: u8,
    window: &Window,
    mut blocks: Vec<Arc<KnownBlock>>,
    bytes_max: u64,
) -> Vec<Merge> {
    blocks.sort_by_key(|block| (block.meta.end_offset, block.meta.first_offset));
    let Window {
        tenant,
        partition,
        begin_s,
    } = window;
    let prefix = format!("m{level}.{partition:05}.{begin_s:012}.");
    let generations = next_generation(catalog, tenant, &prefix)..;
    let merge = |(generation, inputs)| Merge {
        name: BlockName {
            kind: BlockKind::Metrics,
            tenant: tenant.clone(),
            id: format!("{prefix}{generation:05}"),
        },
        level,
        generation,
        inputs,
    };
    generations
        .zip(batches(blocks, bytes_max))
        .map(merge)
        .collect()
}

/// One more than any that has been: also those that went into a visible block, since their names are taken for ever.
fn next_generation(catalog: &Catalog, tenant: &Tenant, prefix: &str) -> u64 {
    let visible = catalog.of_tenant(tenant);
    let hidden = catalog
        .hidden()
        .filter(|block| block.name.tenant == *tenant);
    let ids = visible
        .iter()
        .map(|block| block.name.id.as_str())
        .chain(catalog.listed(tenant))
        .chain(hidden.map(|block| block.name.id.as_str()));
    let generations = ids.filter_map(|id| id.strip_prefix(prefix)?.get(..5)?.parse::<u64>().ok());
    generations.max().map_or(0, |newest| newest + 1)
}

fn batches(blocks: Vec<Arc<KnownBlock>>, bytes_max: u64) -> Vec<Vec<Arc<KnownBlock>>> {
    let mut batches = Vec::new();
    let mut batch: Vec<Arc<KnownBlock>> = Vec::new();
    let (mut bytes, mut n_inputs) = (0, 0);
    for block in blocks {
        let lists = 1 + block.meta.inputs.len();
        if bytes + block.size_bytes > bytes_max || n_inputs + lists > INPUTS_MAX {
            batches.push(std::mem::take(&mut batch));
            (bytes, n_inputs) = (0, 0);
        }
        bytes += block.size_bytes;
        n_inputs += lists;
        batch.push(block);
    }
    batches.push(batch);
    batches.retain(|batch| batch.len() > 1);
    batches
}

fn content_of(inputs: &[Arc<KnownBlock>]) -> ContentHash {
    let mut hash = Xxh3::new();
    for input in inputs {
        hash.update(input.name.id.as_bytes());
        hash.update(&[0]);
        hash.update(&input.content.0.to_le_bytes());
    }
    ContentHash(hash.digest128())
}

impl Merge {
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &BlockName> {
        self.inputs.iter().map(|input| &input.name)
    }

    fn meta(&self, of_rows: Meta) -> Meta {
        let metas = || self.inputs.iter().map(|input| &input.meta);
        let ids = self
            .inputs
            .iter()
            .flat_map(|input| std::iter::once(&input.name.id).chain(&input.meta.inputs));
        let newest = metas().max_by_key(|meta| meta.end_offset);
        Meta {
            level: self.level,
            partition: newest.map(|meta| meta.partition).unwrap_or_default(),
            first_offset: metas().map(|m| m.first_offset).min().unwrap_or_default(),
            end_offset: newest.map(|meta| meta.end_offset).unwrap_or_default(),
            sealed_first: metas().map(|m| m.sealed_first).min().unwrap_or_default(),
            sealed_last: metas().map(|m| m.sealed_last).max().unwrap_or_default(),
            written_at_unix_ms: metas()
                .map(|m| m.written_at_unix_ms)
                .max()
                .unwrap_or_default(),
            generation: self.generation,
            applied: newest.map(|meta| meta.applied.clone()).unwrap_or_default(),
            inputs: ids.cloned().collect(),
            ..of_rows
        }
    }
}

/// An input, with all that is needed of it.
struct Source {
    opened: Opened,
    pages: Pages,
    exemplars: Vec<Exemplar<u32>>,
    metadata: Vec<(String, Metadata)>,
}

/// The next series of a source; the least series is the greatest cursor, of equal ones that of the lower offsets.
struct Cursor<'a> {
    source: usize,
    series: u32,
    opened: &'a Opened,
}

impl Cursor<'_> {
    fn compare_labels(&self, other: &Self) -> Ordering {
        let key = |cursor: &Self| cursor.opened.index.kind(cursor.series);
        compare_series(
            (self.opened.index.labels(self.series), key(self)),
            (other.opened.index.labels(other.series), key(other)),
        )
    }
}

impl Ord for Cursor<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let reversed = other.compare_labels(self);
        reversed.then_with(|| other.source.cmp(&self.source))
    }
}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Cursor<'_> {}

/// Merges series by series; sources come in order of offsets.
fn build(sources: &[Source]) -> Result<Built, CompactError> {
    let mut builder = BlockBuilder::new(Effort::Thorough);
    let mut numbers: Vec<Vec<u32>> = sources
        .iter()
        .map(|source| vec![0; source.opened.index.n_series()])
        .collect();
    let mut heap: BinaryHeap<Cursor<'_>> = BinaryHeap::new();
    for (idx, source) in sources.iter().enumerate() {
        heap.extend(cursor(idx, &source.opened, 0));
    }
    while let Some(first) = heap.pop() {
        let mut row = row_of(sources, &first)?;
        let mut same = vec![(first.source, first.series)];
        heap.extend(cursor(first.source, first.opened, first.series + 1));
        while let Some(next) = heap.peek()
            && next.compare_labels(&first) == Ordering::Equal
        {
            let Some(next) = heap.pop() else { break };
            row.append(row_of(sources, &next)?);
            same.push((next.source, next.series));
            heap.extend(cursor(next.source, next.opened, next.series + 1));
        }
        row.settle();
        let number = builder.push(first.opened.index.labels(first.series), &row);
        for (source, series) in same {
            let places = numbers.get_mut(source);
            if let Some(place) = places.and_then(|places| places.get_mut(series as usize)) {
                *place = number;
            }
        }
    }
    for (source, numbers) in sources.iter().zip(&numbers) {
        for exemplar in &source.exemplars {
            let number = numbers.get(exemplar.series as usize).copied();
            builder.push_exemplar(Exemplar {
                series: number.unwrap_or_default(),
                ..exemplar.clone()
            });
        }
        for (metric, metadata) in &source.metadata {
            builder.put_metadata(metric, metadata);
        }
    }
    let built: Result<Built, BuildError> = builder.finish();
    Ok(built.map_err(WriteError::from)?)
}

fn cursor(source: usize, opened: &Opened, series: u32) -> Option<Cursor<'_>> {
    let is_there = (series as usize) < opened.index.n_series();
    is_there.then_some(Cursor {
        source,
        series,
        opened,
    })
}

fn row_of(sources: &[Source], cursor: &Cursor<'_>) -> Result<Row, ReadError> {
    let empty = || Row::new(cursor.opened.index.kind(cursor.series));
    let Some(source) = sources.get(cursor.source) else {
        return Ok(empty());
    };
    let series = [cursor.series];
    let rows = source
        .opened
        .rows(&source.pages, &series, i64::MIN, i64::MAX)?;
    Ok(rows.into_iter().next().map_or_else(empty, |(_, row)| row))
}
