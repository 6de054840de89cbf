//! One value from the values of a group at a step.

use std::sync::Arc;

use super::super::ast::AggregateOp;
use super::super::histograms::{Mean, Total};
use super::super::note::{Note, Notes};
use super::super::over::{Variance, count};
use super::super::steps::Cell;
use super::super::{kahan, quantile};
use crate::{Histogram, Value};

/// None of no values, or of values that cannot be taken together; that is said.
pub(super) fn fold<'a>(
    op: AggregateOp,
    param: f64,
    cells: impl Iterator<Item = Cell<'a>>,
    notes: &Notes,
) -> Option<Value> {
    let mut cells = cells.peekable();
    cells.peek()?;
    match op {
        AggregateOp::Count => Some(Value::Float(count(cells.count()))),
        AggregateOp::Group => Some(Value::Float(1.0)),
        AggregateOp::Sum => sum(cells, notes),
        AggregateOp::Avg => average(cells, notes),
        AggregateOp::Quantile => {
            let values: Vec<f64> = floats(cells, op, notes).collect();
            (!values.is_empty()).then(|| Value::Float(quantile::of(param, values)))
        }
        AggregateOp::Stdvar | AggregateOp::Stddev => {
            let mut variance = None;
            for value in floats(cells, op, notes) {
                variance.get_or_insert_with(Variance::default).add(value);
            }
            let variance = variance?.value();
            Some(Value::Float(match op {
                AggregateOp::Stddev => variance.sqrt(),
                _ => variance,
            }))
        }
        AggregateOp::Max => {
            let beats = |value: f64, best: f64| value > best || best.is_nan();
            best(floats(cells, op, notes), beats)
        }
        AggregateOp::Min => {
            let beats = |value: f64, best: f64| value < best || best.is_nan();
            best(floats(cells, op, notes), beats)
        }
        AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::CountValues
        | AggregateOp::Limitk
        | AggregateOp::LimitRatio => None, // these keep lines
    }
}

fn best(values: impl Iterator<Item = f64>, beats: impl Fn(f64, f64) -> bool) -> Option<Value> {
    values
        .reduce(|best, value| if beats(value, best) { value } else { best })
        .map(Value::Float)
}

/// Floats alone; histograms are said to be left out.
fn floats<'a>(
    cells: impl Iterator<Item = Cell<'a>>,
    op: AggregateOp,
    notes: &Notes,
) -> impl Iterator<Item = f64> {
    cells.filter_map(move |cell| {
        if cell.float().is_none() {
            notes.add(Note::HistogramIgnoredIn(ignored_in(op)));
        }
        cell.float()
    })
}

pub(super) fn ignored_in(op: AggregateOp) -> &'static str {
    match op {
        AggregateOp::Max => "max aggregation",
        AggregateOp::Min => "min aggregation",
        AggregateOp::Stddev => "stddev aggregation",
        AggregateOp::Stdvar => "stdvar aggregation",
        AggregateOp::Topk => "topk aggregation",
        AggregateOp::Bottomk => "bottomk aggregation",
        _ => "quantile aggregation",
    }
}

/// What both kinds have in common: they are not mixed.
enum Kind<F, H> {
    Floats(F),
    Histograms(H),
}

fn sum<'a>(cells: impl Iterator<Item = Cell<'a>>, notes: &Notes) -> Option<Value> {
    let mut sum: Option<Kind<kahan::Sum, Total>> = None;
    for cell in cells {
        let sum = sum.get_or_insert_with(|| match cell {
            Cell::Float(_) => Kind::Floats(kahan::Sum::default()),
            Cell::Histogram(_) => Kind::Histograms(Total::default()),
        });
        match (sum, cell) {
            (Kind::Floats(sum), Cell::Float(value)) => sum.add(value),
            (Kind::Histograms(sum), Cell::Histogram(histogram)) => sum.add(histogram),
            _ => return mixed(notes),
        }
    }
    match sum? {
        Kind::Floats(sum) => Some(Value::Float(sum.value())),
        Kind::Histograms(sum) => shared(sum.finish("", notes)),
    }
}

fn average<'a>(cells: impl Iterator<Item = Cell<'a>>, notes: &Notes) -> Option<Value> {
    let mut mean: Option<Kind<kahan::Mean, Mean>> = None;
    for cell in cells {
        let mean = mean.get_or_insert_with(|| match cell {
            Cell::Float(_) => Kind::Floats(kahan::Mean::default()),
            Cell::Histogram(_) => Kind::Histograms(Mean::default()),
        });
        match (mean, cell) {
            (Kind::Floats(mean), Cell::Float(value)) => mean.add(value),
            (Kind::Histograms(mean), Cell::Histogram(histogram)) => mean.add(histogram),
            _ => return mixed(notes),
        }
    }
    match mean? {
        Kind::Floats(mean) => Some(Value::Float(mean.value())),
        Kind::Histograms(mean) => shared(mean.finish("", notes)),
    }
}

fn shared(histogram: Option<Histogram>) -> Option<Value> {
    histogram.map(|histogram| Value::Histogram(Arc::new(histogram)))
}

fn mixed(notes: &Notes) -> Option<Value> {
    notes.add(Note::MixedFloatsHistogramsIn("aggregation"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(op: AggregateOp, values: &[f64], expected: f64) {
        let notes = Notes::default();
        let cells = values.iter().map(|value| Cell::Float(*value));
        let Some(Value::Float(got)) = fold(op, 0.5, cells, &notes) else {
            panic!("{op:?} of {values:?} has no value");
        };
        assert!(
            got == expected || got.is_nan() && expected.is_nan(),
            "{op:?} of {values:?}: {got}"
        );
    }

    #[test]
    fn groups_are_folded() {
        let nan = f64::NAN;
        check(AggregateOp::Sum, &[1.0, 2.0, 3.0], 6.0);
        check(AggregateOp::Avg, &[1.0, 2.0, 6.0], 3.0);
        check(AggregateOp::Min, &[nan, 2.0, 1.0, nan], 1.0);
        check(AggregateOp::Max, &[nan, 2.0, 1.0], 2.0);
        check(AggregateOp::Max, &[nan], nan);
        check(AggregateOp::Count, &[nan, 2.0], 2.0);
        check(AggregateOp::Group, &[5.0, 2.0], 1.0);
        check(
            AggregateOp::Stdvar,
            &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0],
            4.0,
        );
        check(
            AggregateOp::Stddev,
            &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0],
            2.0,
        );
        check(AggregateOp::Quantile, &[1.0, 2.0, 4.0], 2.0);
    }

    #[test]
    fn histograms_are_added_averaged_or_said_to_be_left_out() {
        let histogram = Arc::new(Histogram {
            count: 4.0,
            sum: 2.0,
            zero_count: 4.0,
            ..Histogram::default()
        });
        let of = |op| {
            let notes = Notes::default();
            let cells = [Cell::Histogram(&histogram), Cell::Histogram(&histogram)];
            (
                fold(op, 0.5, cells.into_iter(), &notes),
                notes.sentences("a"),
            )
        };
        let count = |value: Option<Value>| match value {
            Some(Value::Histogram(histogram)) => histogram.count,
            _ => f64::NAN,
        };
        assert_eq!(count(of(AggregateOp::Sum).0), 8.0);
        assert_eq!(count(of(AggregateOp::Avg).0), 4.0);
        let (value, (_, infos)) = of(AggregateOp::Max);
        assert_eq!((value, infos.len()), (None, 1));
        let notes = Notes::default();
        let mixed = [Cell::Float(1.0), Cell::Histogram(&histogram)];
        assert_eq!(fold(AggregateOp::Sum, 0.5, mixed.into_iter(), &notes), None);
        assert_eq!(
            notes.sentences("a").0,
            ["PromQL warning: encountered a mix of histograms and floats for aggregation (1:1)"]
        );
    }
}
