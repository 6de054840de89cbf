//! Series of the open head: labels to a number and back, and which series matchers mean.
//!
//! Names and values of labels are symbols; a series costs 8 B a label, 53 B, and 32 B for
//! the hash of the bytes that it came with. Series of one metric are listed under its name, and looked through.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use telemetry::wire::{RunHash, RunMap};

use crate::labels::NAME;
use crate::labels::packed::pack;
use crate::matching::SymbolMatcher;
use crate::symbols::Symbols;
use crate::{Labels, MatchOp, Matcher};

/// How a series came in. The same labels of both kinds are two series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Values at instants.
    Samples,
    /// What was added in spans of time.
    Windows,
}

/// Number of a series in its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

/// What a series counts in the memory formula beside its labels, in bytes.
pub const SERIES_BYTES: u64 = 64;
/// What a label counts, in bytes.
pub const LABEL_BYTES: u64 = 8;
/// What a symbol counts beside its text, in bytes.
pub const SYMBOL_BYTES: u64 = 16;
/// What the hash of a series' bytes counts.
pub const RUN_BYTES: u64 = 32;

/// A place in a list of points that is none.
pub const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    labels_at: u32,
    n_labels: u16,
    kind: Kind,
    last: LastPoints,
}

/// The newest page of points of each sort, by number.
#[derive(Debug, Clone, Copy)]
pub struct LastPoints {
    pub float: u32,
    pub histogram: u32,
    pub window: u32,
}

/// The series of one tenant.
#[derive(Debug, Default)]
pub struct SeriesTable {
    symbols: Symbols,
    /// (name, value) of one series after the other.
    labels: Vec<(u32, u32)>,
    entries: Vec<Entry>,
    index: HashTable<u32>,
    /// By the bytes that they came with: most come with the same again.
    by_run: RunMap<SeriesId>,
    /// By symbol of the metric's name; series without a name under that of "".
    by_metric: BTreeMap<u32, Vec<u32>>,
    bytes: u64,
}

/// A place in a table, nothing more: numbers of series follow the order of records.
fn hash(labels: &[(&str, &str)], kind: Kind) -> u64 {
    let mut hasher = FixedState::with_seed(1).build_hasher();
    hasher.write_u8(kind as u8);
    for (name, value) in labels {
        hasher.write(name.as_bytes());
        hasher.write_u8(0xff); // in no UTF-8
        hasher.write(value.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// What came of asking for a series that may be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Known(SeriesId),
    New(SeriesId),
    /// A limit does not allow a new one.
    Full,
}

impl SeriesTable {
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory, by formula.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Series of a metric.
    #[must_use]
    pub fn n_of_metric(&self, metric: &str) -> usize {
        let symbol = self.symbols.find(metric);
        symbol
            .and_then(|s| self.by_metric.get(&s))
            .map_or(0, Vec::len)
    }

    /// The series with these labels, sorted by name, each name once and no value empty. A new one is made if `allowed` says so of
    /// (series there are, series of the metric).
    ///
    /// # Panics
    /// When there are 2^32 of anything, which the limit of a head rules out.
    pub fn ask(
        &mut self,
        labels: &[(&str, &str)],
        kind: Kind,
        allowed: impl FnOnce(usize, usize) -> bool,
    ) -> Asked {
        let hash = hash(labels, kind);
        let found = self.index.find(hash, |id| self.is(*id, labels, kind));
        if let Some(id) = found {
            return Asked::Known(SeriesId(*id));
        }
        let metric = labels
            .iter()
            .find(|(name, _)| *name == NAME)
            .map_or("", |(_, value)| value);
        if !allowed(self.entries.len(), self.n_of_metric(metric)) {
            return Asked::Full;
        }
        let id = u32::try_from(self.entries.len()).expect("fewer than 2^32 series");
        let labels_at = u32::try_from(self.labels.len()).expect("fewer than 2^32 labels");
        for (name, value) in labels {
            let pair = (self.intern(name), self.intern(value));
            self.labels.push(pair);
        }
        let metric = self.intern(metric);
        self.by_metric.entry(metric).or_default().push(id);
        self.entries.push(Entry {
            hash,
            labels_at,
            n_labels: u16::try_from(labels.len()).expect("a series has at most 65,535 labels"),
            kind,
            last: LastPoints {
                float: NONE,
                histogram: NONE,
                window: NONE,
            },
        });
        let entries = &self.entries;
        self.index.insert_unique(hash, id, |other| {
            entries.get(*other as usize).map_or(0, |entry| entry.hash)
        });
        self.bytes += SERIES_BYTES + LABEL_BYTES * labels.len() as u64;
        Asked::New(SeriesId(id))
    }

    /// The series that came with these bytes before.
    pub fn known(&mut self, run: RunHash) -> Option<SeriesId> {
        self.by_run.get(run)
    }

    /// Notes which series came with bytes that none came with before.
    pub fn note(&mut self, run: RunHash, id: SeriesId) {
        self.by_run.put(run, id);
        self.bytes += RUN_BYTES;
    }

    fn intern(&mut self, text: &str) -> u32 {
        let (symbol, is_new) = self.symbols.intern(text);
        if is_new {
            self.bytes += SYMBOL_BYTES + text.len() as u64;
        }
        symbol
    }

    fn is(&self, id: u32, labels: &[(&str, &str)], kind: Kind) -> bool {
        let Some(entry) = self.entries.get(id as usize) else {
            return false;
        };
        let pairs = self.pairs(entry);
        entry.kind == kind
            && pairs.len() == labels.len()
            && pairs.iter().zip(labels).all(|((name, value), (n, v))| {
                self.symbols.get(*value) == *v && self.symbols.get(*name) == *n
            })
    }

    fn pairs(&self, entry: &Entry) -> &[(u32, u32)] {
        let at = entry.labels_at as usize;
        self.labels
            .get(at..at + usize::from(entry.n_labels))
            .unwrap_or_default()
    }

    /// Names and values, sorted by name.
    pub fn labels(&self, id: SeriesId) -> impl Iterator<Item = (&str, &str)> + Clone {
        let entry = self.entries.get(id.0 as usize);
        let pairs = entry.map_or(&[] as &[_], |entry| self.pairs(entry));
        pairs
            .iter()
            .map(|(name, value)| (self.symbols.get(*name), self.symbols.get(*value)))
    }

    /// The same packed, in place of what is in `packed`.
    pub(crate) fn pack(&self, id: SeriesId, packed: &mut String) {
        packed.clear();
        pack(self.labels(id), packed);
    }

    /// The same, as the noun of queries.
    #[must_use]
    pub fn owned_labels(&self, id: SeriesId) -> Labels {
        Labels::new(self.labels(id))
    }

    /// The kind of a series.
    #[must_use]
    pub fn kind(&self, id: SeriesId) -> Kind {
        let entry = self.entries.get(id.0 as usize);
        entry.map_or(Kind::Samples, |entry| entry.kind)
    }

    #[must_use]
    pub fn last(&self, id: SeriesId) -> LastPoints {
        let none = LastPoints {
            float: NONE,
            histogram: NONE,
            window: NONE,
        };
        self.entries
            .get(id.0 as usize)
            .map_or(none, |entry| entry.last)
    }

    pub(crate) fn last_mut(&mut self, id: SeriesId) -> &mut LastPoints {
        &mut self
            .entries
            .get_mut(id.0 as usize)
            .expect("ids come from this table")
            .last
    }

    /// Series that all matchers agree with, ascending.
    #[must_use]
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesId> {
        let mut asked: Vec<SymbolMatcher<'_>> = matchers
            .iter()
            .map(|matcher| SymbolMatcher::new(matcher, &self.symbols))
            .collect();
        let metric = matchers
            .iter()
            .find(|matcher| matcher.name == NAME && matches!(matcher.op, MatchOp::Equal));
        let all = || (0..self.entries.len() as u32).map(SeriesId);
        let fits = |id: &SeriesId| self.fits(*id, &mut asked);
        match metric {
            Some(metric) => {
                let symbol = self.symbols.find(&metric.value);
                let ids = symbol.and_then(|symbol| self.by_metric.get(&symbol));
                let ids = ids.map_or(&[] as &[u32], Vec::as_slice);
                ids.iter().copied().map(SeriesId).filter(fits).collect()
            }
            None => all().filter(fits).collect(),
        }
    }

    fn fits(&self, id: SeriesId, asked: &mut [SymbolMatcher<'_>]) -> bool {
        let Some(entry) = self.entries.get(id.0 as usize) else {
            return false;
        };
        let pairs = self.pairs(entry);
        asked.iter_mut().all(|matcher| {
            let pair = pairs.iter().find(|(name, _)| Some(*name) == matcher.name);
            match pair {
                Some((_, value)) => matcher.matches(*value, &self.symbols),
                None => matcher.absent,
            }
        })
    }

    /// Every series in order of (labels, kind): equal series, equal order, whatever came first.
    #[must_use]
    pub fn sorted(&self) -> Vec<SeriesId> {
        let mut ranks = vec![0u32; self.symbols.len()];
        for (rank, symbol) in (0u32..).zip(self.symbols.sorted()) {
            if let Some(slot) = ranks.get_mut(symbol as usize) {
                *slot = rank;
            }
        }
        let rank = |symbol: &u32| ranks.get(*symbol as usize).copied().unwrap_or_default();
        let name = self.symbols.find(NAME);
        let key = |id: &u32| {
            let entry = self.entries.get(*id as usize);
            let pairs = entry.map_or(&[] as &[_], |entry| self.pairs(entry));
            // the metric's name first, so that its series lie together
            let metric = pairs.iter().find(|(at, _)| Some(*at) == name);
            let metric = metric.map(|(_, value)| rank(value));
            let pairs: Vec<u64> = pairs
                .iter()
                .map(|(name, value)| u64::from(rank(name)) << 32 | u64::from(rank(value)))
                .collect();
            (metric, pairs, entry.map(|entry| entry.kind))
        };
        let mut order: Vec<u32> = (0..self.entries.len() as u32).collect();
        order.sort_by_cached_key(key);
        order.into_iter().map(SeriesId).collect()
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
        Matcher {
            name: name.into(),
            op,
            value: value.into(),
        }
    }

    fn regex(name: &str, value: &str, wanted: bool) -> Matcher {
        let pattern = Regex::new(&format!("^(?s:{value})$")).expect("a pattern");
        let op = if wanted {
            MatchOp::Regex(pattern)
        } else {
            MatchOp::NotRegex(pattern)
        };
        matcher(name, op, value)
    }

    fn table() -> SeriesTable {
        let mut table = SeriesTable::default();
        for labels in [
            &[(NAME, "up"), ("job", "b")][..],
            &[(NAME, "up"), ("job", "a"), ("zone", "x")],
            &[(NAME, "down"), ("job", "a")],
            &[(NAME, "up")],
        ] {
            let asked = table.ask(labels, Kind::Samples, |_, _| true);
            assert!(matches!(asked, Asked::New(_)));
        }
        table
    }

    #[test]
    fn matchers_find_what_they_mean() {
        let table = table();
        #[track_caller]
        fn check(table: &SeriesTable, matchers: &[Matcher], expected: &[u32]) {
            let found: Vec<u32> = table.select(matchers).iter().map(|id| id.0).collect();
            assert_eq!(found, expected, "{matchers:?}");
            let by_labels: Vec<u32> = (0..4)
                .filter(|id| Matcher::all_match(matchers, &table.owned_labels(SeriesId(*id))))
                .collect();
            assert_eq!(found, by_labels, "as by labels: {matchers:?}");
        }
        let up = || matcher(NAME, MatchOp::Equal, "up");
        check(&table, &[up()], &[0, 1, 3]);
        check(&table, &[up(), matcher("job", MatchOp::Equal, "a")], &[1]);
        check(
            &table,
            &[up(), matcher("job", MatchOp::NotEqual, "a")],
            &[0, 3],
        );
        check(&table, &[up(), matcher("job", MatchOp::Equal, "")], &[3]);
        check(&table, &[matcher("job", MatchOp::Equal, "nope")], &[]);
        check(&table, &[regex("job", "a|b", true)], &[0, 1, 2]);
        check(&table, &[regex("job", ".*", true)], &[0, 1, 2, 3]);
        check(&table, &[regex("job", ".+", true)], &[0, 1, 2]);
        check(&table, &[regex("job", ".+", false)], &[3]);
        check(&table, &[regex("nolabel", ".*", false)], &[]);
        check(
            &table,
            &[regex(NAME, "u.", true), regex("zone", "x?", false)],
            &[],
        );
        check(&table, &[regex(NAME, "d.+", true)], &[2]);
    }

    #[test]
    fn a_series_is_found_again_and_a_limit_stops_new_ones_only() {
        let mut table = table();
        let before = table.bytes();
        let up = [(NAME, "up"), ("job", "b")];
        let known = table.ask(&up, Kind::Samples, |_, _| false);
        assert_eq!(known, Asked::Known(SeriesId(0)));
        assert_eq!(table.bytes(), before);
        assert_eq!(
            table.ask(&up, Kind::Windows, |all, of_metric| {
                assert_eq!((all, of_metric), (4, 3));
                false
            }),
            Asked::Full
        );
        assert_eq!(
            table.ask(&up, Kind::Windows, |_, _| true),
            Asked::New(SeriesId(4))
        );
        let order: Vec<u32> = table.sorted().iter().map(|id| id.0).collect();
        assert_eq!(order, [2, 3, 1, 0, 4]);
    }
}
