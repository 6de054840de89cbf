//! `[trace_store]`: how long and how much is kept, and with what memory it is found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Age at which a block is deleted, counted from when it was written. Default 15 d.
    #[serde(with = "telemetry::units::duration")]
    pub retention: Duration,
    /// Bytes of all blocks over which the oldest are deleted. Default 100 GiB.
    #[serde(with = "telemetry::units::bytes")]
    pub bytes_max: u64,
    /// Memory for opened blocks. Default 256 MiB.
    #[serde(with = "telemetry::units::bytes")]
    pub cache_bytes_max: u64,
    /// Level of zstd, 1 to 19. Default 2.
    pub zstd_level: i32,
    /// How often compaction and retention look for work. Default 30 s.
    #[serde(with = "telemetry::units::duration")]
    pub maintenance_interval: Duration,
    /// Shard time that must pass after a window before its blocks are merged: late parts come until then. Default 5 min.
    #[serde(with = "telemetry::units::duration")]
    pub late_window: Duration,
    /// Bytes of blocks that are merged into one, which is also the memory that a merge takes, twice. Default 64 MiB.
    #[serde(with = "telemetry::units::bytes")]
    pub merge_bytes_max: u64,
    /// Bytes of spans that one search reads before it answers with what it has. Default 256 MiB.
    #[serde(with = "telemetry::units::bytes")]
    pub search_bytes_max: u64,
    /// Time after which a search answers with what it has. Default 10 s.
    #[serde(with = "telemetry::units::duration")]
    pub search_time_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(15 * 24),
            bytes_max: 100 << 30,
            cache_bytes_max: 256 << 20,
            zstd_level: 2,
            maintenance_interval: Duration::from_secs(30),
            late_window: Duration::from_mins(5),
            merge_bytes_max: 64 << 20,
            search_bytes_max: 256 << 20,
            search_time_max: Duration::from_secs(10),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("zstd_level is {0}; it is 1 to 19")]
    ZstdLevel(i32),
    #[error("maintenance_interval is 0")]
    MaintenanceInterval,
}

impl Config {
    /// # Errors
    /// The first value that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=19).contains(&self.zstd_level) {
            return Err(ConfigError::ZstdLevel(self.zstd_level));
        }
        if self.maintenance_interval.is_zero() {
            return Err(ConfigError::MaintenanceInterval);
        }
        Ok(())
    }
}
