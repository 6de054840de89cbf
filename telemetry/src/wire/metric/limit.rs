//! How much of what a request of metrics may carry, and what was left out of one.

use super::super::limit::{Rejected, WalkLimits};

/// Limits on a request. Points over a *reject* limit are left out and counted; attributes and exemplars over a *cut* limit are left
/// out of their point and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricLimits {
    /// Points, and messages around them, in a request; with more the whole is refused. Default 65,536.
    pub items_max: u32,
    /// Reject: bytes of a point, of what a metric says beside its points, of a resource or of a scope. Default 512 KiB.
    pub item_bytes_max: u32,
    /// Reject: bytes of a metric's name. Default 256.
    pub name_bytes_max: u32,
    /// Reject: buckets of a histogram on one side, and quantiles of a summary. Default 1,024.
    pub buckets_max: u32,
    /// Cut: attributes of a point or exemplar. Default 40.
    pub labels_max: u32,
    /// Cut: attributes of a resource or scope, and metadata of a metric. Default 128.
    pub attributes_max: u32,
    /// Cut: exemplars of a point. Default 128.
    pub exemplars_max: u32,
    /// Cut: bytes of a key; an attribute with a longer one is left out. Default 256.
    pub key_bytes_max: u32,
    /// Cut: bytes of a text or bytes value; an attribute with a longer one is left out. Default 4 KiB.
    pub value_bytes_max: u32,
    /// Cut: levels of a value within values; an attribute with more is left out. Default 16.
    pub nesting_max: u32,
}

impl Default for MetricLimits {
    fn default() -> Self {
        Self {
            items_max: 1 << 16,
            item_bytes_max: 512 << 10,
            name_bytes_max: 256,
            buckets_max: 1_024,
            labels_max: 40,
            attributes_max: 128,
            exemplars_max: 128,
            key_bytes_max: 256,
            value_bytes_max: 4 << 10,
            nesting_max: 16,
        }
    }
}

impl MetricLimits {
    /// No limits: for records of our own log, which were limited on their way in. What prost refuses is still refused.
    #[must_use]
    pub fn trusted() -> Self {
        Self {
            items_max: u32::MAX,
            item_bytes_max: u32::MAX,
            name_bytes_max: u32::MAX,
            buckets_max: u32::MAX,
            labels_max: u32::MAX,
            attributes_max: u32::MAX,
            exemplars_max: u32::MAX,
            key_bytes_max: u32::MAX,
            value_bytes_max: u32::MAX,
            nesting_max: u32::MAX,
        }
    }

    /// What of them concerns keys and values.
    pub(super) fn of_values(&self) -> WalkLimits {
        WalkLimits {
            nesting_max: self.nesting_max,
            key_bytes_max: self.key_bytes_max,
            string_bytes_max: self.value_bytes_max,
            long_string_bytes_max: self.value_bytes_max,
            ..WalkLimits::trusted()
        }
    }
}

/// What was left out of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RejectedPoints {
    /// Points that were left out, with the first reasons.
    pub(super) points: Rejected,
    /// Attributes over a limit that were left out of points, exemplars, resources and scopes.
    pub n_attributes: u64,
    /// Exemplars over a limit that were left out of points.
    pub n_exemplars: u64,
}

impl RejectedPoints {
    #[must_use]
    pub fn n_points(&self) -> u32 {
        self.points.n_spans
    }

    /// The first reasons with the paths of the fields, in at most 1 KiB. Empty if no point was left out.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.points.reason
    }

    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.n_attributes = 0;
        self.n_exemplars = 0;
    }
}
