//! `[blocks]`: how the block store behaves.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Memory that the catalog and the small metadata may cache. Default 16 MiB.
    #[serde(with = "telemetry::units::bytes")]
    pub catalog_cache_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            catalog_cache_bytes_max: 16 << 20,
        }
    }
}
