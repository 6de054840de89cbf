//! `[blocks]`: how the block store behaves.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Memory that the catalog and the small metadata may cache. Default 16 MiB.
    #[serde(with = "telemetry::units::bytes")]
    pub catalog_cache_bytes_max: u64,
    /// Free space that puts leave on the disk, so that the catalog itself never meets a full one, and deletes still work. Default 16 MiB.
    #[serde(with = "telemetry::units::bytes")]
    pub disk_reserve: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            catalog_cache_bytes_max: 8 << 20,
            disk_reserve: 16 << 20,
        }
    }
}
