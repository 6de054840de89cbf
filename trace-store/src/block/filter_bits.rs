//! Bloom filters: whether something may be in a set, or is certainly not.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use telemetry::TraceId;
use xxhash_rust::xxh3::xxh3_64;

const BITS_PER_ELEMENT: usize = 10;
const N_PROBES: u64 = 7;
/// Shortest filter, in bytes.
const BYTES_MIN: usize = 8;

/// Hashes, each once.
#[derive(Debug, Default)]
pub(crate) struct Hashes {
    /// In the order in which they came.
    all: Vec<u64>,
    /// Looked up, never gone through.
    known: HashTable<u64>,
}

impl Hashes {
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.known.clear();
    }

    pub(crate) fn add(&mut self, hash: u64) {
        // they are spread evenly as they are
        if let Entry::Vacant(free) = self
            .known
            .entry(hash, |known| *known == hash, |known| *known)
        {
            free.insert(hash);
            self.all.push(hash);
        }
    }
}

impl FromIterator<u64> for Hashes {
    fn from_iter<T: IntoIterator<Item = u64>>(hashes: T) -> Self {
        let mut all = Self::default();
        hashes.into_iter().for_each(|hash| all.add(hash));
        all
    }
}

/// A filter of these hashes. None: an empty filter, which has nothing.
pub(crate) fn build(hashes: &Hashes) -> Vec<u8> {
    let hashes = &hashes.all;
    if hashes.is_empty() {
        return Vec::new();
    }
    let mut bits = vec![0u8; (hashes.len() * BITS_PER_ELEMENT).div_ceil(8).max(BYTES_MIN)];
    let n_bits = bits.len() as u64 * 8;
    for bit in hashes.iter().flat_map(|&hash| probes(hash, n_bits)) {
        if let Some(byte) = bits.get_mut((bit / 8) as usize) {
            *byte |= 1 << (bit % 8);
        }
    }
    bits
}

/// Whether the hash may have been among those the filter was built of.
pub(crate) fn may_have(bits: &[u8], hash: u64) -> bool {
    let n_bits = bits.len() as u64 * 8;
    n_bits > 0
        && probes(hash, n_bits).all(|bit| {
            bits.get((bit / 8) as usize)
                .is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
        })
}

fn probes(hash: u64, n_bits: u64) -> impl Iterator<Item = u64> {
    let step = hash.rotate_left(32) | 1;
    let place = move |spread: u64| ((u128::from(spread) * u128::from(n_bits)) >> 64) as u64;
    (0..N_PROBES).map(move |i| place(hash.wrapping_add(i.wrapping_mul(step))))
}

pub(crate) fn id_hash(id: TraceId) -> u64 {
    xxh3_64(&id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_is_found_and_little_else() {
        let hash = |i: u64| xxh3_64(&i.to_le_bytes());
        let bits = build(&(0..1_000).chain(0..1_000).map(hash).collect());
        assert!((0..1_000).all(|i| may_have(&bits, hash(i))));
        let n_false = (1_000..101_000)
            .filter(|&i| may_have(&bits, hash(i)))
            .count();
        assert!(
            n_false < 1_500,
            "{n_false} of 100,000 are false: 1 % was promised"
        );
    }

    #[test]
    fn an_empty_filter_has_nothing() {
        assert!(!may_have(&build(&Hashes::default()), 7));
    }
}
