//! Labels: the identity of a series.

pub mod key;
pub mod packed;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use packed::{Pairs, pack};

/// The label that holds the name of a metric.
pub const NAME: &str = "__name__";

/// Names with their values, sorted by name, each name once, no empty value (Prometheus: an empty label is an absent one). The metric's name is
/// the label [`NAME`]. Cheap to clone, and one piece of memory: a query makes them by the hundred thousand.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// From pairs in any order. Of a name that comes twice the last value counts.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs: Vec<(N, V)> = pairs.into_iter().collect();
        let mut pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        pairs.sort_by_key(|(name, _)| *name); // stable: the last of equal names stands last
        pairs.reverse();
        pairs.dedup_by(|(a, _), (b, _)| a == b); // and was kept, being the first now
        pairs.reverse();
        pairs.retain(|(_, value)| !value.is_empty());
        Self::from_sorted(pairs.into_iter())
    }

    /// From pairs that are as labels are: sorted by name, each name once, no value empty.
    pub(crate) fn from_sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        pack(pairs, &mut text);
        Self::from_packed(&text)
    }

    /// From what [`pack`] makes.
    pub(crate) fn from_packed(text: &str) -> Self {
        let labels = Self(text.into());
        debug_assert!(labels.iter().is_sorted_by(|(a, _), (b, _)| a < b));
        labels
    }

    /// The value of a label; empty if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let found = self.iter().find(|(at, _)| *at >= name);
        found
            .filter(|(at, _)| *at == name)
            .map_or("", |(_, value)| value)
    }

    /// The metric's name; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get(NAME)
    }

    /// Names and values in order of names.
    #[must_use]
    pub fn iter(&self) -> Pairs<'_> {
        Pairs(&self.0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Memory that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len() + size_of::<[usize; 2]>()
    }

    /// The same without those labels that `keep` does not want.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        Self::from_sorted(self.iter().filter(|(name, _)| keep(name)))
    }

    /// The same with `name` set to `value`; without it if `value` is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let before = self.iter().filter(|(at, _)| *at < name);
        let behind = self.iter().filter(|(at, _)| *at > name);
        let one = (!value.is_empty()).then_some((name, value));
        Self::from_sorted(before.chain(one).chain(behind))
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_the_last_of_equal_names_counts() {
        let labels = Labels::new([("b", "1"), ("a", "x"), ("b", "2"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "x"), ("b", "2")]);
        assert_eq!(
            (labels.get("b"), labels.get("c"), labels.name()),
            ("2", "", "")
        );
        assert_eq!(labels.with("b", "").len(), 1);
        assert_eq!(labels.with("__name__", "up").name(), "up");
        assert_eq!(labels.filtered(|name| name != "a").len(), 1);
        assert_eq!(labels.with("a", "").with("0", "z").get("0"), "z");
    }

    #[test]
    fn labels_sort_by_names_and_values_and_not_by_their_memory() {
        let of = |pairs: &[(&str, &str)]| Labels::new(pairs.iter().copied());
        let ascending = [
            of(&[]),
            of(&[("a", "10")]),
            of(&[("a", "10"), ("b", "1")]),
            of(&[("a", "9")]),
            of(&[("aa", "1")]),
            of(&[("b", "")]).with("b", "0"),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b));
        assert_eq!(of(&[("b", "")]), Labels::default());
    }
}
