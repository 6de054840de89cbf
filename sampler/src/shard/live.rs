//! What a shard knows that is in no block yet: open traces, and those that this epoch kept.

use telemetry::{Tenant, TraceId};
use trace_store::Sampling;

use super::trace::OpenTrace;
use super::{Shard, SpanRef, SpanRefs};

/// A trace, or a late part of one, that is in no block yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRefs {
    pub id: TraceId,
    pub state: LiveState,
    pub late: bool,
    /// In the order in which they came; equal ones of an open trace are not collapsed yet.
    pub spans: SpanRefs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveState {
    Undecided,
    Kept(Sampling),
}

impl Shard {
    /// Every part of a trace that is not sealed.
    #[must_use]
    pub fn find(&self, tenant: &Tenant, id: TraceId) -> Vec<LiveRefs> {
        let Some(&number) = self.tenant_numbers.get(tenant) else {
            return Vec::new();
        };
        let open = self
            .open
            .find(number, id)
            .map(|slot| self.open_refs(self.open.get(slot)));
        let kept = self
            .epoch
            .kept
            .iter()
            .filter(|kept| kept.id == id && kept.tenant == *tenant)
            .map(|kept| LiveRefs {
                id,
                state: LiveState::Kept(kept.sampling.clone()),
                late: kept.late,
                spans: kept.spans.clone(),
            });
        let late = self.epoch.late_of(number, id).map(|part| LiveRefs {
            id,
            state: LiveState::Kept(part.sampling.clone()),
            late: true,
            spans: SpanRefs::new(part.spans.iter().map(|(at, _)| *at)),
        });
        open.into_iter().chain(kept).chain(late).collect()
    }

    /// Traces of a tenant that are open or were kept in this epoch and overlap a range of span times, the newest first, at most `n_max` of them.
    /// Their late parts are found by id.
    #[must_use]
    pub fn candidates(
        &self,
        tenant: &Tenant,
        start_min_unix_ns: u64,
        start_max_unix_ns: u64,
        n_max: usize,
    ) -> Vec<LiveRefs> {
        let Some(&number) = self.tenant_numbers.get(tenant) else {
            return Vec::new();
        };
        let overlaps = |trace: &&OpenTrace| {
            trace.tenant == number
                && trace.start_min_unix_ns <= start_max_unix_ns
                && trace.end_max_unix_ns.max(trace.start_min_unix_ns) >= start_min_unix_ns
        };
        let open = self
            .open
            .newest_first()
            .take(SCANNED_MAX)
            .filter(overlaps)
            .map(|trace| self.open_refs(trace));
        let kept = self
            .epoch
            .kept
            .iter()
            .rev()
            .filter(|kept| kept.tenant == *tenant)
            .map(|kept| LiveRefs {
                id: kept.id,
                state: LiveState::Kept(kept.sampling.clone()),
                late: kept.late,
                spans: kept.spans.clone(),
            });
        open.chain(kept).take(n_max).collect()
    }

    fn open_refs(&self, trace: &OpenTrace) -> LiveRefs {
        let spans: Vec<SpanRef> = self.open.refs.of(trace).map(|(at, _)| at).collect();
        LiveRefs {
            id: trace.id,
            state: LiveState::Undecided,
            late: false,
            spans: SpanRefs::new(spans.into_iter()),
        }
    }
}

/// Open traces that one search looks at, at most: about 10 ms.
const SCANNED_MAX: usize = 200_000;
