//! The closed set of block stores, chosen once at start.

use std::ops::Range;

use bytes::Bytes;

use crate::local::Local;
#[cfg(feature = "testing")]
use crate::testing::Faulty;
use crate::{BlockKind, BlockName, BlockStore, BlocksError, CatalogEntry, ContentHash, Put};

/// A block store. Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub enum Blocks {
    /// A folder on this machine.
    Local(Local),
    /// A store that fails by a seed.
    #[cfg(feature = "testing")]
    Faulty(Faulty),
}

/// The same call on whichever store it is.
macro_rules! each {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Blocks::Local($store) => $call.await,
            #[cfg(feature = "testing")]
            Blocks::Faulty($store) => $call.await,
        }
    };
}

impl BlockStore for Blocks {
    async fn put(
        &self,
        name: &BlockName,
        content: ContentHash,
        meta: Bytes,
        bytes: Bytes,
    ) -> Result<Put, BlocksError> {
        each!(self, store => store.put(name, content, meta, bytes))
    }

    async fn read(&self, name: &BlockName, range: Range<u64>) -> Result<Bytes, BlocksError> {
        each!(self, store => store.read(name, range))
    }

    async fn list(&self, kind: BlockKind) -> Result<Vec<CatalogEntry>, BlocksError> {
        each!(self, store => store.list(kind))
    }

    async fn delete(&self, name: &BlockName) -> Result<(), BlocksError> {
        each!(self, store => store.delete(name))
    }

    async fn kv_get(&self, scope: &str, key: &str) -> Result<Option<Bytes>, BlocksError> {
        each!(self, store => store.kv_get(scope, key))
    }

    async fn kv_put(&self, scope: &str, key: &str, value: Bytes) -> Result<(), BlocksError> {
        each!(self, store => store.kv_put(scope, key, value))
    }

    async fn kv_list(&self, scope: &str) -> Result<Vec<(String, Bytes)>, BlocksError> {
        each!(self, store => store.kv_list(scope))
    }

    async fn kv_delete(&self, scope: &str, keys: &[String]) -> Result<(), BlocksError> {
        each!(self, store => store.kv_delete(scope, keys))
    }
}
