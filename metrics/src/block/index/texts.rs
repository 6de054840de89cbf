//! Labels of many series of a block. In: numbers of series. Out: their labels as keys, and as texts that they share.
//!
//! Series that lie together have most labels in common, so what the one before had is looked at first.

use std::sync::Arc;

use hashbrown::HashMap;

use super::BlockIndex;
use crate::Labels;
use crate::labels::key::{LabelsKey, text_key};

pub struct Texts<'a> {
    index: &'a BlockIndex,
    /// By place in the labels, names and values in turn: what was seen there last.
    last_keys: Vec<(u32, u128)>,
    last_texts: Vec<(u32, Arc<str>)>,
    known: HashMap<u32, Arc<str>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(index: &'a BlockIndex) -> Self {
        Self {
            index,
            last_keys: Vec::new(),
            last_texts: Vec::new(),
            known: HashMap::default(),
        }
    }

    /// The labels of a series as a key.
    pub fn key(&mut self, series: u32) -> LabelsKey {
        let (index, last) = (self.index, &mut self.last_keys);
        let mut place = 0;
        let mut key = |symbol: u32| {
            let made = || (symbol, text_key(index.symbols.get(symbol)));
            let found = remembered(last, place, symbol, made);
            place += 1;
            found.1
        };
        let pairs = index.names_of(series).iter().zip(index.values_of(series));
        LabelsKey::of(pairs.map(|(name, value)| (key(*name), key(*value))))
    }

    /// The labels of a series.
    pub fn labels(&mut self, series: u32) -> Labels {
        let Self {
            index,
            last_texts: last,
            known,
            ..
        } = self;
        let mut place = 0;
        let mut text = |symbol: u32| {
            let made = || {
                let make = || Arc::from(index.symbols.get(symbol));
                (symbol, Arc::clone(known.entry(symbol).or_insert_with(make)))
            };
            let found = remembered(last, place, symbol, made);
            place += 1;
            found.1
        };
        let (names, values) = (index.names_of(series), index.values_of(series));
        // symbols are ranks, so this is the order of texts; that of no length is the first
        let is_sorted = names.is_sorted_by(|a, b| a < b);
        let has_empty = values.contains(&0) && index.symbols.get(0).is_empty();
        let pairs = names.iter().zip(values);
        let pairs = pairs.map(|(name, value)| (text(*name), text(*value)));
        if is_sorted && !has_empty {
            Labels::from_sorted(pairs)
        } else {
            Labels::new(pairs)
        }
    }
}

/// What is remembered of a symbol at a place, made if another was there.
fn remembered<T: Clone>(
    last: &mut Vec<(u32, T)>,
    place: usize,
    symbol: u32,
    made: impl FnOnce() -> (u32, T),
) -> (u32, T) {
    match last.get_mut(place) {
        Some(known) if known.0 == symbol => known.clone(),
        Some(other) => {
            *other = made();
            other.clone()
        }
        None => {
            let made = made();
            last.push(made.clone());
            made
        }
    }
}
