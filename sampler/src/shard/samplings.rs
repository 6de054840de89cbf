//! How the traces were sampled that are remembered as kept: few ways, by number.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use slab::Slab;
use trace_store::Sampling;

/// Samplings, each once, however many traces share it.
#[derive(Debug, Default)]
pub(super) struct Samplings {
    shared: Slab<Shared>,
    /// Numbers by their sampling. Looked up, never gone through.
    index: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Shared {
    sampling: Sampling,
    n_traces: u32,
}

impl Samplings {
    /// The number of a trace's sampling, until the trace is forgotten.
    pub(super) fn add(&mut self, sampling: Sampling) -> u32 {
        let hash = self.hasher.hash_one(&sampling);
        let (shared, hasher) = (&mut self.shared, &self.hasher);
        let same = |number: &u32| shared[*number as usize].sampling == sampling;
        if let Some(number) = self.index.find(hash, same).copied() {
            shared[number as usize].n_traces += 1;
            return number;
        }
        let number = shared.insert(Shared {
            sampling,
            n_traces: 1,
        });
        let number = u32::try_from(number).expect("fewer than 2^32 kept traces fit into memory");
        self.index.insert_unique(hash, number, |other| {
            hasher.hash_one(&shared[*other as usize].sampling)
        });
        number
    }

    pub(super) fn get(&self, number: u32) -> Option<&Sampling> {
        Some(&self.shared.get(number as usize)?.sampling)
    }

    /// A trace that had it is forgotten.
    pub(super) fn remove(&mut self, number: u32) {
        let shared = &mut self.shared[number as usize];
        shared.n_traces -= 1;
        if shared.n_traces > 0 {
            return;
        }
        let hash = self.hasher.hash_one(&shared.sampling);
        self.shared.remove(number as usize);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
    }

    /// Samplings that differ.
    #[cfg(test)]
    pub(super) fn n_distinct(&self) -> usize {
        assert_eq!(self.shared.len(), self.index.len());
        self.shared.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn equal_samplings_are_held_once_until_the_last_trace_is_forgotten() {
        let by = |threshold| Sampling {
            rule: Arc::from("a"),
            threshold,
            threshold_in: 0,
            p_unknown: false,
            p_estimated: false,
        };
        let mut samplings = Samplings::default();
        let numbers = [1, 2, 1, 2, 3].map(|threshold| samplings.add(by(threshold)));
        assert_eq!(numbers[..2], numbers[2..4]);
        assert_eq!(samplings.n_distinct(), 3);
        samplings.remove(numbers[0]);
        samplings.remove(numbers[4]);
        assert_eq!(samplings.get(numbers[2]), Some(&by(1)));
        samplings.remove(numbers[2]);
        assert_eq!(samplings.get(numbers[2]), None);
        assert_eq!(samplings.n_distinct(), 1);
        let again = samplings.add(by(4));
        assert_eq!(samplings.get(again), Some(&by(4)));
    }
}
