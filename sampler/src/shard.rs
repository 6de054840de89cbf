//! The shard: a pure machine over one partition of `spans`. It assembles traces, settles and decides them, and seals epochs.
//!
//! In: records, in order. Out: sealed epochs: what was kept, as references, and what must be remembered. It reads no clock, no randomness and no file,
//! holds no byte of a span, and never goes through a hash map, so that whoever reads the same records seals the same epochs.

mod decisions;
mod epoch;
mod live;
mod open;
mod pages;
mod read;
mod state;
mod takeover;
mod trace;

#[cfg(feature = "testing")]
pub mod mutant;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::machine::{Ledger, Machine, Sealing, Stopped};
use bus::{Kind, Offset, Record, TopicPartition};
use telemetry::wire::{SpanView, StatusCode, TraceWalker};
use telemetry::{ShardTime, Tenant};
use xxhash_rust::xxh3::xxh3_64;

use crate::Config;
use crate::control::{Control, ControlError};
use crate::policy::{self, Bucket, BucketKey, Candidate, Facts, Policy, Verdict};
use crate::red::Red;
use decisions::Decisions;
use epoch::Epoch;
use open::OpenTraces;
use read::read;
use trace::{Identity, OpenTrace, collapse};

pub use epoch::{DeadLetter, Decided, KeptRefs, LateCounts, SealedEpoch, Totals};
pub use live::{LiveRefs, LiveState};
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
/// What each of its spans counts, in bytes.
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

    fn policy(&self) -> &Arc<Policy> {
        self.policy_at(self.in_force)
    }

    fn policy_at(&self, slot: u16) -> &Arc<Policy> {
        let policy = self
            .policies
            .get(usize::from(slot))
            .and_then(Option::as_ref);
        policy.expect("a policy stays while it is in force or a trace began under it")
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
        &self
            .tenants
            .get(number as usize)
            .expect("numbers come from tenant_number")
            .tenant
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

    /// Decides what is settled in the second that ends at `now`.
    fn decide(&mut self, now: ShardTime) {
        self.decisions.forget_before(self.ledger.horizon());
        let limits = self.policy().limits;
        let memory_bytes_max = limits.partition_memory_bytes_max;
        #[cfg(feature = "testing")]
        let memory_bytes_max = self.mutant.memory(memory_bytes_max);
        let due = self.open.due(now, &limits, memory_bytes_max);
        if due.is_empty() {
            return;
        }
        let settled: Vec<SettledTrace> = due
            .into_iter()
            .map(|slot| SettledTrace::take(&mut self.open, slot))
            .collect();
        let mut buckets = std::mem::take(&mut self.buckets);
        let candidates: Vec<Candidate<'_>> = settled
            .iter()
            .map(|settled| self.candidate(settled))
            .collect();
        let verdicts = policy::decide(&candidates, &mut buckets, now);
        self.buckets = buckets;
        for (settled, verdict) in settled.into_iter().zip(verdicts) {
            self.bind(settled, verdict, now);
        }
    }

    fn candidate<'a>(&'a self, settled: &'a SettledTrace) -> Candidate<'a> {
        let trace = &settled.trace;
        let extras = trace.extras.as_deref();
        let randomness = policy::facts::randomness(trace.id, extras);
        #[cfg(feature = "testing")]
        let randomness = self.mutant.randomness(randomness);
        let facts = Facts {
            bits: trace.bits,
            span_count: u32::try_from(settled.spans.len())
                .expect("a trace has fewer than 2^32 spans"),
            error_count: trace.error_count,
            bytes: u64::from(trace.bytes),
            duration_ns: trace
                .end_max_unix_ns
                .saturating_sub(trace.start_min_unix_ns),
            has_root: trace.has_root,
            settled: settled.reason(),
            randomness,
            threshold_in: policy::facts::threshold_in(extras),
            extras,
        };
        Candidate {
            policy: self.policy_at(trace.policy),
            tenant: self.tenant(trace.tenant),
            facts,
        }
    }

    /// Makes a decision bind: counted, remembered, and handed to the epoch if the trace is kept.
    fn bind(&mut self, settled: SettledTrace, verdict: Verdict, now: ShardTime) {
        let reason = settled.reason();
        let SettledTrace {
            trace,
            spans,
            n_duplicates,
        } = settled;
        let n_spans = u32::try_from(spans.len()).expect("a trace has fewer than 2^32 spans");
        let tenant = self.tenant(trace.tenant).clone();
        let totals = self.totals(trace.tenant);
        totals.duplicates += u64::from(n_duplicates);
        let kept = match verdict {
            Verdict::Keep(sampling) => {
                totals.stored += u64::from(n_spans);
                self.epoch.count(&sampling.rule, true, reason, n_spans);
                Some(sampling)
            }
            Verdict::Drop(rule) => {
                totals.sampled_out += u64::from(n_spans);
                self.epoch.count(&rule, false, reason, n_spans);
                None
            }
        };
        if let Some(sampling) = kept.clone() {
            let spans = spans.into_iter().map(|(at, _)| at).collect();
            self.epoch.keep(KeptRefs {
                tenant: tenant.clone(),
                id: trace.id,
                sampling,
                late: false,
                spans,
            });
        }
        self.decisions
            .push(trace.tenant, trace.id, now, kept.clone());
        self.decided_new.push(DecidedTrace {
            tenant,
            id: trace.id,
            at: now,
            kept,
        });
    }

    /// Ends an epoch. No trace is settled and undecided here.
    fn seal(&mut self, sealed_at: ShardTime, end_offset: Offset) -> SealedEpoch {
        let n_late = std::mem::take(&mut self.epoch.n_late);
        self.seal_late();
        let oldest_open = self.open.oldest();
        self.open
            .refs
            .forget_before(oldest_open.map_or(end_offset, |(offset, _)| offset));
        self.forget_policies(sealed_at);
        let totals = self.sorted_totals();
        let stage = self.stage_entry(totals.clone()).encode();
        let previous_end = self.ledger.last_end();
        let entry = self.ledger.seal(Sealing {
            sealed_at,
            end_offset,
            oldest_open,
            stage,
        });
        SealedEpoch {
            partition: self.of.partition,
            previous_end,
            end_offset,
            sealed_at,
            kept: self.epoch.take_kept(),
            dead_letters: std::mem::take(&mut self.epoch.dead_letters),
            totals,
            decided: self.epoch.take_decided(),
            n_late,
            red: self.red.take(),
            entry,
        }
    }

    fn seal_late(&mut self) {
        for mut part in self.epoch.take_late() {
            let n_duplicates = collapse(&mut part.spans);
            let totals = self.totals(part.tenant);
            totals.duplicates += u64::from(n_duplicates);
            totals.stored += part.spans.len() as u64;
            let spans = part.spans.into_iter().map(|(at, _)| at).collect();
            let tenant = self.tenant(part.tenant).clone();
            self.epoch.keep(KeptRefs {
                tenant,
                id: part.id,
                sampling: part.sampling,
                late: true,
                spans,
            });
        }
    }

    /// Policies that nothing needs, and buckets that say no more than one that is not there, are forgotten.
    fn forget_policies(&mut self, now: ShardTime) {
        let in_use = self.open.policies_in_use();
        for (slot, policy) in (0u16..).zip(self.policies.iter_mut()) {
            if slot != self.in_force && in_use.binary_search(&slot).is_err() {
                *policy = None;
            }
        }
        let policies: BTreeMap<u64, &Arc<Policy>> = self
            .policies
            .iter()
            .flatten()
            .map(|p| (p.revision, p))
            .collect();
        self.buckets.retain(|key, bucket| {
            let rate = policies
                .get(&key.revision)
                .and_then(|policy| policy.rate_of(key));
            rate.is_some_and(|rate| !bucket.is_full(rate, now))
        });
    }

    /// Of every tenant ever seen, in order of name, since the log began.
    #[must_use]
    pub fn sorted_totals(&self) -> Vec<(Tenant, Totals)> {
        let all = self.tenant_numbers.iter();
        all.filter_map(|(tenant, number)| {
            Some((tenant.clone(), self.tenants.get(*number as usize)?.totals))
        })
        .collect()
    }

    fn stage_entry(&mut self, totals: Vec<(Tenant, Totals)>) -> StageEntry {
        let mut policies: Vec<(u64, Arc<str>)> = self
            .policies
            .iter()
            .flatten()
            .map(|policy| (policy.revision, policy.text.clone()))
            .collect();
        policies.sort_unstable();
        let begun = self.open.take_begun();
        let begun = begun.into_iter().map(|(slot, first_offset)| {
            let trace = self.open.get(slot);
            Begun {
                tenant: self.tenant(trace.tenant).clone(),
                id: trace.id,
                first_offset,
                first_at: ShardTime { ms: trace.first_ms },
                revision: self.policy_at(trace.policy).revision,
            }
        });
        StageEntry {
            policies,
            begun: begun.collect(),
            decided: std::mem::take(&mut self.decided_new),
            buckets: self
                .buckets
                .iter()
                .map(|(key, bucket)| (key.clone(), *bucket))
                .collect(),
            totals,
        }
    }

    /// A control record takes effect once the seconds that it closed are decided.
    fn control(&mut self, record: &Record) -> Result<(), Stopped> {
        match Control::decode(&record.payload) {
            Ok(Control::Policy { revision, text }) if revision > self.revision() => {
                let policy = Policy::parse(revision, text, self.n_partitions)
                    .map_err(|error| Stopped(Box::new(error)))?;
                self.put_in_force(policy);
                Ok(())
            }
            Ok(Control::Policy { .. }) => Ok(()),
            Err(error @ ControlError::Unknown { .. }) => Err(Stopped(Box::new(error))),
            Err(error @ ControlError::Malformed { .. }) => {
                self.dead_letter(record, 0, error.to_string());
                Ok(())
            }
        }
    }

    fn put_in_force(&mut self, policy: Policy) {
        let root_quiet = policy.limits.root_quiet;
        let changed = root_quiet != self.policy().limits.root_quiet;
        self.in_force = self.slot_for(Arc::new(policy));
        if changed {
            self.open.watch_quiet_again(root_quiet);
        }
    }

    fn slot_for(&mut self, policy: Arc<Policy>) -> u16 {
        let slot = self
            .policies
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.policies.len());
        if slot == self.policies.len() {
            self.policies.push(None);
        }
        if let Some(free) = self.policies.get_mut(slot) {
            *free = Some(policy);
        }
        u16::try_from(slot).expect("fewer than 2^16 policies within decision_wait")
    }

    fn dead_letter(&mut self, record: &Record, n_spans: u32, reason: String) {
        let number = self.tenant_number(&record.header.tenant);
        let totals = self.totals(number);
        totals.accepted += u64::from(n_spans);
        totals.dead_lettered += u64::from(n_spans);
        let (offset, tenant) = (record.offset, record.header.tenant.clone());
        self.epoch.dead_letters.push(DeadLetter {
            offset,
            tenant,
            n_spans,
            reason,
        });
    }

    /// Takes a record of spans: a re-sent one is counted, an unreadable one becomes a dead letter, any other is folded span by span.
    fn take(&mut self, record: &Record) {
        let tenant = self.tenant_number(&record.header.tenant);
        if !self.ledger.first_seen(&record.header, record.offset) {
            let n_items = u64::from(record.header.n_items);
            let totals = self.totals(tenant);
            totals.accepted += n_items;
            totals.duplicates += n_items;
            return;
        }
        let mut walker = self.walker.take().unwrap_or_default();
        match read(&mut walker, &record.payload) {
            Ok(view) => {
                let rejected = view.rejected();
                if rejected.n_spans > 0 {
                    self.dead_letter(record, rejected.n_spans, rejected.reason.clone());
                }
                self.totals(tenant).accepted += view.n_spans() as u64;
                let now = self.ledger.now();
                self.red.begin_record();
                for span in view.spans() {
                    self.red.observe(
                        &record.header.tenant,
                        &span,
                        record.appended_at,
                        record.header.historic,
                    );
                    self.fold(&span, record.offset, tenant, now);
                }
            }
            Err(reason) => self.dead_letter(record, record.header.n_items, reason),
        }
        self.walker = Some(walker);
    }

    fn fold(&mut self, span: &SpanView<'_>, offset: Offset, tenant: u32, now: ShardTime) {
        let id = span.trace_id();
        if let Some(slot) = self.open.find(tenant, id) {
            return self.add(slot, span, offset, now);
        }
        let at = SpanRef {
            offset,
            place: span.place(),
        };
        match self.decisions.find(tenant, id) {
            Some(Some(sampling)) => self
                .epoch
                .add_late(tenant, id, sampling, at, identity(span)),
            Some(None) => {
                self.epoch.n_late.dropped += 1;
                self.totals(tenant).sampled_out += 1;
            }
            None => {
                let slot = self.open.begin(tenant, id, now, self.in_force);
                self.add(slot, span, offset, now);
            }
        }
    }

    /// Adds a span to an open trace and settles the trace if that fills it.
    fn add(&mut self, slot: u32, span: &SpanView<'_>, offset: Offset, now: ShardTime) {
        self.add_folded(slot, span, offset, now);
        let limits = self.policy().limits;
        let trace = self.open.get(slot);
        if trace.n_spans >= limits.trace_spans_max {
            self.open.settle(slot, Settled::SpanLimit);
        } else if u64::from(trace.bytes) >= limits.trace_bytes_max.min(u64::from(u32::MAX)) {
            self.open.settle(slot, Settled::ByteLimit);
        }
    }

    fn add_folded(&mut self, slot: u32, span: &SpanView<'_>, offset: Offset, now: ShardTime) {
        let place = span.place();
        self.open
            .push(slot, SpanRef { offset, place }, identity(span));
        let policy = self.policy_at(self.open.get(slot).policy).clone();
        let tenant = self.open.get(slot).tenant;
        let rules = policy.rules_of(self.tenant(tenant));
        let root_quiet = self.policy().limits.root_quiet;
        let trace = self.open.get_mut(slot);
        let is_root = !trace.has_root && span.parent_span_id().is_none();
        rules.fold(&mut trace.bits, &mut trace.extras, span, is_root);
        trace.last_after_ms = u32::try_from(now.ms - trace.first_ms).unwrap_or(u32::MAX);
        trace.bytes = trace.bytes.saturating_add(place.len);
        trace.start_min_unix_ns = trace.start_min_unix_ns.min(span.start_unix_ns());
        trace.end_max_unix_ns = trace.end_max_unix_ns.max(span.end_unix_ns());
        trace.error_count += u32::from(span.status_code() == StatusCode::Error);
        if is_root {
            trace.has_root = true;
            self.open.watch_quiet(slot, root_quiet);
        }
    }
}

/// A trace taken out to be decided.
struct SettledTrace {
    trace: OpenTrace,
    /// Equal ones collapsed.
    spans: Vec<(SpanRef, Identity)>,
    n_duplicates: u32,
}

impl SettledTrace {
    fn take(open: &mut OpenTraces, slot: u32) -> Self {
        let (trace, mut spans) = open.remove(slot);
        let n_duplicates = collapse(&mut spans);
        Self {
            trace,
            spans,
            n_duplicates,
        }
    }

    fn reason(&self) -> Settled {
        self.trace.settled.expect("only settled traces are due")
    }
}

fn identity(span: &SpanView<'_>) -> Identity {
    Identity::new(xxh3_64(&span.span_id().0) as u32, xxh3_64(span.bytes()))
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
