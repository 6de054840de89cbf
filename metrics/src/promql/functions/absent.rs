//! `absent` and `absent_over_time`: 1 where there is nothing, with the labels that the selector says.

use std::collections::BTreeSet;

use super::super::ast::{Expr, ExprKind};
use super::super::eval::{Evaluation, Evaluator};
use super::super::steps::{Grid, Line};
use crate::labels::NAME;
use crate::{Labels, MatchOp, Matcher};

pub(in crate::promql) fn absent(
    evaluator: &Evaluator<'_>,
    expr: &Expr,
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let lines = evaluator.vector(expr, grid)?;
    let mut present = vec![false; grid.n];
    for (idx, slot) in present.iter_mut().enumerate() {
        evaluator.work.operations(lines.len() as u64)?;
        *slot = lines.iter().any(|line| line.column.has(idx));
    }
    absent_line(evaluator, expr, &present)
}

/// 1 at each step that is not present.
pub(in crate::promql) fn absent_line(
    evaluator: &Evaluator<'_>,
    expr: &Expr,
    present: &[bool],
) -> Evaluation<Vec<Line>> {
    let mut column = evaluator.column(present.len())?;
    for (idx, is_present) in present.iter().enumerate() {
        if !is_present {
            column.set_float(idx, 1.0);
        }
    }
    if column.is_empty() {
        return Ok(Vec::new());
    }
    let matchers: &[Matcher] = match &expr.inner().kind {
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => &selector.matchers,
        _ => &[],
    };
    Ok(vec![Line {
        labels: labels_of(matchers),
        drop_name: false,
        column,
    }])
}

/// Labels that only one value is said of, by equality.
fn labels_of(matchers: &[Matcher]) -> Labels {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    let mut pairs = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != NAME) {
        let is_equal = matches!(matcher.op, MatchOp::Equal);
        if is_equal && seen.insert(matcher.name.as_str()) {
            pairs.push((matcher.name.as_str(), matcher.value.as_str()));
        } else {
            twice.insert(matcher.name.as_str());
        }
    }
    pairs.retain(|(name, _)| !twice.contains(name));
    Labels::new(pairs)
}
