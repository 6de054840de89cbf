//! What is counted and in no derived record yet, for queries: the open epochs' and those that are sealed and not yet stored.

use std::sync::Arc;

use bus::{Log, Offset, Partition};
use telemetry::derived::SeriesDelta;
use telemetry::{RecordTime, Tenant};

use super::{LivePartition, LiveShards, earlier};
use crate::shard::SealedEpoch;

/// What one epoch of a partition adds to series, and which may not be in the metrics store yet.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveCounts {
    pub partition: Partition,
    /// What ended it: a store that has applied the partition up to here has these counts. None of the epoch that is going on.
    pub end: Option<Offset>,
    /// In order of name, then labels.
    pub series: Vec<SeriesDelta>,
}

/// What is counted and in no block, at one look.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveCounted {
    pub epochs: Vec<LiveCounts>,
    /// A partition is not taken over, or has not read all that the log had when it was.
    pub lagging: bool,
    /// Record time up to which everything is in this look or in derived records.
    pub complete_to: Option<RecordTime>,
}

impl LivePartition {
    /// What the open epoch, and those that are not stored, add to series of a tenant.
    fn counts(
        &self,
        partition: Partition,
        tenant: &Tenant,
        wanted: &dyn Fn(&str) -> bool,
    ) -> (Option<RecordTime>, Vec<LiveCounts>) {
        let (open, unstored, complete_to) = {
            let state = self.state.lock();
            let red = state.shard.red();
            let open = red.deltas_of(&|of, name| of == tenant && wanted(name));
            let unstored: Vec<_> = state.unstored.iter().cloned().collect();
            (open, unstored, state.shard.clock().last)
        };
        let of_epoch = |epoch: Arc<SealedEpoch>| LiveCounts {
            partition,
            end: Some(epoch.end_offset),
            series: epoch
                .red
                .tenants
                .iter()
                .filter(|delta| delta.tenant == *tenant)
                .flat_map(|delta| &delta.series)
                .filter(|series| wanted(&series.name))
                .cloned()
                .collect(),
        };
        let open = LiveCounts {
            partition,
            end: None,
            series: open.into_iter().flat_map(|delta| delta.series).collect(),
        };
        let all = unstored.into_iter().map(of_epoch).chain([open]);
        let counts = all.filter(|counts| !counts.series.is_empty()).collect();
        (complete_to, counts)
    }
}

impl<L: Log> LiveShards<L> {
    /// What epochs that are not stored add to series of a tenant whose names are wanted. It takes as long as copying them does: not for an async thread.
    #[must_use]
    pub fn counts(&self, tenant: &Tenant, wanted: &dyn Fn(&str) -> bool) -> LiveCounted {
        let owned = self.owned();
        let mut counted = LiveCounted {
            lagging: self.is_lagging(&owned),
            ..LiveCounted::default()
        };
        for (partition, live) in owned {
            let (complete_to, epochs) = live.counts(partition, tenant, wanted);
            counted.complete_to = earlier(counted.complete_to, complete_to);
            counted.epochs.extend(epochs);
        }
        counted
    }
}
