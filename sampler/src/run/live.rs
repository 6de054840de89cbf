//! What is in no block yet, for queries: the shards' open traces and the epochs that are sealed and not yet stored.
//!
//! A shard lies behind a lock that its loop takes for each record and a query for each look. A seal moves into `unstored` under the same lock, so a
//! trace is always in one of the two, until its block is visible.

mod counts;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bus::machine::{CaughtUp, LedgerEntry, Machine, Stopped};
use bus::{Log, Partition, Record, Topic, TopicPartition};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use telemetry::{RecordTime, Tenant, TraceId, partition_of};

use super::assemble::{AssembleError, assemble};
use crate::shard::{KeptRefs, LiveRefs, LiveState, SealedEpoch, Shard};

pub use counts::{LiveCounted, LiveCounts};

/// Live traces whose bytes one look reads at most.
pub const TRACES_A_LOOK_MAX: usize = 20_000;

/// One owned partition.
pub(crate) struct LivePartition {
    state: Mutex<State>,
}

struct State {
    shard: Shard,
    /// Oldest first.
    unstored: VecDeque<Arc<SealedEpoch>>,
}

impl LivePartition {
    pub(crate) fn new(shard: Shard) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                shard,
                unstored: VecDeque::new(),
            }),
        })
    }

    /// An epoch's blocks are visible: the store answers for it from here on. Returns how many traces are open now, and their memory by formula.
    pub(crate) fn stored(&self, epoch: &SealedEpoch) -> (usize, u64) {
        let mut state = self.state.lock();
        state
            .unstored
            .retain(|other| other.end_offset != epoch.end_offset);
        (state.shard.n_open(), state.shard.open_bytes())
    }

    fn find(&self, tenant: &Tenant, id: TraceId) -> Vec<LiveRefs> {
        let state = self.state.lock();
        let sealed = state
            .unstored
            .iter()
            .flat_map(|epoch| &epoch.kept)
            .filter(|kept| kept.id == id && kept.tenant == *tenant);
        state
            .shard
            .find(tenant, id)
            .into_iter()
            .chain(sealed.map(sealed_refs))
            .collect()
    }

    fn candidates(&self, tenant: &Tenant, range: (u64, u64), n_max: usize) -> Vec<LiveRefs> {
        let state = self.state.lock();
        let newest_sealed = state
            .unstored
            .iter()
            .rev()
            .flat_map(|epoch| epoch.kept.iter().rev())
            .filter(|kept| kept.tenant == *tenant);
        let open = state.shard.candidates(tenant, range.0, range.1, n_max);
        open.into_iter()
            .chain(newest_sealed.map(sealed_refs))
            .take(n_max)
            .collect()
    }

    fn complete_to(&self) -> Option<RecordTime> {
        self.state.lock().shard.clock().last
    }
}

fn sealed_refs(kept: &KeptRefs) -> LiveRefs {
    LiveRefs {
        id: kept.id,
        state: LiveState::Kept(kept.sampling.clone()),
        late: kept.late,
        spans: kept.spans.clone(),
    }
}

/// The machine of a partition, shared with those who look at it.
#[derive(Clone)]
pub(crate) struct SharedShard(pub(crate) Arc<LivePartition>);

impl SharedShard {
    /// Revision of the policy in force.
    pub(crate) fn revision(&self) -> u64 {
        self.0.state.lock().shard.revision()
    }

    /// What the shard's own accounts say now.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Shard) -> T) -> T {
        at(&self.0.state.lock().shard)
    }
}

impl Machine for SharedShard {
    type Seal = Arc<SealedEpoch>;

    fn apply(&mut self, record: &Record) -> Result<Option<Arc<SealedEpoch>>, Stopped> {
        let mut state = self.0.state.lock();
        let sealed = state.shard.apply(record)?.map(Arc::new);
        state.unstored.extend(sealed.clone());
        Ok(sealed)
    }

    fn restore(&mut self, chain: &[LedgerEntry]) -> Result<(), Stopped> {
        self.0.state.lock().shard.restore(chain)
    }

    fn refold(&mut self, record: &Record) {
        self.0.state.lock().shard.refold(record);
    }

    fn resume(&mut self) {
        self.0.state.lock().shard.resume();
    }
}

/// A trace, or a part of one, that is in no block yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePart {
    pub id: TraceId,
    pub traces_data: Bytes,
    pub state: LiveState,
    pub late: bool,
}

/// What one look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveLook {
    pub parts: Vec<LivePart>,
    /// More than [`TRACES_A_LOOK_MAX`] traces were there to be looked at.
    pub cut: bool,
    /// A partition is not taken over, or has not read all that the log had when it was.
    pub lagging: bool,
    /// Record time up to which everything is in this look or in blocks.
    pub complete_to: Option<RecordTime>,
}

/// Every partition that this process owns. Cheap to clone.
#[derive(Clone)]
pub struct LiveShards<L> {
    log: L,
    owned: Arc<RwLock<BTreeMap<Partition, Arc<LivePartition>>>>,
    caught_up: CaughtUp,
}

impl<L: Log> LiveShards<L> {
    pub(crate) fn new(log: L) -> Self {
        Self {
            log,
            owned: Arc::default(),
            caught_up: CaughtUp::default(),
        }
    }

    /// A partition is taken over. What it does not find may be in records that it has yet to read, until it has caught up.
    pub(crate) fn add(&self, partition: Partition, live: Arc<LivePartition>) {
        self.caught_up.remove(partition);
        self.owned.write().insert(partition, live);
    }

    pub(crate) fn remove(&self, partition: Partition) {
        self.caught_up.remove(partition);
        self.owned.write().remove(&partition);
    }

    /// Partitions that have read all that the log had.
    #[must_use]
    pub fn caught_up(&self) -> &CaughtUp {
        &self.caught_up
    }

    /// Returns once this process knows every partition of the log up to its end. Cancel-safe.
    pub async fn all_caught_up(&self) {
        self.caught_up
            .all(self.log.n_partitions(Topic::Spans))
            .await;
    }

    /// Every part of a trace that is in no block.
    ///
    /// # Errors
    /// When the log no longer has its spans.
    pub async fn find(&self, tenant: &Tenant, id: TraceId) -> Result<LiveLook, AssembleError> {
        let partition = Partition(partition_of(
            tenant,
            id,
            self.log.n_partitions(Topic::Spans),
        ));
        let Some(live) = self.owned.read().get(&partition).cloned() else {
            return Ok(LiveLook {
                lagging: true,
                ..LiveLook::default()
            });
        };
        let lagging = !self.caught_up.contains(partition); // asked before the look: it may only miss less
        let parts = self.read(partition, live.find(tenant, id)).await?;
        Ok(LiveLook {
            parts,
            lagging,
            complete_to: live.complete_to(),
            ..LiveLook::default()
        })
    }

    /// Live traces of a tenant that may overlap a range of span times (ns since the epoch), newest first within each partition.
    ///
    /// # Errors
    /// As [`LiveShards::find`].
    pub async fn look(
        &self,
        tenant: &Tenant,
        start_min_unix_ns: u64,
        start_max_unix_ns: u64,
    ) -> Result<LiveLook, AssembleError> {
        let owned = self.owned();
        let mut look = LiveLook {
            lagging: self.is_lagging(&owned),
            ..LiveLook::default()
        };
        for (partition, live) in owned {
            // The time is read before the traces: what comes in between is then more than was promised, never less.
            let complete_to = live.complete_to();
            look.complete_to = earlier(look.complete_to, complete_to);
            let candidates = live.candidates(
                tenant,
                (start_min_unix_ns, start_max_unix_ns),
                TRACES_A_LOOK_MAX,
            );
            look.cut |= candidates.len() == TRACES_A_LOOK_MAX;
            look.parts.extend(self.read(partition, candidates).await?);
        }
        Ok(look)
    }

    fn owned(&self) -> Vec<(Partition, Arc<LivePartition>)> {
        let owned = self.owned.read();
        let owned = owned.iter();
        owned
            .map(|(partition, live)| (*partition, live.clone()))
            .collect()
    }

    fn is_lagging(&self, owned: &[(Partition, Arc<LivePartition>)]) -> bool {
        owned.len() < self.log.n_partitions(Topic::Spans) as usize
            || !owned
                .iter()
                .all(|(partition, _)| self.caught_up.contains(*partition))
    }

    async fn read(
        &self,
        partition: Partition,
        refs: Vec<LiveRefs>,
    ) -> Result<Vec<LivePart>, AssembleError> {
        let of = TopicPartition {
            topic: Topic::Spans,
            partition,
        };
        let spans: Vec<_> = refs.iter().map(|part| &part.spans).collect();
        let bytes = assemble(&self.log, of, &spans).await?;
        let part = |(part, traces_data): (LiveRefs, Bytes)| LivePart {
            id: part.id,
            traces_data,
            state: part.state,
            late: part.late,
        };
        let there = |(_, traces_data): &(LiveRefs, Bytes)| !traces_data.is_empty();
        Ok(refs
            .into_iter()
            .zip(bytes)
            .filter(there)
            .map(part)
            .collect())
    }
}

fn earlier(a: Option<RecordTime>, b: Option<RecordTime>) -> Option<RecordTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
