//! One operator on two values: floats as in IEEE 754, histograms where that means something.

use std::sync::Arc;

use super::super::ast::Op;
use super::super::native;
use super::super::note::{Note, Notes, Operation};
use super::super::steps::Cell;
use crate::{Histogram, ResetHint, Value};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Value(Value),
    /// Of a comparison.
    Compared(bool),
    /// The values do not go together; that is said.
    None,
}

pub(super) fn one_or_zero(is_so: bool) -> Value {
    Value::Float(f64::from(u8::from(is_so)))
}

/// Between scalars: comparisons are 1 or 0.
pub(super) fn scalars(op: Op, lhs: f64, rhs: f64) -> f64 {
    match floats(op, lhs, rhs) {
        Outcome::Value(Value::Float(value)) => value,
        Outcome::Compared(is_so) => f64::from(u8::from(is_so)),
        Outcome::Value(Value::Histogram(_)) | Outcome::None => f64::NAN,
    }
}

pub(super) fn apply(op: Op, lhs: Cell<'_>, rhs: Cell<'_>, notes: &Notes) -> Outcome {
    match (lhs, rhs) {
        (Cell::Float(lhs), Cell::Float(rhs)) => floats(op, lhs, rhs),
        (Cell::Float(factor), Cell::Histogram(histogram)) if op == Op::Mul => {
            made(native::scaled(histogram, factor))
        }
        (Cell::Histogram(histogram), Cell::Float(factor)) if op == Op::Mul => {
            made(native::scaled(histogram, factor))
        }
        (Cell::Histogram(histogram), Cell::Float(divisor)) if op == Op::Div => {
            made(native::divided(histogram, divisor))
        }
        (Cell::Histogram(lhs), Cell::Histogram(rhs)) => histograms(op, lhs, rhs, notes),
        (Cell::Float(_), Cell::Histogram(_)) => {
            notes.add(Note::IncompatibleTypes("float", op, "histogram"));
            Outcome::None
        }
        (Cell::Histogram(_), Cell::Float(_)) => {
            notes.add(Note::IncompatibleTypes("histogram", op, "float"));
            Outcome::None
        }
    }
}

fn made(histogram: Histogram) -> Outcome {
    Outcome::Value(Value::Histogram(Arc::new(histogram)))
}

fn floats(op: Op, lhs: f64, rhs: f64) -> Outcome {
    let value = match op {
        Op::Add => lhs + rhs,
        Op::Sub => lhs - rhs,
        Op::Mul => lhs * rhs,
        Op::Div => lhs / rhs,
        Op::Mod => lhs % rhs,
        Op::Pow => libm::pow(lhs, rhs),
        Op::Atan2 => lhs.atan2(rhs),
        Op::Equal => return Outcome::Compared(lhs == rhs),
        Op::NotEqual => return Outcome::Compared(lhs != rhs),
        Op::Greater => return Outcome::Compared(lhs > rhs),
        Op::Less => return Outcome::Compared(lhs < rhs),
        Op::GreaterEqual => return Outcome::Compared(lhs >= rhs),
        Op::LessEqual => return Outcome::Compared(lhs <= rhs),
        Op::And | Op::Or | Op::Unless => return Outcome::None, // these are of vectors
    };
    Outcome::Value(Value::Float(value))
}

fn histograms(op: Op, lhs: &Histogram, rhs: &Histogram, notes: &Notes) -> Outcome {
    let (sum, operation) = match op {
        Op::Add => (native::add(lhs, rhs), Operation::Addition),
        Op::Sub => (native::sub(lhs, rhs), Operation::Subtraction),
        Op::Equal => return Outcome::Compared(native::is_equal(lhs, rhs)),
        Op::NotEqual => return Outcome::Compared(!native::is_equal(lhs, rhs)),
        _ => {
            notes.add(Note::IncompatibleTypes("histogram", op, "histogram"));
            return Outcome::None;
        }
    };
    let Ok(sum) = sum else {
        notes.add(Note::IncompatibleLayout(op));
        return Outcome::None;
    };
    if sum.is_collision {
        notes.add(Note::CounterResetCollision(operation));
    }
    if sum.is_reconciled {
        notes.add(Note::ReconciledBuckets(operation));
    }
    let mut histogram = native::compacted(sum.histogram);
    if op == Op::Sub && !sum.is_collision {
        histogram.reset_hint = ResetHint::Gauge; // a difference may fall
    }
    made(histogram)
}
