//! What is in no block yet, for queries: the open head of an owned partition and the heads that are sealed and not yet stored.
//!
//! The machine lies behind a lock that its loop takes for each record and a query for each look. A seal moves into `unstored` under the same lock, and out
//! of it under the lock of the catalog that its blocks appear in, so a point is always in exactly one of them.

use std::collections::VecDeque;
use std::sync::Arc;

use bus::machine::{LedgerEntry, Machine, Stopped};
use bus::{Offset, Record};
use parking_lot::Mutex;
use telemetry::{RecordTime, Tenant};

use crate::block::meta::Applied;
use crate::head::TenantHead;
use crate::machine::{PointsMachine, SealedHead};

/// One owned partition.
pub(crate) struct LivePartition {
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) machine: PointsMachine,
    /// Oldest first.
    unstored: VecDeque<Arc<SealedHead>>,
    /// Record time of the newest seal that is stored.
    sealed_to: RecordTime,
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
                sealed_to: RecordTime::default(),
            }),
        })
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.state.lock())
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
        state.unstored.extend(sealed.clone());
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
