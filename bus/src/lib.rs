//! The log: topics, partitions, records, and the one loop that runs every machine over them.
//!
//! In: drafts of records from the collector and from owners (ticks, control). Out: the same records, durable, in order, with an offset.
//! This is not a queue: nothing is taken away by reading, and what was acknowledged is on disk.

pub mod any;
pub mod attempts;
pub mod config;
pub mod header;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod local;
pub mod log;
pub mod machine;
pub mod metrics;
pub mod record;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topic;

mod fields;

pub use any::{Bus, BusConsumer, BusMember};
pub use attempts::{Attempt, Attempts, Skips};
pub use config::Config;
pub use header::HeaderError;
pub use local::{Local, OpenError};
pub use metrics::Metrics;

pub use log::{
    Appended, Assignment, Commit, Consumer, Fetched, Log, LogError, Member, PublishError, Start,
};
pub use record::{Draft, Header, Kind, Record, RequestHash};
pub use topic::{Offset, Partition, Topic, TopicPartition};
