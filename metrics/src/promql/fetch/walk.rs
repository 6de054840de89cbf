//! Which ranges of time the selectors of a tree look at.

use super::super::ast::{Call, Expr, ExprKind, Selector, Shift};
use super::super::error::PromqlError;
use super::super::length::Frame;
use super::super::limits::EngineConfig;
use super::super::signature::{Function, Over};
use super::super::steps::Grid;
use super::super::time::{UNIX_MS_MAX, ms_of};
use super::{Reader, Use, Wanted};
use crate::labels::NAME;
use crate::{MatchOp, Matcher};

/// Selectors of a query at most.
const SELECTORS_MAX: usize = 256;

/// How far behind a range a window that is longer than it may end and still be known.
pub(in crate::promql) const WINDOW_AHEAD_MS: i64 = 300_000;

pub(super) fn wanted(
    expr: &Expr,
    grid: Grid,
    frame: Frame,
    config: &EngineConfig,
) -> Result<Vec<Wanted>, PromqlError> {
    let mut walk = Walk {
        frame,
        lookback_ms: ms_of(config.lookback),
        wanted: Vec::new(),
    };
    let span = Span {
        first: grid.start,
        last: grid.last(),
    };
    walk.expr(expr, span, false)?;
    Ok(walk.wanted)
}

/// First and last instant at which an expression is evaluated.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: i64,
    last: i64,
}

struct Walk {
    frame: Frame,
    lookback_ms: i64,
    wanted: Vec<Wanted>,
}

impl Walk {
    fn expr(&mut self, expr: &Expr, span: Span, on_windows: bool) -> Result<(), PromqlError> {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Text(_) => Ok(()),
            ExprKind::Selector(selector) => {
                self.selector(selector, span, self.lookback_ms, Use::Instant)
            }
            ExprKind::Range { selector, range } => {
                let range_ms = self.frame.positive(range)?;
                let used = if on_windows { Use::Windows } else { Use::Range };
                self.selector(selector, span, range_ms, used)
            }
            ExprKind::Subquery(subquery) => {
                let range_ms = self.frame.positive(&subquery.range)?;
                let span = self.shifted(span, &subquery.time)?;
                let inner = Span {
                    first: span.first.saturating_sub(range_ms),
                    last: span.last,
                };
                self.expr(&subquery.expr, inner, false)
            }
            ExprKind::Paren(inner) | ExprKind::Unary { expr: inner, .. } => {
                self.expr(inner, span, on_windows)
            }
            ExprKind::Binary(binary) => {
                self.expr(&binary.lhs, span, false)?;
                self.expr(&binary.rhs, span, false)
            }
            ExprKind::Aggregate(aggregate) => {
                if let Some(param) = &aggregate.param {
                    self.expr(param, span, false)?;
                }
                self.expr(&aggregate.expr, span, false)
            }
            ExprKind::Call(call) => self.call(call, expr.span.start, span),
        }
    }

    fn call(&mut self, call: &Call, start: usize, span: Span) -> Result<(), PromqlError> {
        if call.function.function == Function::Info {
            return self.info(call, start, span);
        }
        let on_windows = matches!(
            call.function.function,
            Function::Over(Over::Rate | Over::Increase | Over::Irate)
        );
        let mut args = call.args.iter();
        args.try_for_each(|arg| self.expr(arg, span, on_windows))
    }

    /// The first argument as usual, and the info series that its second one means.
    fn info(&mut self, call: &Call, start: usize, span: Span) -> Result<(), PromqlError> {
        if let Some(base) = call.args.first() {
            self.expr(base, span, false)?;
        }
        let second = call.args.get(1).map(|arg| &arg.inner().kind);
        let said: &[Matcher] = match second {
            Some(ExprKind::Selector(selector)) => &selector.matchers,
            _ => &[],
        };
        let mut matchers: Vec<Matcher> = said
            .iter()
            .filter(|matcher| matcher.name == NAME)
            .cloned()
            .collect();
        if matchers.is_empty() {
            matchers.push(Matcher {
                name: NAME.to_owned(),
                op: MatchOp::Equal,
                value: "target_info".to_owned(),
            });
        }
        self.add(Wanted {
            reader: Reader::Info(start),
            matchers,
            used: Use::Instant,
            from: span.first.saturating_sub(self.lookback_ms),
            to: span.last,
        })
    }

    fn selector(
        &mut self,
        selector: &Selector,
        span: Span,
        back_ms: i64,
        used: Use,
    ) -> Result<(), PromqlError> {
        let span = self.shifted(span, &selector.time)?;
        let ahead_ms = if used == Use::Windows {
            WINDOW_AHEAD_MS
        } else {
            0
        };
        self.add(Wanted {
            reader: Reader::Selector(selector.id),
            matchers: selector.matchers.clone(),
            used,
            from: span.first.saturating_sub(back_ms),
            to: span.last.saturating_add(ahead_ms),
        })
    }

    fn shifted(&self, span: Span, shift: &Shift) -> Result<Span, PromqlError> {
        Ok(Span {
            first: self.frame.shifted(span.first, shift)?,
            last: self.frame.shifted(span.last, shift)?,
        })
    }

    fn add(&mut self, wanted: Wanted) -> Result<(), PromqlError> {
        if self.wanted.len() >= SELECTORS_MAX {
            return Err(PromqlError::BadData(format!(
                "the query has more than {SELECTORS_MAX} selectors"
            )));
        }
        self.wanted.push(Wanted {
            from: wanted.from.clamp(-UNIX_MS_MAX, UNIX_MS_MAX),
            to: wanted.to.clamp(-UNIX_MS_MAX, UNIX_MS_MAX),
            ..wanted
        });
        Ok(())
    }
}
