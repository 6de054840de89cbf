//! How often a value changed, and how often a counter began anew.

use std::sync::Arc;

use super::super::native;
use super::{Points, count};
use crate::Histogram;

/// One point of either kind.
#[derive(Clone, Copy)]
enum Point<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

/// Both kinds in order of time.
fn in_order<'a>(points: &'a Points<'_>) -> impl Iterator<Item = Point<'a>> {
    let mut floats = points.floats.iter().peekable();
    let mut histograms = points.histograms.iter().peekable();
    std::iter::from_fn(move || {
        let takes_float = match (floats.peek(), histograms.peek()) {
            (Some((float, _)), Some((histogram, _))) => float < histogram,
            (float, _) => float.is_some(),
        };
        if takes_float {
            floats.next().map(|(_, value)| Point::Float(*value))
        } else {
            histograms
                .next()
                .map(|(_, histogram)| Point::Histogram(histogram))
        }
    })
}

fn count_pairs(points: &Points<'_>, is_one: fn(Point<'_>, Point<'_>) -> bool) -> f64 {
    let pairs = in_order(points).zip(in_order(points).skip(1));
    count(pairs.filter(|(before, now)| is_one(*before, *now)).count())
}

pub(super) fn changes(points: &Points<'_>) -> f64 {
    count_pairs(points, |before, now| match (before, now) {
        (Point::Float(before), Point::Float(now)) => {
            now != before && !(now.is_nan() && before.is_nan())
        }
        (Point::Histogram(before), Point::Histogram(now)) => !native::is_equal(before, now),
        _ => true,
    })
}

pub(super) fn resets(points: &Points<'_>) -> f64 {
    count_pairs(points, |before, now| match (before, now) {
        (Point::Float(before), Point::Float(now)) => now < before,
        (Point::Histogram(before), Point::Histogram(now)) => native::is_reset(now, before),
        _ => true,
    })
}
