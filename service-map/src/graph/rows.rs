//! Rows that a graph is built from: what series say of edges and of services. Whoever reads the series fills them in.

use std::collections::{BTreeMap, BTreeSet};

use super::measure::Measure;

/// What one series of edges says. Empty texts are labels that are absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EdgeRow {
    pub client: String,
    pub server: String,
    /// `connection_type`.
    pub connection: String,
    /// `virtual_node`: the end that no span stands for, `client` or `server`; of messaging it is the queue.
    pub virtual_node: String,
    /// In the range.
    pub now: Measure,
    /// In the baseline's range; empty if there is none.
    pub base: Measure,
    /// End of the first window in both ranges, unix ms.
    pub first_seen_unix_ms: Option<i64>,
}

/// What RED and info series say of one service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceRow {
    pub name: String,
    pub namespace: String,
    /// Whose it is; empty if nothing says.
    pub team: String,
    pub environments: BTreeSet<String>,
    /// In the range, and in the baseline's.
    pub versions: BTreeSet<String>,
    pub versions_before: BTreeSet<String>,
    /// Instances seen in the range.
    pub instances: BTreeSet<String>,
    /// Hosts with how many instances each runs.
    pub hosts: BTreeMap<String, u32>,
    /// Requests that it answered, on the server's side.
    pub now: Measure,
    pub base: Measure,
    /// End of the last window with a request, unix ms.
    pub last_seen_unix_ms: Option<i64>,
}

impl ServiceRow {
    /// A version is there that was not there before, beside or after others.
    #[must_use]
    pub fn is_deployed(&self) -> bool {
        !self.versions_before.is_empty() && !self.versions.is_subset(&self.versions_before)
    }

    /// The host that runs most of its instances, by name where several do; none if nothing says.
    #[must_use]
    pub fn main_host(&self) -> Option<&str> {
        let most = self.hosts.values().max()?;
        let mut hosts = self.hosts.iter();
        hosts.find(|(_, n)| *n == most).map(|(host, _)| &**host)
    }
}
