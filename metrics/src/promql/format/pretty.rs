//! The layout over several lines.

use super::super::ast::{Expr, ExprKind};
use super::{aggregation, one_line, operator, subquery_suffix};

/// Longest line that is left as it is.
const LINE_CHARS_MAX: usize = 100;

/// The tree, split where a line would be too long.
pub(in crate::promql) fn pretty(expr: &Expr) -> String {
    at_level(expr, 0)
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

fn at_level(expr: &Expr, level: usize) -> String {
    let line = one_line(expr);
    if line.chars().count() <= LINE_CHARS_MAX {
        return format!("{}{line}", indent(level));
    }
    split(expr, level).unwrap_or_else(|| format!("{}{line}", indent(level)))
}

/// None if there is nothing to split.
fn split(expr: &Expr, level: usize) -> Option<String> {
    let pad = indent(level);
    Some(match &expr.kind {
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate.param.as_ref();
            let param = param.map_or(String::new(), |param| {
                format!("{},\n", at_level(param, level + 1))
            });
            let inner = at_level(&aggregate.expr, level + 1);
            format!("{pad}{}(\n{param}{inner}\n{pad})", aggregation(aggregate))
        }
        ExprKind::Binary(binary) => format!(
            "{}\n{pad}{}\n{}",
            at_level(&binary.lhs, level + 1),
            operator(binary),
            at_level(&binary.rhs, level + 1)
        ),
        ExprKind::Call(call) => {
            let args = call.args.iter().map(|arg| at_level(arg, level + 1));
            let args: Vec<String> = args.collect();
            format!("{pad}{}(\n{}\n{pad})", call.function.name, args.join(",\n"))
        }
        ExprKind::Paren(inner) => format!("{pad}(\n{}\n{pad})", at_level(inner, level + 1)),
        ExprKind::Subquery(subquery) => format!(
            "{}{}",
            at_level(&subquery.expr, level),
            subquery_suffix(subquery)
        ),
        ExprKind::Unary { is_minus, expr } => {
            let sign = if *is_minus { '-' } else { '+' };
            format!("{pad}{sign}{}", at_level(expr, level).trim_start())
        }
        _ => return None,
    })
}
