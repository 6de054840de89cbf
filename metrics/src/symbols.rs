//! Symbols: texts that come again and again as numbers. In: names and values of labels. Out: numbers, and the texts again.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Texts, each once, numbered in order of first use. Lies in one buffer: 9 B a text beside its bytes.
#[derive(Debug, Default)]
pub struct Symbols {
    text: String,
    /// Where each text ends.
    ends: Vec<u32>,
    index: HashTable<u32>,
}

/// The hash of nothing but a place in a table: whoever numbers alike does so whatever it is.
fn hash(text: &str) -> u64 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

impl Symbols {
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a number; empty if there is none.
    #[must_use]
    pub fn get(&self, symbol: u32) -> &str {
        text_at(&self.text, &self.ends, symbol)
    }

    /// The number of a text, if it has one.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        self.index
            .find(hash(text), |symbol| self.get(*symbol) == text)
            .copied()
    }

    /// The number of a text, a new one if need be. The second is whether it is new.
    ///
    /// # Panics
    /// When all texts together exceed 4 GiB, which the limit of a head rules out.
    pub fn intern(&mut self, text: &str) -> (u32, bool) {
        let hash_of_it = hash(text);
        let Self {
            text: all,
            ends,
            index,
        } = self;
        let found = index.find(hash_of_it, |symbol| text_at(all, ends, *symbol) == text);
        if let Some(symbol) = found {
            return (*symbol, false);
        }
        let symbol = u32::try_from(ends.len()).expect("fewer than 2^32 symbols");
        all.push_str(text);
        ends.push(u32::try_from(all.len()).expect("symbols of less than 4 GiB"));
        index.insert_unique(hash_of_it, symbol, |other| hash(text_at(all, ends, *other)));
        (symbol, true)
    }

    /// Numbers in order of their texts.
    #[must_use]
    pub fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.ends.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.get(*a).cmp(self.get(*b)));
        order
    }
}

fn text_at<'a>(text: &'a str, ends: &[u32], symbol: u32) -> &'a str {
    let idx = symbol as usize;
    let start = idx
        .checked_sub(1)
        .map_or(Some(0), |before| ends.get(before).copied());
    let range = start
        .zip(ends.get(idx))
        .map(|(start, end)| start as usize..*end as usize);
    range.and_then(|range| text.get(range)).unwrap_or_default()
}

/// Texts in ascending order, each once: their numbers are their ranks. Does not change.
#[derive(Debug, Default)]
pub struct SortedSymbols {
    text: String,
    ends: Vec<u32>,
}

impl SortedSymbols {
    /// Appends a text that sorts behind all.
    ///
    /// # Panics
    /// When all texts together exceed 4 GiB.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends
            .push(u32::try_from(self.text.len()).expect("symbols of less than 4 GiB"));
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    #[must_use]
    pub fn get(&self, symbol: u32) -> &str {
        text_at(&self.text, &self.ends, symbol)
    }

    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.ends.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).cmp(text) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number() {
        let mut symbols = Symbols::default();
        let texts = ["up", "", "job", "up", "ü"];
        let numbers: Vec<_> = texts.iter().map(|t| symbols.intern(t)).collect();
        assert_eq!(
            numbers,
            [(0, true), (1, true), (2, true), (0, false), (3, true)]
        );
        assert_eq!(symbols.find("job"), Some(2));
        assert_eq!(symbols.find("jo"), None);
        assert_eq!((symbols.get(3), symbols.get(9)), ("ü", ""));
        let mut sorted = SortedSymbols::default();
        for symbol in symbols.sorted() {
            sorted.push(symbols.get(symbol));
        }
        let all: Vec<_> = (0..4).map(|n| sorted.get(n)).collect();
        assert_eq!(all, ["", "job", "up", "ü"]);
        assert_eq!((sorted.find("up"), sorted.find("zz")), (Some(2), None));
    }
}
