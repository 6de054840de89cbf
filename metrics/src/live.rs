//! What is in no block yet, for queries: the open head of an owned partition and the heads that are sealed and not yet stored.
//!
//! The machine lies behind a lock that its loop takes for each record and a query for each look. A seal moves into `unstored` under the same lock, and out
//! of it under the lock of the catalog that its blocks appear in, so a point is always in exactly one of them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock, Weak};

use bus::machine::{LedgerEntry, Machine, Stopped};
use bus::{Offset, Record};
use parking_lot::Mutex;
use telemetry::{RecordTime, Tenant};

use crate::block::meta::Applied;
use crate::head::{Head, TenantHead};
use crate::machine::{PointsMachine, SealedHead, StoredHead};

/// One owned partition.
pub(crate) struct LivePartition {
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) machine: PointsMachine,
    /// Oldest first.
    unstored: VecDeque<Arc<SealedHead>>,
    /// Queries that read the open head, to be told what it was sealed as. Forgotten with the seal.
    readers: Vec<Weak<OnceLock<Arc<SealedHead>>>>,
    /// Record time of the newest seal that is stored.
    sealed_to: RecordTime,
}

/// What a partition has in memory, at one instant.
pub(crate) struct Heads {
    /// See [`State::begin`].
    pub(crate) begin: Option<Offset>,
    /// Oldest first.
    pub(crate) sealed: Vec<Arc<SealedHead>>,
    pub(crate) open: OpenHead,
}

/// The head that was open when a query began. It grows while the query looks, and stays when it is sealed and stored meanwhile.
pub(crate) struct OpenHead {
    of: Arc<LivePartition>,
    sealed: Arc<OnceLock<Arc<SealedHead>>>,
}

impl OpenHead {
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Head) -> T) -> T {
        if let Some(sealed) = self.sealed.get() {
            return at(&sealed.head);
        }
        self.of.look(|state| {
            let sealed = self.sealed.get().map(|sealed| &sealed.head);
            at(sealed.unwrap_or_else(|| state.machine.head()))
        })
    }
}

impl State {
    /// Heads of a tenant, those of lower offsets first.
    pub(crate) fn heads(&self, tenant: &Tenant) -> impl Iterator<Item = &TenantHead> {
        let sealed = self.unstored.iter().map(|sealed| &sealed.head);
        sealed
            .chain([self.machine.head()])
            .filter_map(|head| head.get(tenant))
    }

    /// Offset from which memory has everything: blocks that end behind it are not read, since they hold the same.
    pub(crate) fn begin(&self) -> Option<Offset> {
        let sealed = self.unstored.front().map(|sealed| sealed.first_offset);
        sealed.or(self.machine.begin())
    }

    /// Record time of the newest seal that this owner has stored; long ago if there is none.
    pub(crate) fn sealed_to(&self) -> RecordTime {
        self.sealed_to
    }
}

impl LivePartition {
    pub(crate) fn new(machine: PointsMachine) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                machine,
                unstored: VecDeque::new(),
                readers: Vec::new(),
                sealed_to: RecordTime::default(),
            }),
        })
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.state.lock())
    }

    /// See [`PointsMachine::seal_as`].
    pub(crate) fn seal_as(&self, stored: BTreeSet<StoredHead>) {
        self.state.lock().machine.seal_as(stored);
    }

    /// All heads, for as long as a query reads them.
    pub(crate) fn heads(self: &Arc<Self>) -> Heads {
        let mut state = self.state.lock();
        let sealed = Arc::new(OnceLock::new());
        state.readers.retain(|reader| reader.strong_count() > 0);
        state.readers.push(Arc::downgrade(&sealed));
        Heads {
            begin: state.begin(),
            sealed: state.unstored.iter().cloned().collect(),
            open: OpenHead {
                of: Arc::clone(self),
                sealed,
            },
        }
    }

    /// The blocks of a seal are visible. The catalog is locked by the caller.
    pub(crate) fn stored(&self, sealed: &SealedHead) {
        let mut state = self.state.lock();
        state.sealed_to = state.sealed_to.max(sealed.record_time);
        state
            .unstored
            .retain(|other| other.end_offset != sealed.end_offset);
    }

    /// Up to where the derived records of each partition of `spans` are applied.
    pub(crate) fn applied(&self) -> Vec<Applied> {
        self.state.lock().machine.applied().collect()
    }
}

/// The machine of a partition, shared with those who look at it.
#[derive(Clone)]
pub(crate) struct SharedMachine(pub(crate) Arc<LivePartition>);

impl Machine for SharedMachine {
    type Seal = Arc<SealedHead>;

    fn apply(&mut self, record: &Record) -> Result<Option<Arc<SealedHead>>, Stopped> {
        let mut state = self.0.state.lock();
        let sealed = state.machine.apply(record)?;
        if let Some(sealed) = &sealed {
            let readers = std::mem::take(&mut state.readers);
            for reader in readers.iter().filter_map(Weak::upgrade) {
                reader.get_or_init(|| Arc::clone(sealed));
            }
            state.unstored.push_back(Arc::clone(sealed));
        }
        Ok(sealed)
    }

    fn restore(&mut self, chain: &[LedgerEntry]) -> Result<(), Stopped> {
        self.0.state.lock().machine.restore(chain)
    }

    fn refold(&mut self, record: &Record) {
        self.0.state.lock().machine.refold(record);
    }

    fn resume(&mut self) {
        self.0.state.lock().machine.resume();
    }
}

#[cfg(test)]
mod tests {
    use bus::{Kind, Partition, Topic, TopicPartition};
    use bytes::Bytes;

    use super::*;
    use crate::machine::tests::{derived, record};

    fn n_series(open: &OpenHead) -> usize {
        let of_tenant = |head: &Head| {
            head.get(&Tenant::default_tenant())
                .map(TenantHead::n_series)
        };
        open.look(of_tenant).unwrap_or_default()
    }

    #[test]
    fn a_head_stays_for_those_who_read_it_when_it_is_sealed_and_stored() {
        let of = TopicPartition {
            topic: Topic::Points,
            partition: Partition(0),
        };
        let live = LivePartition::new(PointsMachine::new(of, 1));
        let mut machine = SharedMachine(Arc::clone(&live));
        let early = live.heads().open;
        let epoch = Bytes::from(derived(0, (0, 10), 1.0).encode());
        let applied = machine.apply(&record(1, 1_000, Kind::Derived, epoch));
        assert!(applied.expect("it goes on").is_none());
        assert_eq!(n_series(&early), 1, "it grows while it is looked at");
        let mut sealed = None;
        for s in 2..700 {
            let tick = record(s, s as i64 * 1_000, Kind::Tick, Bytes::new());
            sealed = sealed.or(machine.apply(&tick).expect("it goes on"));
        }
        let sealed = sealed.expect("five minutes are over");
        let late = live.heads();
        assert!(!late.sealed.is_empty());
        live.stored(&sealed);
        assert_eq!((n_series(&early), n_series(&late.open)), (1, 0));
        assert!(live.look(|state| state.readers.len()) <= 1);
    }
}
