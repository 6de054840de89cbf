//! Chunks: the points of a series as columns that lose no bit (docs/formats/metrics-chunk.md).
//!
//! In: times, values, histograms. Out: bytes, and the same again. Which series they belong to, and how many points there are, is the block's business.

mod bits;
pub mod bytes;
pub mod floats;
pub mod histograms;
pub mod ints;
mod xor;

/// Points in one chunk at most.
pub const POINTS_MAX: usize = 1_024;

/// Why bytes are no column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a column of a chunk is damaged: {0}")]
pub struct ChunkError(pub &'static str);

/// How hard to look for the shortest way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Sealing: what is quick.
    Quick,
    /// Compaction: pco as well.
    Thorough,
}
