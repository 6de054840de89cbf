//! Ledger entries in the key-value table of the block store: scope `ledger/spans/PARTITION`, key the end offset in 20 digits.

use blocks::{BlockStore, Blocks};
use bus::log::BoxError;
use bus::machine::LedgerStore;
use bus::{Offset, TopicPartition};
use bytes::Bytes;

/// Where the shards' memory lies.
#[derive(Clone)]
pub(crate) struct Ledgers(pub(crate) Blocks);

fn scope(of: TopicPartition) -> String {
    format!("ledger/{}/{}", of.topic, of.partition)
}

/// Sorts as the number does.
fn key(end_offset: Offset) -> String {
    format!("{:020}", end_offset.0)
}

impl LedgerStore for Ledgers {
    async fn get(&self, of: TopicPartition, end_offset: Offset) -> Result<Option<Bytes>, BoxError> {
        Ok(self.0.kv_get(&scope(of), &key(end_offset)).await?)
    }

    async fn put(
        &self,
        of: TopicPartition,
        end_offset: Offset,
        entry: Bytes,
    ) -> Result<(), BoxError> {
        Ok(self.0.kv_put(&scope(of), &key(end_offset), entry).await?)
    }

    async fn forget_before(&self, of: TopicPartition, oldest: Offset) -> Result<(), BoxError> {
        let oldest = key(oldest);
        let entries = self.0.kv_list(&scope(of)).await?;
        let old: Vec<String> = entries
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| *key < oldest)
            .collect();
        if !old.is_empty() {
            self.0.kv_delete(&scope(of), &old).await?;
        }
        Ok(())
    }
}
