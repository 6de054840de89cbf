//! `[metrics]`: how long and how much is kept, and what is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::semconv::label_of;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedConfig {
    /// Attributes of spans or their resources that become labels of series of spans; the sampler counts by them. Default none.
    pub dimensions: Vec<String>,
    /// Attributes whose labels the names of other tools keep, beside their own. Default none.
    pub view_dimensions: Vec<String>,
    /// Series of spans of a tenant that each epoch of a partition of `spans` counts by name; the rest counts as `__overflow__`. Default 100 000.
    pub series_max: u32,
    /// The same of one service. Default 2 000.
    pub span_names_max: u32,
}

impl Default for RedConfig {
    fn default() -> Self {
        Self {
            dimensions: Vec::new(),
            view_dimensions: Vec::new(),
            series_max: 100_000,
            span_names_max: 2_000,
        }
    }
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

/// Labels that the names of other tools keep at most.
const VIEW_DIMENSIONS_MAX: usize = 8;
/// Labels that they have of their own.
const OF_VIEWS: [&str; 10] = [
    "instance",
    "job",
    "le",
    "metric_overflow",
    "otel_metric_overflow",
    "service",
    "service_name",
    "span_kind",
    "span_name",
    "status_code",
];

impl RedConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let n = self.view_dimensions.len();
        if n > VIEW_DIMENSIONS_MAX {
            return Err(ConfigError::ViewDimensions { n });
        }
        let is_taken = |name: &&String| {
            let label = label_of(name);
            label.is_empty() || label.starts_with("__") || OF_VIEWS.contains(&&*label)
        };
        match self.view_dimensions.iter().find(is_taken) {
            Some(name) => Err(ConfigError::ViewDimension { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Labels that views keep.
    #[must_use]
    pub fn kept_labels(&self) -> Vec<String> {
        self.view_dimensions
            .iter()
            .map(|name| label_of(name))
            .collect()
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} is 0")]
    Zero(&'static str),
    #[error("red.view_dimensions: {n} names, over the limit of {VIEW_DIMENSIONS_MAX}")]
    ViewDimensions { n: usize },
    #[error("red.view_dimensions: {name:?} would be a label that these names have already")]
    ViewDimension { name: String },
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
            None => self.red.check(),
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
