//! The machine over one partition of `points`: a pure fold of records into the open head, which it seals each 5 minutes of shard time, or earlier when it is full.
//!
//! In: records, in order. Out: sealed heads, with what must be remembered. It reads no clock, no randomness and no file, so that whoever reads the same
//! records seals the same blocks; who takes over hands in which heads are stored already (docs/decisions/215). Beside the log it remembers which requests
//! it saw, up to where derived records are applied, and counts.

mod read;
pub(crate) mod stage;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::machine::{Ledger, LedgerEntry, Machine, Sealing, Stopped};
use bus::{Commit, Kind, Offset, Record, TopicPartition};
use telemetry::{RecordTime, ShardTime, Tenant};

use crate::block::meta::{APPLIED_MAX, Applied};
use crate::control::{ControlError, Limits};
use crate::fold::{Fold, Totals};
use crate::head::{Caps, Head, HeadBytes};
use read::Readers;
use stage::Stage;

/// Shard time between seals.
pub const SEAL_EVERY_MS: u64 = 300_000;
/// Memory of a head's points, by formula, at which it is sealed, if its series take no more: a block whose labels are most of it is written only
/// when its time has come.
pub const POINT_BYTES_MAX: u64 = 64 << 20;
/// Memory of the heads of all partitions, by formula. One that has its share is sealed, whatever takes it.
pub const HEADS_BYTES_MAX: u64 = 1 << 30;
/// Shard time for which a re-sent request is recognised.
pub const LATE_WINDOW: std::time::Duration = std::time::Duration::from_secs(300);
const _: () = assert!(SEAL_EVERY_MS >= telemetry::time::STEP_MAX_MS);

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub offset: Offset,
    pub tenant: Tenant,
    pub n_points: u32,
    pub reason: String,
}

/// A head that was sealed and stored by whoever owned the partition before, and not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredHead {
    /// Offsets [first, end) that it was made from.
    pub first_offset: Offset,
    pub end_offset: Offset,
    /// Record time of the record at its end.
    pub record_time: RecordTime,
}

/// What a seal hands to the effects.
#[derive(Debug)]
pub struct SealedHead {
    pub of: TopicPartition,
    /// Offsets [first, end) that it was made from.
    pub first_offset: Offset,
    pub end_offset: Offset,
    /// Record time of the record that closed it.
    pub record_time: RecordTime,
    pub head: Head,
    pub applied: Vec<Applied>,
    pub totals: Vec<(Tenant, Totals)>,
    pub derived_gaps: u64,
    pub dead_letters: Vec<DeadLetter>,
    pub entry: LedgerEntry,
}

impl SealedHead {
    /// What may be committed once it is durable.
    #[must_use]
    pub fn commit(&self) -> Commit {
        Commit {
            offset: self.entry.first_offset,
            end_offset: self.end_offset,
        }
    }
}

/// The machine over one partition of `points`.
pub struct PointsMachine {
    of: TopicPartition,
    n_partitions: u32,
    ledger: Ledger,
    limits: Limits,
    applied: BTreeMap<u32, Applied>,
    /// Records whose predecessor was never applied.
    derived_gaps: u64,
    totals: BTreeMap<Tenant, Totals>,
    head: Head,
    /// Offset from which the head has everything; none before the first record.
    begin: Option<Offset>,
    dead_letters: Vec<DeadLetter>,
    readers: Readers,
    /// Heads that are stored and that the ledger does not know of, by their first offset.
    stored: BTreeMap<Offset, StoredHead>,
    point_bytes_max: u64,
}

impl PointsMachine {
    /// A machine that has read nothing, of a topic with so many partitions.
    #[must_use]
    pub fn new(of: TopicPartition, n_partitions: u32) -> Self {
        Self {
            of,
            n_partitions,
            ledger: Ledger::default(),
            limits: Limits::default(),
            applied: BTreeMap::new(),
            derived_gaps: 0,
            totals: BTreeMap::new(),
            head: Head::default(),
            begin: None,
            dead_letters: Vec::new(),
            readers: Readers::default(),
            stored: BTreeMap::new(),
            point_bytes_max: POINT_BYTES_MAX,
        }
    }

    /// Has fuller or emptier heads, as a program of another release may have.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn holding(mut self, point_bytes_max: u64) -> Self {
        self.point_bytes_max = point_bytes_max;
        self
    }

    /// Breaks a rule of the ledger on purpose.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn mutated(mut self, mutant: bus::machine::mutant::Mutant) -> Self {
        self.ledger.mutate(mutant);
        self
    }

    /// A machine that goes on at `end_offset` with nothing but what the newest block says: for a ledger that is lost.
    #[must_use]
    pub fn resumed(
        of: TopicPartition,
        n_partitions: u32,
        end_offset: Offset,
        applied: &[Applied],
    ) -> Self {
        let mut machine = Self::new(of, n_partitions);
        machine.begin = Some(end_offset);
        machine.restore_applied(applied);
        machine
    }

    fn restore_applied(&mut self, applied: &[Applied]) {
        let by_source = applied.iter().map(|one| (one.source_partition, *one));
        self.applied = by_source.collect();
    }

    /// Limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What is in no sealed head.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Offset from which the head has everything.
    #[must_use]
    pub fn begin(&self) -> Option<Offset> {
        self.begin
    }

    /// Up to where the derived records of each partition of `spans` are applied.
    pub fn applied(&self) -> impl Iterator<Item = Applied> {
        self.applied.values().copied()
    }

    /// Derived records whose predecessor never came.
    #[must_use]
    pub fn derived_gaps(&self) -> u64 {
        self.derived_gaps
    }

    /// Of every tenant ever seen, in order of name.
    pub fn totals(&self) -> impl Iterator<Item = (&Tenant, &Totals)> {
        self.totals.iter()
    }

    /// Ends heads where these end, as far as one begins where the other ends and the first where this machine does: they are stored already, perhaps by a
    /// release that found heads full at other records, and what they have must not be in others as well.
    pub(crate) fn seal_as(&mut self, stored: impl IntoIterator<Item = StoredHead>) {
        let by_first = stored.into_iter().map(|head| (head.first_offset, head));
        self.stored = by_first.collect();
    }

    /// Whether the stored head that begins where the open one does ends at this record; none if there is no such one. One whose end is not in this log was
    /// made from another, and counts no more.
    fn ends_stored(&mut self, record: &Record) -> Option<bool> {
        let begin = self.begin?;
        let stored = *self.stored.get(&begin)?;
        if record.offset < stored.end_offset {
            return Some(false);
        }
        self.stored.remove(&begin);
        let is_its_end =
            (record.offset, record.appended_at) == (stored.end_offset, stored.record_time);
        is_its_end.then_some(true)
    }

    /// Whether the head ends before its time is over. One that is to end with a stored one waits for that, but not beyond its share of memory.
    fn ends_early(&self, ends_stored: Option<bool>) -> bool {
        let held = self.head.held();
        match ends_stored {
            Some(ends) => ends || has_its_share(held, self.n_partitions, POINT_BYTES_MAX),
            None => is_full(held, self.n_partitions, self.point_bytes_max),
        }
    }

    /// Whether a second ends a block: partitions end theirs at different seconds, so that they do not all write at once.
    fn ends_block(&self, second: ShardTime) -> bool {
        let every_s = SEAL_EVERY_MS / 1_000;
        let partition = u64::from(self.of.partition.0);
        let phase_s = partition * every_s / u64::from(self.n_partitions.max(1));
        (second.ms / 1_000) % every_s == phase_s % every_s
    }

    fn seal(&mut self, sealed_at: ShardTime, record: &Record) -> SealedHead {
        let applied: Vec<Applied> = self.applied.values().copied().collect();
        let totals: Vec<(Tenant, Totals)> = self
            .totals
            .iter()
            .map(|(tenant, totals)| (tenant.clone(), *totals))
            .collect();
        let stage = Stage {
            limits: self.limits,
            applied: applied.clone(),
            derived_gaps: self.derived_gaps,
            totals: totals.clone(),
        };
        let entry = self.ledger.seal(Sealing {
            sealed_at,
            end_offset: record.offset,
            oldest_open: None,
            stage: stage.encode(),
        });
        SealedHead {
            of: self.of,
            first_offset: self.begin.replace(record.offset).unwrap_or(record.offset),
            end_offset: record.offset,
            record_time: record.appended_at,
            head: std::mem::take(&mut self.head),
            applied,
            totals,
            derived_gaps: self.derived_gaps,
            dead_letters: std::mem::take(&mut self.dead_letters),
            entry,
        }
    }

    fn control(&mut self, record: &Record) -> Result<(), Stopped> {
        match Limits::decode(&record.payload) {
            Ok(limits) => self.limits = limits,
            Err(error @ ControlError::Unknown { .. }) => return Err(Stopped(Box::new(error))),
            Err(error @ ControlError::Malformed { .. }) => {
                self.dead_letter(record, 0, error.to_string());
            }
        }
        Ok(())
    }

    fn dead_letter(&mut self, record: &Record, n_points: u32, reason: String) {
        let tenant = record.header.tenant.clone();
        let totals = self.totals.entry(tenant.clone()).or_default();
        totals.accepted += u64::from(n_points);
        totals.dead_lettered += u64::from(n_points);
        self.dead_letters.push(DeadLetter {
            offset: record.offset,
            tenant,
            n_points,
            reason,
        });
    }

    /// What was sent: a re-sent record is counted, an unreadable one becomes a dead letter, any other is folded point by point.
    fn take(&mut self, record: &Record) {
        let n_items = record.header.n_items;
        if !self.ledger.first_seen(&record.header, record.offset) {
            let totals = self.totals.entry(record.header.tenant.clone()).or_default();
            totals.accepted += u64::from(n_items);
            totals.duplicates += u64::from(n_items);
            return;
        }
        let mut readers = std::mem::take(&mut self.readers);
        match readers.read(record) {
            Ok(read) => read.fold(&mut self.fold(record)),
            Err(reason) => self.dead_letter(record, n_items, reason),
        }
        self.readers = readers;
    }

    fn fold(&mut self, record: &Record) -> Fold<'_> {
        let tenant = &record.header.tenant;
        let oldest = (record.appended_at.unix_ms)
            .saturating_sub(i64::try_from(self.limits.out_of_order_ms).unwrap_or(i64::MAX));
        Fold::new(
            self.head.get_mut(tenant),
            self.totals.entry(tenant.clone()).or_default(),
            caps(&self.limits, self.n_partitions),
            (!record.header.historic).then_some(oldest),
        )
    }

    /// What an epoch of a partition of `spans` adds: each once, whoever wrote it how often.
    fn derived(&mut self, record: &Record) {
        let derived = match read::derived(&record.payload) {
            Ok(derived) => derived,
            Err(reason) => return self.dead_letter(record, record.header.n_items, reason),
        };
        let source_partition = derived.source_partition;
        if !self.applied.contains_key(&source_partition) && self.applied.len() >= APPLIED_MAX {
            let reason = format!("more than {APPLIED_MAX} partitions of spans");
            return self.dead_letter(record, record.header.n_items, reason);
        }
        let applied = self.applied.entry(source_partition).or_insert(Applied {
            source_partition,
            end: 0,
            n_parts: 0,
            complete_to: RecordTime { unix_ms: i64::MIN },
        });
        if (derived.end, derived.part) < (applied.end, applied.n_parts) {
            return;
        }
        let continues = derived.end == applied.end && derived.part == applied.n_parts;
        let follows = derived.end > applied.end && derived.part == 0;
        let is_gap = !continues && (!follows || derived.previous_end > applied.end);
        self.derived_gaps += u64::from(is_gap);
        applied.end = derived.end;
        applied.n_parts = derived.part.saturating_add(1);
        if derived.is_last {
            applied.complete_to = applied.complete_to.max(derived.complete_to);
        }
        for delta in &derived.tenants {
            let mut fold = Fold::new(
                self.head.get_mut(&delta.tenant),
                self.totals.entry(delta.tenant.clone()).or_default(),
                caps(&self.limits, self.n_partitions),
                None,
            );
            crate::derived::fold(delta, &mut fold);
        }
    }
}

fn is_full(held: HeadBytes, n_partitions: u32, point_bytes_max: u64) -> bool {
    held.points >= point_bytes_max.max(held.series)
        || has_its_share(held, n_partitions, point_bytes_max)
}

/// Whether a head takes as much as it may of what all heads may.
fn has_its_share(held: HeadBytes, n_partitions: u32, point_bytes_max: u64) -> bool {
    let share = HEADS_BYTES_MAX / u64::from(n_partitions.max(1));
    held.all() >= share.max(point_bytes_max)
}

fn caps(limits: &Limits, n_partitions: u32) -> Caps {
    let share = |max: u32| max.div_ceil(n_partitions.max(1)) as usize;
    Caps {
        series_max: share(limits.series_max),
        metric_series_max: share(limits.metric_series_max),
    }
}

impl Machine for PointsMachine {
    type Seal = Arc<SealedHead>;

    fn apply(&mut self, record: &Record) -> Result<Option<Arc<SealedHead>>, Stopped> {
        self.begin.get_or_insert(record.offset);
        self.ledger.step(record.appended_at);
        let ends_stored = self.ends_stored(record);
        let mut sealed = None;
        while let Some(second) = self.ledger.close_second(LATE_WINDOW) {
            if self.ends_block(second) {
                sealed = Some(self.seal(second, record));
            }
        }
        if sealed.is_none() && self.ends_early(ends_stored) {
            sealed = Some(self.seal(self.ledger.closed(), record));
        }
        self.ledger.close_rest(LATE_WINDOW);
        match record.header.kind {
            Kind::Tick => {}
            Kind::Control => self.control(record)?,
            Kind::Derived => self.derived(record),
            Kind::Otlp | Kind::RemoteWrite1 => self.take(record),
        }
        Ok(sealed.map(Arc::new))
    }

    fn restore(&mut self, chain: &[LedgerEntry]) -> Result<(), Stopped> {
        let Some(newest) = chain.last() else {
            return Ok(());
        };
        let stage = Stage::decode(&newest.stage).map_err(|error| Stopped(Box::new(error)))?;
        self.limits = stage.limits;
        self.restore_applied(&stage.applied);
        self.derived_gaps = stage.derived_gaps;
        self.totals = stage.totals.into_iter().collect();
        self.begin = Some(newest.end_offset);
        self.ledger.restore(chain);
        Ok(())
    }

    /// Nothing is open across a seal.
    fn refold(&mut self, _record: &Record) {}

    fn resume(&mut self) {
        self.ledger.resume();
    }
}
