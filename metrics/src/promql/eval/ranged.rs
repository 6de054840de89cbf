//! Range vectors: series with all their points, and the part of them that each step looks at.

use super::super::ast::{Expr, ExprKind, Subquery};
use super::super::error::PromqlError;
use super::super::fetch::{FetchedPoints, Reader};
use super::super::steps::Grid;
use super::{Evaluation, Evaluator, wrong_type};
use crate::{Labels, Samples};

/// Steps of a subquery at most.
const SUBQUERY_STEPS_MAX: usize = 1_000_000;
/// What Prometheus has for a subquery that says no step: its evaluation interval.
const SUBQUERY_STEP_MS: i64 = 60_000;

/// Which part of a range vector each step looks at.
pub(in crate::promql) struct Ranges {
    /// (from, to] of each step.
    pub(in crate::promql) of_steps: Vec<(i64, i64)>,
    pub(in crate::promql) range_ms: i64,
}

pub(in crate::promql) struct RangedSeries {
    pub(in crate::promql) labels: Labels,
    pub(in crate::promql) drop_name: bool,
    pub(in crate::promql) points: FetchedPoints,
}

impl FetchedPoints {
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
    pub(in crate::promql) fn ranges(&self, expr: &Expr, grid: Grid) -> Evaluation<Ranges> {
        let (shift, range) = match &expr.inner().kind {
            ExprKind::Range { selector, range } => (&selector.time, range),
            ExprKind::Subquery(subquery) => (&subquery.time, &subquery.range),
            _ => return Err(wrong_type("a range vector")),
        };
        let range_ms = self.frame.positive(range)?;
        self.work
            .fits(grid.n.saturating_mul(size_of::<(i64, i64)>()))?;
        let range_at = |at| {
            let to = self.frame.shifted(at, shift)?;
            Ok((to.saturating_sub(range_ms), to))
        };
        let of_steps: Evaluation<Vec<(i64, i64)>> = grid.times().map(range_at).collect();
        Ok(Ranges {
            of_steps: of_steps?,
            range_ms,
        })
    }

    /// Hands over the series of a range vector with all that any step looks at, one after the other.
    pub(in crate::promql) fn each_ranged(
        &self,
        expr: &Expr,
        ranges: &Ranges,
        take: &mut dyn FnMut(RangedSeries) -> Evaluation<()>,
    ) -> Evaluation<()> {
        match &expr.inner().kind {
            ExprKind::Range { selector, .. } => {
                self.data
                    .each(Reader::Selector(selector.id), &mut |series| {
                        take(RangedSeries {
                            labels: series.labels,
                            drop_name: false,
                            points: series.points,
                        })
                    })
            }
            ExprKind::Subquery(subquery) => self.each_of_subquery(subquery, ranges, take),
            _ => Err(wrong_type("a range vector")),
        }
    }

    /// The inner expression at all steps that any step looks back on: multiples of its step.
    fn each_of_subquery(
        &self,
        subquery: &Subquery,
        ranges: &Ranges,
        take: &mut dyn FnMut(RangedSeries) -> Evaluation<()>,
    ) -> Evaluation<()> {
        let step = match &subquery.step {
            Some(step) => self.frame.positive(step)?,
            None => SUBQUERY_STEP_MS,
        };
        let first = ranges.of_steps.first().map_or(0, |(from, _)| *from);
        let last = ranges.of_steps.last().map_or(0, |(_, to)| *to);
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
        self.each_line(&subquery.expr, inner, &mut |line| {
            self.work.operations(inner.n as u64)?;
            let samples = line.column.samples(inner);
            let mut held = self.work.held(0);
            held.grow(samples.floats.len() * size_of::<(i64, f64)>());
            held.grow(samples.histograms.len() * size_of::<(i64, usize)>());
            take(RangedSeries {
                labels: line.labels,
                drop_name: line.drop_name,
                points: FetchedPoints::Samples(samples),
            })
        })
    }
}
