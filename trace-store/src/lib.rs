//! Kept traces: blocks of them, found by id and by search.
//!
//! In: the traces an epoch kept, each as valid OTLP (`TracesData`) with the rule and probability that kept it. Out: the same traces, byte for
//! byte equal spans, by id or by what is in them. Nothing here decides what is kept.

mod block;
mod catalog;
pub mod compact;
pub mod config;
pub mod filter;
#[cfg(test)]
mod fixtures;
pub mod maintenance;
pub mod metrics;
pub mod query;
pub mod search;
pub mod store;
mod tags;
pub mod trace;
pub mod traceql;

pub use block::input::DecodeError;
pub use block::read::{BlockFacts, ReadError, inspect_block};
pub use block::write::BuildError;
pub use config::Config;
pub use filter::{Filter, NO_SERVICE_NAME};
pub use maintenance::{Maintained, Maintenance};
pub use metrics::Metrics;
pub use query::{Cursor, Operation, Partial, SearchPage, SearchQuery};
pub use store::{TraceStore, WriteError};
pub use trace::{EpochName, KeptTrace, Sampling, StoredTrace};
