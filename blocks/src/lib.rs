//! Immutable blocks and small metadata: put, read a range, list, delete, and a key-value table.
//!
//! In: whole blocks, named by what they were made from. Out: the same bytes. What a block contains is not known here.

pub mod backend;
pub mod block;
pub mod config;
pub mod local;
pub mod metrics;
pub mod parted;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use backend::Blocks;
pub use block::{BlockKind, BlockName, CatalogEntry, ContentHash};
pub use config::Config;
pub use local::Local;
pub use metrics::Metrics;
pub use parted::Parted;
pub use store::{BlockStore, BlocksError, Put};
