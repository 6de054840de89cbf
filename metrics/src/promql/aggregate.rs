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
            let lines = evaluator.vector(&aggregate.expr, grid)?;
            evaluator.notes.of(aggregate.expr.span.start);
            folded(evaluator, aggregate, (&param, &lines), grid)?
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

/// Lines of one group, by their numbers.
struct Group {
    labels: Labels,
    drop_name: bool,
    members: Vec<usize>,
}

/// Groups in order of their first line.
fn groups(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    lines: &[Line],
) -> Evaluation<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut by_labels: HashMap<Labels, usize> = HashMap::new();
    for (idx, line) in lines.iter().enumerate() {
        evaluator.work.operations(1)?;
        let labels = group_labels(aggregate, &line.labels);
        let known = *by_labels.entry(labels.clone()).or_insert_with(|| {
            groups.push(Group {
                labels,
                drop_name: line.drop_name,
                members: Vec::new(),
            });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(known) {
            group.members.push(idx);
        }
    }
    Ok(groups)
}

fn folded(
    evaluator: &Evaluator<'_>,
    aggregate: &Aggregate,
    (param, lines): (&[f64], &[Line]),
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let mut folded = Vec::new();
    for group in groups(evaluator, aggregate, lines)? {
        let mut column = evaluator.column(grid.n)?;
        for idx in 0..grid.n {
            evaluator.work.operations(group.members.len() as u64)?;
            let members = group.members.iter().filter_map(|member| lines.get(*member));
            let cells = members.filter_map(|line| line.column.get(idx));
            let param = param.get(idx).copied().unwrap_or(f64::NAN);
            if let Some(value) = fold::fold(aggregate.op, param, cells, evaluator.notes) {
                column.set(idx, value);
            }
        }
        if !column.is_empty() {
            folded.push(Line {
                labels: group.labels,
                drop_name: group.drop_name,
                column,
            });
        }
    }
    Ok(folded)
}
