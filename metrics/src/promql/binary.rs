//! Operators between two values. In: both sides at all steps. Out: the result at all steps.

mod operator;
mod set;
mod signature;
mod vectors;

use super::ast::{Binary, Op};
use super::eval::{Evaluated, Evaluation, Evaluator, at, keeps_name, wrong_type};
use super::merge;
use super::native;
use super::steps::{Cell, Column, Grid, Line};
use super::work::Work;

/// Changes the sign of every value.
pub(super) fn negate(column: &mut Column, work: &Work) -> Evaluation<()> {
    work.operations(column.len() as u64)?;
    for idx in 0..column.len() {
        match column.get(idx) {
            Some(Cell::Float(value)) => column.set_float(idx, -value),
            Some(Cell::Histogram(histogram)) => {
                let negative = native::scaled(histogram, -1.0);
                column.set_histogram(idx, std::sync::Arc::new(negative));
            }
            None => {}
        }
    }
    Ok(())
}

pub(super) fn eval(
    evaluator: &Evaluator<'_>,
    binary: &Binary,
    sides: (Evaluated, Evaluated),
    grid: Grid,
) -> Evaluation<Evaluated> {
    let lines = match sides {
        (Evaluated::Scalar(lhs), Evaluated::Scalar(rhs)) => {
            let pairs = lhs.iter().zip(&rhs);
            let values = pairs.map(|(lhs, rhs)| operator::scalars(binary.op, *lhs, *rhs));
            return Ok(Evaluated::Scalar(values.collect()));
        }
        (Evaluated::Vector(lines), Evaluated::Scalar(values)) => {
            with_scalar(evaluator, binary, lines, (&values, false))?
        }
        (Evaluated::Scalar(values), Evaluated::Vector(lines)) => {
            with_scalar(evaluator, binary, lines, (&values, true))?
        }
        (Evaluated::Vector(lhs), Evaluated::Vector(rhs)) if binary.op.is_set() => {
            set::eval(evaluator, binary, (lhs, rhs), grid)?
        }
        (Evaluated::Vector(lhs), Evaluated::Vector(rhs)) => {
            vectors::eval(evaluator, binary, (&lhs, &rhs), grid)?
        }
        _ => return Err(wrong_type("a scalar or an instant vector")),
    };
    Ok(Evaluated::Vector(lines))
}

/// A vector and a scalar; `is_swapped` if the scalar stands on the left.
fn with_scalar(
    evaluator: &Evaluator<'_>,
    binary: &Binary,
    mut lines: Vec<Line>,
    (values, is_swapped): (&[f64], bool),
) -> Evaluation<Vec<Line>> {
    for line in &mut lines {
        evaluator.work.operations(line.column.len() as u64)?;
        for idx in 0..line.column.len() {
            let Some(cell) = line.column.get(idx) else {
                continue;
            };
            let scalar = Cell::Float(at(values, idx));
            let (lhs, rhs) = if is_swapped {
                (scalar, cell)
            } else {
                (cell, scalar)
            };
            let result = operator::apply(binary.op, lhs, rhs, evaluator.notes);
            let value = match result {
                operator::Outcome::Value(value) => Some(value),
                operator::Outcome::Compared(is_so) if binary.is_bool => {
                    Some(operator::one_or_zero(is_so))
                }
                operator::Outcome::Compared(true) => Some(cell.to_value()),
                operator::Outcome::Compared(false) | operator::Outcome::None => None,
            };
            match value {
                Some(value) => line.column.set(idx, value),
                None => line.column.clear(idx),
            }
        }
        if !keeps_name(binary.op, binary.is_bool) {
            evaluator.drop_name(line);
        }
    }
    lines.retain(|line| !line.column.is_empty());
    merge::merged(lines, evaluator.work)
}

/// Whether names go: they do wherever the value is a new one.
fn drops_name(op: Op, is_bool: bool) -> bool {
    !keeps_name(op, is_bool) && !op.is_set()
}

#[cfg(test)]
mod tests;
