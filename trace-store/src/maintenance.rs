//! What the store does by itself: merge what is small, delete what is old, over the limit, or hidden. In: time. Out: fewer and larger blocks.

use std::collections::BTreeSet;
use std::sync::Arc;

use blocks::{BlockName, BlockStore, BlocksError};
use telemetry::clock::BelievedWall;
use tokio_util::sync::CancellationToken;

use crate::TraceStore;
use crate::block::read::ReadError;
use crate::catalog::KnownBlock;
use crate::compact::CompactError;

/// What one round of maintenance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maintained {
    pub n_merges: usize,
    pub n_expired: usize,
    /// Blocks that went into a merge and are deleted now.
    pub n_deleted: usize,
}

/// What maintenance remembers from round to round.
#[derive(Debug, Default)]
pub struct Maintenance {
    /// Blocks that could not be merged.
    damaged: BTreeSet<BlockName>,
    /// Blocks that were hidden in the round before: whoever was reading them then is done.
    hidden_before: BTreeSet<BlockName>,
    wall: BelievedWall,
}

impl TraceStore {
    /// Does a round each `maintenance_interval` until `stop`. A round that fails is told and tried again.
    pub async fn run_maintenance(&self, stop: CancellationToken) {
        let mut maintenance = Maintenance::default();
        self.warm().await;
        loop {
            let rested = tokio::time::sleep(self.inner.config.maintenance_interval);
            tokio::select! {
                () = stop.cancelled() => return,
                () = rested => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                done = self.maintain(&mut maintenance) => match done {
                    Ok(done) if done == Maintained::default() => {}
                    Ok(done) => tracing::info!(code = "TW5110", ?done, "blocks maintained"),
                    Err(error) => tracing::error!(code = "TW5111", %error, "maintenance of blocks failed; it is tried again"),
                },
            }
        }
    }

    /// Reads the light part of every block, so that the first question need not.
    async fn warm(&self) {
        let blocks: Vec<Arc<KnownBlock>> = self.inner.catalog.read().visible().cloned().collect();
        for block in blocks {
            if let Err(error) = self.inner.reader.gist(&block.name, block.size_bytes).await {
                self.told_unreadable(&block.name, &error);
            }
        }
    }

    /// One round.
    ///
    /// # Errors
    /// When the block store refuses. What was done until then stays done.
    pub async fn maintain(&self, maintenance: &mut Maintenance) -> Result<Maintained, BlocksError> {
        let n_deleted = self.delete_hidden(maintenance).await?;
        let n_expired = self.expire(maintenance).await?;
        let n_merges = self.merge_due(maintenance).await?;
        Ok(Maintained {
            n_merges,
            n_expired,
            n_deleted,
        })
    }

    async fn merge_due(&self, maintenance: &mut Maintenance) -> Result<usize, BlocksError> {
        let mut n_merges = 0;
        for merge in self.due_merges(&maintenance.damaged) {
            let inputs: Vec<BlockName> = merge.inputs().cloned().collect();
            match self.compact(merge).await {
                Ok(_) => n_merges += 1,
                Err(CompactError::Read(ReadError::Decode { name, cause })) => {
                    tracing::error!(code = "TW5112", ?name, %cause, "a damaged block is not merged");
                    maintenance.damaged.insert(name);
                }
                Err(CompactError::Read(ReadError::Blocks(BlocksError::Damaged {
                    name,
                    at,
                    what,
                }))) => {
                    tracing::error!(
                        code = "TW5112",
                        ?name,
                        at,
                        what,
                        "a damaged block is not merged"
                    );
                    maintenance.damaged.insert(name);
                }
                Err(
                    CompactError::Read(ReadError::Blocks(error))
                    | CompactError::Write(crate::WriteError::Blocks(error)),
                ) => return Err(error),
                Err(error) => {
                    tracing::error!(code = "TW5113", ?inputs, %error, "blocks cannot be merged");
                    maintenance.damaged.extend(inputs);
                }
            }
        }
        Ok(n_merges)
    }

    /// Deletes what went into merges and was hidden a round ago.
    async fn delete_hidden(&self, maintenance: &mut Maintenance) -> Result<usize, BlocksError> {
        let hidden: BTreeSet<BlockName> = self
            .inner
            .catalog
            .read()
            .hidden()
            .map(|block| block.name.clone())
            .collect();
        let due: Vec<BlockName> = hidden
            .intersection(&maintenance.hidden_before)
            .cloned()
            .collect();
        maintenance.hidden_before = hidden;
        for name in &due {
            self.delete(name).await?;
        }
        Ok(due.len())
    }

    /// Deletes what is older than `retention`, then the oldest until the rest is within `bytes_max`.
    async fn expire(&self, maintenance: &mut Maintenance) -> Result<usize, BlocksError> {
        let config = &self.inner.config;
        let now = maintenance.wall.read(&self.inner.clock);
        let oldest_kept_ms = u64::try_from(now.unix_ms)
            .unwrap_or(0)
            .saturating_sub(config.retention.as_millis() as u64);
        let mut blocks: Vec<Arc<KnownBlock>> =
            self.inner.catalog.read().visible().cloned().collect();
        blocks.sort_by(|a, b| {
            (a.meta.written_at_unix_ms, &a.name).cmp(&(b.meta.written_at_unix_ms, &b.name))
        });
        let mut bytes: u64 = blocks.iter().map(|block| block.size_bytes).sum();
        let mut n_expired = 0;
        for block in blocks {
            if block.meta.written_at_unix_ms >= oldest_kept_ms && bytes <= config.bytes_max {
                break;
            }
            self.delete(&block.name).await?;
            bytes -= block.size_bytes;
            n_expired += 1;
        }
        self.inner.metrics.expired_blocks.inc_by(n_expired as u64);
        Ok(n_expired)
    }

    async fn delete(&self, name: &BlockName) -> Result<(), BlocksError> {
        let removed = self.inner.catalog.write().remove(name);
        self.inner.reader.forget(name);
        let deleted = self.inner.blocks.delete(name).await;
        if let (Err(_), Some(block)) = (&deleted, removed) {
            // It is still there, so it is still shown, and tried again.
            self.inner.catalog.write().insert(KnownBlock::clone(&block));
        }
        deleted
    }
}
