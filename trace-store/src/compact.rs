//! Compaction: small blocks of a window become one. In: visible blocks. Out: a merge, whose inputs are hidden at once and deleted later.
//!
//! Inputs are fixed: all blocks of (tenant, partition, aligned window of shard time), once a later epoch has passed the window and the time for late
//! parts. So whoever merges them makes the same, and a crash at any step costs the work alone.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use blocks::{BlockKind, BlockName, ContentHash, Put};
use bytes::Bytes;
use telemetry::{Tenant, TraceId};
use xxhash_rust::xxh3::Xxh3;

use crate::block::dictionary::DICTIONARIES_MAX;
use crate::block::draft::{Draft, Packing, Spans};
use crate::block::index::{PART, Row};
use crate::block::input::DecodeError;
use crate::block::meta::{INPUTS_MAX, Meta};
use crate::block::read::{Opened, ReadError};
use crate::block::summary::Summarizer;
use crate::block::write::{BuildError, Built, build};
use crate::catalog::{Catalog, KnownBlock};
use crate::store::{WriteError, part};
use crate::trace::merge_parts;
use crate::{KeptTrace, TraceStore};

/// Lengths of the windows in seconds of shard time, by level less one.
const WINDOWS_S: [u64; 2] = [300, 3_600];

/// Blocks that are to become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merge {
    name: BlockName,
    level: u8,
    window_s: u64,
    generation: u64,
    inputs: Vec<Arc<KnownBlock>>,
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
    /// Shard time at which it begins.
    begin_s: u64,
}

impl TraceStore {
    /// The merges that are due, lower levels first. `damaged` blocks are left alone. A window waits until nothing below it is due.
    pub(crate) fn due_merges(&self, damaged: &BTreeSet<BlockName>) -> Vec<Merge> {
        let config = &self.inner.config;
        let late_window_s = config.late_window.as_secs();
        let catalog = self.inner.catalog.read();
        let mut merges: Vec<Merge> = Vec::new();
        for (level, length_s) in (1u8..).zip(WINDOWS_S) {
            let window_of = |block: &KnownBlock| Window {
                tenant: block.name.tenant.clone(),
                partition: block.meta.partition,
                begin_s: block.meta.sealed_first.ms / 1_000 / length_s * length_s,
            };
            let is_past = |window: &Window| {
                catalog.progress(window.partition).ms / 1_000
                    > window.begin_s + length_s + late_window_s
            };
            let busy: BTreeSet<Window> = merges
                .iter()
                .flat_map(|merge| &merge.inputs)
                .map(|block| window_of(block))
                .collect();
            let mut windows: BTreeMap<Window, Vec<Arc<KnownBlock>>> = BTreeMap::new();
            for block in catalog
                .visible()
                .filter(|block| block.meta.level < level && !damaged.contains(&block.name))
            {
                let window = window_of(block);
                if is_past(&window) && !busy.contains(&window) {
                    windows.entry(window).or_default().push(Arc::clone(block));
                }
            }
            merges.extend(windows.into_iter().flat_map(|(window, blocks)| {
                merges_of(&catalog, level, &window, blocks, config.merge_bytes_max)
            }));
        }
        merges
    }

    /// Makes one merge. A block that is damaged is told by the error and must be left out the next time.
    pub(crate) async fn compact(&self, merge: Merge) -> Result<Put, CompactError> {
        let begun = self.inner.clock.monotonic();
        let mut sources = Vec::new();
        for input in &merge.inputs {
            sources.push(
                self.inner
                    .reader
                    .whole(&input.name, input.size_bytes)
                    .await?,
            );
        }
        let level = self.inner.config.zstd_level;
        // Of what stays for good every byte counts; below that, copying is a third of the work.
        let packing = if usize::from(merge.level) == WINDOWS_S.len() {
            Packing::Anew
        } else {
            Packing::Keep
        };
        let built = tokio::task::spawn_blocking(move || build_merge(sources, level, packing))
            .await
            .map_err(WriteError::from)??;
        let n_inputs = merge.inputs.len() as u64;
        let (content, meta) = (content_of(&merge.inputs), merge.meta(built.meta));
        let put = self
            .put(
                merge.name,
                content,
                Built {
                    body: built.body,
                    meta,
                },
            )
            .await
            .map_err(WriteError::from)?;
        self.inner
            .metrics
            .compaction_seconds
            .observe(begun.elapsed().as_secs_f64());
        self.inner.metrics.compacted_blocks.inc_by(n_inputs);
        Ok(put)
    }
}

/// The merges of one window: as many as its bytes need, none of a single block.
fn merges_of(
    catalog: &Catalog,
    level: u8,
    window: &Window,
    blocks: Vec<Arc<KnownBlock>>,
    bytes_max: u64,
) -> Vec<Merge> {
    let Window {
        tenant,
        partition,
        begin_s,
    } = window;
    let prefix = format!("m{level}.{partition:05}.{begin_s:012}.");
    let generations = next_generation(catalog, tenant, &prefix)..;
    let merge = |(generation, inputs)| {
        let name = BlockName {
            kind: BlockKind::Traces,
            tenant: tenant.clone(),
            id: format!("{prefix}{generation:05}"),
        };
        Merge {
            name,
            level,
            window_s: *begin_s,
            generation,
            inputs,
        }
    };
    generations
        .zip(batches(blocks, bytes_max))
        .map(merge)
        .collect()
}

/// One more than any that has been: also those that went into a visible block, since their names are taken for ever.
fn next_generation(catalog: &Catalog, tenant: &Tenant, prefix: &str) -> u64 {
    let visible = catalog.of_tenant(tenant);
    let ids = visible
        .iter()
        .map(|block| block.name.id.as_str())
        .chain(catalog.listed(tenant))
        .chain(
            catalog
                .hidden()
                .filter(|block| block.name.tenant == *tenant)
                .map(|block| block.name.id.as_str()),
        );
    let generations = ids.filter_map(|id| id.strip_prefix(prefix)?.get(..5)?.parse::<u64>().ok());
    generations.max().map_or(0, |newest| newest + 1)
}

fn batches(blocks: Vec<Arc<KnownBlock>>, bytes_max: u64) -> Vec<Vec<Arc<KnownBlock>>> {
    let mut batches = Vec::new();
    let mut batch: Vec<Arc<KnownBlock>> = Vec::new();
    let (mut bytes, mut n_inputs) = (0, 0);
    for block in blocks {
        let lists = 1 + block.meta.inputs.len();
        if bytes + block.size_bytes > bytes_max
            || n_inputs + lists > INPUTS_MAX
            || batch.len() == DICTIONARIES_MAX
        {
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
        Meta {
            level: self.level,
            partition: metas()
                .map(|meta| meta.partition)
                .next()
                .unwrap_or_default(),
            sealed_first: metas()
                .map(|meta| meta.sealed_first)
                .min()
                .unwrap_or_default(),
            sealed_last: metas()
                .map(|meta| meta.sealed_last)
                .max()
                .unwrap_or_default(),
            written_at_unix_ms: metas()
                .map(|meta| meta.written_at_unix_ms)
                .max()
                .unwrap_or_default(),
            window_s: self.window_s,
            generation: self.generation,
            inputs: ids.cloned().collect(),
            ..of_rows
        }
    }
}

fn build_merge(
    sources: Vec<(Opened, Bytes)>,
    level: i32,
    packing: Packing,
) -> Result<Built, CompactError> {
    let mut seen = HashSet::new();
    let repeated: HashSet<TraceId> = sources
        .iter()
        .flat_map(|(opened, _)| opened.index.rows())
        .filter(|row| !seen.insert(row.id))
        .map(|row| row.id)
        .collect();
    let mut drafts = Vec::with_capacity(seen.len());
    let mut parted: BTreeMap<TraceId, Vec<(&Opened, &Row, &Bytes)>> = BTreeMap::new();
    for (opened, body) in &sources {
        for row in opened.index.rows() {
            if repeated.contains(&row.id) {
                parted.entry(row.id).or_default().push((opened, row, body));
            } else {
                drafts.push(
                    copied(opened, row, body)
                        .ok_or(DecodeError("a row has a name that is not there"))
                        .map_err(BuildError::from)
                        .map_err(WriteError::from)?,
                );
            }
        }
    }
    let mut summarizer = Summarizer::new();
    for (id, parts) in parted {
        drafts.push(joined(id, &parts, &mut summarizer)?);
    }
    drafts.sort_by_key(|draft| draft.row.id);
    // The drafts hold what they need of the sources: indexes and names are free again before the new block is built.
    drop(sources);
    Ok(build(drafts, level, packing).map_err(WriteError::from)?)
}

/// A row with its frame as it is.
fn copied(opened: &Opened, row: &Row, body: &Bytes) -> Option<Draft> {
    let names = &opened.names;
    let string = |idx: u32| names.string(idx).cloned();
    let range = opened.frame_range(row);
    let operations = opened.index.operations_of(row).iter().map(|(idx, usage)| {
        names
            .operations()
            .get(*idx as usize)
            .map(|operation| (operation.clone(), *usage))
    });
    Some(Draft {
        row: *row,
        rule: string(row.rule)?,
        root: row
            .root_service
            .and_then(string)
            .zip(row.root_name.and_then(string)),
        operations: operations.collect::<Option<_>>()?,
        filter: opened.shared_filter_of(row),
        spans: Spans::Frame {
            frame: body.slice(range.start as usize..range.end as usize),
            raw_bytes: row.raw_bytes,
            crc: row.frame_crc,
            dictionary: opened.dictionary_of(row).cloned(),
        },
    })
}

/// The rows of one trace as one row. It is whole if one of them is.
fn joined(
    id: TraceId,
    rows: &[(&Opened, &Row, &Bytes)],
    summarizer: &mut Summarizer,
) -> Result<Draft, CompactError> {
    let mut parts = Vec::new();
    for (opened, row, body) in rows {
        let range = opened.frame_range(row);
        let frame = body
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default();
        let spans = opened
            .unpack(row, frame)
            .map_err(|cause| ReadError::Decode {
                name: opened.name.clone(),
                cause,
            })?;
        parts.extend(part(&opened.name.tenant, opened, row, spans));
    }
    let trace =
        merge_parts(parts).expect("a trace is joined from the rows that it has, at least two");
    let kept = KeptTrace {
        id,
        traces_data: trace.traces_data,
        sampling: trace.sampling,
        late: trace.late,
    };
    let mut draft = summarizer
        .draft(&kept)
        .map_err(|cause| WriteError::NotOtlp { id, cause })?;
    if rows.iter().any(|(_, row, _)| row.flags & PART == 0) {
        draft.row.flags &= !PART;
    }
    Ok(draft)
}

#[cfg(test)]
mod tests;
