//! Functions of ranges: `rate`, `avg_over_time` and their like. In: the points of a series that a step looks at. Out: a value, or none.

mod change;
mod extreme;
mod mean;
mod rate;
mod regression;
mod windows;

use std::sync::Arc;

use super::note::{Note, Notes};
use super::signature::Over;
use super::{quantile, time};
use crate::{Histogram, Value};

pub(super) use mean::Variance;
pub(super) use windows::{Range, of_windows};

/// What a step looks at. The slices are in order of time, without stale markers.
pub(super) struct Points<'a> {
    pub(super) floats: &'a [(i64, f64)],
    pub(super) histograms: &'a [(i64, Arc<Histogram>)],
    /// For `rate` and `increase`: what a counter had each time before it began anew.
    pub(super) fell_from: &'a [f64],
    /// (from, to] in unix ms.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) range_ms: i64,
    /// When the query asks.
    pub(super) at: i64,
    /// Scalar arguments, in their order.
    pub(super) params: (f64, f64),
    pub(super) metric: &'a str,
    pub(super) notes: &'a Notes,
}

impl Points<'_> {
    fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty()
    }

    fn is_mixed(&self) -> bool {
        !self.floats.is_empty() && !self.histograms.is_empty()
    }

    fn note(&self, note: fn(String) -> Note) {
        self.notes.add(note(self.metric.to_owned()));
    }

    /// The floats alone, said to be so if there are histograms among them.
    fn floats_alone(&self) -> Option<&[(i64, f64)]> {
        if self.is_mixed() {
            self.note(Note::HistogramIgnoredInMixedRange);
        }
        (!self.floats.is_empty()).then_some(self.floats)
    }

    fn values(&self) -> Vec<f64> {
        self.floats.iter().map(|(_, value)| *value).collect()
    }

    /// The last of both kinds, with its time.
    fn last(&self) -> Option<(i64, Value)> {
        later(self.floats.last(), self.histograms.last(), true)
    }

    fn first(&self) -> Option<(i64, Value)> {
        later(self.floats.first(), self.histograms.first(), false)
    }
}

/// The later of two, or the earlier.
fn later(
    float: Option<&(i64, f64)>,
    histogram: Option<&(i64, Arc<Histogram>)>,
    wants_later: bool,
) -> Option<(i64, Value)> {
    let float_at = float.map(|(at, _)| *at);
    let histogram_at = histogram.map(|(at, _)| *at);
    let takes_float = match (float_at, histogram_at) {
        (Some(float), Some(histogram)) => (float > histogram) == wants_later,
        (float, _) => float.is_some(),
    };
    if takes_float {
        return float.map(|(at, value)| (*at, Value::Float(*value)));
    }
    histogram.map(|(at, histogram)| (*at, Value::Histogram(Arc::clone(histogram))))
}

/// Whether the result is still what the name says.
pub(super) fn keeps_name(over: Over) -> bool {
    matches!(over, Over::First | Over::Last)
}

pub(super) fn apply(over: Over, points: &Points<'_>) -> Option<Value> {
    if points.is_empty() {
        return None;
    }
    let value = match over {
        Over::Rate | Over::Increase | Over::Delta => return rate::extrapolated(over, points),
        Over::Irate | Over::Idelta => return rate::of_last_two(over, points),
        Over::Sum => return mean::sum(points),
        Over::Avg => return mean::average(points),
        Over::First => return points.first().map(|(_, value)| value),
        Over::Last => return points.last().map(|(_, value)| value),
        Over::TsOfFirst => time::seconds(points.first()?.0),
        Over::TsOfLast => time::seconds(points.last()?.0),
        Over::Count => count(points.floats.len() + points.histograms.len()),
        Over::Present => 1.0,
        Over::Changes => change::changes(points),
        Over::Resets => change::resets(points),
        Over::Max => extreme::largest(points.floats_alone()?).1,
        Over::Min => extreme::least(points.floats_alone()?).1,
        Over::TsOfMax => time::seconds(extreme::largest(points.floats_alone()?).0),
        Over::TsOfMin => time::seconds(extreme::least(points.floats_alone()?).0),
        Over::Stdvar => mean::variance(points.floats_alone()?),
        Over::Stddev => mean::variance(points.floats_alone()?).sqrt(),
        Over::Quantile => {
            let q = points.params.0;
            quantile::check(q, points.notes);
            points.floats_alone()?;
            quantile::of(q, points.values())
        }
        Over::Mad => {
            points.floats_alone()?;
            median_deviation(points)
        }
        Over::Deriv => regression::slope(points)?,
        Over::PredictLinear => regression::predicted(points)?,
        Over::DoubleExponentialSmoothing => regression::smoothed(points)?,
    };
    Some(Value::Float(value))
}

/// The median of the distances from the median.
fn median_deviation(points: &Points<'_>) -> f64 {
    let median = quantile::of(0.5, points.values());
    let distances = points.floats.iter();
    let distances = distances.map(|(_, value)| (value - median).abs());
    quantile::of(0.5, distances.collect())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of samples are far below 2^53"
)]
pub(super) fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
