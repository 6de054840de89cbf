//! The seam: what a block store promises. `tests/conformance` is this text, executable, and runs on every implementation.

use std::future::Future;
use std::ops::Range;

use bytes::Bytes;

use crate::{BlockKind, BlockName, CatalogEntry, ContentHash};

/// A cause from a backend, told in its own words.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A reader sees a block whole or not at all. Cheap to clone; every clone is the same store.
pub trait BlockStore: Clone + Send + Sync + 'static {
    /// Durable on return. The same name with the same content again is [`Put::Same`], however it is compressed; other content is never lost
    /// nor put in its place: it is stored beside the first under its own id, [`Put::Beside`], and reported.
    fn put(
        &self,
        name: &BlockName,
        content: ContentHash,
        meta: Bytes,
        bytes: Bytes,
    ) -> impl Future<Output = Result<Put, BlocksError>> + Send;

    /// Bytes `range` of a block. A range past its end is an error, not a short answer.
    fn read(
        &self,
        name: &BlockName,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Bytes, BlocksError>> + Send;

    /// Every visible block of a kind, of all tenants, ordered by name.
    fn list(
        &self,
        kind: BlockKind,
    ) -> impl Future<Output = Result<Vec<CatalogEntry>, BlocksError>> + Send;

    /// Makes a block invisible, then removes it. Deleting what is not there is no error.
    fn delete(&self, name: &BlockName) -> impl Future<Output = Result<(), BlocksError>> + Send;

    /// Small metadata, at most 1 MiB a value: the value under (scope, key), if there is one.
    fn kv_get(
        &self,
        scope: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Bytes>, BlocksError>> + Send;

    /// Replaces the value under (scope, key). Durable on return.
    fn kv_put(
        &self,
        scope: &str,
        key: &str,
        value: Bytes,
    ) -> impl Future<Output = Result<(), BlocksError>> + Send;

    /// Every key of a scope with its value, ordered by key.
    fn kv_list(
        &self,
        scope: &str,
    ) -> impl Future<Output = Result<Vec<(String, Bytes)>, BlocksError>> + Send;

    /// Removes keys of a scope. Keys that are not there are no error.
    fn kv_delete(
        &self,
        scope: &str,
        keys: &[String],
    ) -> impl Future<Output = Result<(), BlocksError>> + Send;
}

/// What became of a put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Stored.
    New,
    /// It was there already, equal in content.
    Same,
    /// Another content had the name: stored beside it under the name given here. Somebody's determinism is broken.
    Beside(BlockName),
}

/// Why a block store did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum BlocksError {
    #[error("block {0:?} is not there")]
    NotFound(BlockName),
    #[error("block {name:?} is damaged at byte {at}: {what}")]
    Damaged {
        name: BlockName,
        at: u64,
        what: String,
    },
    #[error("bytes {wanted:?} of block {name:?} do not exist: it has {size_bytes}")]
    Range {
        name: BlockName,
        wanted: Range<u64>,
        size_bytes: u64,
    },
    #[error("{0:?} is no block id: 1 to 200 of a-z 0-9 . -")]
    Name(String),
    #[error(
        "{0:?} is no key: scope and key are text without a zero byte, together at most 1000 bytes"
    )]
    Key(String),
    #[error("value {key:?} of scope {scope:?} is damaged")]
    DamagedValue { scope: String, key: String },
    #[error("{what} is {bytes} bytes, over the limit of {bytes_max}")]
    TooLarge {
        what: &'static str,
        bytes: u64,
        bytes_max: u64,
    },
    #[error("the block store is read-only after failed writes; restart once the disk is repaired")]
    ReadOnly,
    #[error("the block store is unavailable: {0}")]
    Unavailable(#[source] BoxError),
}
