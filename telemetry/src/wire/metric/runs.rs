//! Runs of labels that were looked at before: a series comes again with every sample, and what was found good once is not looked at again.
//!
//! In: the bytes of fields with one key that lie side by side. Out: their hash, and what was noted of it. A run is told from others by 128 bits of a
//! hash whose secret is this process's own, so that nobody outside can make two that look alike. What is noted is forgotten when there is too much of it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_128_with_secret;

use super::super::proto::{Extent, Reader};
use super::limit::MetricLimits;

/// Notes of one generation; there are two of them at most. 37 B each: what a walker holds is below 9 MB.
const GENERATION_NOTES_MAX: usize = 114_688;
/// Runs of one request that are handed on with their hash; those of later series are looked at anew.
const FOUND_MAX: usize = 1 << 16;
/// Bytes of a secret of xxh3.
const SECRET_BYTES: usize = 192;

static SECRET: LazyLock<[u8; SECRET_BYTES]> = LazyLock::new(|| {
    let mut secret = [0; SECRET_BYTES];
    for place in secret.as_chunks_mut::<8>().0 {
        *place = RandomState::new().build_hasher().finish().to_le_bytes();
    }
    secret
});

/// Hash of a run; of equal runs it is equal within a process, and another in the next. In pieces that lie anywhere: there is one for each series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunHash([u32; 4]);

impl RunHash {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let hash = xxh3_128_with_secret(bytes, &*SECRET);
        Self([0, 32, 64, 96].map(|shift| (hash >> shift) as u32))
    }

    /// The hash of several in this order.
    #[must_use]
    pub fn joined<const N: usize>(all: [Self; N]) -> Self {
        Self::of(
            all.map(|one| one.0.map(u32::to_le_bytes))
                .as_flattened()
                .as_flattened(),
        )
    }

    /// What a table may take as its hash.
    #[must_use]
    pub fn place(self) -> u64 {
        let [low, high, ..] = self.0;
        u64::from(high) << 32 | u64::from(low)
    }
}

/// A run in a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) extent: Extent,
    pub(super) n_fields: u32,
    pub(super) hash: RunHash,
    /// As its note says.
    pub(super) identity: Option<u64>,
}

impl Run {
    /// The fields with this key, of one byte, that begin where its body does: `reader` stands behind the key of the first.
    #[inline(always)]
    pub(super) fn ahead(mut reader: Reader<'_>, key: u64) -> Option<Self> {
        let start = reader.at().checked_sub(1)?;
        let whole = reader;
        let mut n_fields = 0;
        let end = loop {
            reader.delimited().ok()?;
            n_fields += 1;
            let end = reader.at();
            match reader.varint() {
                Ok(next) if next == key => {}
                _ => break end,
            }
        };
        let extent = Extent { start, end };
        Some(Self {
            extent,
            n_fields,
            hash: RunHash::of(whole.bytes_at(extent)),
            identity: None,
        })
    }
}

/// What runs are known by, in the order in which they came first. They mostly come in that order again, so the one behind the last that was found is
/// looked at before a place in a table is.
#[derive(Debug)]
pub struct RunMap<T> {
    all: Vec<(RunHash, T)>,
    places: HashTable<u32>,
    next: usize,
}

impl<T> Default for RunMap<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            places: HashTable::new(),
            next: 0,
        }
    }
}

impl<T: Copy> RunMap<T> {
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What is known of a run.
    #[inline]
    pub fn get(&mut self, run: RunHash) -> Option<T> {
        let place = self.find(run)?;
        self.next = place + 1;
        self.all.get(place).map(|(_, known)| *known)
    }

    #[inline]
    fn find(&self, run: RunHash) -> Option<usize> {
        if self
            .all
            .get(self.next)
            .is_some_and(|(next, _)| *next == run)
        {
            return Some(self.next);
        }
        let is_it = |place: &u32| {
            let known = self.all.get(*place as usize);
            known.is_some_and(|(known, _)| *known == run)
        };
        let found = self.places.find(run.place(), is_it);
        found.map(|place| *place as usize)
    }

    /// Notes what is known of a run, in place of what was.
    ///
    /// # Panics
    /// When there are 2^32 runs.
    pub fn put(&mut self, run: RunHash, known: T) {
        if let Some((_, place)) = self.find(run).and_then(|place| self.all.get_mut(place)) {
            *place = known;
            return;
        }
        let place = u32::try_from(self.all.len()).expect("fewer than 2^32 runs");
        self.all.push((run, known));
        let all = &self.all;
        let hash = |place: &u32| all.get(*place as usize).map_or(0, |(run, _)| run.place());
        self.places.insert_unique(run.place(), place, hash);
    }
}

/// What was noted of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    /// Levels of messages that were left around it: with as many it is good again.
    pub(super) budget: u32,
    identity: Option<[u32; 2]>,
}

const _: () = assert!(size_of::<(RunHash, Note)>() == 32);

impl Note {
    pub(super) fn new(budget: u32, identity: Option<u64>) -> Self {
        let halves = |identity| [identity as u32, (identity >> 32) as u32];
        Self {
            budget,
            identity: identity.map(halves),
        }
    }

    /// What its series is routed by, once no reason was found to leave it out.
    pub(super) fn identity(self) -> Option<u64> {
        let [low, high] = self.identity?;
        Some(u64::from(high) << 32 | u64::from(low))
    }
}

#[derive(Debug)]
struct Rules {
    limits: MetricLimits,
    /// Whether reasons to leave something out were looked for.
    is_judged: bool,
}

/// Notes of runs, and the runs of the request that is walked.
#[derive(Debug, Default)]
pub(super) struct KnownRuns {
    young: RunMap<Note>,
    old: RunMap<Note>,
    /// What the notes hold under.
    rules: Option<Rules>,
    pub(super) found: Vec<Run>,
}

impl KnownRuns {
    #[inline(always)]
    pub(super) fn get(&mut self, hash: RunHash) -> Option<Note> {
        if let Some(note) = self.young.get(hash) {
            return Some(note);
        }
        let note = self.old.get(hash)?;
        self.put(hash, note);
        Some(note)
    }

    pub(super) fn put(&mut self, hash: RunHash, note: Note) {
        if self.young.len() >= GENERATION_NOTES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.put(hash, note);
    }

    /// Forgets what was noted under other rules.
    pub(super) fn hold_under(&mut self, limits: &MetricLimits, is_judged: bool) {
        let is_same = self
            .rules
            .as_ref()
            .is_some_and(|rules| rules.limits == *limits && rules.is_judged == is_judged);
        if !is_same {
            *self = Self::default();
            self.rules = Some(Rules {
                limits: limits.clone(),
                is_judged,
            });
        }
    }

    /// Keeps a run of the request at hand for who reads its series.
    pub(super) fn push(&mut self, run: Run) {
        if self.found.len() < FOUND_MAX {
            self.found.push(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(identity: u64) -> Note {
        Note::new(9, Some(identity))
    }

    #[test]
    fn what_is_asked_for_again_and_again_is_not_forgotten() {
        let mut known = KnownRuns::default();
        let hash = |n: usize| RunHash::of(&n.to_le_bytes());
        for n in 0..3 * GENERATION_NOTES_MAX {
            known.put(hash(n), note(n as u64));
            if n % 1_000 == 0 {
                let first = known.get(hash(0)).expect("asked for often");
                assert_eq!(first.identity(), Some(0));
            }
        }
        assert!(known.get(hash(1)).is_none(), "long ago");
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION_NOTES_MAX);
        known.hold_under(&MetricLimits::default(), true);
        assert!(known.get(hash(0)).is_none(), "noted under no rules");
        known.put(hash(0), note(0));
        known.hold_under(&MetricLimits::default(), true);
        assert!(known.get(hash(0)).is_some());
        known.hold_under(&MetricLimits::default(), false);
        assert!(known.get(hash(0)).is_none());
    }

    #[test]
    fn runs_are_found_in_any_order() {
        let mut map = RunMap::default();
        let hash = |n: u32| RunHash::of(&n.to_le_bytes());
        (0..100).for_each(|n| map.put(hash(n), n));
        map.put(hash(7), 700);
        assert_eq!(map.len(), 100);
        for n in (0..100).chain([99, 5, 6, 7, 8, 0]) {
            let expected = if n == 7 { 700 } else { n };
            assert_eq!(map.get(hash(n)), Some(expected));
            assert_eq!(map.get(hash(n + 100)), None);
        }
    }

    #[test]
    fn a_run_ends_where_another_field_begins() {
        let bytes = [10, 1, b'a', 10, 0, 18, 1, b'b', 10, 0];
        let mut reader = Reader::new(&bytes);
        let key = reader.varint().expect("a key");
        let run = Run::ahead(reader, key).expect("a run");
        assert_eq!((run.extent.start, run.extent.end, run.n_fields), (0, 5, 2));
        assert_eq!(run.hash, RunHash::of(&bytes[..5]));
        let cut = Reader::new(&[10, 9, 0]);
        assert!(Run::ahead(Reader::within(&[10, 9, 0], Extent { start: 1, end: 3 }), 10).is_none());
        assert!(!cut.is_at_end());
    }

    #[test]
    fn joined_hashes_know_their_order() {
        let (a, b) = (RunHash::of(b"a"), RunHash::of(b"b"));
        assert_ne!(RunHash::joined([a, b]), RunHash::joined([b, a]));
        assert_eq!(RunHash::joined([a, b]), RunHash::joined([a, b]));
    }
}
