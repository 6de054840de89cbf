//! What is remembered of the values of a group at one step. In: one value after the other. Out: one, or none where there were none or they cannot be taken
//! together; that is said.

use std::sync::Arc;

use super::super::super::ast::AggregateOp;
use super::super::super::histograms::{Mean, Total};
use super::super::super::kahan;
use super::super::super::note::{Note, Notes};
use super::super::super::over::Variance;
use super::super::super::steps::Cell;
use crate::{Histogram, Value};

pub(super) trait State: Default {
    fn add(&mut self, op: AggregateOp, cell: Cell<'_>, notes: &Notes);
    fn finish(self, op: AggregateOp, notes: &Notes) -> Option<Value>;
}

/// Floats and histograms are not taken together.
#[derive(Default)]
pub(super) enum Kind<F, H> {
    #[default]
    Nothing,
    Floats(F),
    Histograms(Box<H>),
    Mixed,
}

pub(super) type Sum = Kind<kahan::Sum, Total>;
pub(super) type Average = Kind<kahan::Mean, Mean>;

/// What floats, or histograms, become.
pub(super) trait Folds<T>: Default {
    fn fold(&mut self, value: T);
}

impl Folds<f64> for kahan::Sum {
    fn fold(&mut self, value: f64) {
        self.add(value);
    }
}

impl Folds<f64> for kahan::Mean {
    fn fold(&mut self, value: f64) {
        self.add(value);
    }
}

impl Folds<&Histogram> for Total {
    fn fold(&mut self, value: &Histogram) {
        self.add(value);
    }
}

impl Folds<&Histogram> for Mean {
    fn fold(&mut self, value: &Histogram) {
        self.add(value);
    }
}

impl<F: Folds<f64>, H: for<'a> Folds<&'a Histogram>> Kind<F, H> {
    fn fold(&mut self, cell: Cell<'_>, notes: &Notes) {
        if matches!(self, Self::Nothing) {
            *self = match cell {
                Cell::Float(_) => Self::Floats(F::default()),
                Cell::Histogram(_) => Self::Histograms(Box::default()),
            };
        }
        match (&mut *self, cell) {
            (Self::Floats(floats), Cell::Float(value)) => floats.fold(value),
            (Self::Histograms(histograms), Cell::Histogram(value)) => histograms.fold(value),
            (Self::Mixed, _) => {}
            _ => {
                notes.add(Note::MixedFloatsHistogramsIn("aggregation"));
                *self = Self::Mixed;
            }
        }
    }
}

impl State for Sum {
    fn add(&mut self, _: AggregateOp, cell: Cell<'_>, notes: &Notes) {
        self.fold(cell, notes);
    }

    fn finish(self, _: AggregateOp, notes: &Notes) -> Option<Value> {
        match self {
            Self::Floats(sum) => Some(Value::Float(sum.value())),
            Self::Histograms(sum) => shared(sum.finish("", notes)),
            Self::Nothing | Self::Mixed => None,
        }
    }
}

impl State for Average {
    fn add(&mut self, _: AggregateOp, cell: Cell<'_>, notes: &Notes) {
        self.fold(cell, notes);
    }

    fn finish(self, _: AggregateOp, notes: &Notes) -> Option<Value> {
        match self {
            Self::Floats(mean) => Some(Value::Float(mean.value())),
            Self::Histograms(mean) => shared(mean.finish("", notes)),
            Self::Nothing | Self::Mixed => None,
        }
    }
}

fn shared(histogram: Option<Histogram>) -> Option<Value> {
    histogram.map(|histogram| Value::Histogram(Arc::new(histogram)))
}

/// `count` and `group` of everything; `max` and `min` of floats.
impl State for Option<f64> {
    fn add(&mut self, op: AggregateOp, cell: Cell<'_>, notes: &Notes) {
        match op {
            AggregateOp::Count => *self = Some(self.unwrap_or(0.0) + 1.0),
            AggregateOp::Group => *self = Some(1.0),
            _ => {
                let Some(value) = float(op, cell, notes) else {
                    return;
                };
                let is_max = op == AggregateOp::Max;
                let beats =
                    |best: f64| best.is_nan() || if is_max { value > best } else { value < best };
                if self.is_none_or(beats) {
                    *self = Some(value);
                }
            }
        }
    }

    fn finish(self, _: AggregateOp, _: &Notes) -> Option<Value> {
        self.map(Value::Float)
    }
}

impl State for Option<Variance> {
    fn add(&mut self, op: AggregateOp, cell: Cell<'_>, notes: &Notes) {
        if let Some(value) = float(op, cell, notes) {
            self.get_or_insert_default().add(value);
        }
    }

    fn finish(self, op: AggregateOp, _: &Notes) -> Option<Value> {
        let variance = self?.value();
        Some(Value::Float(match op {
            AggregateOp::Stddev => variance.sqrt(),
            _ => variance,
        }))
    }
}

/// Floats alone; histograms are said to be left out.
pub(super) fn float(op: AggregateOp, cell: Cell<'_>, notes: &Notes) -> Option<f64> {
    if cell.float().is_none() {
        notes.add(Note::HistogramIgnoredIn(ignored_in(op)));
    }
    cell.float()
}

pub(in super::super) fn ignored_in(op: AggregateOp) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn folded<'a>(
        op: AggregateOp,
        cells: impl Iterator<Item = Cell<'a>>,
        notes: &Notes,
    ) -> Option<Value> {
        fn of<'a, S: State>(
            op: AggregateOp,
            cells: impl Iterator<Item = Cell<'a>>,
            notes: &Notes,
        ) -> Option<Value> {
            let mut state = S::default();
            cells.for_each(|cell| state.add(op, cell, notes));
            state.finish(op, notes)
        }
        match op {
            AggregateOp::Sum => of::<Sum>(op, cells, notes),
            AggregateOp::Avg => of::<Average>(op, cells, notes),
            AggregateOp::Stdvar | AggregateOp::Stddev => of::<Option<Variance>>(op, cells, notes),
            _ => of::<Option<f64>>(op, cells, notes),
        }
    }

    #[track_caller]
    fn check(op: AggregateOp, values: &[f64], expected: f64) {
        let notes = Notes::default();
        let cells = values.iter().map(|value| Cell::Float(*value));
        let Some(Value::Float(got)) = folded(op, cells, &notes) else {
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
            (folded(op, cells.into_iter(), &notes), notes.sentences("a"))
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
        assert_eq!(folded(AggregateOp::Sum, mixed.into_iter(), &notes), None);
        assert_eq!(
            notes.sentences("a").0,
            ["PromQL warning: encountered a mix of histograms and floats for aggregation (1:1)"]
        );
    }
}
