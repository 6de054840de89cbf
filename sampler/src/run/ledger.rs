//! Ledger entries in the key-value table of the block store, cut into parts (docs/formats/ledger.md, "Where it lies").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blocks::{BlockStore, Blocks};
use bus::log::BoxError;
use bus::machine::LedgerStore;
use bus::{Offset, TopicPartition};
use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

/// Bytes of an entry in one value.
const PART_BYTES_MAX: usize = 512 << 10;
/// Number of parts and length of the whole, before the first part.
const HEAD_BYTES: usize = 12;
const PARTS_MAX: u32 = 4_096;

/// Where the shards' memory lies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledgers {
    blocks: Blocks,
    /// Keys that are there, of each partition whose scope was listed.
    keys: Arc<Mutex<BTreeMap<TopicPartition, BTreeSet<String>>>>,
}

/// Why an entry cannot be put together, or apart.
#[derive(Debug, thiserror::Error)]
enum PartsError {
    #[error(
        "part {part} of the ledger entry that ended at offset {end_offset} is missing or damaged"
    )]
    Part { part: u32, end_offset: Offset },
    #[error("a ledger entry of {bytes} bytes has more than {PARTS_MAX} parts")]
    TooLarge { bytes: usize },
}

impl Ledgers {
    pub(crate) fn new(blocks: Blocks) -> Self {
        Self {
            blocks,
            keys: Arc::default(),
        }
    }

    /// Lists a partition's keys, once.
    async fn list(&self, of: TopicPartition) -> Result<(), BoxError> {
        if !self.keys.lock().contains_key(&of) {
            let found = self.blocks.kv_list(&scope(of)).await?;
            self.keys
                .lock()
                .insert(of, found.into_iter().map(|(key, _)| key).collect());
        }
        Ok(())
    }
}

fn scope(of: TopicPartition) -> String {
    format!("ledger/{}/{}", of.topic, of.partition)
}

/// Sorts as the numbers do.
fn key(end_offset: Offset, part: u32) -> String {
    format!("{:020}-{part:04}", end_offset.0)
}

impl LedgerStore for Ledgers {
    async fn get(&self, of: TopicPartition, end_offset: Offset) -> Result<Option<Bytes>, BoxError> {
        let damaged = |part| PartsError::Part { part, end_offset };
        let Some(first) = self.blocks.kv_get(&scope(of), &key(end_offset, 0)).await? else {
            return Ok(None);
        };
        let (head, body) = first.split_first_chunk::<HEAD_BYTES>().ok_or(damaged(0))?;
        let [n0, n1, n2, n3, l0, l1, l2, l3, l4, l5, l6, l7] = *head;
        let n_parts = u32::from_le_bytes([n0, n1, n2, n3]);
        let n_bytes = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        if n_parts > PARTS_MAX {
            return Err(damaged(0).into());
        }
        let mut entry = BytesMut::from(body);
        for part in 1..n_parts {
            let bytes = self
                .blocks
                .kv_get(&scope(of), &key(end_offset, part))
                .await?;
            entry.put(bytes.ok_or(damaged(part))?);
        }
        if entry.len() as u64 == n_bytes {
            Ok(Some(entry.freeze()))
        } else {
            Err(damaged(0).into())
        }
    }

    async fn put(
        &self,
        of: TopicPartition,
        end_offset: Offset,
        entry: Bytes,
    ) -> Result<(), BoxError> {
        let parts: Vec<&[u8]> = entry.chunks(PART_BYTES_MAX).collect();
        let too_large = PartsError::TooLarge { bytes: entry.len() };
        let n_parts = u32::try_from(parts.len())
            .ok()
            .filter(|n| *n <= PARTS_MAX)
            .ok_or(too_large)?;
        // the first part is last: with it the entry is whole
        for (part, bytes) in (0..n_parts).zip(parts).rev() {
            let mut value = BytesMut::with_capacity(bytes.len() + HEAD_BYTES);
            if part == 0 {
                value.put_u32_le(n_parts);
                value.put_u64_le(entry.len() as u64);
            }
            value.put(bytes);
            let key = key(end_offset, part);
            self.blocks.kv_put(&scope(of), &key, value.freeze()).await?;
            if let Some(keys) = self.keys.lock().get_mut(&of) {
                keys.insert(key);
            }
        }
        Ok(())
    }

    async fn forget_before(&self, of: TopicPartition, oldest: Offset) -> Result<(), BoxError> {
        self.list(of).await?;
        let first_kept = key(oldest, 0);
        let old: Vec<String> = {
            let all = self.keys.lock();
            all.get(&of)
                .map_or_else(Vec::new, |keys| keys.range(..first_kept).cloned().collect())
        };
        if !old.is_empty() {
            self.blocks.kv_delete(&scope(of), &old).await?;
            if let Some(keys) = self.keys.lock().get_mut(&of) {
                keys.retain(|key| !old.contains(key));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bus::{Partition, Topic};
    use telemetry::Clock;

    use super::*;

    const OF: TopicPartition = TopicPartition {
        topic: Topic::Spans,
        partition: Partition(3),
    };

    async fn ledgers(folder: &tempfile::TempDir) -> Ledgers {
        let (config, metrics) = (blocks::Config::default(), blocks::Metrics::default());
        let opened =
            blocks::Local::open(folder.path().to_owned(), config, Clock::host(), metrics).await;
        Ledgers::new(Blocks::Local(opened.expect("a folder")))
    }

    fn entry(end: u64, n_bytes: usize) -> Bytes {
        (0..n_bytes).map(|n| (n as u64 * 7 + end) as u8).collect()
    }

    #[tokio::test]
    async fn entries_of_any_size_come_back_and_old_ones_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledgers = ledgers(&folder).await;
        let sizes = [
            (5, 1),
            (70, PART_BYTES_MAX),
            (800, 2 * PART_BYTES_MAX + 5),
            (9_000, 100),
        ];
        for (end, n_bytes) in sizes {
            ledgers
                .put(OF, Offset(end), entry(end, n_bytes))
                .await
                .expect("put");
        }
        for (end, n_bytes) in sizes {
            assert_eq!(
                ledgers.get(OF, Offset(end)).await.expect("get"),
                Some(entry(end, n_bytes)),
                "{end}"
            );
        }
        assert_eq!(ledgers.get(OF, Offset(6)).await.expect("get"), None);
        ledgers
            .forget_before(OF, Offset(800))
            .await
            .expect("forget");
        let left = ledgers.blocks.kv_list(&scope(OF)).await.expect("list");
        let left: Vec<String> = left.into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            left,
            [
                key(Offset(800), 0),
                key(Offset(800), 1),
                key(Offset(800), 2),
                key(Offset(9_000), 0)
            ]
        );
    }

    #[tokio::test]
    async fn an_entry_without_its_first_part_is_not_there_and_one_without_another_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledgers = ledgers(&folder).await;
        ledgers
            .put(OF, Offset(1), entry(1, 2 * PART_BYTES_MAX))
            .await
            .expect("put");
        ledgers
            .blocks
            .kv_delete(&scope(OF), &[key(Offset(1), 1)])
            .await
            .expect("delete");
        assert!(ledgers.get(OF, Offset(1)).await.is_err());
        ledgers
            .blocks
            .kv_delete(&scope(OF), &[key(Offset(1), 0)])
            .await
            .expect("delete");
        assert_eq!(ledgers.get(OF, Offset(1)).await.expect("get"), None);
    }
}
