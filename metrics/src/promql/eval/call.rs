//! Calls: which function goes where.

use super::super::ast::{Call, Expr, ExprKind};
use super::super::error::PromqlError;
use super::super::signature::Function;
use super::super::steps::{Grid, Line};
use super::super::{functions, merge, time};
use super::selector::Want;
use super::{Evaluated, Evaluation, Evaluator};

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
            F::Over(over) => {
                let mut lines = Vec::new();
                self.each_over(over, call, grid, &mut |line| {
                    lines.push(line);
                    Ok(())
                })?;
                lines
            }
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
