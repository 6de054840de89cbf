//! Blocks: rows of series as one immutable body (docs/formats/metrics-block.md). In: rows in order of series. Out: bytes, and the rows that matchers and
//! a range of time want.

pub mod build;
pub mod index;
mod layout;
pub mod meta;
pub mod read;

#[cfg(test)]
mod tests;

pub use build::{BlockBuilder, Built};
pub use index::BlockIndex;
pub use layout::section_bytes;
pub use meta::Meta;

use crate::chunk::ChunkError;

/// Why a block cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("a section of {bytes} bytes is over the limit of {bytes_max}")]
    TooLarge { bytes: u64, bytes_max: u64 },
    #[error("a section cannot be compressed: {0}")]
    Compress(#[source] std::io::Error),
}

/// Why a body is no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a block of version {found}, this release reads version 2")]
    Version { found: u8 },
    #[error("section {0} lies outside the block, is too large or has a wrong checksum")]
    Section(usize),
    #[error("section {section} of the block is damaged: {error}")]
    Column { section: usize, error: ChunkError },
    #[error("the block is damaged: {0}")]
    Other(&'static str),
}
