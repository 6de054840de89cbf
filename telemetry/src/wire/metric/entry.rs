//! What the walk notes of a request: one fixed-size entry a resource, scope, metric and accepted point, in vectors that are used again.

use super::super::proto::Extent;

/// Everything noted of a request.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) resources: Vec<ResourceEntry>,
    pub(super) scopes: Vec<Head>,
    pub(super) metrics: Vec<MetricEntry>,
    /// Accepted ones, in the order they were sent.
    pub(super) points: Vec<PointEntry>,
}

/// A resource or scope and its schema URL.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head {
    pub(super) body: Option<Extent>,
    pub(super) schema_url: Extent,
}

/// One `ResourceMetrics`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResourceEntry {
    pub(super) extent: Extent,
    pub(super) head: Head,
    /// Hash of what tells it from other resources.
    pub(super) identity: u64,
    /// Its points.
    pub(super) points_start: u32,
    pub(super) points_end: u32,
    /// Nothing of it was rejected: it may be copied as it is.
    pub(super) is_whole: bool,
}

/// One `Metric` that has data.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MetricEntry {
    pub(super) extent: Extent,
    /// Number of the field that has the data, and its body.
    pub(super) data_number: u64,
    pub(super) data: Extent,
}

/// One accepted point.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PointEntry {
    pub(super) extent: Extent,
    pub(super) scope_idx: u32,
    pub(super) metric_idx: u32,
}

impl Entries {
    pub(super) fn clear(&mut self) {
        self.resources.clear();
        self.scopes.clear();
        self.metrics.clear();
        self.points.clear();
    }

    pub(super) fn resource(&self, idx: u32) -> ResourceEntry {
        self.resources
            .get(idx as usize)
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn scope(&self, idx: u32) -> Head {
        self.scopes.get(idx as usize).copied().unwrap_or_default()
    }

    pub(super) fn metric(&self, idx: u32) -> MetricEntry {
        self.metrics.get(idx as usize).copied().unwrap_or_default()
    }

    /// Messages of all kinds.
    pub(super) fn n_around(&self) -> usize {
        self.resources.len() + self.scopes.len() + self.metrics.len()
    }
}
