//! How far the store has come: which partitions it owns, and up to when answers are complete.

use std::collections::BTreeSet;
use std::sync::Arc;

use blocks::BlocksError;
use bus::{Offset, Partition};
use telemetry::RecordTime;

use super::{MetricsStore, listed};
use crate::block::Meta;
use crate::live::{LivePartition, State};
use crate::machine::StoredHead;

impl MetricsStore {
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

    /// Heads of a partition that are stored and begin at an offset or behind it, whichever process wrote them.
    pub(crate) async fn stored_behind(
        &self,
        partition: u32,
        begin: Offset,
    ) -> Result<BTreeSet<StoredHead>, BlocksError> {
        let known = listed(&self.inner.blocks).await?.into_iter();
        let sealed = known.filter(|block| block.meta.level == 0 && !block.is_beside());
        let of_partition = sealed.filter(|block| block.meta.partition == partition);
        let heads = of_partition.map(|block| StoredHead {
            first_offset: Offset(block.meta.first_offset),
            end_offset: Offset(block.meta.end_offset),
            record_time: block.meta.sealed_last,
        });
        Ok(heads.filter(|head| head.first_offset >= begin).collect())
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
}
