//! A block's name, and what the catalog says of it.

use bytes::Bytes;
use telemetry::Tenant;

/// Longest id of a block, in bytes.
pub const ID_BYTES_MAX: usize = 200;
/// Longest meta of a block, in bytes.
pub const META_BYTES_MAX: usize = 64 << 10;

/// What a block holds; each kind has a format of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    Traces,
    Metrics,
}

impl BlockKind {
    pub const ALL: [Self; 2] = [Self::Traces, Self::Metrics];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

/// Name of a block: what it was made from. The same name means the same content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockName {
    pub kind: BlockKind,
    pub tenant: Tenant,
    /// Made by the store of that kind from topic, partition, end offset and such: 1 to 200 of `[a-z0-9.-]`.
    pub id: String,
}

impl BlockName {
    /// Whether the id is 1 to [`ID_BYTES_MAX`] of `[a-z0-9.-]`.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        (1..=ID_BYTES_MAX).contains(&self.id.len()) && self.id.bytes().all(allowed)
    }

    /// Where other content of the same name is stored.
    #[must_use]
    pub fn beside(&self, content: ContentHash) -> Self {
        Self {
            id: format!("{}-{:032x}", self.id, content.0),
            ..self.clone()
        }
    }
}

/// xxh3-128 over the decoded rows of a block in canonical order: equal content, equal hash, however it was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub u128);

/// A visible block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    pub name: BlockName,
    pub content: ContentHash,
    pub size_bytes: u64,
    /// What the kind's store wants to know of a block without opening it, at most 64 KiB.
    pub meta: Bytes,
}
