//! What is the same at every step is evaluated once: expressions whose selectors all have an `@`.

use super::super::ast::{Expr, ExprKind};
use super::super::signature::{Function, Over};
use super::super::steps::{Column, Line};
use super::super::work::Work;
use super::{Evaluated, Evaluation};

/// Whether an expression reads something, and nothing of it depends on the step.
pub(super) fn is_invariant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Text(_) => true,
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => {
            selector.time.at.is_some()
        }
        ExprKind::Subquery(subquery) => subquery.time.at.is_some(),
        ExprKind::Paren(inner) | ExprKind::Unary { expr: inner, .. } => is_invariant(inner),
        ExprKind::Binary(binary) => is_invariant(&binary.lhs) && is_invariant(&binary.rhs),
        ExprKind::Aggregate(aggregate) => {
            is_invariant(&aggregate.expr) && aggregate.param.iter().all(is_invariant)
        }
        ExprKind::Call(call) => {
            let looks_at_the_time = matches!(
                call.function.function,
                Function::Time
                    | Function::Timestamp
                    | Function::Info
                    | Function::Part(_)
                    | Function::Over(Over::PredictLinear)
            );
            !looks_at_the_time && call.args.iter().all(is_invariant)
        }
    }
}

/// Whether a selector or a subquery has an `@`.
pub(in crate::promql) fn has_fixed_times(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Text(_) => false,
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => {
            selector.time.at.is_some()
        }
        ExprKind::Subquery(subquery) => {
            subquery.time.at.is_some() || has_fixed_times(&subquery.expr)
        }
        ExprKind::Paren(inner) | ExprKind::Unary { expr: inner, .. } => has_fixed_times(inner),
        ExprKind::Binary(binary) => has_fixed_times(&binary.lhs) || has_fixed_times(&binary.rhs),
        ExprKind::Aggregate(aggregate) => {
            has_fixed_times(&aggregate.expr) || aggregate.param.iter().any(has_fixed_times)
        }
        ExprKind::Call(call) => call.args.iter().any(has_fixed_times),
    }
}

/// The value of one step at `n` steps.
pub(super) fn repeated(once: Evaluated, n: usize, work: &Work) -> Evaluation<Evaluated> {
    match once {
        Evaluated::Text(text) => Ok(Evaluated::Text(text)),
        Evaluated::Scalar(values) => {
            work.fits(n.saturating_mul(size_of::<f64>()))?;
            let value = values.first().copied().unwrap_or(f64::NAN);
            Ok(Evaluated::Scalar(vec![value; n]))
        }
        Evaluated::Vector(lines) => {
            let mut repeated = Vec::with_capacity(lines.len());
            for line in lines {
                work.operations(n as u64)?;
                let mut column = Column::absent(n, work);
                if let Some(cell) = line.column.get(0) {
                    (0..n).for_each(|idx| column.put(idx, cell));
                }
                repeated.push(Line { column, ..line });
            }
            Ok(Evaluated::Vector(repeated))
        }
    }
}
