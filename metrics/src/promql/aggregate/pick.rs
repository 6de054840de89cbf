//! Aggregations that keep some lines of each group: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use xxhash_rust::xxh3::xxh3_64;

use super::super::ast::{Aggregate, AggregateOp};
use super::super::error::PromqlError;
use super::super::eval::{Evaluation, Evaluator};
use super::super::functions::by_value;
use super::super::note::Note;
use super::super::steps::{Grid, Line};
use super::fold::ignored_in;
use crate::Labels;

pub(super) fn pick(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    (param, lines): (&[f64], Vec<Line>),
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let ratios = if aggregate.op == AggregateOp::LimitRatio {
        lines.iter().map(|line| place(&line.labels)).collect()
    } else {
        Vec::new()
    };
    let mut picked = Picked::new(lines, grid);
    for members in super::groups(evaluator, aggregate, &picked.lines)? {
        for idx in 0..grid.n {
            evaluator.work.operations(members.len() as u64)?;
            let param = param.get(idx).copied().unwrap_or(f64::NAN);
            let present = members.iter().copied().filter(|member| {
                let line = picked.lines.get(*member);
                line.is_some_and(|line| line.column.has(idx))
            });
            let kept: Vec<usize> = match aggregate.op {
                AggregateOp::LimitRatio => {
                    let ratio = ratio(param, evaluator)?;
                    let place = |member: &usize| ratios.get(*member).copied();
                    let is_in = |member: &usize| place(member).is_some_and(|at| is_in(at, ratio));
                    present.filter(is_in).collect()
                }
                AggregateOp::Limitk => present.take(k_of(param)?).collect(),
                op => {
                    let values = present.filter_map(|member| {
                        let value = picked.lines.get(member)?.column.float(idx);
                        if value.is_none() {
                            let ignored = Note::HistogramIgnoredIn(ignored_in(op));
                            evaluator.notes.add(ignored);
                        }
                        Some((member, value?))
                    });
                    extremes(values.collect(), k_of(param)?, op == AggregateOp::Topk)
                }
            };
            kept.into_iter().for_each(|member| picked.keep(member, idx));
        }
    }
    picked.finish(evaluator)
}

/// Which values of which lines stay.
struct Picked {
    lines: Vec<Line>,
    /// The steps at which each line stays, ascending.
    steps: Vec<Vec<u32>>,
    /// Lines in the order in which they were picked: that of the answer of an instant query.
    order: Vec<usize>,
    grid: Grid,
}

impl Picked {
    fn new(lines: Vec<Line>, grid: Grid) -> Self {
        Self {
            steps: vec![Vec::new(); lines.len()],
            lines,
            order: Vec::new(),
            grid,
        }
    }

    fn keep(&mut self, member: usize, idx: usize) {
        if let (Some(steps), Ok(step)) = (self.steps.get_mut(member), u32::try_from(idx)) {
            if steps.is_empty() {
                self.order.push(member);
            }
            steps.push(step);
        }
    }

    fn finish(mut self, evaluator: &Evaluator<'_>) -> Evaluation<Vec<Line>> {
        if self.grid.n > 1 {
            self.order.sort_unstable();
        }
        let mut lines: Vec<Option<Line>> = self.lines.into_iter().map(Some).collect();
        let mut picked = Vec::with_capacity(self.order.len());
        for member in self.order {
            let steps = self.steps.get(member).map_or(&[][..], Vec::as_slice);
            let Some(line) = lines.get_mut(member).and_then(Option::take) else {
                continue;
            };
            if steps.len() == line.column.len() {
                picked.push(line);
                continue;
            }
            let mut column = evaluator.column(line.column.len())?;
            for step in steps {
                let idx = *step as usize;
                if let Some(cell) = line.column.get(idx) {
                    column.put(idx, cell);
                }
            }
            picked.push(Line { column, ..line });
        }
        Ok(picked)
    }
}

/// The k largest or least, the most extreme first; NaN last; of equal ones those that come first.
fn extremes(mut values: Vec<(usize, f64)>, k: usize, is_top: bool) -> Vec<usize> {
    let order = |(idx_a, a): &(usize, f64), (idx_b, b): &(usize, f64)| {
        by_value(*a, *b, is_top).then(idx_a.cmp(idx_b))
    };
    if k == 0 {
        return Vec::new();
    }
    if k < values.len() {
        values.select_nth_unstable_by(k - 1, order);
        values.truncate(k);
    }
    values.sort_unstable_by(order);
    values.into_iter().map(|(member, _)| member).collect()
}

/// How many; none if it is below 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by the comparisons before"
)]
fn k_of(param: f64) -> Evaluation<usize> {
    const K_MAX: f64 = 9_223_372_036_854_775_807.0;
    if param.is_nan() || !(-K_MAX..=K_MAX).contains(&param) {
        return Err(PromqlError::Execution(format!(
            "scalar parameter value {} overflows int64",
            super::super::number::shortest(param)
        )));
    }
    Ok(if param < 1.0 { 0 } else { param as usize })
}

/// A ratio between −1 and 1; others are cut, and that is said.
fn ratio(param: f64, evaluator: &Evaluator<'_>) -> Evaluation<f64> {
    if param.is_nan() {
        return Err(PromqlError::Execution("ratio value is NaN".to_owned()));
    }
    let used = param.clamp(-1.0, 1.0);
    if used != param {
        evaluator.notes.add(Note::InvalidRatio { got: param, used });
    }
    Ok(used)
}

/// Where a series lies between 0 and 1, by its labels alone.
#[expect(
    clippy::cast_precision_loss,
    reason = "a place of 53 bits is exact enough"
)]
fn place(labels: &Labels) -> f64 {
    let mut text = Vec::new();
    for (name, value) in labels.iter() {
        text.extend_from_slice(name.as_bytes());
        text.push(0xff);
        text.extend_from_slice(value.as_bytes());
        text.push(0xff);
    }
    (xxh3_64(&text) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A ratio r keeps the lower part; −r the others, so that both together are all.
fn is_in(place: f64, ratio: f64) -> bool {
    if ratio >= 0.0 {
        place < ratio
    } else {
        place >= 1.0 + ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_extreme_come_first_and_nan_last() {
        let values = || vec![(0, 2.0), (1, f64::NAN), (2, 5.0), (3, -1.0)];
        assert_eq!(extremes(values(), 2, true), [2, 0]);
        assert_eq!(extremes(values(), 2, false), [3, 0]);
        assert_eq!(extremes(values(), 9, true), [2, 0, 3, 1]);
        assert_eq!(extremes(values(), 0, true), [0_usize; 0]);
        let equal = vec![(4, 1.0), (1, 1.0), (3, 2.0), (2, 1.0)];
        assert_eq!(extremes(equal, 3, true), [3, 1, 2]);
    }

    #[test]
    fn a_ratio_and_its_complement_are_all() {
        for idx in 0..200 {
            let labels = Labels::new([("a", format!("{idx}"))]);
            let place = place(&labels);
            assert!(is_in(place, 0.3) != is_in(place, -0.7));
            assert!(is_in(place, 1.0) && !is_in(place, 0.0));
        }
    }

    #[test]
    fn k_is_a_whole_number_that_fits() {
        assert_eq!(k_of(2.9).ok(), Some(2));
        assert_eq!(k_of(-3.0).ok(), Some(0));
        assert!(k_of(f64::NAN).is_err());
        assert!(k_of(1e300).is_err());
    }
}
