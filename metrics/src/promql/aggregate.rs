//! Aggregations: lines of a group become one, or some of them stay. In: lines and how to group them. Out: lines.

mod fold;
mod pick;
mod values;

use std::collections::HashMap;

use super::ast::{Aggregate, AggregateOp};
use super::eval::{Evaluated, Evaluation, Evaluator, wrong_type};
use super::quantile;
use super::steps::{Grid, Line};
use crate::Labels;
use crate::labels::NAME;
use fold::Fold;

pub(super) fn eval(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    grid: Grid,
) -> Evaluation<Evaluated> {
    let lines = match aggregate.op {
        AggregateOp::CountValues => {
            let param = aggregate.param.as_ref();
            let label = evaluator.text(param.ok_or_else(|| wrong_type("a string"))?)?;
            let lines = evaluator.vector(&aggregate.expr, grid)?;
            values::count_values(evaluator, aggregate, &label, lines)?
        }
        AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::Limitk
        | AggregateOp::LimitRatio => {
            let param = param(evaluator, aggregate, grid)?;
            let lines = evaluator.vector(&aggregate.expr, grid)?;
            evaluator.notes.of(aggregate.expr.span.start);
            pick::pick(evaluator, aggregate, (&param, lines), grid)?
        }
        op => {
            let param = param(evaluator, aggregate, grid)?;
            if let (AggregateOp::Quantile, Some(q)) = (op, &aggregate.param) {
                evaluator.notes.of(q.span.start);
                param
                    .iter()
                    .for_each(|q| quantile::check(*q, evaluator.notes));
            }
            folded(evaluator, aggregate, &param, grid)?
        }
    };
    Ok(Evaluated::Vector(lines))
}

/// The scalar argument at each step; empty if there is none.
fn param(evaluator: &Evaluator<'_>, aggregate: &Aggregate, grid: Grid) -> Evaluation<Vec<f64>> {
    match &aggregate.param {
        Some(param) => evaluator.scalar(param, grid),
        None => Ok(Vec::new()),
    }
}

/// The labels of the group that a line belongs to.
fn group_labels(aggregate: &Aggregate, labels: &Labels) -> Labels {
    let is_named = |name: &str| aggregate.labels.iter().any(|label| label == name);
    if aggregate.is_without {
        labels.filtered(|name| name != NAME && !is_named(name))
    } else if aggregate.labels.is_empty() {
        Labels::default()
    } else {
        labels.filtered(is_named)
    }
}

/// Lines of each group, by their numbers; groups in order of their first line.
fn groups(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    lines: &[Line],
) -> Evaluation<Vec<Vec<usize>>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut by_labels: HashMap<Labels, usize> = HashMap::new();
    for (idx, line) in lines.iter().enumerate() {
        evaluator.work.operations(1)?;
        let labels = group_labels(aggregate, &line.labels);
        let group = *by_labels.entry(labels).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(members) => members.push(idx),
            None => groups.push(vec![idx]),
        }
    }
    Ok(groups)
}

/// Groups are folded while their lines come, so that of lines no more is held than their groups need.
fn folded(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    param: &[f64],
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let mut groups: Vec<(Line, Fold)> = Vec::new();
    let mut by_labels: HashMap<Labels, usize> = HashMap::new();
    let place = aggregate.expr.span.start;
    evaluator.each_line(&aggregate.expr, grid, &mut |line| {
        evaluator.notes.of(place);
        evaluator.work.operations(grid.n as u64)?;
        let labels = group_labels(aggregate, &line.labels);
        if let Some((_, fold)) = by_labels
            .get(&labels)
            .and_then(|known| groups.get_mut(*known))
        {
            fold.add(line.column, evaluator);
            return Ok(());
        }
        by_labels.insert(labels.clone(), groups.len());
        let group = Line {
            labels,
            drop_name: line.drop_name,
            column: evaluator.column(0)?,
        };
        groups.push((group, Fold::new(aggregate.op, line.column)));
        Ok(())
    })?;
    evaluator.notes.of(place);
    let mut folded = Vec::with_capacity(groups.len());
    for (group, fold) in groups {
        evaluator.work.operations(grid.n as u64)?;
        let column = fold.finish(param, evaluator)?;
        if !column.is_empty() {
            folded.push(Line { column, ..group });
        }
    }
    Ok(folded)
}
