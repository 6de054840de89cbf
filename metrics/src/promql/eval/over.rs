//! Functions of ranges at all steps: each series of a range vector becomes a line, one after the other.

use super::super::ast::{Call, Expr, ExprKind, Type};
use super::super::fetch::{FetchedPoints, WINDOW_AHEAD_MS};
use super::super::functions;
use super::super::merge::same_labels;
use super::super::over::{self, Points};
use super::super::signature::Over;
use super::super::steps::{Column, Grid, Line};
use super::ranged::{RangedSeries, Ranges};
use super::{Evaluation, Evaluator, at, wrong_type};
use crate::labels::NAME;
use crate::{Labels, MatchOp, Samples, Window};

/// A function and what it is evaluated with.
struct Applied<'a> {
    over: Over,
    /// Scalar arguments at each step.
    params: Vec<Vec<f64>>,
    ranges: &'a Ranges,
    grid: Grid,
}

impl Applied<'_> {
    fn param(&self, nth: usize, idx: usize) -> f64 {
        self.params.get(nth).map_or(f64::NAN, |of| at(of, idx))
    }
}

impl Evaluator<'_> {
    pub(super) fn each_over(
        &self,
        over: Over,
        call: &Call,
        grid: Grid,
        take: &mut dyn FnMut(Line) -> Evaluation<()>,
    ) -> Evaluation<()> {
        let scalars = call.args.iter().filter(|arg| arg.ty == Type::Scalar);
        let params: Evaluation<Vec<Vec<f64>>> = scalars.map(|arg| self.scalar(arg, grid)).collect();
        let params = params?;
        if over == Over::DoubleExponentialSmoothing {
            functions::check_factors(&params)?;
        }
        let matrix = call.args.iter().find(|arg| arg.ty == Type::Matrix);
        let matrix = matrix.ok_or_else(|| wrong_type("a range vector"))?;
        let place = call.args.first().unwrap_or(matrix).span.start;
        let applied = Applied {
            over,
            params,
            ranges: &self.ranges(matrix, grid)?,
            grid,
        };
        let mut seen = Different::of(matrix);
        self.each_ranged(matrix, applied.ranges, &mut |series| {
            self.notes.of(place);
            match self.applied(&applied, series)? {
                Some(line) => {
                    seen.see(&line.labels)?;
                    take(line)
                }
                None => Ok(()),
            }
        })
    }

    /// A function of a series at every step; none if it has no value anywhere.
    fn applied(&self, applied: &Applied<'_>, series: RangedSeries) -> Evaluation<Option<Line>> {
        let mut column = self.column(applied.grid.n)?;
        match &series.points {
            FetchedPoints::Samples(samples) => {
                self.over_samples(applied, (&series, samples), &mut column)?;
            }
            FetchedPoints::Windows(windows) => {
                self.over_windows(applied, (&series, windows), &mut column)?;
            }
        }
        if column.is_empty() {
            return Ok(None);
        }
        let mut line = Line {
            labels: series.labels,
            drop_name: series.drop_name,
            column,
        };
        if !over::keeps_name(applied.over) {
            self.drop_name(&mut line);
        }
        Ok(Some(line))
    }

    fn over_samples(
        &self,
        applied: &Applied<'_>,
        (series, samples): (&RangedSeries, &Samples),
        column: &mut Column,
    ) -> Evaluation<()> {
        let ranges = applied.ranges;
        let mut slices = Slices::new(samples);
        let mut falls = Falls::of(applied.over, &samples.floats);
        let metric = series.labels.name();
        let steps = applied.grid.times().zip(&ranges.of_steps);
        for (idx, (at, (from, to))) in steps.enumerate() {
            let (floats, histograms) = slices.within(*from, *to);
            self.work.samples(floats.len() + histograms.len())?;
            let points = Points {
                fell_from: falls.within(slices.floats),
                floats,
                histograms,
                from: *from,
                to: *to,
                range_ms: ranges.range_ms,
                at,
                params: (applied.param(0, idx), applied.param(1, idx)),
                metric,
                notes: self.notes,
            };
            if let Some(value) = over::apply(applied.over, &points) {
                column.set(idx, value);
            }
        }
        Ok(())
    }

    fn over_windows(
        &self,
        applied: &Applied<'_>,
        (series, windows): (&RangedSeries, &[Window]),
        column: &mut Column,
    ) -> Evaluation<()> {
        for (idx, (from, to)) in applied.ranges.of_steps.iter().enumerate() {
            let first = windows.partition_point(|window| window.end_unix_ms <= *from);
            let until = to.saturating_add(WINDOW_AHEAD_MS);
            let last = windows.partition_point(|window| window.end_unix_ms <= until);
            let within = windows.get(first..last).unwrap_or(&[]);
            self.work.samples(within.len())?;
            let range = over::Range {
                from: *from,
                to: *to,
            };
            let names = (series.labels.name(), self.notes);
            if let Some(value) = over::of_windows(applied.over, within, range, names) {
                column.set(idx, value);
            }
        }
        Ok(())
    }

    /// 1 wherever no series has a point in the range.
    pub(super) fn absent_over_time(&self, matrix: &Expr, grid: Grid) -> Evaluation<Vec<Line>> {
        let ranges = self.ranges(matrix, grid)?;
        let mut present = vec![false; grid.n];
        self.each_ranged(matrix, &ranges, &mut |series| {
            let FetchedPoints::Samples(samples) = &series.points else {
                return Ok(()); // read as running sums
            };
            let mut slices = Slices::new(samples);
            for (slot, (from, to)) in present.iter_mut().zip(&ranges.of_steps) {
                let (floats, histograms) = slices.within(*from, *to);
                self.work.samples(floats.len() + histograms.len())?;
                *slot |= !floats.is_empty() || !histograms.is_empty();
            }
            Ok(())
        })?;
        functions::absent_line(self, matrix, &present)
    }
}

/// Looks that no two lines have the same labels, whatever their steps.
struct Different {
    /// None where the name alone tells series apart from no other: all have the same.
    seen: Option<std::collections::HashSet<Labels>>,
}

impl Different {
    fn of(matrix: &Expr) -> Self {
        let matchers = match &matrix.inner().kind {
            ExprKind::Range { selector, .. } => selector.matchers.as_slice(),
            _ => &[],
        };
        let has_one_name = matchers
            .iter()
            .any(|matcher| matcher.name == NAME && matches!(matcher.op, MatchOp::Equal));
        Self {
            seen: (!has_one_name).then(Default::default),
        }
    }

    fn see(&mut self, labels: &Labels) -> Evaluation<()> {
        let is_new = |seen: &mut std::collections::HashSet<Labels>| seen.insert(labels.clone());
        if self.seen.as_mut().is_none_or(is_new) {
            Ok(())
        } else {
            Err(same_labels())
        }
    }
}

/// Where a counter began anew: values that are less than the one before. Looked for once a series, since ranges overlap.
#[derive(Default)]
struct Falls {
    /// Number of the lesser value.
    at: Vec<usize>,
    /// What stood before it.
    from: Vec<f64>,
    ends: (usize, usize),
}

impl Falls {
    fn of(over: Over, floats: &[(i64, f64)]) -> Self {
        let mut falls = Self::default();
        if matches!(over, Over::Rate | Over::Increase) {
            let pairs = floats.iter().zip(floats.iter().skip(1));
            for (idx, ((_, before), (_, now))) in pairs.enumerate() {
                if now < before {
                    falls.at.push(idx + 1);
                    falls.from.push(*before);
                }
            }
        }
        falls
    }

    /// What stood before the falls between the values with these numbers, whose ends ascend.
    fn within(&mut self, (first, end): (usize, usize)) -> &[f64] {
        while self.at.get(self.ends.0).is_some_and(|at| *at <= first) {
            self.ends.0 += 1;
        }
        self.ends.1 = self.ends.1.max(self.ends.0);
        while self.at.get(self.ends.1).is_some_and(|at| *at < end) {
            self.ends.1 += 1;
        }
        self.from.get(self.ends.0..self.ends.1).unwrap_or_default()
    }
}

/// The parts of a series that ranges cover, whose ends ascend.
struct Slices<'a> {
    samples: &'a Samples,
    floats: (usize, usize),
    histograms: (usize, usize),
}

type Within<'a> = (
    &'a [(i64, f64)],
    &'a [(i64, std::sync::Arc<crate::Histogram>)],
);

impl<'a> Slices<'a> {
    fn new(samples: &'a Samples) -> Self {
        Self {
            samples,
            floats: (0, 0),
            histograms: (0, 0),
        }
    }

    fn within(&mut self, from: i64, to: i64) -> Within<'a> {
        let floats = advance(&self.samples.floats, &mut self.floats, (from, to));
        let histograms = advance(&self.samples.histograms, &mut self.histograms, (from, to));
        (floats, histograms)
    }
}

/// Points that are looked at one by one before they are searched.
const NEAR: usize = 8;

/// Moves both ends of a slice forward to (from, to].
fn advance<'a, T>(
    points: &'a [(i64, T)],
    ends: &mut (usize, usize),
    (from, to): (i64, i64),
) -> &'a [(i64, T)] {
    let up_to = |start: usize, limit: i64| {
        let rest = points.get(start..).unwrap_or(&[]);
        // the next end is mostly near
        let near = rest.iter().take(NEAR).take_while(|(at, _)| *at <= limit);
        match near.count() {
            NEAR => {
                let rest = rest.get(NEAR..).unwrap_or(&[]);
                start + NEAR + rest.partition_point(|(at, _)| *at <= limit)
            }
            n => start + n,
        }
    };
    ends.0 = up_to(ends.0, from);
    ends.1 = up_to(ends.1.max(ends.0), to);
    points.get(ends.0..ends.1).unwrap_or(&[])
}
