//! Labels: the identity of a series.

pub mod key;

use std::fmt;
use std::sync::Arc;

/// The label that holds the name of a metric.
pub const NAME: &str = "__name__";

/// Names with their values, sorted by name, each name once, no empty value (Prometheus: an empty label is an absent one). The metric's name is
/// the label [`NAME`]. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// From pairs in any order. Of a name that comes twice the last value counts.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut pairs: Vec<(Arc<str>, Arc<str>)> = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b)); // stable: the last of equal names stands last
        pairs.reverse();
        pairs.dedup_by(|(a, _), (b, _)| a == b); // and was kept, being the first now
        pairs.reverse();
        pairs.retain(|(_, value)| !value.is_empty());
        Self(pairs.into())
    }

    /// From pairs that are as labels are: sorted by name, each name once, no value empty.
    pub(crate) fn from_sorted(pairs: impl Iterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        let labels = Self(pairs.collect());
        debug_assert!(labels.0.is_sorted_by(|(a, _), (b, _)| a < b));
        labels
    }

    /// The value of a label; empty if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.binary_search_by(|(at, _)| (**at).cmp(name));
        found.map_or("", |idx| self.0.get(idx).map_or("", |(_, value)| value))
    }

    /// The metric's name; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get(NAME)
    }

    /// Names and values in order of names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same without those labels that `keep` does not want.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(name, _)| keep(name))
                .cloned()
                .collect(),
        )
    }

    /// The same with `name` set to `value`; without it if `value` is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(at, _)| **at != *name).cloned();
        Self::new(others.chain([(name.into(), value.into())]))
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
        assert_eq!(labels.filtered(|name| name != "a").iter().len(), 1);
    }
}
