//! What the store does by itself: merge what is small, delete what is old, over the limit, or hidden. In: time. Out: fewer and larger blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blocks::{BlockName, BlockStore, BlocksError};
use telemetry::clock::BelievedWall;

use crate::MetricsStore;
use crate::block::read::ReadError;
use crate::catalog::KnownBlock;
use crate::compact::{ComeTo, CompactError};
use crate::store::WriteError;

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
    /// Blocks that were hidden in the round before: whoever was reading them then is done, or reads again.
    hidden_before: BTreeSet<BlockName>,
    wall: BelievedWall,
}

impl MetricsStore {
    /// One round over the partitions of `points` that this process owns.
    ///
    /// # Errors
    /// When the block store refuses. What was done until then stays done.
    pub async fn maintain(
        &self,
        maintenance: &mut Maintenance,
        come_to: &BTreeMap<u32, ComeTo>,
    ) -> Result<Maintained, BlocksError> {
        let n_deleted = self.delete_hidden(maintenance, come_to).await?;
        let n_expired = self.expire(maintenance, come_to).await?;
        let n_merges = self.merge_due(maintenance, come_to).await?;
        Ok(Maintained {
            n_merges,
            n_expired,
            n_deleted,
        })
    }

    async fn merge_due(
        &self,
        maintenance: &mut Maintenance,
        come_to: &BTreeMap<u32, ComeTo>,
    ) -> Result<usize, BlocksError> {
        let mut n_merges = 0;
        for merge in self.due_merges(come_to, &maintenance.damaged) {
            let inputs: Vec<BlockName> = merge.inputs().cloned().collect();
            match self.compact(merge).await {
                Ok(()) => n_merges += 1,
                Err(CompactError::Read(ReadError::Decode { name, cause })) => {
                    tracing::error!(code = "TW6020", ?name, %cause, "a damaged block is not merged");
                    maintenance.damaged.insert(name);
                }
                Err(CompactError::Read(ReadError::Blocks(BlocksError::Damaged {
                    name,
                    at,
                    what,
                }))) => {
                    tracing::error!(
                        code = "TW6020",
                        ?name,
                        at,
                        what,
                        "a damaged block is not merged"
                    );
                    maintenance.damaged.insert(name);
                }
                Err(
                    CompactError::Read(ReadError::Blocks(error))
                    | CompactError::Write(WriteError::Blocks(error)),
                ) => return Err(error),
                Err(error) => {
                    tracing::error!(code = "TW6021", ?inputs, %error, "blocks cannot be merged");
                    maintenance.damaged.extend(inputs);
                }
            }
        }
        Ok(n_merges)
    }

    /// Deletes what went into merges and was hidden a round ago.
    async fn delete_hidden(
        &self,
        maintenance: &mut Maintenance,
        come_to: &BTreeMap<u32, ComeTo>,
    ) -> Result<usize, BlocksError> {
        let hidden: BTreeSet<BlockName> = {
            let catalog = self.inner.catalog.read();
            let owned = catalog
                .hidden()
                .filter(|block| come_to.contains_key(&block.meta.partition));
            owned.map(|block| block.name.clone()).collect()
        };
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
    async fn expire(
        &self,
        maintenance: &mut Maintenance,
        come_to: &BTreeMap<u32, ComeTo>,
    ) -> Result<usize, BlocksError> {
        let config = &self.inner.config;
        let retention_ms = i64::try_from(config.retention.as_millis()).unwrap_or(i64::MAX);
        let now = maintenance.wall.read(&self.inner.clock);
        let oldest_kept_ms = now.unix_ms.saturating_sub(retention_ms);
        let mut blocks: Vec<Arc<KnownBlock>> = {
            let catalog = self.inner.catalog.read();
            catalog.visible().chain(catalog.beside()).cloned().collect()
        };
        let mut bytes: u64 = blocks.iter().map(|block| block.size_bytes).sum();
        blocks.retain(|block| ComeTo::has_committed(come_to, block));
        let age = |block: &KnownBlock| block.meta.sealed_last.unix_ms;
        blocks.sort_by(|a, b| (age(a), &a.name).cmp(&(age(b), &b.name)));
        let mut n_expired = 0;
        for block in blocks {
            if age(&block) >= oldest_kept_ms && bytes <= config.bytes_max {
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
        self.forget_opened(name);
        let deleted = self.inner.blocks.delete(name).await;
        if let (Err(_), Some(block)) = (&deleted, removed) {
            // It is still there, so it is still shown, and tried again.
            self.inner.catalog.write().insert(KnownBlock::clone(&block));
        }
        deleted
    }
}
