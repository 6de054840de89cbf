//! What was decided within the horizon, so that late spans share their trace's fate.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use telemetry::{ShardTime, TraceId};
use trace_store::Sampling;

use super::samplings::Samplings;

/// A decision: 32 B. The sampling of a kept trace lies apart, shared with others.
#[derive(Debug, Clone, Copy)]
struct Decision {
    id: TraceId,
    tenant: u32,
    /// Number of the sampling, or [`DROPPED`].
    sampling: u32,
    at: ShardTime,
}

const DROPPED: u32 = u32::MAX;

/// Decisions in the order in which they were made; of two about one trace the newer counts.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    decisions: VecDeque<Decision>,
    /// Counts of decisions since the beginning, modulo 2^32. Looked up, never gone through.
    index: HashTable<u32>,
    hasher: RandomState,
    /// Count of the first of `decisions`.
    first: u32,
    samplings: Samplings,
}

impl Decisions {
    /// What was decided about a trace: its sampling if it was kept. None if nothing is remembered.
    pub(super) fn find(&self, tenant: u32, id: TraceId) -> Option<Option<&Sampling>> {
        let hash = self.hasher.hash_one((tenant, id));
        let is = |&count: &u32| {
            self.at(count)
                .is_some_and(|d| d.id == id && d.tenant == tenant)
        };
        let decision = self.at(*self.index.find(hash, is)?)?;
        Some(
            self.samplings
                .get(decision.sampling)
                .filter(|_| decision.sampling != DROPPED),
        )
    }

    fn at(&self, count: u32) -> Option<&Decision> {
        self.decisions.get(count.wrapping_sub(self.first) as usize)
    }

    /// Remembers a decision that is newer than all.
    pub(super) fn push(
        &mut self,
        tenant: u32,
        id: TraceId,
        at: ShardTime,
        sampling: Option<Sampling>,
    ) {
        let sampling = sampling.map_or(DROPPED, |sampling| self.samplings.add(sampling));
        let count = self.first.wrapping_add(self.decisions.len() as u32);
        self.decisions.push_back(Decision {
            id,
            tenant,
            sampling,
            at,
        });
        let (decisions, first, hasher) = (&self.decisions, self.first, &self.hasher);
        let of = |count: u32| decisions.get(count.wrapping_sub(first) as usize);
        let hash = hasher.hash_one((tenant, id));
        let same = |&other: &u32| of(other).is_some_and(|d| d.id == id && d.tenant == tenant);
        match self.index.find_mut(hash, same) {
            Some(place) => *place = count,
            None => {
                self.index.insert_unique(hash, count, |&other| {
                    of(other).map_or(0, |d| hasher.hash_one((d.tenant, d.id)))
                });
            }
        }
    }

    /// Forgets what was decided before `horizon`.
    pub(super) fn forget_before(&mut self, horizon: ShardTime) {
        while let Some(oldest) = self.decisions.front().copied().filter(|d| d.at < horizon) {
            let first = self.first;
            let hash = self.hasher.hash_one((oldest.tenant, oldest.id));
            if let Ok(entry) = self.index.find_entry(hash, |&count| count == first) {
                entry.remove();
            }
            if oldest.sampling != DROPPED {
                self.samplings.remove(oldest.sampling);
            }
            self.decisions.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn decisions_are_known_until_the_horizon_passes_them() {
        let sampling = Sampling {
            rule: Arc::from("a"),
            threshold: 1,
            threshold_in: 0,
            p_unknown: false,
            p_estimated: false,
        };
        let id = |n: u64| TraceId(u128::from(n + 1).to_be_bytes());
        let mut decisions = Decisions::default();
        for n in 0..100 {
            decisions.push(
                0,
                id(n),
                ShardTime { ms: n },
                n.is_multiple_of(2).then(|| sampling.clone()),
            );
        }
        decisions.push(0, id(3), ShardTime { ms: 100 }, Some(sampling.clone()));
        decisions.forget_before(ShardTime { ms: 50 });
        assert_eq!(decisions.find(0, id(3)), Some(Some(&sampling)));
        assert_eq!(decisions.find(0, id(49)), None);
        assert_eq!(decisions.find(0, id(50)), Some(Some(&sampling)));
        assert_eq!(decisions.find(0, id(51)), Some(None));
        assert_eq!(decisions.find(1, id(51)), None);
        assert_eq!(decisions.samplings.n_distinct(), 1);
        decisions.forget_before(ShardTime { ms: 101 });
        assert_eq!(decisions.samplings.n_distinct(), 0);
    }
}
