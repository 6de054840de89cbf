//! Operators on values.

use std::sync::Arc;

use super::super::note::Notes;
use super::operator::{Outcome, apply, scalars};
use super::*;
use crate::{Histogram, Value};

#[test]
fn operators_on_floats() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    for (lhs, op, rhs, expected) in [
        (1.0, Op::Add, 2.0, 3.0),
        (1.0, Op::Sub, 2.0, -1.0),
        (3.0, Op::Mul, 2.0, 6.0),
        (1.0, Op::Div, 0.0, inf),
        (-5.5, Op::Mod, 2.0, -1.5),
        (2.0, Op::Pow, -1.0, 0.5),
        (1.0, Op::Atan2, 1.0, std::f64::consts::FRAC_PI_4),
        (1.0, Op::Equal, 1.0, 1.0),
        (nan, Op::Equal, nan, 0.0),
        (nan, Op::NotEqual, nan, 1.0),
        (2.0, Op::Greater, 1.0, 1.0),
        (2.0, Op::Less, 1.0, 0.0),
        (2.0, Op::GreaterEqual, 2.0, 1.0),
        (3.0, Op::LessEqual, 2.0, 0.0),
    ] {
        assert_eq!(scalars(op, lhs, rhs), expected, "{lhs} {} {rhs}", op.text());
    }
    assert!(scalars(Op::Mod, 1.0, 0.0).is_nan());
}

#[test]
fn operators_on_histograms() {
    let histogram = Arc::new(Histogram {
        count: 4.0,
        sum: 2.0,
        zero_count: 4.0,
        ..Histogram::default()
    });
    let (h, f) = (Cell::Histogram(&histogram), Cell::Float(2.0));
    let notes = Notes::default();
    let count = |op, lhs, rhs| match apply(op, lhs, rhs, &notes) {
        Outcome::Value(Value::Histogram(histogram)) => Some(histogram.count),
        _ => None,
    };
    assert_eq!(count(Op::Mul, h, f), Some(8.0));
    assert_eq!(count(Op::Mul, f, h), Some(8.0));
    assert_eq!(count(Op::Div, h, f), Some(2.0));
    assert_eq!(count(Op::Add, h, h), Some(8.0));
    assert_eq!(count(Op::Sub, h, h), Some(0.0));
    assert_eq!(apply(Op::Equal, h, h, &notes), Outcome::Compared(true));
    assert_eq!(notes.sentences("a").1, [""; 0]);
    for (op, lhs, rhs) in [
        (Op::Div, f, h),
        (Op::Add, h, f),
        (Op::Greater, h, f),
        (Op::Mul, h, h),
        (Op::Equal, f, h),
    ] {
        assert_eq!(apply(op, lhs, rhs, &notes), Outcome::None);
    }
    let said = "PromQL info: incompatible sample types encountered for binary operator \"==\": float == histogram (1:1)";
    assert!(notes.sentences("a").1.iter().any(|info| info == said));
}
