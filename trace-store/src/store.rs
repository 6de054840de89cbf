//! The trace store: epochs in, traces out. In: what the sampler kept. Out: a trace by its id, services and operations; search is beside it.
//!
//! Everything it knows is in the block store; this holds the list of visible blocks and what fits into memory of them.

mod epoch;
mod operations;

use std::sync::Arc;

use blocks::{BlockKind, BlockName, BlockStore, Blocks, BlocksError, ContentHash, Put};
use parking_lot::RwLock;
use telemetry::wire::{TracesView, WalkError};
use telemetry::{Clock, Tenant, TraceId};

use crate::block::draft;
use crate::block::filter_bits;
use crate::block::index::Row;
use crate::block::meta::Meta;
use crate::block::read::{Opened, ReadError, Reader};
use crate::block::write::{BuildError, Built};
use crate::catalog::{Catalog, KnownBlock};
use crate::trace::merge_parts;
use crate::{Config, EpochName, KeptTrace, Metrics, StoredTrace};

/// Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub struct TraceStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) blocks: Blocks,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) reader: Reader,
    pub(crate) metrics: Metrics,
}

/// Why an epoch is not stored. It may be written again under the same name.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("trace {id} of the epoch is no OTLP: {cause}")]
    NotOtlp { id: TraceId, cause: WalkError },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    #[error("a task of the store stopped: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl TraceStore {
    /// Reads which blocks there are. A block whose entry cannot be understood is told and left alone.
    ///
    /// # Errors
    /// When the block store cannot list.
    pub async fn open(blocks: Blocks, config: Config, clock: Clock) -> Result<Self, BlocksError> {
        let mut catalog = Catalog::default();
        for entry in blocks.list(BlockKind::Traces).await? {
            let name = entry.name.clone();
            match KnownBlock::of(entry) {
                Ok(block) => catalog.insert(block),
                Err(error) => {
                    tracing::error!(code = "TW5101", ?name, %error, "a block is left out")
                }
            }
        }
        let reader = Reader::new(blocks.clone(), config.cache_bytes_max);
        let inner = Inner {
            blocks,
            config,
            clock,
            catalog: RwLock::new(catalog),
            reader,
            metrics: Metrics::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Stores what an epoch kept of a tenant. Durable and visible on return. The same epoch again is [`Put::Same`], also after it was merged.
    ///
    /// # Errors
    /// When a trace is no OTLP, the epoch is too large for one block, or the block store refuses.
    pub async fn write_epoch(
        &self,
        tenant: &Tenant,
        epoch: EpochName,
        traces: Vec<KeptTrace>,
    ) -> Result<Put, WriteError> {
        let (put, ()) = self
            .write_epoch_seen(tenant, epoch, traces, (), |(), _| {})
            .await?;
        Ok(put)
    }

    /// The same, and shows every trace to `seer` on the way, in the order given, whether the epoch is new or not. The seer comes back.
    ///
    /// # Errors
    /// As [`TraceStore::write_epoch`].
    pub async fn write_epoch_seen<S: Send + 'static>(
        &self,
        tenant: &Tenant,
        epoch: EpochName,
        traces: Vec<KeptTrace>,
        mut seer: S,
        see: fn(&mut S, &TracesView<'_>),
    ) -> Result<(Put, S), WriteError> {
        let name = BlockName {
            kind: BlockKind::Traces,
            tenant: tenant.clone(),
            id: epoch.block_id(),
        };
        if self.inner.catalog.read().is_listed(&name) {
            let shown = tokio::task::spawn_blocking(move || {
                epoch::show(&traces, |trace| see(&mut seer, trace)).map(|()| seer)
            });
            return Ok((Put::Same, shown.await??));
        }
        let level = self.inner.config.zstd_level;
        let built = tokio::task::spawn_blocking(move || {
            let built = epoch::build_epoch(&traces, level, |trace| see(&mut seer, trace));
            built.map(|(content, built)| (content, built, seer))
        });
        let (content, built, seer) = built.await??;
        let meta = Meta {
            partition: epoch.partition,
            sealed_first: epoch.sealed_at,
            sealed_last: epoch.sealed_at,
            written_at_unix_ms: u64::try_from(self.inner.clock.wall().unix_ms).unwrap_or(0),
            ..built.meta
        };
        let built = Built {
            body: built.body,
            meta,
        };
        Ok((self.put(name, content, built).await?, seer))
    }

    /// Puts a block and makes it visible here.
    pub(crate) async fn put(
        &self,
        name: BlockName,
        content: ContentHash,
        built: Built,
    ) -> Result<Put, BlocksError> {
        let Built { body, meta } = built;
        let put = self
            .inner
            .blocks
            .put(&name, content, meta.encode(), body.clone())
            .await?;
        let known = match &put {
            Put::New => {
                self.inner.metrics.traces.inc_by(meta.n_rows);
                self.inner.metrics.spans.inc_by(meta.n_spans);
                self.inner.metrics.bytes.inc_by(body.len() as u64);
                Some(KnownBlock {
                    name,
                    content,
                    size_bytes: body.len() as u64,
                    meta,
                })
            }
            // It is there, but this store may not know it: its put failed after the effect, or somebody else's came first.
            Put::Same => self.look_up(&name).await?,
            Put::Beside(beside) => self.look_up(beside).await?,
        };
        if let Some(known) = known {
            self.inner.catalog.write().insert(known);
        }
        Ok(put)
    }

    /// A block as the block store lists it, if it is not known here.
    async fn look_up(&self, name: &BlockName) -> Result<Option<KnownBlock>, BlocksError> {
        if self.inner.catalog.read().has(name) {
            return Ok(None);
        }
        let entries = self.inner.blocks.list(name.kind).await?;
        Ok(entries
            .into_iter()
            .find(|entry| entry.name == *name)
            .and_then(|entry| KnownBlock::of(entry).ok()))
    }

    /// The trace with this id, its parts joined.
    ///
    /// # Errors
    /// When the only parts that there are cannot be read.
    pub async fn find(
        &self,
        tenant: &Tenant,
        id: TraceId,
    ) -> Result<Option<StoredTrace>, ReadError> {
        let (parts, unreadable) = self.parts(tenant, id, None).await;
        match (merge_parts(parts), unreadable) {
            (Some(trace), _) => Ok(Some(trace)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// The parts of a trace that can be read (`at_hand` has been), and an error if there is a part, or may be, that cannot for now.
    pub(crate) async fn parts(
        &self,
        tenant: &Tenant,
        id: TraceId,
        at_hand: Option<&ReadRow>,
    ) -> (Vec<StoredTrace>, Option<ReadError>) {
        let mut parts = Vec::new();
        let mut unreadable = None;
        let hash = filter_bits::id_hash(id);
        let blocks = self.inner.catalog.read().of_tenant(tenant);
        for block in blocks {
            if let Err(error) = self.parts_in(&block, id, hash, at_hand, &mut parts).await
                && (!error.cause.is_gone() || self.inner.catalog.read().has(&block.name))
            {
                self.told_unreadable(&block.name, &error.cause);
                // A damaged block does not say whether the trace is in it: that must not make every unknown id an error.
                if error.has_trace || !error.cause.is_damage() {
                    unreadable = Some(error.cause);
                }
            }
        }
        (parts, unreadable)
    }

    async fn parts_in(
        &self,
        block: &KnownBlock,
        id: TraceId,
        hash: u64,
        at_hand: Option<&ReadRow>,
        parts: &mut Vec<StoredTrace>,
    ) -> Result<(), PartError> {
        let reader = &self.inner.reader;
        let unknown = |cause| PartError {
            cause,
            has_trace: false,
        };
        if !reader
            .gist(&block.name, block.size_bytes)
            .await
            .map_err(unknown)?
            .may_have(hash)
        {
            return Ok(());
        }
        let opened = reader
            .open(&block.name, block.size_bytes)
            .await
            .map_err(unknown)?;
        for row in opened.index.rows_of(id) {
            let spans = match at_hand {
                Some(read) if read.frame_at == row.frame_at && read.block == block.name => {
                    read.spans.clone()
                }
                _ => reader
                    .spans(&opened, row)
                    .await
                    .map_err(|cause| PartError {
                        cause,
                        has_trace: true,
                    })?,
            };
            parts.extend(part(&block.name.tenant, &opened, row, spans));
        }
        Ok(())
    }

    pub(crate) fn told_unreadable(&self, name: &BlockName, error: &ReadError) {
        if error.is_damage() {
            self.inner.metrics.damaged_blocks.inc();
        }
        tracing::error!(code = "TW5102", ?name, %error, "a block, or a trace in it, cannot be read");
    }
}

/// A row whose spans have just been read, so that joining need not read them again.
pub(crate) struct ReadRow {
    pub(crate) block: BlockName,
    pub(crate) frame_at: u64,
    pub(crate) spans: bytes::Bytes,
}

/// Why a block's part of a trace could not be read.
struct PartError {
    cause: ReadError,
    /// The block has a part for certain.
    has_trace: bool,
}

/// A row with its spans as a trace, or a part of one. None if the row's rule is not among the names, which decoding has ruled out.
pub(crate) fn part(
    tenant: &Tenant,
    opened: &Opened,
    row: &Row,
    traces_data: bytes::Bytes,
) -> Option<StoredTrace> {
    let rule = Arc::clone(opened.names.string(row.rule)?);
    Some(StoredTrace {
        tenant: tenant.clone(),
        id: row.id,
        traces_data,
        sampling: draft::sampling(row, rule),
        late: row.flags & crate::block::index::LATE != 0,
    })
}

#[cfg(test)]
mod tests;
