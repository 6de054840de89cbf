//! The numbers of a row, and how they were a week before.

use serde::Serialize;
use service_map::graph::measure::{Measure, quantile};

use crate::map::range::Range;

/// Exact counts, and quantiles that are at most half a bucket (4 %) off.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::api::own) struct Numbers {
    /// Calls a second.
    pub(in crate::api::own) rate: f64,
    pub(super) error_ratio: Option<f64>,
    /// In s.
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) p99: Option<f64>,
    /// Sum of all durations, in s.
    pub(super) total_s: f64,
}

/// What is different against the week before; none where one of the two has nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::api::own) struct Change {
    rate: f64,
    error_ratio: Option<f64>,
    p95: Option<f64>,
}

impl Numbers {
    pub(in crate::api::own) fn of(measure: &Measure, range: Range) -> Self {
        let at = |q| quantile(measure.durations(), q);
        Self {
            rate: measure.calls / range.seconds(),
            error_ratio: measure.error_ratio(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            total_s: measure.durations().sum(),
        }
    }

    /// None if there was nothing a week before.
    pub(in crate::api::own) fn change(
        &self,
        before: Option<&Measure>,
        range: Range,
    ) -> Option<Change> {
        let before = Self::of(before.filter(|measure| !measure.is_empty())?, range);
        let minus = |now: Option<f64>, before: Option<f64>| Some(now? - before?);
        Some(Change {
            rate: self.rate - before.rate,
            error_ratio: minus(self.error_ratio, before.error_ratio),
            p95: minus(self.p95, before.p95),
        })
    }
}
