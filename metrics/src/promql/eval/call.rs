//! Calls: which function goes where.

use super::super::ast::{Call, Expr, ExprKind, Type};
use super::super::error::PromqlError;
use super::super::fetch::WINDOW_AHEAD_MS;
use super::super::merge::{self, same_labels};
use super::super::over::{self, Points};
use super::super::signature::{Function, Over};
use super::super::steps::{Column, Grid, Line};
use super::super::{functions, time};
use super::ranged::{RangedPoints, RangedSeries};
use super::selector::Want;
use super::{Evaluated, Evaluation, Evaluator, wrong_type};
use crate::{Samples, Window};

impl Evaluator<'_> {
    pub(super) fn call(&self, call: &Call, start: usize, grid: Grid) -> Evaluation<Evaluated> {
        use Function as F;

        let lines = match call.function.function {
            F::Pi => return self.constant(std::f64::consts::PI, grid),
            F::Time => return Ok(Evaluated::Scalar(grid.times().map(time::seconds).collect())),
            F::Scalar => {
                let lines = self.vector(arg(call, 0)?, grid)?;
                return functions::scalar_of(&lines, grid, self.work);
            }
            F::Vector => {
                let values = self.scalar(arg(call, 0)?, grid)?;
                vec![self.line_of(&values)?]
            }
            F::Over(over) => self.over(over, call, grid)?,
            F::AbsentOverTime => self.absent_over_time(arg(call, 0)?, grid)?,
            F::Absent => functions::absent(self, arg(call, 0)?, grid)?,
            F::Timestamp => self.timestamp(arg(call, 0)?, grid)?,
            F::Map(map) => {
                let lines = self.vector(arg(call, 0)?, grid)?;
                self.mapped(lines, |_, value| Some(functions::map(map, value)))?
            }
            F::Part(part) => {
                let lines = match call.args.first() {
                    Some(arg) => self.vector(arg, grid)?,
                    None => {
                        let now: Vec<f64> = grid.times().map(time::seconds).collect();
                        vec![self.line_of(&now)?]
                    }
                };
                self.mapped(lines, |_, value| Some(functions::part(part, value)))?
            }
            F::Round => {
                let lines = self.vector(arg(call, 0)?, grid)?;
                let to = self.scalar_or(call, 1, 1.0, grid)?;
                self.mapped(lines, |idx, value| {
                    Some(functions::round(value, at(&to, idx)))
                })?
            }
            F::Clamp | F::ClampMin | F::ClampMax => self.clamped(call, grid)?,
            F::LabelReplace => functions::label_replace(self, call, grid)?,
            F::LabelJoin => functions::label_join(self, call, grid)?,
            F::Sort | F::SortDesc => {
                let lines = self.vector(arg(call, 0)?, grid)?;
                let is_descending = call.function.function == F::SortDesc;
                functions::sorted(lines, is_descending, grid)
            }
            F::SortByLabel | F::SortByLabelDesc => {
                let lines = self.vector(arg(call, 0)?, grid)?;
                let names: Evaluation<Vec<String>> =
                    call.args.iter().skip(1).map(|arg| self.text(arg)).collect();
                let is_descending = call.function.function == F::SortByLabelDesc;
                functions::sorted_by_label(lines, &names?, is_descending, grid)
            }
            F::HistogramCount
            | F::HistogramSum
            | F::HistogramAvg
            | F::HistogramStddev
            | F::HistogramStdvar => {
                let lines = self.vector(arg(call, 0)?, grid)?;
                functions::histogram_part(self, call.function.function, lines)?
            }
            F::HistogramQuantile => functions::histogram_quantile(self, call, grid)?,
            F::HistogramFraction => functions::histogram_fraction(self, call, grid)?,
            F::Info => functions::info(self, call, start, grid)?,
        };
        Ok(Evaluated::Vector(lines))
    }

    /// A line without labels.
    pub(in crate::promql) fn line_of(&self, values: &[f64]) -> Evaluation<Line> {
        let mut column = self.column(values.len())?;
        for (idx, value) in values.iter().enumerate() {
            column.set_float(idx, *value);
        }
        Ok(Line {
            labels: crate::Labels::default(),
            drop_name: false,
            column,
        })
    }

    /// Each float replaced, histograms and names gone.
    pub(in crate::promql) fn mapped(
        &self,
        mut lines: Vec<Line>,
        mut of: impl FnMut(usize, f64) -> Option<f64>,
    ) -> Evaluation<Vec<Line>> {
        for line in &mut lines {
            self.work.operations(line.column.len() as u64)?;
            line.column.map_floats(&mut of);
            self.drop_name(line);
        }
        lines.retain(|line| !line.column.is_empty());
        merge::merged(lines, self.work)
    }

    fn scalar_or(&self, call: &Call, idx: usize, default: f64, grid: Grid) -> Evaluation<Vec<f64>> {
        match call.args.get(idx) {
            Some(arg) => self.scalar(arg, grid),
            None => self.scalar_of(default, grid),
        }
    }

    fn scalar_of(&self, value: f64, grid: Grid) -> Evaluation<Vec<f64>> {
        self.work.fits(grid.n.saturating_mul(size_of::<f64>()))?;
        Ok(vec![value; grid.n])
    }

    fn clamped(&self, call: &Call, grid: Grid) -> Evaluation<Vec<Line>> {
        let lines = self.vector(arg(call, 0)?, grid)?;
        let (min, max) = match call.function.function {
            Function::ClampMin => (
                self.scalar(arg(call, 1)?, grid)?,
                self.scalar_of(f64::INFINITY, grid)?,
            ),
            Function::ClampMax => (
                self.scalar_of(f64::NEG_INFINITY, grid)?,
                self.scalar(arg(call, 1)?, grid)?,
            ),
            _ => (
                self.scalar(arg(call, 1)?, grid)?,
                self.scalar(arg(call, 2)?, grid)?,
            ),
        };
        self.mapped(lines, |idx, value| {
            functions::clamp(value, at(&min, idx), at(&max, idx))
        })
    }

    /// The time of the sample itself where that is known, else that of the step.
    fn timestamp(&self, arg: &Expr, grid: Grid) -> Evaluation<Vec<Line>> {
        if let ExprKind::Selector(selector) = &arg.inner().kind {
            let mut lines = self.newest(selector, grid, Want::Time)?;
            lines.iter_mut().for_each(|line| self.drop_name(line));
            return merge::merged(lines, self.work);
        }
        let mut lines = self.vector(arg, grid)?;
        for line in &mut lines {
            for (idx, at) in grid.times().enumerate() {
                if line.column.has(idx) {
                    line.column.set_float(idx, time::seconds(at));
                }
            }
            self.drop_name(line);
        }
        merge::merged(lines, self.work)
    }

    fn over(&self, over: Over, call: &Call, grid: Grid) -> Evaluation<Vec<Line>> {
        let scalars = call.args.iter().filter(|arg| arg.ty == Type::Scalar);
        let params: Evaluation<Vec<Vec<f64>>> = scalars.map(|arg| self.scalar(arg, grid)).collect();
        let params = params?;
        if over == Over::DoubleExponentialSmoothing {
            functions::check_factors(&params)?;
        }
        let matrix = call.args.iter().find(|arg| arg.ty == Type::Matrix);
        let matrix = matrix.ok_or_else(|| wrong_type("a range vector"))?;
        let ranged = self.ranged(matrix, grid)?;
        self.notes
            .of(call.args.first().unwrap_or(matrix).span.start);
        let param = |nth: usize, idx: usize| params.get(nth).map_or(f64::NAN, |of| at(of, idx));
        let mut lines = Vec::with_capacity(ranged.series.len());
        let times = grid.times();
        let steps: Vec<Step> = times.zip(ranged.ranges.iter().copied()).collect();
        for series in &ranged.series {
            let mut column = self.column(grid.n)?;
            match &series.points {
                RangedPoints::Windows(windows) => {
                    self.over_windows(over, series, windows, (&steps, &mut column))?;
                }
                RangedPoints::Samples(samples) => {
                    let mut slices = Slices::new(samples);
                    for (idx, (at, (from, to))) in steps.iter().enumerate() {
                        let (floats, histograms) = slices.within(*from, *to);
                        self.work.samples(floats.len() + histograms.len())?;
                        let points = Points {
                            floats,
                            histograms,
                            from: *from,
                            to: *to,
                            range_ms: ranged.range_ms,
                            at: *at,
                            params: (param(0, idx), param(1, idx)),
                            metric: series.labels.name(),
                            notes: self.notes,
                        };
                        if let Some(value) = over::apply(over, &points) {
                            column.set(idx, value);
                        }
                    }
                }
            }
            if column.is_empty() {
                continue;
            }
            let mut line = Line {
                labels: series.labels.clone(),
                drop_name: series.drop_name,
                column,
            };
            if !over::keeps_name(over) {
                self.drop_name(&mut line);
            }
            lines.push(line);
        }
        all_different(&lines)?;
        Ok(lines)
    }

    fn over_windows(
        &self,
        over: Over,
        series: &RangedSeries<'_>,
        windows: &[Window],
        (steps, column): (&[Step], &mut Column),
    ) -> Evaluation<()> {
        for (idx, (_, (from, to))) in steps.iter().enumerate() {
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
            if let Some(value) = over::of_windows(over, within, range, names) {
                column.set(idx, value);
            }
        }
        Ok(())
    }

    /// 1 wherever no series has a point in the range.
    fn absent_over_time(&self, matrix: &Expr, grid: Grid) -> Evaluation<Vec<Line>> {
        let ranged = self.ranged(matrix, grid)?;
        let mut present = vec![false; grid.n];
        for series in &ranged.series {
            let RangedPoints::Samples(samples) = &series.points else {
                continue; // read as running sums
            };
            let mut slices = Slices::new(samples);
            for (slot, (from, to)) in present.iter_mut().zip(&ranged.ranges) {
                let (floats, histograms) = slices.within(*from, *to);
                self.work.samples(floats.len() + histograms.len())?;
                *slot |= !floats.is_empty() || !histograms.is_empty();
            }
        }
        functions::absent_line(self, matrix, &present)
    }
}

/// An argument; the parser has counted them.
pub(in crate::promql) fn arg(call: &Call, idx: usize) -> Result<&Expr, PromqlError> {
    call.args.get(idx).ok_or_else(|| {
        PromqlError::Execution(format!(
            "{} wants more than {idx} arguments",
            call.function.name
        ))
    })
}

/// A scalar at a step.
pub(in crate::promql) fn at(values: &[f64], idx: usize) -> f64 {
    values.get(idx).copied().unwrap_or(f64::NAN)
}

/// # Errors
/// When two lines have the same labels, whatever their steps.
fn all_different(lines: &[Line]) -> Evaluation<()> {
    let mut seen = std::collections::HashSet::with_capacity(lines.len());
    if lines.iter().all(|line| seen.insert(&line.labels)) {
        Ok(())
    } else {
        Err(same_labels())
    }
}

/// When a step is, and its range.
type Step = (i64, (i64, i64));

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

/// Moves both ends of a slice forward to (from, to].
fn advance<'a, T>(
    points: &'a [(i64, T)],
    ends: &mut (usize, usize),
    (from, to): (i64, i64),
) -> &'a [(i64, T)] {
    let up_to = |start: usize, limit: i64| {
        let rest = points.get(start..).unwrap_or(&[]);
        start + rest.partition_point(|(at, _)| *at <= limit)
    };
    ends.0 = up_to(ends.0, from);
    ends.1 = up_to(ends.1.max(ends.0), to);
    points.get(ends.0..ends.1).unwrap_or(&[])
}
