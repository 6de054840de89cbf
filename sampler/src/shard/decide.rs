//! Deciding: the traces that a second settled, each by its policy; then the decision binds.

use service_map::edge::End;
use telemetry::ShardTime;

use super::ends::TakenEnd;
use super::epoch::KeptRefs;
use super::open::OpenTraces;
use super::span_refs::SpanRefs;
use super::state::DecidedTrace;
use super::trace::{OpenTrace, distinct, retain};
use super::{Settled, Shard};
use crate::policy::{self, Candidate, Facts, Verdict};

/// A trace that is to be decided. It stays where it is until its decision binds, so that all that one second settled is not held twice.
struct DueTrace {
    slot: u32,
    /// Which of its spans stay, if some are equal.
    stays: Option<Vec<bool>>,
}

impl DueTrace {
    fn look(open: &OpenTraces, slot: u32) -> Self {
        let identities = open.refs.identities(open.get(slot));
        Self {
            slot,
            stays: distinct(identities),
        }
    }

    /// Spans that are not equal to an earlier one.
    fn n_spans(&self, trace: &OpenTrace) -> u32 {
        match &self.stays {
            Some(stays) => stays.iter().map(|stays| u32::from(*stays)).sum(),
            None => trace.n_spans,
        }
    }

    fn take(self, open: &mut OpenTraces) -> SettledTrace {
        let (trace, mut spans, mut ends) = open.remove(self.slot);
        let mut n_duplicates = 0;
        if let Some(stays) = self.stays {
            let of_ends = spans.iter().zip(&stays).filter(|((_, it), _)| it.is_end());
            let end_stays: Vec<bool> = of_ends.map(|(_, stays)| *stays).collect();
            let (kept, dropped) = split(ends, &end_stays);
            open.ends.forget(&dropped);
            ends = kept;
            n_duplicates = retain(&mut spans, &stays);
        }
        let of_ends = spans.iter().filter(|(_, identity)| identity.is_end());
        let tags = of_ends.map(|(_, identity)| identity.id_tag);
        SettledTrace {
            trace,
            ends: tags.zip(ends).collect(),
            spans: SpanRefs::new(spans.iter().map(|(at, _)| *at)),
            n_duplicates,
        }
    }
}

/// A trace taken out, since its decision binds.
struct SettledTrace {
    trace: OpenTrace,
    /// Equal ones collapsed.
    spans: SpanRefs,
    /// The ends of calls among them, in the same order, with the tags of their ids.
    ends: Vec<(u32, TakenEnd)>,
    n_duplicates: u32,
}

/// Why a trace that is due was settled.
fn reason(trace: &OpenTrace) -> Settled {
    trace.settled.expect("only settled traces are due")
}

/// Those that stay, and the others.
fn split<T>(things: Vec<T>, stays: &[bool]) -> (Vec<T>, Vec<T>) {
    let mut stays = stays.iter();
    things
        .into_iter()
        .partition(|_| stays.next().copied().unwrap_or(true))
}

impl Shard {
    /// Decides what is settled in the second that ends at `now`.
    pub(super) fn decide(&mut self, now: ShardTime) {
        self.decisions.forget_before(self.ledger.horizon());
        let limits = self.policy().limits;
        let memory_bytes_max = limits.partition_memory_bytes_max;
        #[cfg(feature = "testing")]
        let memory_bytes_max = self.mutant.memory(memory_bytes_max);
        let due = self.open.due(now, &limits, memory_bytes_max);
        if due.is_empty() {
            return;
        }
        let due: Vec<DueTrace> = due
            .into_iter()
            .map(|slot| DueTrace::look(&self.open, slot))
            .collect();
        let mut buckets = std::mem::take(&mut self.buckets);
        let candidates: Vec<Candidate<'_>> = due.iter().map(|due| self.candidate(due)).collect();
        let verdicts = policy::decide(&candidates, &mut buckets, now);
        self.buckets = buckets;
        for (due, verdict) in due.into_iter().zip(verdicts) {
            let settled = due.take(&mut self.open);
            self.bind(settled, verdict, now);
        }
    }

    fn candidate(&self, due: &DueTrace) -> Candidate<'_> {
        let trace = self.open.get(due.slot);
        let extras = trace.extras.as_deref();
        let randomness = policy::facts::randomness(trace.id, extras);
        #[cfg(feature = "testing")]
        let randomness = self.mutant.randomness(randomness);
        let facts = Facts {
            bits: trace.bits,
            span_count: due.n_spans(trace),
            error_count: trace.error_count,
            bytes: u64::from(trace.bytes),
            duration_ns: trace
                .end_max_unix_ns
                .saturating_sub(trace.start_min_unix_ns),
            has_root: trace.has_root,
            settled: reason(trace),
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
        let reason = reason(&settled.trace);
        self.count_edges(&settled);
        let SettledTrace {
            trace,
            spans,
            ends,
            n_duplicates,
        } = settled;
        self.open.ends.forget(ends.iter().map(|(_, end)| end));
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

    /// What the trace adds to who calls whom, whatever was decided about it.
    fn count_edges(&mut self, settled: &SettledTrace) {
        if settled.ends.is_empty() {
            return;
        }
        let stored = &self.open.ends;
        let ends = settled.ends.iter();
        let ends: Vec<End<'_>> = ends.map(|(tag, end)| stored.end(*tag, end)).collect();
        let tenant = self.tenant(settled.trace.tenant).clone();
        let red = &mut self.red;
        self.pairing
            .count(&ends, |counted| red.count(&tenant, counted));
    }
}
