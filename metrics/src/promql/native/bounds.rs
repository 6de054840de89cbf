//! Custom buckets of different bounds: what both have in common is left.

use crate::Histogram;
use crate::histogram::Buckets;

/// Both rows of buckets on common bounds, those bounds, and whether they differed.
pub(super) fn reconciled(a: &Histogram, b: &Histogram) -> (Buckets, Buckets, Vec<f64>, bool) {
    if a.custom_bounds == b.custom_bounds {
        let bounds = a.custom_bounds.clone();
        return (a.positive.clone(), b.positive.clone(), bounds, false);
    }
    let bounds = common(&a.custom_bounds, &b.custom_bounds);
    let (a, b) = (on_bounds(a, &bounds), on_bounds(b, &bounds));
    (a, b, bounds, true)
}

/// Bounds that are in both, which are ascending.
fn common(a: &[f64], b: &[f64]) -> Vec<f64> {
    let is_in_b = |bound: &&f64| b.binary_search_by(|at| at.total_cmp(bound)).is_ok();
    a.iter().filter(is_in_b).copied().collect()
}

/// The buckets on fewer bounds: each goes into the first that ends no earlier.
pub(super) fn on_bounds(histogram: &Histogram, bounds: &[f64]) -> Buckets {
    let mut counts = vec![0.0; bounds.len() + 1];
    for bucket in super::all_buckets(histogram) {
        let at = bounds.partition_point(|bound| *bound < bucket.upper);
        if let Some(slot) = counts.get_mut(at) {
            *slot += bucket.count;
        }
    }
    Buckets { offset: 0, counts }
}
