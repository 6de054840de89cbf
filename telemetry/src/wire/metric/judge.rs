//! Which points no store can use: left out one by one, each with the reason.

use super::super::proto::Extent;
use super::limit::MetricLimits;
use super::view::{
    BucketsView, DataView, ExpHistogramPointView, HistogramPointView, MetricView, Number,
    NumberPointView, SummaryPointView, Temporality,
};

/// Bit of a point's flags: there is no value.
const NO_VALUE: u32 = 1;

/// Why a point, or all points of a metric, are left out.
pub(super) type Judged = Result<(), &'static str>;

/// What holds for all points of a metric.
pub(super) fn metric(
    metric: &MetricView<'_>,
    data: &DataView<'_>,
    limits: &MetricLimits,
) -> Judged {
    if metric.name.is_empty() {
        return Err("name: empty");
    }
    if metric.name.len() > limits.name_bytes_max as usize {
        return Err("name: longer than 256 bytes");
    }
    match data {
        DataView::Sum { temporality, .. }
        | DataView::Histogram { temporality, .. }
        | DataView::ExpHistogram { temporality, .. }
            if !temporality.is_known() =>
        {
            Err("aggregation_temporality: neither delta nor cumulative")
        }
        _ => Ok(()),
    }
}

/// Judges each point, in order.
pub(super) fn points(
    data: DataView<'_>,
    limits: &MetricLimits,
    mut judged: impl FnMut(Extent, Judged),
) {
    match data {
        DataView::Gauge { points } => {
            for (extent, point) in points.extents().zip(points) {
                judged(
                    extent,
                    sized(extent, limits).and_then(|()| has_value(&point)),
                );
            }
        }
        DataView::Sum {
            points,
            temporality,
            is_monotonic,
        } => {
            let is_delta = temporality == Temporality::DELTA;
            for (extent, point) in points.extents().zip(points) {
                let judgement =
                    sized(extent, limits).and_then(|()| sum(&point, is_delta, is_monotonic));
                judged(extent, judgement);
            }
        }
        DataView::Histogram { points, .. } => {
            for (extent, point) in points.extents().zip(points) {
                let judgement = sized(extent, limits).and_then(|()| histogram(&point, limits));
                judged(extent, judgement);
            }
        }
        DataView::ExpHistogram { points, .. } => {
            for (extent, point) in points.extents().zip(points) {
                let judgement = sized(extent, limits).and_then(|()| exponential(&point, limits));
                judged(extent, judgement);
            }
        }
        DataView::Summary { points } => {
            for (extent, point) in points.extents().zip(points) {
                let judgement = sized(extent, limits).and_then(|()| summary(&point, limits));
                judged(extent, judgement);
            }
        }
    }
}

fn sized(extent: Extent, limits: &MetricLimits) -> Judged {
    if extent.len() > limits.item_bytes_max {
        return Err("larger than 512 KiB");
    }
    Ok(())
}

fn has_value(point: &NumberPointView<'_>) -> Judged {
    if point.value.is_none() && point.flags & NO_VALUE == 0 {
        return Err("no value");
    }
    Ok(())
}

fn sum(point: &NumberPointView<'_>, is_delta: bool, is_monotonic: bool) -> Judged {
    has_value(point)?;
    if point.flags & NO_VALUE != 0 {
        return Ok(());
    }
    match point.value {
        Some(Number::Double(value)) if is_delta && !value.is_finite() => {
            Err("a delta that is no finite number")
        }
        Some(value) if is_monotonic && value.as_f64() < 0.0 => {
            Err("a negative value of a monotonic sum")
        }
        _ => Ok(()),
    }
}

fn histogram(point: &HistogramPointView<'_>, limits: &MetricLimits) -> Judged {
    if point.flags & NO_VALUE != 0 {
        return Ok(());
    }
    let mut n_bounds = 0_u32;
    let mut last = f64::NEG_INFINITY;
    for bound in point.explicit_bounds() {
        if !bound.is_finite() || bound <= last {
            return Err("explicit_bounds: not finite and ascending");
        }
        (last, n_bounds) = (bound, n_bounds.saturating_add(1));
    }
    let (mut n_counts, mut sum) = (0_u32, 0_u64);
    for count in point.bucket_counts() {
        sum = sum.saturating_add(count);
        n_counts = n_counts.saturating_add(1);
    }
    let is_matched = n_counts == n_bounds.saturating_add(1) || n_counts == 0 && n_bounds == 0;
    if n_counts > limits.buckets_max {
        Err("bucket_counts: more than 1024")
    } else if !is_matched {
        Err("bucket_counts: not one more than explicit_bounds")
    } else if sum > point.count {
        Err("bucket_counts: more than count")
    } else {
        finite_sum(point.sum)
    }
}

/// A sum that is no number would stay so for ever.
fn finite_sum(sum: Option<f64>) -> Judged {
    if sum.is_some_and(|sum| !sum.is_finite()) {
        return Err("sum: no finite number");
    }
    Ok(())
}

fn exponential(point: &ExpHistogramPointView<'_>, limits: &MetricLimits) -> Judged {
    if point.flags & NO_VALUE != 0 {
        return Ok(());
    }
    let mut n = point.zero_count;
    for side in [&point.positive, &point.negative].into_iter().flatten() {
        n = n.saturating_add(buckets(side, limits)?);
    }
    let is_threshold = point.zero_threshold.is_finite() && point.zero_threshold >= 0.0;
    if n > point.count {
        Err("bucket_counts and zero_count: more than count")
    } else if !is_threshold {
        Err("zero_threshold: no finite number from 0")
    } else {
        finite_sum(point.sum)
    }
}

/// How many observations are on a side.
fn buckets(side: &BucketsView<'_>, limits: &MetricLimits) -> Result<u64, &'static str> {
    let (mut n_buckets, mut n) = (0_u32, 0_u64);
    for count in side.counts() {
        n = n.saturating_add(count);
        n_buckets = n_buckets.saturating_add(1);
    }
    let last = i64::from(side.offset) + i64::from(n_buckets);
    if n_buckets > limits.buckets_max {
        Err("bucket_counts: more than 1024")
    } else if i32::try_from(last).is_err() {
        Err("offset: buckets beyond 32 bits")
    } else {
        Ok(n)
    }
}

fn summary(point: &SummaryPointView<'_>, limits: &MetricLimits) -> Judged {
    if point.flags & NO_VALUE != 0 {
        return Ok(());
    }
    let mut n_quantiles = 0_u32;
    for at in point.quantiles() {
        if !(0.0..=1.0).contains(&at.quantile) {
            return Err("quantile_values: a quantile outside 0 to 1");
        }
        n_quantiles = n_quantiles.saturating_add(1);
    }
    if n_quantiles > limits.buckets_max {
        return Err("quantile_values: more than 1024");
    }
    Ok(())
}
