//! Labels as numbers, by which what blocks and heads have of one series is joined.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use xxhash_rust::xxh3::xxh3_128;

/// Labels as a number: xxh3-128 of what they are packed as. Two series with one key would be taken for one; at 2^128 they do not meet by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelsKey(u128);

impl std::hash::Hash for LabelsKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
    }
}

impl LabelsKey {
    /// Of packed labels.
    #[must_use]
    pub(crate) fn of(packed: &str) -> Self {
        Self(xxh3_128(packed.as_bytes()))
    }
}

/// Nothing depends on the order of the map, so its seed may be fixed.
#[derive(Clone)]
pub(crate) struct Fixed(FixedState);

impl Default for Fixed {
    fn default() -> Self {
        Self(FixedState::with_seed(2))
    }
}

impl BuildHasher for Fixed {
    type Hasher = <FixedState as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}
