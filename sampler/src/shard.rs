//! The shard: a pure machine over one partition of `spans`. It assembles traces, settles and decides them, and seals epochs.
//!
//! In: records, in order. Out: sealed epochs: what was kept, as references, and what must be remembered. It reads no clock, no randomness and no file,
//! holds no byte of a span, and never goes through a hash map, so that whoever reads the same records seals the same epochs.

mod decide;
mod decisions;
mod ends;
mod epoch;
mod fold;
mod live;
mod open;
mod pages;
mod policies;
mod read;
mod samplings;
mod seal;
mod span_refs;
mod state;
mod takeover;
mod trace;

#[cfg(feature = "testing")]
pub mod mutant;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::machine::{Ledger, Machine, Stopped};
use bus::{Kind, Offset, Record, TopicPartition};
use service_map::edge::Pairing;
use telemetry::wire::TraceWalker;
use telemetry::{ShardTime, Tenant};

use crate::Config;
use crate::policy::{Bucket, BucketKey, Policy};
use crate::red::Red;
use decisions::Decisions;
use epoch::Epoch;
use open::OpenTraces;

pub use epoch::{DeadLetter, Decided, KeptRefs, LateCounts, SealedEpoch, Totals};
pub use live::{LiveRefs, LiveState};
pub use span_refs::SpanRefs;
pub use state::{Begun, DecidedTrace, StageEntry, StateError};
pub use trace::SpanRef;

/// Shard time between the ends of two epochs. A record moves τ by at most as much, so it ends at most one.
pub const EPOCH_MS: u64 = 10_000;
const _: () = assert!(EPOCH_MS >= telemetry::time::STEP_MAX_MS);

/// Kept spans of an epoch after which it ends before its time: what waits to be written stays small under any load.
pub const EPOCH_SPANS_MAX: u64 = 100_000;
/// Resources and windows of series that an epoch counts apart, after which it ends before its time likewise.
pub const EPOCH_COUNTS_MAX: u64 = 50_000;

/// What an open trace counts in the memory formula, in bytes.
pub const TRACE_BYTES: u64 = 96;
/// What each of its spans counts, with what it says of a call, in bytes.
pub const SPAN_BYTES: u64 = 60;

/// Why a trace was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Settled {
    RootQuiet,
    Expired,
    SpanLimit,
    ByteLimit,
    Memory,
}

impl Settled {
    /// Its name in rules, metrics and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RootQuiet => "root_quiet",
            Self::Expired => "expired",
            Self::SpanLimit => "span_limit",
            Self::ByteLimit => "byte_limit",
            Self::Memory => "memory",
        }
    }
}

/// The machine over one partition.
#[derive(Debug)]
pub struct Shard {
    of: TopicPartition,
    n_partitions: u32,
    ledger: Ledger,
    /// By slot; a slot is free again when no open trace began under its policy.
    policies: Vec<Option<Arc<Policy>>>,
    /// Slot of the policy in force.
    in_force: u16,
    tenants: Vec<TenantState>,
    tenant_numbers: BTreeMap<Tenant, u32>,
    open: OpenTraces,
    decisions: Decisions,
    decided_new: Vec<DecidedTrace>,
    buckets: BTreeMap<BucketKey, Bucket>,
    epoch: Epoch,
    red: Red,
    pairing: Pairing,
    walker: Option<TraceWalker>,
    /// What a take-over waits to see again.
    awaited: takeover::Awaited,
    epoch_spans_max: u64,
    #[cfg(feature = "testing")]
    mutant: mutant::Mutant,
}

#[derive(Debug)]
struct TenantState {
    tenant: Tenant,
    totals: Totals,
}

impl Shard {
    /// A shard that has read nothing, of a topic with so many partitions.
    #[must_use]
    pub fn new(of: TopicPartition, n_partitions: u32) -> Self {
        let policy = Policy::parse(0, &Config::revision_0(), n_partitions)
            .expect("the release's own defaults are a policy");
        Self {
            of,
            n_partitions,
            ledger: Ledger::default(),
            policies: vec![Some(Arc::new(policy))],
            in_force: 0,
            tenants: Vec::new(),
            tenant_numbers: BTreeMap::new(),
            open: OpenTraces::default(),
            decisions: Decisions::default(),
            decided_new: Vec::new(),
            buckets: BTreeMap::new(),
            epoch: Epoch::default(),
            red: Red::default(),
            pairing: Pairing::default(),
            walker: Some(TraceWalker::new()),
            awaited: takeover::Awaited::default(),
            epoch_spans_max: EPOCH_SPANS_MAX,
            #[cfg(feature = "testing")]
            mutant: mutant::Mutant::default(),
        }
    }

    /// The same with epochs of fewer spans.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_epoch_spans_max(mut self, epoch_spans_max: u64) -> Self {
        self.epoch_spans_max = epoch_spans_max;
        self
    }

    /// Revision of the policy in force.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.policy().revision
    }

    /// Number of open traces.
    #[must_use]
    pub fn n_open(&self) -> usize {
        self.open.n_traces()
    }

    /// What the spans of the epoch that is going on add to the metrics.
    #[must_use]
    pub fn red(&self) -> &Red {
        &self.red
    }

    /// Memory of the open traces, by formula.
    #[must_use]
    pub fn open_bytes(&self) -> u64 {
        self.open.bytes()
    }

    /// The clock of the shard and the record time it has come to.
    #[must_use]
    pub fn clock(&self) -> telemetry::ShardClock {
        self.ledger.clock()
    }

    fn tenant_number(&mut self, tenant: &Tenant) -> u32 {
        if let Some(number) = self.tenant_numbers.get(tenant) {
            return *number;
        }
        let number = u32::try_from(self.tenants.len()).expect("fewer than 2^32 tenants");
        self.tenants.push(TenantState {
            tenant: tenant.clone(),
            totals: Totals::default(),
        });
        self.tenant_numbers.insert(tenant.clone(), number);
        number
    }

    fn tenant(&self, number: u32) -> &Tenant {
        tenant_in(&self.tenants, number)
    }

    fn totals(&mut self, number: u32) -> &mut Totals {
        &mut self
            .tenants
            .get_mut(number as usize)
            .expect("numbers come from tenant_number")
            .totals
    }

    /// Whether a second ends an epoch: partitions end theirs at different seconds, so that they do not all write at once.
    fn ends_epoch(&self, second: ShardTime) -> bool {
        let epoch_s = EPOCH_MS / 1_000;
        let phase_s =
            u64::from(self.of.partition.0) * epoch_s / u64::from(self.n_partitions.max(1));
        (second.ms / 1_000) % epoch_s == phase_s % epoch_s
    }

    /// Whether the epoch ends before its time, after the last second that the record at `offset` closed. Not if the record has ended one already: it can give
    /// its name to one epoch alone, also when it is applied again after a take-over.
    fn is_full(&self, offset: Offset) -> bool {
        let is_full = self.epoch.n_kept_spans() >= self.epoch_spans_max
            || self.red.size() >= EPOCH_COUNTS_MAX;
        is_full && self.ledger.last_end() != offset
    }
}

fn tenant_in(tenants: &[TenantState], number: u32) -> &Tenant {
    let state = tenants.get(number as usize);
    &state.expect("numbers come from tenant_number").tenant
}

impl Machine for Shard {
    type Seal = SealedEpoch;

    fn apply(&mut self, record: &Record) -> Result<Option<SealedEpoch>, Stopped> {
        let t = record.appended_at;
        #[cfg(feature = "testing")]
        let t = self.mutant.record_time(t);
        self.ledger.step(t);
        let mut sealed = None;
        let mut closed = None;
        while let Some(second) = self.ledger.close_second(self.policy().limits.late_window) {
            self.decide(second);
            closed = Some(second);
            if self.ends_epoch(second) {
                sealed = Some(self.seal(second, record.offset));
            }
        }
        if let Some(second) = closed.filter(|_| self.is_full(record.offset)) {
            sealed = Some(self.seal(second, record.offset));
        }
        self.ledger.close_rest(self.policy().limits.late_window);
        self.decisions.forget_before(self.ledger.horizon());
        match record.header.kind {
            Kind::Tick => {}
            Kind::Control => self.control(record)?,
            Kind::Otlp => self.take(record),
            Kind::Derived | Kind::RemoteWrite1 => {
                let reason = "a record of points among spans".to_owned();
                self.dead_letter(record, record.header.n_items, reason);
            }
        }
        Ok(sealed)
    }

    fn restore(&mut self, chain: &[bus::machine::LedgerEntry]) -> Result<(), Stopped> {
        self.restore_from(chain)
    }

    fn refold(&mut self, record: &Record) {
        self.refold_record(record);
    }

    fn resume(&mut self) {
        self.resume_here();
    }
}
