//! `[metrics]`: how long and how much is kept, and what is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::Limits;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Age at which a block is deleted, counted from when the log took its newest record. Default 90 d.
    #[serde(with = "telemetry::units::duration")]
    pub retention: Duration,
    /// Bytes of all blocks over which the oldest are deleted. Default 20 GiB.
    #[serde(with = "telemetry::units::bytes")]
    pub bytes_max: u64,
    /// Series of a tenant within 5 minutes; deltas beyond are added to an overflow series, other samples are refused. Default 1 000 000.
    pub series_max: u32,
    /// Series of one metric within 5 minutes, likewise. Default 200 000.
    pub metric_series_max: u32,
    /// How much older than its arrival a sample may be. Default 10 min.
    #[serde(with = "telemetry::units::duration")]
    pub out_of_order: Duration,
    /// Memory for opened blocks. Default 128 MiB.
    #[serde(with = "telemetry::units::bytes")]
    pub cache_bytes_max: u64,
    /// How often compaction and retention look for work. Default 30 s.
    #[serde(with = "telemetry::units::duration")]
    pub maintenance_interval: Duration,
    /// Bytes of blocks that are merged into one. Default 64 MiB.
    #[serde(with = "telemetry::units::bytes")]
    pub merge_bytes_max: u64,
    pub red: RedConfig,
}

/// `[metrics.red]`: series of spans.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedConfig {
    /// Attributes of spans or their resources that become labels of series of spans; the sampler counts by them. Default none.
    pub dimensions: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(90 * 24),
            bytes_max: 20 << 30,
            series_max: 1_000_000,
            metric_series_max: 200_000,
            out_of_order: Duration::from_mins(10),
            cache_bytes_max: 128 << 20,
            maintenance_interval: Duration::from_secs(30),
            merge_bytes_max: 64 << 20,
            red: RedConfig::default(),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} is 0")]
    Zero(&'static str),
}

impl Config {
    /// # Errors
    /// The first value that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let values = [
            ("series_max", self.series_max == 0),
            ("metric_series_max", self.metric_series_max == 0),
            ("maintenance_interval", self.maintenance_interval.is_zero()),
            ("retention", self.retention.is_zero()),
            ("merge_bytes_max", self.merge_bytes_max == 0),
        ];
        match values.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(ConfigError::Zero(name)),
            None => Ok(()),
        }
    }

    /// What the owner of a partition wants in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            out_of_order_ms: u64::try_from(self.out_of_order.as_millis()).unwrap_or(u64::MAX),
            series_max: self.series_max,
            metric_series_max: self.metric_series_max,
        }
    }
}
