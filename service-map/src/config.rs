//! What can be set about the map.

use serde::{Deserialize, Serialize};

use crate::graph::cluster::Group;

/// Nodes that a map must be able to draw, and more than which nobody reads nor lays out in time.
const NODES_LEAST: usize = 10;
const NODES_MOST: usize = 1_000;

/// `[service_map]`: how a map is drawn unless a question says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Nodes that are drawn at most; beyond them groups fold. Default 300.
    pub max_nodes: usize,
    /// By what entities are put together. Default service.
    pub group: Group,
}

/// Why a map cannot be drawn so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("max_nodes is {NODES_LEAST} to {NODES_MOST}, this is {0}")]
    MaxNodes(usize),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_nodes: 300,
            group: Group::Service,
        }
    }
}

impl Config {
    /// # Errors
    /// When `max_nodes` is out of its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        if (NODES_LEAST..=NODES_MOST).contains(&self.max_nodes) {
            Ok(())
        } else {
            Err(ConfigError::MaxNodes(self.max_nodes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_a_range() {
        for (max_nodes, is_good) in [
            (9, false),
            (10, true),
            (300, true),
            (1_000, true),
            (1_001, false),
        ] {
            let config = Config {
                max_nodes,
                ..Config::default()
            };
            assert_eq!(config.check().is_ok(), is_good, "{max_nodes}");
        }
    }
}
