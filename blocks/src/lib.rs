//! Immutable blocks and small metadata: put, read a range, list, delete, and a key-value table.
//!
//! In: whole blocks, named by what they were made from. Out: the same bytes. What a block contains is not known here.

pub mod block;
pub mod store;

pub use block::{BlockKind, BlockName, CatalogEntry, ContentHash};
pub use store::{BlockStore, BlocksError, Put};
