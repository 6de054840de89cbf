//! The evaluator: an expression at all steps at once. In: a tree and what it reads. Out: a scalar, a text or lines of values, each with a place for
//! every step.
//!
//! It recurses as deep as the tree, which the parser bounds. Every loop tells [`Work`], which ends it when the query is too dear.

mod call;
mod invariant;
mod over;
mod ranged;
mod selector;

use super::ast::{Expr, ExprKind, Op};
use super::error::PromqlError;
use super::fetch::Data;
use super::length::Frame;
use super::note::Notes;
use super::signature::Function;
use super::steps::{Column, Grid, Line};
use super::work::Work;
use super::{aggregate, binary, merge};

pub(super) use call::{arg, at};
pub(super) use invariant::has_fixed_times;
pub(super) use selector::{Want, newest_of};

/// The value of an expression at each step.
pub(super) enum Evaluated {
    Scalar(Vec<f64>),
    Text(String),
    Vector(Vec<Line>),
}

/// What an evaluation knows beside the expression.
pub(super) struct Evaluator<'a> {
    pub(super) data: Data<'a>,
    pub(super) frame: Frame,
    pub(super) lookback_ms: i64,
    pub(super) work: &'a Work,
    pub(super) notes: &'a Notes,
    /// Names stay until the query is done.
    pub(super) delayed_name_removal: bool,
    /// A selector of the query has an `@`.
    pub(super) has_fixed_times: bool,
}

pub(super) type Evaluation<T> = Result<T, PromqlError>;

impl Evaluator<'_> {
    pub(super) fn eval(&self, expr: &Expr, grid: Grid) -> Evaluation<Evaluated> {
        if self.is_once(expr, grid) {
            let once = self.eval(expr, Grid::one(grid.start))?;
            return invariant::repeated(once, grid.n, self.work);
        }
        match &expr.kind {
            ExprKind::Number { value, .. } => self.constant(*value, grid),
            ExprKind::Text(text) => Ok(Evaluated::Text(text.clone())),
            ExprKind::Paren(inner) => self.eval(inner, grid),
            ExprKind::Selector(selector) => {
                let lines = self.newest(selector, grid, Want::Value)?;
                Ok(Evaluated::Vector(lines))
            }
            ExprKind::Unary { is_minus, expr } => {
                let value = self.eval(expr, grid)?;
                if *is_minus {
                    self.negated(value)
                } else {
                    Ok(value)
                }
            }
            ExprKind::Binary(binary) => {
                let lhs = self.eval(&binary.lhs, grid)?;
                let rhs = self.eval(&binary.rhs, grid)?;
                self.notes.of(expr.span.start);
                binary::eval(self, binary, (lhs, rhs), grid)
            }
            ExprKind::Aggregate(aggregate) => aggregate::eval(self, aggregate, grid),
            ExprKind::Call(call) => self.call(call, expr.span.start, grid),
            ExprKind::Range { .. } | ExprKind::Subquery(_) => Err(PromqlError::Execution(
                "a range vector stands where there is no function for it".to_owned(),
            )),
        }
    }

    /// Whether an expression is evaluated at one step for all.
    fn is_once(&self, expr: &Expr, grid: Grid) -> bool {
        self.has_fixed_times && grid.n > 1 && invariant::is_invariant(expr)
    }

    /// Hands over the lines of a vector one after the other: those of selectors and functions of ranges while they are read, so that whoever folds them
    /// holds one at a time.
    pub(super) fn each_line(
        &self,
        expr: &Expr,
        grid: Grid,
        take: &mut dyn FnMut(Line) -> Evaluation<()>,
    ) -> Evaluation<()> {
        if !self.is_once(expr, grid) {
            match &expr.kind {
                ExprKind::Paren(inner) => return self.each_line(inner, grid, take),
                ExprKind::Selector(selector) => {
                    return self.each_newest(selector, grid, Want::Value, take);
                }
                ExprKind::Call(call) => {
                    if let Function::Over(over) = call.function.function {
                        return self.each_over(over, call, grid, take);
                    }
                }
                _ => {}
            }
        }
        self.vector(expr, grid)?.into_iter().try_for_each(take)
    }

    pub(super) fn constant(&self, value: f64, grid: Grid) -> Evaluation<Evaluated> {
        self.work.fits(grid.n.saturating_mul(size_of::<f64>()))?;
        Ok(Evaluated::Scalar(vec![value; grid.n]))
    }

    /// A vector; the parser has checked that it is one.
    pub(super) fn vector(&self, expr: &Expr, grid: Grid) -> Evaluation<Vec<Line>> {
        match self.eval(expr, grid)? {
            Evaluated::Vector(lines) => Ok(lines),
            Evaluated::Scalar(_) | Evaluated::Text(_) => Err(wrong_type("an instant vector")),
        }
    }

    pub(super) fn scalar(&self, expr: &Expr, grid: Grid) -> Evaluation<Vec<f64>> {
        match self.eval(expr, grid)? {
            Evaluated::Scalar(values) => Ok(values),
            Evaluated::Vector(_) | Evaluated::Text(_) => Err(wrong_type("a scalar")),
        }
    }

    pub(super) fn text(&self, expr: &Expr) -> Evaluation<String> {
        match &expr.inner().kind {
            ExprKind::Text(text) => Ok(text.clone()),
            _ => Err(wrong_type("a string")),
        }
    }

    fn negated(&self, value: Evaluated) -> Evaluation<Evaluated> {
        match value {
            Evaluated::Scalar(mut values) => {
                values.iter_mut().for_each(|value| *value = -*value);
                Ok(Evaluated::Scalar(values))
            }
            Evaluated::Vector(mut lines) => {
                for line in &mut lines {
                    binary::negate(&mut line.column, self.work)?;
                    self.drop_name(line);
                }
                merge::merged(lines, self.work).map(Evaluated::Vector)
            }
            Evaluated::Text(_) => Err(wrong_type("a scalar or an instant vector")),
        }
    }

    /// A column with nothing in it, if it fits.
    pub(super) fn column(&self, n: usize) -> Evaluation<Column> {
        self.work.operations(n as u64)?;
        Ok(Column::absent(n, self.work))
    }

    /// What was computed is no longer what the name says.
    pub(super) fn drop_name(&self, line: &mut Line) {
        if self.delayed_name_removal {
            line.drop_name = true;
        } else {
            line.labels = without_name(&line.labels);
        }
    }
}

pub(super) fn without_name(labels: &crate::Labels) -> crate::Labels {
    if labels.name().is_empty() {
        return labels.clone();
    }
    labels.filtered(|name| name != crate::labels::NAME)
}

pub(super) fn wrong_type(wanted: &str) -> PromqlError {
    PromqlError::Execution(format!("{wanted} is wanted, and something else came"))
}

/// Whether `op` keeps the name of the left side: comparisons that filter do.
pub(super) fn keeps_name(op: Op, is_bool: bool) -> bool {
    op.is_comparison() && !is_bool
}
