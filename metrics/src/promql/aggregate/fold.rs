//! Folding the lines of a group as they come: one value a step. In: columns. Out: a column.
//!
//! A group of one line is no more than that line; from the second on it is a state for each step. Only quantiles need all lines.

mod state;

use super::super::ast::AggregateOp;
use super::super::eval::{Evaluation, Evaluator};
use super::super::note::Notes;
use super::super::over::Variance;
use super::super::quantile;
use super::super::steps::{Column, histogram_bytes};
use super::super::work::Held;
use crate::Value;
use state::{Average, State, Sum};

pub(super) use state::ignored_in;

/// A group as it grows.
pub(super) struct Fold {
    op: AggregateOp,
    lines: Lines,
}

enum Lines {
    One(Column),
    Sum(Steps<Sum>),
    Average(Steps<Average>),
    /// Counts, or the extreme so far.
    Number(Steps<Option<f64>>),
    Variance(Steps<Option<Variance>>),
    All(Vec<Column>),
}

/// A state for each step.
struct Steps<S> {
    states: Vec<S>,
    held: Held,
}

impl Fold {
    pub(super) fn new(op: AggregateOp, first: Column) -> Self {
        let lines = match op {
            AggregateOp::Quantile => Lines::All(vec![first]),
            _ => Lines::One(first),
        };
        Self { op, lines }
    }

    pub(super) fn add(&mut self, column: Column, evaluator: &Evaluator<'_>) {
        let (op, notes) = (self.op, evaluator.notes);
        if let Lines::One(_) = self.lines {
            let empty = Lines::All(Vec::new());
            if let Lines::One(first) = std::mem::replace(&mut self.lines, empty) {
                self.lines = states_of(op, &first, evaluator);
            }
        }
        match &mut self.lines {
            Lines::Sum(steps) => steps.add(op, &column, notes),
            Lines::Average(steps) => steps.add(op, &column, notes),
            Lines::Number(steps) => steps.add(op, &column, notes),
            Lines::Variance(steps) => steps.add(op, &column, notes),
            Lines::All(columns) => columns.push(column),
            Lines::One(_) => {}
        }
    }

    /// The group's column. `param` is the scalar argument at each step.
    pub(super) fn finish(self, param: &[f64], evaluator: &Evaluator<'_>) -> Evaluation<Column> {
        let (op, notes) = (self.op, evaluator.notes);
        let lines = match self.lines {
            Lines::One(first) => states_of(op, &first, evaluator),
            other => other,
        };
        match lines {
            Lines::Sum(steps) => steps.finish(op, evaluator),
            Lines::Average(steps) => steps.finish(op, evaluator),
            Lines::Number(steps) => steps.finish(op, evaluator),
            Lines::Variance(steps) => steps.finish(op, evaluator),
            Lines::All(columns) => quantiles(&columns, param, evaluator, notes),
            Lines::One(first) => Ok(first),
        }
    }
}

/// The states of a group that has one line so far.
fn states_of(op: AggregateOp, first: &Column, evaluator: &Evaluator<'_>) -> Lines {
    match op {
        AggregateOp::Sum => Lines::Sum(Steps::of(op, first, evaluator)),
        AggregateOp::Avg => Lines::Average(Steps::of(op, first, evaluator)),
        AggregateOp::Stdvar | AggregateOp::Stddev => {
            Lines::Variance(Steps::of(op, first, evaluator))
        }
        _ => Lines::Number(Steps::of(op, first, evaluator)),
    }
}

impl<S: State> Steps<S> {
    fn of(op: AggregateOp, first: &Column, evaluator: &Evaluator<'_>) -> Self {
        let n = first.len();
        let mut states = Vec::new();
        states.resize_with(n, S::default);
        let mut steps = Self {
            states,
            held: evaluator.work.held(n * size_of::<S>()),
        };
        steps.add(op, first, evaluator.notes);
        // sums of histograms are about as large as what they are sums of
        let histograms = (0..n).filter_map(|idx| first.histogram(idx));
        steps.held.grow(histograms.map(histogram_bytes).sum());
        steps
    }

    fn add(&mut self, op: AggregateOp, column: &Column, notes: &Notes) {
        for (idx, state) in self.states.iter_mut().enumerate() {
            if let Some(cell) = column.get(idx) {
                state.add(op, cell, notes);
            }
        }
    }

    fn finish(self, op: AggregateOp, evaluator: &Evaluator<'_>) -> Evaluation<Column> {
        let mut column = evaluator.column(self.states.len())?;
        for (idx, state) in self.states.into_iter().enumerate() {
            if let Some(value) = state.finish(op, evaluator.notes) {
                column.set(idx, value);
            }
        }
        Ok(column)
    }
}

fn quantiles(
    columns: &[Column],
    param: &[f64],
    evaluator: &Evaluator<'_>,
    notes: &Notes,
) -> Evaluation<Column> {
    let n = columns.first().map_or(0, Column::len);
    let mut column = evaluator.column(n)?;
    for idx in 0..n {
        evaluator.work.operations(columns.len() as u64)?;
        let cells = columns.iter().filter_map(|line| line.get(idx));
        let values: Vec<f64> = cells
            .filter_map(|cell| state::float(AggregateOp::Quantile, cell, notes))
            .collect();
        let q = param.get(idx).copied().unwrap_or(f64::NAN);
        if !values.is_empty() {
            column.set(idx, Value::Float(quantile::of(q, values)));
        }
    }
    Ok(column)
}
