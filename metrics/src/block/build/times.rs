//! The time columns of a block: series that were scraped together share one. In: times of a chunk. Out: the number of their column.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_128;

use crate::chunk::ints;

/// Time columns, each once.
#[derive(Default)]
pub(super) struct Times {
    pub(super) bytes: Vec<u8>,
    numbers: BTreeMap<u128, u32>,
    pub(super) sizes: Vec<i64>,
    pub(super) points: Vec<i64>,
    pub(super) firsts: Vec<i64>,
    pub(super) spans: Vec<i64>,
}

impl Times {
    /// The number of a column of times, written if it is new.
    pub(super) fn number(&mut self, times: &[i64]) -> u32 {
        let mut key = Vec::with_capacity(size_of_val(times));
        key.extend(times.iter().flat_map(|unix_ms| unix_ms.to_le_bytes()));
        let key = xxh3_128(&key);
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = self.sizes.len() as u32;
        let begin = self.bytes.len();
        ints::encode(times, &mut self.bytes);
        let (first, last) = (
            times.first().copied().unwrap_or_default(),
            times.last().copied().unwrap_or_default(),
        );
        self.sizes.push((self.bytes.len() - begin) as i64);
        self.points.push(times.len() as i64);
        self.firsts.push(first);
        self.spans.push(last.wrapping_sub(first));
        self.numbers.insert(key, number);
        number
    }
}
