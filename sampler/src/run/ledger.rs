//! Ledger entries of `spans`, in the key-value table of the block store (docs/formats/ledger.md, "Where it lies").

use blocks::{Blocks, Parted};
use bus::log::BoxError;
use bus::machine::LedgerStore;
use bus::{Offset, TopicPartition};
use bytes::Bytes;

/// Where the shards' memory lies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledgers(Parted);

impl Ledgers {
    pub(crate) fn new(blocks: Blocks) -> Self {
        Self(Parted::new(blocks))
    }
}

fn scope(of: TopicPartition) -> String {
    format!("ledger/{}/{}", of.topic, of.partition)
}

impl LedgerStore for Ledgers {
    async fn get(&self, of: TopicPartition, end_offset: Offset) -> Result<Option<Bytes>, BoxError> {
        Ok(self.0.get(&scope(of), end_offset.0).await?)
    }

    async fn put(
        &self,
        of: TopicPartition,
        end_offset: Offset,
        entry: Bytes,
    ) -> Result<(), BoxError> {
        Ok(self.0.put(&scope(of), end_offset.0, &entry).await?)
    }

    async fn forget_before(&self, of: TopicPartition, oldest: Offset) -> Result<(), BoxError> {
        Ok(self.0.forget_before(&scope(of), oldest.0).await?)
    }
}
