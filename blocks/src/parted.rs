//! Values of any size in the key-value table, cut into parts and numbered: what a stage's ledger needs. In: (scope, number, bytes). Out: the same.
//!
//! A value is whole once its first part is there, which is written last (docs/formats/ledger.md, "Where it lies").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

use crate::{BlockStore, Blocks, BlocksError};

/// Bytes of one part.
const PART_BYTES_MAX: usize = 512 << 10;
/// Number of parts and length of the whole, before the first part.
const HEAD_BYTES: usize = 12;
const PARTS_MAX: u32 = 4_096;

/// Numbered values of any size. Cheap to clone.
#[derive(Clone)]
pub struct Parted {
    blocks: Blocks,
    /// Keys that are there, of each scope that was listed.
    keys: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>,
}

/// Sorts as the numbers do.
fn key(number: u64, part: u32) -> String {
    format!("{number:020}-{part:04}")
}

impl Parted {
    #[must_use]
    pub fn new(blocks: Blocks) -> Self {
        Self {
            blocks,
            keys: Arc::default(),
        }
    }

    /// The value, if its first part is there.
    ///
    /// # Errors
    /// When the store fails, or another part is missing or damaged.
    pub async fn get(&self, scope: &str, number: u64) -> Result<Option<Bytes>, BlocksError> {
        let damaged = |part| BlocksError::DamagedValue {
            scope: scope.to_owned(),
            key: key(number, part),
        };
        let Some(first) = self.blocks.kv_get(scope, &key(number, 0)).await? else {
            return Ok(None);
        };
        let (head, body) = first
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or_else(|| damaged(0))?;
        let [n0, n1, n2, n3, l0, l1, l2, l3, l4, l5, l6, l7] = *head;
        let n_parts = u32::from_le_bytes([n0, n1, n2, n3]);
        let n_bytes = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        if n_parts > PARTS_MAX {
            return Err(damaged(0));
        }
        let mut value = BytesMut::from(body);
        for part in 1..n_parts {
            let bytes = self.blocks.kv_get(scope, &key(number, part)).await?;
            value.put(bytes.ok_or_else(|| damaged(part))?);
        }
        if value.len() as u64 == n_bytes {
            Ok(Some(value.freeze()))
        } else {
            Err(damaged(0))
        }
    }

    /// Durable on return.
    ///
    /// # Errors
    /// When the value has too many parts, or the store fails.
    pub async fn put(&self, scope: &str, number: u64, value: &Bytes) -> Result<(), BlocksError> {
        let bytes_max = PARTS_MAX as usize * PART_BYTES_MAX;
        if value.len() > bytes_max {
            return Err(BlocksError::TooLarge {
                what: "a value in parts",
                bytes: value.len() as u64,
                bytes_max: bytes_max as u64,
            });
        }
        let mut parts: Vec<&[u8]> = value.chunks(PART_BYTES_MAX).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let n_parts = parts.len() as u32;
        // the first part is last: with it the value is whole
        for (part, bytes) in (0..n_parts).zip(parts).rev() {
            let mut stored = BytesMut::with_capacity(bytes.len() + HEAD_BYTES);
            if part == 0 {
                stored.put_u32_le(n_parts);
                stored.put_u64_le(value.len() as u64);
            }
            stored.put(bytes);
            let key = key(number, part);
            self.blocks.kv_put(scope, &key, stored.freeze()).await?;
            if let Some(keys) = self.keys.lock().get_mut(scope) {
                keys.insert(key);
            }
        }
        Ok(())
    }

    /// Removes values with lower numbers.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_before(&self, scope: &str, oldest: u64) -> Result<(), BlocksError> {
        if !self.keys.lock().contains_key(scope) {
            let found = self.blocks.kv_list(scope).await?;
            let keys = found.into_iter().map(|(key, _)| key).collect();
            self.keys.lock().insert(scope.to_owned(), keys);
        }
        let old: Vec<String> = {
            let all = self.keys.lock();
            let keys = all.get(scope).into_iter();
            keys.flat_map(|keys| keys.range(..key(oldest, 0)).cloned())
                .collect()
        };
        if !old.is_empty() {
            self.blocks.kv_delete(scope, &old).await?;
            if let Some(keys) = self.keys.lock().get_mut(scope) {
                keys.retain(|key| !old.contains(key));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use telemetry::Clock;

    use super::*;
    use crate::{Config, Local, Metrics};

    async fn parted(folder: &tempfile::TempDir) -> Parted {
        let (config, metrics) = (Config::default(), Metrics::default());
        let opened = Local::open(folder.path().to_owned(), config, Clock::host(), metrics).await;
        Parted::new(Blocks::Local(opened.expect("a folder")))
    }

    fn value(number: u64, n_bytes: usize) -> Bytes {
        (0..n_bytes)
            .map(|n| (n as u64 * 7 + number) as u8)
            .collect()
    }

    #[tokio::test]
    async fn values_of_any_size_come_back_and_old_ones_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let parted = parted(&folder).await;
        let sizes = [
            (5, 0),
            (70, PART_BYTES_MAX),
            (800, 2 * PART_BYTES_MAX + 5),
            (9_000, 100),
        ];
        for (number, n_bytes) in sizes {
            let put = parted.put("s", number, &value(number, n_bytes)).await;
            put.expect("put");
        }
        for (number, n_bytes) in sizes {
            let got = parted.get("s", number).await.expect("get");
            assert_eq!(got, Some(value(number, n_bytes)), "{number}");
        }
        assert_eq!(parted.get("s", 6).await.expect("get"), None);
        parted.forget_before("s", 800).await.expect("forget");
        let left = parted.blocks.kv_list("s").await.expect("list");
        let left: Vec<String> = left.into_iter().map(|(key, _)| key).collect();
        assert_eq!(left, [key(800, 0), key(800, 1), key(800, 2), key(9_000, 0)]);
    }

    #[tokio::test]
    async fn a_value_without_its_first_part_is_not_there_and_one_without_another_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let parted = parted(&folder).await;
        let put = parted.put("s", 1, &value(1, 2 * PART_BYTES_MAX)).await;
        put.expect("put");
        let second = parted.blocks.kv_delete("s", &[key(1, 1)]).await;
        second.expect("delete");
        assert!(parted.get("s", 1).await.is_err());
        let first = parted.blocks.kv_delete("s", &[key(1, 0)]).await;
        first.expect("delete");
        assert_eq!(parted.get("s", 1).await.expect("get"), None);
    }
}
