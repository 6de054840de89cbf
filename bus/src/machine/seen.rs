//! Which records were seen before: how a re-sent request is recognised, by what it is and never by what is in it.

use std::collections::VecDeque;

use hashbrown::HashTable;
use telemetry::ShardTime;
use xxhash_rust::xxh3::xxh3_128;

use super::entry::SeenRecord;
use crate::Header;

/// Identity of a record for de-duplication: xxh3-128 of (tenant, request hash, part).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestKey(pub u128);

impl RequestKey {
    #[must_use]
    pub fn of(header: &Header) -> Self {
        let tenant = header.tenant.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(tenant.len() + 19);
        bytes.extend(tenant);
        bytes.push(0);
        bytes.extend(header.request_hash.0.to_le_bytes());
        bytes.extend(header.part.to_le_bytes());
        Self(xxh3_128(&bytes))
    }

    /// The low half: a hash already.
    fn short(self) -> u64 {
        self.0 as u64
    }
}

/// Records seen within the horizon, in the order in which they came: 32 B a record and 5 B of index.
#[derive(Debug, Default)]
pub(super) struct SeenRequests {
    records: VecDeque<SeenRecord>,
    /// Places in `records`, counted since the beginning, modulo 2^32.
    index: HashTable<u32>,
    /// Count of the first of `records`.
    first: u32,
}

impl SeenRequests {
    pub(super) fn contains(&self, key: RequestKey) -> bool {
        self.index
            .find(key.short(), |&count| {
                self.at(count).is_some_and(|r| r.key == key)
            })
            .is_some()
    }

    /// Adds a record that is newer than all; of two with one key the newer counts.
    pub(super) fn push(&mut self, record: SeenRecord) {
        let count = self.first.wrapping_add(self.records.len() as u32);
        let (records, first) = (&self.records, self.first);
        let key_of = |count: u32| {
            records
                .get(count.wrapping_sub(first) as usize)
                .map(|r| r.key)
        };
        let same = |&other: &u32| key_of(other) == Some(record.key);
        match self.index.find_mut(record.key.short(), same) {
            Some(place) => *place = count,
            None => {
                self.index
                    .insert_unique(record.key.short(), count, |&other| {
                        key_of(other).unwrap_or(record.key).short()
                    });
            }
        }
        self.records.push_back(record);
    }

    /// Forgets what was seen before `horizon`.
    pub(super) fn forget_before(&mut self, horizon: ShardTime) {
        while let Some(oldest) = self.records.front().copied().filter(|r| r.at < horizon) {
            let first = self.first;
            if let Ok(place) = self
                .index
                .find_entry(oldest.key.short(), |&count| count == first)
            {
                place.remove();
            }
            self.records.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    fn at(&self, count: u32) -> Option<&SeenRecord> {
        self.records.get(count.wrapping_sub(self.first) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Offset;

    fn record(key: u128, at_ms: u64) -> SeenRecord {
        SeenRecord {
            key: RequestKey(key),
            offset: Offset(at_ms),
            at: ShardTime { ms: at_ms },
        }
    }

    #[test]
    fn what_is_older_than_the_horizon_is_forgotten() {
        let mut seen = SeenRequests::default();
        for n in 0..1_000u64 {
            seen.push(record(u128::from(n) << 3, n));
        }
        seen.forget_before(ShardTime { ms: 400 });
        for n in 0..1_000u64 {
            assert_eq!(
                seen.contains(RequestKey(u128::from(n) << 3)),
                n >= 400,
                "{n}"
            );
        }
        assert_eq!(seen.index.len(), 600);
    }

    #[test]
    fn of_two_with_one_key_the_newer_counts() {
        let mut seen = SeenRequests::default();
        seen.push(record(7, 1));
        seen.push(record(7, 9));
        seen.forget_before(ShardTime { ms: 5 });
        assert!(seen.contains(RequestKey(7)));
        seen.forget_before(ShardTime { ms: 10 });
        assert!(!seen.contains(RequestKey(7)));
        assert!(seen.index.is_empty());
    }
}
