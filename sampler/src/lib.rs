//! The sampler: traces assembled, decided as a whole, and handed to the store.
//!
//! In: records of the topic `spans`. Out: kept traces in the store, dead letters, the ledger, commits. `shard` and `policy` are pure; `run` is the
//! shell around them.

pub mod config;
pub mod control;
pub mod metrics;
pub mod policy;
pub mod red;
pub mod run;
pub mod shard;

pub use config::{Config, PartitionMemory};
pub use metrics::Metrics;
pub use policy::{Policy, PolicyError};
pub use run::{LiveCounted, LiveCounts, LiveLook, LivePart, LiveShards, Sampler};
pub use shard::{SealedEpoch, Shard};
