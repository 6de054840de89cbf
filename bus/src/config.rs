//! `[bus]` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::units;

/// Which log there is and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Local folder, or Kafka.
    pub kind: LogKind,
    /// Age from which read segments are deleted. Default 6 h.
    #[serde(with = "units::duration")]
    pub retention: Duration,
    /// Size from which read segments are deleted, oldest first; what is unread is never deleted for it. Default 20 GiB.
    #[serde(with = "units::bytes")]
    pub bytes_max: u64,
    /// How far behind the committed offset nothing is deleted: at least the sampler's `late_window` and 10 min. Default 15 min.
    #[serde(with = "units::duration")]
    pub keep_read: Duration,
    /// What an acknowledgement of the local log survives.
    pub durability: Durability,
    /// Partitions of `spans`, fixed when the log is made.
    pub partitions: Partitions,
    /// Size of a segment of the local log. Default 64 MiB.
    #[serde(with = "units::bytes")]
    pub segment_bytes_max: u64,
    /// Bytes that senders may have waiting to be written; more is refused. What owners say has 16 MiB beside it. Default 32 MiB.
    #[serde(with = "units::bytes")]
    pub queue_bytes_max: u64,
    /// Free space below which nothing is taken in; 5 % of the disk if that is more. Default 1 GiB.
    #[serde(with = "units::bytes")]
    pub disk_reserve: u64,
    /// What `kind = "kafka"` needs.
    pub kafka: Kafka,
}

/// `[bus.kafka]`: where the brokers are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// `host:port` of a few brokers, parted by commas.
    pub brokers: String,
    /// Stands before the name of each topic. Default `tracewell.`.
    pub topic_prefix: String,
    /// Name of this process among its peers, the same after a restart.
    pub node: String,
    /// How long this process may be silent before its partitions go to others; a restart within it moves none. Default 30 s.
    #[serde(with = "units::duration")]
    pub session_timeout: Duration,
    /// When an append that has no answer is refused. Default 2.5 s.
    #[serde(with = "units::duration")]
    pub append_timeout: Duration,
    /// Whether a topic with the timestamps of its producers is taken: their clocks then run the timers. For tests only. Default false.
    pub allow_create_time: bool,
}

/// Implementation of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    Local,
    Kafka,
}

/// What an acknowledgement survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// A power cut: `fdatasync` has returned.
    Fsync,
    /// The death of the process only: `write` has returned.
    Os,
}

/// Number of partitions, 1 to 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partitions {
    /// What the log has; when it is made, as many as there are cores, at most 4.
    #[default]
    Auto,
    Fixed(u32),
}

/// Most partitions that a topic may have.
pub const PARTITIONS_MAX: u32 = 1024;

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: LogKind::Local,
            retention: Duration::from_secs(6 * 3600),
            bytes_max: 20 << 30,
            keep_read: Duration::from_secs(15 * 60),
            durability: Durability::Fsync,
            partitions: Partitions::Auto,
            segment_bytes_max: 64 << 20,
            queue_bytes_max: 32 << 20,
            disk_reserve: 1 << 30,
            kafka: Kafka::default(),
        }
    }
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            topic_prefix: "tracewell.".to_owned(),
            node: "node-1".to_owned(),
            session_timeout: Duration::from_secs(30),
            append_timeout: Duration::from_millis(2_500),
            allow_create_time: false,
        }
    }
}

impl Serialize for Partitions {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => output.serialize_str("auto"),
            Self::Fixed(n) => output.serialize_u32(*n),
        }
    }
}

impl<'de> Deserialize<'de> for Partitions {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "\"auto\" or a number of partitions, 1 to 1024")]
        enum Written {
            Number(u32),
            Text(String),
        }
        match Written::deserialize(input)? {
            Written::Number(n) if (1..=PARTITIONS_MAX).contains(&n) => Ok(Self::Fixed(n)),
            Written::Number(n) => Err(serde::de::Error::custom(format!(
                "{n} partitions: there may be 1 to {PARTITIONS_MAX}"
            ))),
            Written::Text(text) if text == "auto" => Ok(Self::Auto),
            Written::Text(text) => Err(serde::de::Error::custom(format!(
                "{text:?} is no number of partitions; write \"auto\" or 1 to {PARTITIONS_MAX}"
            ))),
        }
    }
}
