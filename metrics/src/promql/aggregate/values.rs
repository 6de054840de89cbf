//! `count_values`: how many lines of a group have each value.

use super::super::ast::Aggregate;
use super::super::error::PromqlError;
use super::super::eval::{Evaluation, Evaluator};
use super::super::steps::{Cell, Line};
use super::super::{merge, number};
use super::group_labels;

pub(super) fn count_values(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    label: &str,
    lines: Vec<Line>,
) -> Evaluation<Vec<Line>> {
    if label.is_empty() {
        return Err(PromqlError::Execution(format!(
            "invalid label name {label:?}"
        )));
    }
    let n = lines.first().map_or(0, |line| line.column.len());
    let mut counted = merge::Lines::new(n, evaluator.work);
    for line in lines {
        let group = group_labels(aggregate, &line.labels);
        for idx in 0..n {
            evaluator.work.operations(1)?;
            let text = match line.column.get(idx) {
                Some(Cell::Float(value)) => number::plain(value),
                Some(Cell::Histogram(histogram)) => super::super::native::text(histogram),
                None => continue,
            };
            let counts = counted.find(group.with(label, &text), false)?;
            if let Some(column) = counted.column(counts) {
                let count = column.float(idx).unwrap_or(0.0);
                column.set_float(idx, count + 1.0);
            }
        }
    }
    Ok(counted.finish())
}
