//! Functions of histograms: native ones by their buckets, classic ones by their series with `le`.

use super::super::ast::Call;
use super::super::eval::arg;
use super::super::eval::at;
use super::super::eval::{Evaluation, Evaluator};
use super::super::native::{self, QuantileNan};
use super::super::note::Note;
use super::super::signature::Function;
use super::super::steps::{Cell, Grid, Line};
use super::super::{merge, quantile};
use super::classic::{Classic, Group, grouped};
use crate::Histogram;

/// `histogram_count` and its like: floats fall away.
pub(in crate::promql) fn histogram_part(
    evaluator: &Evaluator<'_>,
    function: Function,
    mut lines: Vec<Line>,
) -> Evaluation<Vec<Line>> {
    for line in &mut lines {
        for idx in 0..line.column.len() {
            evaluator.work.operations(1)?;
            let part = match line.column.get(idx) {
                Some(Cell::Histogram(histogram)) => Some(part_of(function, histogram)),
                _ => None,
            };
            match part {
                Some(part) => line.column.set_float(idx, part),
                None => line.column.clear(idx),
            }
        }
        evaluator.drop_name(line);
    }
    lines.retain(|line| !line.column.is_empty());
    merge::merged(lines, evaluator.work)
}

fn part_of(function: Function, histogram: &Histogram) -> f64 {
    match function {
        Function::HistogramSum => histogram.sum,
        Function::HistogramAvg => histogram.sum / histogram.count,
        Function::HistogramStdvar => native::variance(histogram),
        Function::HistogramStddev => native::variance(histogram).sqrt(),
        _ => histogram.count,
    }
}

pub(in crate::promql) fn histogram_quantile(
    evaluator: &Evaluator<'_>,
    call: &Call,
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let q = evaluator.scalar(arg(call, 0)?, grid)?;
    let lines = evaluator.vector(arg(call, 1)?, grid)?;
    evaluator.notes.of(arg(call, 0)?.span.start);
    q.iter().for_each(|q| quantile::check(*q, evaluator.notes));
    evaluator.notes.of(arg(call, 1)?.span.start);
    let of_native = |idx: usize, histogram: &Histogram, metric: &str| {
        let (value, nan) = native::quantile(at(&q, idx), histogram);
        match nan {
            QuantileNan::None => {}
            QuantileNan::Result => evaluator.notes.add(Note::QuantileNan(metric.to_owned())),
            QuantileNan::Skew => evaluator
                .notes
                .add(Note::QuantileNanSkew(metric.to_owned())),
        }
        value
    };
    let of_classic = |idx: usize, classic: &mut Classic, metric: &str| {
        let (value, is_forced) = classic.quantile(at(&q, idx));
        if is_forced {
            evaluator
                .notes
                .add(Note::ForcedMonotonicity(metric.to_owned()));
        }
        value
    };
    estimated(evaluator, lines, grid, (of_native, of_classic))
}

pub(in crate::promql) fn histogram_fraction(
    evaluator: &Evaluator<'_>,
    call: &Call,
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let lower = evaluator.scalar(arg(call, 0)?, grid)?;
    let upper = evaluator.scalar(arg(call, 1)?, grid)?;
    let lines = evaluator.vector(arg(call, 2)?, grid)?;
    evaluator.notes.of(arg(call, 2)?.span.start);
    let of_native = |idx: usize, histogram: &Histogram, metric: &str| {
        if histogram.sum.is_nan() {
            evaluator.notes.add(Note::FractionNans(metric.to_owned()));
        }
        native::fraction(at(&lower, idx), at(&upper, idx), histogram)
    };
    let of_classic = |idx: usize, classic: &mut Classic, _: &str| {
        classic.fraction(at(&lower, idx), at(&upper, idx))
    };
    estimated(evaluator, lines, grid, (of_native, of_classic))
}

/// A value for each histogram at each step.
fn estimated(
    evaluator: &Evaluator<'_>,
    lines: Vec<Line>,
    grid: Grid,
    (of_native, of_classic): (
        impl Fn(usize, &Histogram, &str) -> f64,
        impl Fn(usize, &mut Classic, &str) -> f64,
    ),
) -> Evaluation<Vec<Line>> {
    let groups = grouped(&lines, evaluator.notes);
    let mut estimated = merge::Lines::new(grid.n, evaluator.work);
    for group in groups {
        let Group {
            labels,
            metric,
            natives,
            buckets,
        } = group;
        for idx in 0..grid.n {
            evaluator
                .work
                .operations(1 + (buckets.len() + natives.len()) as u64)?;
            let native = natives.iter().find_map(|line| match line.column.get(idx) {
                Some(Cell::Histogram(histogram)) => Some(histogram),
                _ => None,
            });
            let mut classic = Classic::at(&buckets, idx);
            let value = match (native, classic.is_empty()) {
                (Some(_), false) => {
                    evaluator
                        .notes
                        .add(Note::MixedClassicNative(metric.clone()));
                    continue;
                }
                (Some(histogram), true) => of_native(idx, histogram, &metric),
                (None, false) => of_classic(idx, &mut classic, &metric),
                (None, true) => continue,
            };
            let mut line = Line {
                labels: labels.clone(),
                drop_name: false,
                column: super::super::steps::Column::absent(0, evaluator.work),
            };
            evaluator.drop_name(&mut line);
            let out = estimated.find(line.labels, line.drop_name)?;
            if let Some(column) = estimated.column(out) {
                if column.has(idx) {
                    return Err(merge::same_labels());
                }
                column.set_float(idx, value);
            }
        }
    }
    Ok(estimated.finish())
}
