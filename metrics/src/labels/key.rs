//! Labels as numbers, by which what blocks and heads have of one series is joined.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use xxhash_rust::xxh3::xxh3_128;

/// Labels as a number: xxh3-128 of each text, mixed in order. Two series with one key would be taken for one; at 2^128 they do not meet by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelsKey(u128);

impl std::hash::Hash for LabelsKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
    }
}

/// Odd, with bits all over: 2^128 ÷ the golden ratio.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// What a text contributes to a key.
#[must_use]
pub fn text_key(text: &str) -> u128 {
    xxh3_128(text.as_bytes())
}

impl LabelsKey {
    /// From the keys of (name, value), in order of names.
    #[must_use]
    pub fn of(pairs: impl Iterator<Item = (u128, u128)>) -> Self {
        let mix = |key: u128, (name, value): (u128, u128)| {
            let key = (key ^ name).wrapping_mul(MIX);
            (key ^ (key >> 64) ^ value).wrapping_mul(MIX)
        };
        let key = pairs.fold(MIX, mix);
        Self(key ^ (key >> 64))
    }

    #[must_use]
    pub fn number(self) -> u128 {
        self.0
    }

    /// From the texts themselves.
    #[must_use]
    pub fn of_texts<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self::of(labels.map(|(name, value)| (text_key(name), text_key(value))))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_names_from_values_and_orders() {
        let key = |labels: &[(&str, &str)]| LabelsKey::of_texts(labels.iter().copied());
        assert_eq!(key(&[("a", "b")]), key(&[("a", "b")]));
        assert_ne!(key(&[("a", "b")]), key(&[("b", "a")]));
        assert_ne!(
            key(&[("a", "b"), ("c", "d")]),
            key(&[("c", "d"), ("a", "b")])
        );
        assert_ne!(key(&[]), key(&[("", "")]));
    }
}
