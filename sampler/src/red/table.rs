//! Things of an epoch, found by what they are and numbered in the order in which they came, so that whoever goes through them sees one order.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Things with their hashes. The index is looked up, never gone through: its order is random.
#[derive(Debug)]
pub(super) struct Table<T> {
    things: Vec<(u64, T)>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            things: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
        }
    }
}

impl<T> Table<T> {
    /// Hash of what a thing is found by.
    pub(super) fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(super) fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<u32> {
        let is = |&number: &u32| {
            let found = self.things.get(number as usize);
            found.is_some_and(|(_, thing)| is(thing))
        };
        self.index.find(hash, is).copied()
    }

    /// Adds a thing that is not there yet.
    pub(super) fn add(&mut self, hash: u64, thing: T) -> u32 {
        let number = u32::try_from(self.things.len()).expect("an epoch has fewer than 2^32 things");
        self.things.push((hash, thing));
        let things = &self.things;
        let hash_of = |&number: &u32| things.get(number as usize).map_or(0, |(hash, _)| *hash);
        self.index.insert_unique(hash, number, hash_of);
        number
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        let found = self.things.get_mut(number as usize);
        &mut found.expect("numbers come from add").1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.things.iter().map(|(_, thing)| thing)
    }

    pub(super) fn len(&self) -> usize {
        self.things.len()
    }
}
