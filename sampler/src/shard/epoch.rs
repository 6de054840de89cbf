//! An epoch: what a shard hands out at its end, and what it gathers until then.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::machine::LedgerEntry;
use bus::{Commit, Offset, Partition};
use telemetry::{ShardTime, Tenant, TraceId};
use trace_store::Sampling;

use crate::red::RedDeltas;

use super::Settled;
use super::span_refs::SpanRefs;
use super::trace::{Identity, SpanRef};

/// What one epoch of a partition decided. A function of the log's prefix: two owners seal equal epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedEpoch {
    pub partition: Partition,
    /// Where the epoch before it ended; 0 before the first.
    pub previous_end: Offset,
    /// The record that closed it: with the partition, its name.
    pub end_offset: Offset,
    /// The second that ended it.
    pub sealed_at: ShardTime,
    /// Kept traces in the order of their decisions, then late parts in the order in which they began.
    pub kept: Vec<KeptRefs>,
    pub dead_letters: Vec<DeadLetter>,
    /// Of every tenant ever seen, in order of name, since the log began.
    pub totals: Vec<(Tenant, Totals)>,
    pub decided: Vec<Decided>,
    /// Spans that came after the decision.
    pub n_late: LateCounts,
    /// What its spans add to the metrics.
    pub red: RedDeltas,
    pub entry: LedgerEntry,
}

/// A kept trace, or a late part of one: where its spans are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRefs {
    pub tenant: Tenant,
    pub id: TraceId,
    pub sampling: Sampling,
    pub late: bool,
    pub spans: SpanRefs,
}

/// A record, or spans of it, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub offset: Offset,
    pub tenant: Tenant,
    pub n_spans: u32,
    pub reason: String,
}

/// Where the accepted spans of a tenant are: `accepted = stored + sampled_out + dead_lettered + duplicates + lost + in flight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub accepted: u64,
    pub stored: u64,
    pub sampled_out: u64,
    pub dead_lettered: u64,
    pub duplicates: u64,
    /// Open traces that a take-over did not find again, because the log had been cut.
    pub lost: u64,
}

impl Totals {
    /// Spans of open traces.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let settled =
            self.stored + self.sampled_out + self.dead_lettered + self.duplicates + self.lost;
        self.accepted.saturating_sub(settled)
    }
}

/// How many traces a rule decided for one reason, for the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub rule: Arc<str>,
    pub keep: bool,
    pub settled: Settled,
    pub n_traces: u64,
    pub n_spans: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LateCounts {
    pub kept: u64,
    pub dropped: u64,
    /// Those of them that are ends of calls, which count in no edge.
    pub ends: u64,
}

impl SealedEpoch {
    /// What is committed once its effects are acked.
    #[must_use]
    pub fn commit(&self) -> Commit {
        Commit {
            offset: self.entry.first_offset,
            end_offset: self.end_offset,
        }
    }
}

/// The epoch that is going on.
#[derive(Debug, Default)]
pub(super) struct Epoch {
    pub(super) kept: Vec<KeptRefs>,
    n_kept_spans: u64,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) n_late: LateCounts,
    late: Vec<LatePart>,
    /// Places in `late`, by tenant and trace.
    late_index: BTreeMap<(u32, TraceId), usize>,
    decided: BTreeMap<(Arc<str>, bool, Settled), (u64, u64)>,
}

/// Spans that came after a trace was kept.
#[derive(Debug)]
pub(super) struct LatePart {
    pub(super) tenant: u32,
    pub(super) id: TraceId,
    pub(super) sampling: Sampling,
    pub(super) spans: Vec<(SpanRef, Identity)>,
}

impl Epoch {
    pub(super) fn keep(&mut self, kept: KeptRefs) {
        self.n_kept_spans += kept.spans.len() as u64;
        self.kept.push(kept);
    }

    pub(super) fn take_kept(&mut self) -> Vec<KeptRefs> {
        self.n_kept_spans = 0;
        std::mem::take(&mut self.kept)
    }

    /// Spans that the epoch has kept, late ones not among them until it ends.
    pub(super) fn n_kept_spans(&self) -> u64 {
        self.n_kept_spans
    }

    pub(super) fn add_late(
        &mut self,
        tenant: u32,
        id: TraceId,
        sampling: &Sampling,
        at: SpanRef,
        identity: Identity,
    ) {
        let place = *self
            .late_index
            .entry((tenant, id))
            .or_insert(self.late.len());
        if place == self.late.len() {
            self.late.push(LatePart {
                tenant,
                id,
                sampling: sampling.clone(),
                spans: Vec::new(),
            });
        }
        if let Some(part) = self.late.get_mut(place) {
            part.spans.push((at, identity));
        }
        self.n_late.kept += 1;
    }

    /// Spans that came late for a trace in this epoch.
    pub(super) fn late_of(&self, tenant: u32, id: TraceId) -> Option<&LatePart> {
        self.late.get(*self.late_index.get(&(tenant, id))?)
    }

    pub(super) fn take_late(&mut self) -> Vec<LatePart> {
        self.late_index.clear();
        std::mem::take(&mut self.late)
    }

    pub(super) fn count(&mut self, rule: &Arc<str>, keep: bool, settled: Settled, n_spans: u32) {
        let counts = self
            .decided
            .entry((rule.clone(), keep, settled))
            .or_default();
        counts.0 += 1;
        counts.1 += u64::from(n_spans);
    }

    pub(super) fn take_decided(&mut self) -> Vec<Decided> {
        let decided = std::mem::take(&mut self.decided).into_iter();
        decided
            .map(|((rule, keep, settled), (n_traces, n_spans))| Decided {
                rule,
                keep,
                settled,
                n_traces,
                n_spans,
            })
            .collect()
    }
}
