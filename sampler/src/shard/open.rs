//! The open traces of a shard, and which of them are due: by age in a queue, by quiet after their root in a calendar of seconds.

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::time::Duration;

use bus::Offset;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use telemetry::wire::SpanView;
use telemetry::{RecordTime, ShardTime, TraceId};

use super::ends::{Ends, TakenEnd};
use super::pages::Pages;
use super::trace::{Identity, OpenTrace, Refs, SpanRef};
use super::{SPAN_BYTES, Settled, TRACE_BYTES};
use crate::policy::Limits;

/// All open traces.
#[derive(Debug, Default)]
pub(super) struct OpenTraces {
    traces: Pages<OpenTrace>,
    pub(super) refs: Refs,
    pub(super) ends: Ends,
    /// Looked up, never gone through: its order is random.
    index: HashTable<u32>,
    hasher: RandomState,
    /// In order of their first spans. A trace that is no longer open stays until it reaches the front.
    by_age: VecDeque<Known>,
    /// Who is looked at when this second closes, whether its root's quiet has lasted.
    quiet: BTreeMap<u64, Vec<Known>>,
    /// Settled by a limit since the last second closed.
    settled: Vec<u32>,
    /// So many at the back of `by_age` began since the last seal; or all of them, if there are fewer.
    n_begun: usize,
    n_spans: u64,
}

/// A trace by its slot. The slot may have been given to another one meanwhile, but never within the same ms of τ: a slot is freed when a second closes,
/// and what begins later begins at a later τ.
#[derive(Debug, Clone, Copy)]
struct Known {
    slot: u32,
    /// τ of the first span, in ms modulo 2^32: nobody is known for 49 days.
    began_ms: u32,
}

impl Known {
    fn new(slot: u32, trace: &OpenTrace) -> Self {
        Self {
            slot,
            began_ms: trace.first_ms as u32,
        }
    }
}

impl OpenTraces {
    pub(super) fn find(&self, tenant: u32, id: TraceId) -> Option<u32> {
        let hash = self.hasher.hash_one((tenant, id));
        self.index
            .find(hash, |&slot| self.is(slot, tenant, id))
            .copied()
    }

    fn is(&self, slot: u32, tenant: u32, id: TraceId) -> bool {
        let trace = self.traces.get(slot);
        trace.id == id && trace.tenant == tenant
    }

    pub(super) fn begin(&mut self, tenant: u32, id: TraceId, at: ShardTime, policy: u16) -> u32 {
        let slot = self.traces.insert(OpenTrace {
            id,
            tenant,
            first_ms: at.ms,
            start_min_unix_ns: u64::MAX,
            policy,
            ..OpenTrace::default()
        });
        let (traces, hasher) = (&self.traces, &self.hasher);
        let hash_of = |slot: &u32| {
            let trace = traces.get(*slot);
            hasher.hash_one((trace.tenant, trace.id))
        };
        self.index.insert_unique(hash_of(&slot), slot, hash_of);
        let known = Known::new(slot, self.traces.get(slot));
        self.by_age.push_back(known);
        self.n_begun += 1;
        slot
    }

    pub(super) fn get(&self, slot: u32) -> &OpenTrace {
        self.traces.get(slot)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut OpenTrace {
        self.traces.get_mut(slot)
    }

    pub(super) fn push(&mut self, slot: u32, at: SpanRef, identity: Identity) {
        self.refs.push(self.traces.get_mut(slot), at, identity);
        self.n_spans += 1;
    }

    /// Remembers what a span says of its call, if it is an end of one.
    pub(super) fn push_end(
        &mut self,
        slot: u32,
        span: &SpanView<'_>,
        t: RecordTime,
        historic: bool,
    ) {
        let trace = self.traces.get_mut(slot);
        self.ends.push(trace, span, t, historic);
    }

    /// Marks a trace to be decided when the second closes.
    pub(super) fn settle(&mut self, slot: u32, reason: Settled) {
        let trace = self.traces.get_mut(slot);
        if trace.settled.is_none() {
            trace.settled = Some(reason);
            self.settled.push(slot);
        }
    }

    /// Has a trace looked at once its root's quiet has lasted.
    pub(super) fn watch_quiet(&mut self, slot: u32, root_quiet: Duration) {
        let trace = self.traces.get(slot);
        let known = Known::new(slot, trace);
        let due_ms = last_ms(trace).saturating_add(ms(root_quiet));
        self.quiet
            .entry(due_ms.div_ceil(1_000))
            .or_default()
            .push(known);
    }

    /// Begins anew with a changed `root_quiet`.
    pub(super) fn watch_quiet_again(&mut self, root_quiet: Duration) {
        self.quiet.clear();
        let rooted: Vec<u32> = self
            .traces
            .iter()
            .filter(|(_, t)| t.has_root && t.n_spans > 0)
            .map(|(slot, _)| slot)
            .collect();
        for slot in rooted {
            self.watch_quiet(slot, root_quiet);
        }
    }

    /// The traces that are to be decided in the second that ends at `now`, settled for their reasons, in the order of the log.
    pub(super) fn due(
        &mut self,
        now: ShardTime,
        limits: &Limits,
        memory_bytes_max: u64,
    ) -> Vec<u32> {
        self.settle_quiet(now, limits.root_quiet);
        self.settle_expired(now, limits.decision_wait);
        self.settle_largest(memory_bytes_max);
        let mut due = std::mem::take(&mut self.settled);
        due.sort_by_cached_key(|slot| self.first(*slot));
        due
    }

    fn settle_quiet(&mut self, now: ShardTime, root_quiet: Duration) {
        let later = self.quiet.split_off(&(now.ms / 1_000 + 1));
        for known in std::mem::replace(&mut self.quiet, later)
            .into_values()
            .flatten()
        {
            if !self.is_open(known) {
                continue;
            }
            if now.ms.saturating_sub(last_ms(self.traces.get(known.slot))) >= ms(root_quiet) {
                self.settle(known.slot, Settled::RootQuiet);
            } else {
                self.watch_quiet(known.slot, root_quiet);
            }
        }
    }

    fn settle_expired(&mut self, now: ShardTime, decision_wait: Duration) {
        while let Some(oldest) = self.by_age.front().copied() {
            if self.is_open(oldest) {
                let first_ms = self.traces.get(oldest.slot).first_ms;
                if now.ms.saturating_sub(first_ms) < ms(decision_wait) {
                    break;
                }
                self.settle(oldest.slot, Settled::Expired);
            }
            self.by_age.pop_front();
        }
    }

    /// Settles the largest until what is left keeps within the limit; of equals, the first.
    fn settle_largest(&mut self, bytes_max: u64) {
        let settled: u64 = self
            .settled
            .iter()
            .map(|slot| formula_bytes(1, u64::from(self.traces.get(*slot).n_spans)))
            .sum();
        let mut left = self.bytes() - settled;
        if left <= bytes_max {
            return;
        }
        let open = self
            .traces
            .iter()
            .filter(|(_, trace)| trace.n_spans > 0 && trace.settled.is_none());
        let mut largest: Vec<(u32, u32)> =
            open.map(|(slot, trace)| (trace.n_spans, slot)).collect();
        largest
            .sort_by_cached_key(|(n_spans, slot)| (std::cmp::Reverse(*n_spans), self.first(*slot)));
        for (n_spans, slot) in largest {
            if left <= bytes_max {
                break;
            }
            left -= formula_bytes(1, u64::from(n_spans));
            self.settle(slot, Settled::Memory);
        }
    }

    fn is_open(&self, known: Known) -> bool {
        let trace = self.traces.find(known.slot);
        trace.is_some_and(|it| it.n_spans > 0 && it.first_ms as u32 == known.began_ms)
    }

    /// Place of a trace's first span in the log: an order that every owner sees alike.
    fn first(&self, slot: u32) -> (Offset, u32) {
        let first = self.refs.of(self.traces.get(slot)).next();
        let (at, _) = first.expect("an open trace has a span");
        (at.offset, at.place.start)
    }

    /// Takes a decided trace out, with its spans and its ends of calls.
    pub(super) fn remove(
        &mut self,
        slot: u32,
    ) -> (OpenTrace, Vec<(SpanRef, Identity)>, Vec<TakenEnd>) {
        let trace = self.traces.remove(slot);
        let spans = self.refs.of(&trace).collect();
        self.refs.free(&trace);
        let ends = self.ends.take(&trace);
        self.n_spans -= u64::from(trace.n_spans);
        let hash = self.hasher.hash_one((trace.tenant, trace.id));
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
        (trace, spans, ends)
    }

    /// First offset and first τ of the oldest open trace. Forgets those in front of it that are decided.
    pub(super) fn oldest(&mut self) -> Option<(Offset, ShardTime)> {
        while let Some(known) = self.by_age.front().copied() {
            if self.is_open(known) {
                let ms = self.traces.get(known.slot).first_ms;
                return Some((self.first(known.slot).0, ShardTime { ms }));
            }
            self.by_age.pop_front();
        }
        None
    }

    /// Traces begun since this was last asked that are still open, in the order of the log, with their first offsets.
    pub(super) fn take_begun(&mut self) -> Vec<(u32, Offset)> {
        let n_begun = std::mem::take(&mut self.n_begun);
        let n_before = self.by_age.len().saturating_sub(n_begun);
        self.by_age
            .range(n_before..)
            .filter(|known| self.is_open(**known))
            .map(|known| (known.slot, self.first(known.slot).0))
            .collect()
    }

    /// Forgets what a take-over began: its headers are in the ledger already.
    pub(super) fn forget_begun(&mut self) {
        self.n_begun = 0;
    }

    /// Open traces, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &OpenTrace> {
        self.by_age
            .iter()
            .rev()
            .filter(|known| self.is_open(**known))
            .map(|known| self.traces.get(known.slot))
    }

    pub(super) fn n_traces(&self) -> usize {
        self.index.len()
    }

    /// Memory by the shard's own formula, a function of the log.
    pub(super) fn bytes(&self) -> u64 {
        formula_bytes(self.index.len() as u64, self.n_spans) + self.refs.bytes() + self.ends.bytes()
    }

    /// Spans of each tenant's open traces, by the tenant's number.
    pub(super) fn spans_by_tenant(&self, n_tenants: usize) -> Vec<u64> {
        let mut counts = vec![0; n_tenants];
        for (_, trace) in self.traces.iter() {
            if let Some(count) = counts.get_mut(trace.tenant as usize) {
                *count += u64::from(trace.n_spans);
            }
        }
        counts
    }

    /// Which slots of policies are still needed.
    pub(super) fn policies_in_use(&self) -> Vec<u16> {
        let mut slots: Vec<u16> = self
            .traces
            .iter()
            .filter(|(_, t)| t.n_spans > 0)
            .map(|(_, t)| t.policy)
            .collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

fn formula_bytes(n_traces: u64, n_spans: u64) -> u64 {
    n_traces * TRACE_BYTES + n_spans * SPAN_BYTES
}

fn last_ms(trace: &OpenTrace) -> u64 {
    trace.first_ms + u64::from(trace.last_after_ms)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
