//! Range vectors: series with all their points, and the part of them that each step looks at.

use std::borrow::Cow;

use super::super::ast::{Expr, ExprKind, Length, Selector, Shift, Subquery};
use super::super::error::PromqlError;
use super::super::fetch::{FetchedPoints, Reader};
use super::super::steps::Grid;
use super::super::work::Held;
use super::{Evaluation, Evaluator, wrong_type};
use crate::{Labels, Samples, Window};

/// Steps of a subquery at most.
const SUBQUERY_STEPS_MAX: usize = 1_000_000;
/// What Prometheus has for a subquery that says no step: its evaluation interval.
const SUBQUERY_STEP_MS: i64 = 60_000;

/// A range vector.
pub(in crate::promql) struct Ranged<'a> {
    pub(in crate::promql) series: Vec<RangedSeries<'a>>,
    /// (from, to] of each step.
    pub(in crate::promql) ranges: Vec<(i64, i64)>,
    pub(in crate::promql) range_ms: i64,
    /// The memory of what was computed.
    _held: Option<Held>,
}

pub(in crate::promql) struct RangedSeries<'a> {
    pub(in crate::promql) labels: Labels,
    pub(in crate::promql) drop_name: bool,
    pub(in crate::promql) points: RangedPoints<'a>,
}

pub(in crate::promql) enum RangedPoints<'a> {
    Samples(Cow<'a, Samples>),
    Windows(&'a [Window]),
}

impl RangedPoints<'_> {
    /// The samples in (from, to].
    pub(in crate::promql) fn within(&self, from: i64, to: i64) -> Samples {
        let Self::Samples(samples) = self else {
            return Samples::default(); // windows are handed to functions alone
        };
        let is_in = |at: &i64| *at > from && *at <= to;
        Samples {
            floats: samples
                .floats
                .iter()
                .filter(|(at, _)| is_in(at))
                .copied()
                .collect(),
            histograms: samples
                .histograms
                .iter()
                .filter(|(at, _)| is_in(at))
                .cloned()
                .collect(),
        }
    }
}

impl Evaluator<'_> {
    pub(in crate::promql) fn ranged(&self, expr: &Expr, grid: Grid) -> Evaluation<Ranged<'_>> {
        match &expr.inner().kind {
            ExprKind::Range { selector, range } => self.range_of(selector, range, grid),
            ExprKind::Subquery(subquery) => self.subquery(subquery, grid),
            _ => Err(wrong_type("a range vector")),
        }
    }

    fn range_of(&self, selector: &Selector, range: &Length, grid: Grid) -> Evaluation<Ranged<'_>> {
        let range_ms = self.frame.positive(range)?;
        let ranges = self.ranges(&selector.time, range_ms, grid)?;
        let series = self.data.of(Reader::Selector(selector.id)).iter();
        let series = series.map(|series| RangedSeries {
            labels: series.labels.clone(),
            drop_name: false,
            points: match &series.points {
                FetchedPoints::Samples(samples) => RangedPoints::Samples(Cow::Borrowed(samples)),
                FetchedPoints::Windows(windows) => RangedPoints::Windows(windows),
            },
        });
        Ok(Ranged {
            series: series.collect(),
            ranges,
            range_ms,
            _held: None,
        })
    }

    fn ranges(&self, shift: &Shift, range_ms: i64, grid: Grid) -> Evaluation<Vec<(i64, i64)>> {
        self.work
            .fits(grid.n.saturating_mul(size_of::<(i64, i64)>()))?;
        let times = grid.times();
        times
            .map(|at| {
                let to = self.frame.shifted(at, shift)?;
                Ok((to.saturating_sub(range_ms), to))
            })
            .collect()
    }

    /// The inner expression at all steps that any step looks back on: multiples of its step.
    fn subquery(&self, subquery: &Subquery, grid: Grid) -> Evaluation<Ranged<'_>> {
        let range_ms = self.frame.positive(&subquery.range)?;
        let step = match &subquery.step {
            Some(step) => self.frame.positive(step)?,
            None => SUBQUERY_STEP_MS,
        };
        let ranges = self.ranges(&subquery.time, range_ms, grid)?;
        let first = ranges.first().map_or(0, |(from, _)| *from);
        let last = ranges.last().map_or(0, |(_, to)| *to);
        let mut start = step * (first / step);
        if start <= first {
            start += step;
        }
        let inner = Grid::new(start, last, step);
        if inner.n > SUBQUERY_STEPS_MAX {
            return Err(PromqlError::BadData(format!(
                "the subquery has {} steps, at most {SUBQUERY_STEPS_MAX} are allowed; ask for a longer step",
                inner.n
            )));
        }
        let lines = self.vector(&subquery.expr, inner)?;
        let mut held = self.work.held(0);
        let mut series = Vec::with_capacity(lines.len());
        for line in lines {
            self.work.operations(inner.n as u64)?;
            let samples = line.column.samples(inner);
            held.grow(samples.floats.len() * size_of::<(i64, f64)>());
            held.grow(samples.histograms.len() * size_of::<(i64, usize)>());
            series.push(RangedSeries {
                labels: line.labels,
                drop_name: line.drop_name,
                points: RangedPoints::Samples(Cow::Owned(samples)),
            });
        }
        Ok(Ranged {
            series,
            ranges,
            range_ms,
            _held: Some(held),
        })
    }
}
