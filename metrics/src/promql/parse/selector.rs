//! Selectors, with the ranges, offsets and times behind them.

use super::super::ast::{At, Expr, ExprKind, Length, Selector, Shift, Subquery, Type};
use super::super::lex::TokenKind;
use super::super::time;
use super::{Failure, Parsed, Parser, REGEX_BYTES_MAX, mistake};
use crate::labels::NAME;
use crate::{MatchOp, Matcher};

/// Matchers of a selector at most.
const MATCHERS_MAX: usize = 256;
/// Bytes that a compiled pattern takes at most.
const REGEX_BUILT_BYTES_MAX: usize = 1 << 20;

impl Parser<'_> {
    /// The braces, if there are any, are next.
    pub(super) fn selector(&mut self, name: Option<String>, start: usize) -> Parsed<Expr> {
        let mut matchers: Vec<Matcher> = name.iter().map(|name| is_name(name.clone())).collect();
        if self.take("{") {
            while !self.take("}") {
                let matcher = self.matcher()?;
                if matcher.name == NAME
                    && let Some(name) = &name
                {
                    return mistake(
                        start,
                        format!(
                            "metric name must not be set twice: {name:?} or {:?}",
                            matcher.value
                        ),
                    );
                }
                matchers.push(matcher);
                if matchers.len() > MATCHERS_MAX {
                    return mistake(start, format!("more than {MATCHERS_MAX} label matchers"));
                }
                if !self.take(",") && !self.is_mark("}") {
                    return self.unexpected(" in label matching, expected \",\" or \"}\"");
                }
            }
        }
        if !self.allows_empty_matchers && matchers.iter().all(|matcher| matcher.matches("")) {
            return mistake(
                start,
                "vector selector must contain at least one non-empty matcher",
            );
        }
        let selector = Selector {
            id: self.n_selectors,
            name,
            matchers,
            time: Shift::default(),
        };
        self.n_selectors += 1;
        self.node(start, Type::Vector, ExprKind::Selector(selector))
    }

    /// `a="b"`, `"with space"=~"b.*"`, or `"a name alone"`.
    fn matcher(&mut self) -> Parsed<Matcher> {
        let (name, is_quoted) = match self.kind().clone() {
            TokenKind::Ident(name) if !name.contains(':') => (name, false),
            TokenKind::Text(name) => (name, true),
            _ => return self.unexpected(" in label matching, expected label matcher or \"}\""),
        };
        self.step();
        let op = match self.kind() {
            TokenKind::Mark(op @ ("=" | "!=" | "=~" | "!~")) => *op,
            TokenKind::Mark("," | "}") if is_quoted => return Ok(is_name(name)),
            _ => return self.unexpected(" in label matching, expected label matching operator"),
        };
        self.step();
        let at = self.span().start;
        let TokenKind::Text(value) = self.kind().clone() else {
            return self.unexpected(" in label matching, expected string");
        };
        self.step();
        let op = match op {
            "=" => MatchOp::Equal,
            "!=" => MatchOp::NotEqual,
            "=~" => MatchOp::Regex(regex(&value).or_else(|message| mistake(at, message))?),
            _ => MatchOp::NotRegex(regex(&value).or_else(|message| mistake(at, message))?),
        };
        Ok(Matcher { name, op, value })
    }

    /// `expr[5m]` or `expr[5m:1m]`.
    pub(super) fn range_of(&mut self, expr: Expr) -> Parsed<Expr> {
        let at = self.span().start;
        self.step();
        let range = self.length()?;
        positive(&range).or_else(|message| mistake(at, message))?;
        if self.take(":") {
            let step = if self.is_mark("]") {
                None
            } else {
                let step = self.length()?;
                positive(&step).or_else(|message| mistake(at, message))?;
                Some(step)
            };
            self.expect("]", "subquery selector")?;
            if expr.ty != Type::Vector {
                return mistake(
                    expr.span.start,
                    format!(
                        "subquery is only allowed on instant vector, got {} instead",
                        expr.ty.name()
                    ),
                );
            }
            let start = expr.span.start;
            let subquery = Subquery {
                expr,
                range,
                step,
                time: Shift::default(),
            };
            return self.node(start, Type::Matrix, ExprKind::Subquery(Box::new(subquery)));
        }
        self.expect("]", "matrix selector")?;
        let extended = ["anchored", "smoothed"].iter();
        if extended.clone().any(|word| self.is_word(word)) {
            return Err(Failure::NotSupported("promql-extended-range-selectors"));
        }
        let start = expr.span.start;
        let selector = match expr.kind {
            ExprKind::Selector(selector) => selector,
            _ => return mistake(start, "ranges only allowed for vector selectors"),
        };
        if selector.time.offset.is_some() {
            return mistake(start, "no offset modifiers allowed before range");
        }
        if selector.time.at.is_some() {
            return mistake(start, "no @ modifiers allowed before range");
        }
        self.node(start, Type::Matrix, ExprKind::Range { selector, range })
    }

    /// `expr offset 5m`.
    pub(super) fn offset_of(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let at = self.span().start;
        self.step();
        let length = self.offset_length()?;
        let Some(shift) = shift_of(&mut expr) else {
            return mistake(
                at,
                "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            );
        };
        if shift.offset.replace(length).is_some() {
            return mistake(at, "offset may not be set multiple times");
        }
        expr.span.end = self.end_of_last();
        Ok(expr)
    }

    /// `expr @ 1609746000` or `expr @ end()`.
    pub(super) fn at_of(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let place = self.span().start;
        self.step();
        let at = self.at()?;
        let Some(shift) = shift_of(&mut expr) else {
            return mistake(
                place,
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            );
        };
        if shift.at.replace(at).is_some() {
            return mistake(place, "@ <timestamp> may not be set multiple times");
        }
        expr.span.end = self.end_of_last();
        Ok(expr)
    }

    fn at(&mut self) -> Parsed<At> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.is_word(word) {
                self.step();
                self.expect("(", "@")?;
                self.expect(")", "@")?;
                return Ok(at);
            }
        }
        let is_minus = self.is_mark("-");
        if is_minus || self.is_mark("+") {
            self.step();
        }
        let place = self.span().start;
        let seconds = match *self.kind() {
            TokenKind::Number(seconds) => seconds,
            TokenKind::Duration(ms) => time::seconds(ms),
            _ => return self.unexpected(" in @, expected timestamp"),
        };
        self.step();
        let seconds = if is_minus { -seconds } else { seconds };
        match time::ms_of_seconds(seconds) {
            Some(ms) => Ok(At::UnixMs(ms)),
            None => mistake(
                place,
                format!("timestamp out of bounds for @ modifier: {seconds}"),
            ),
        }
    }
}

/// Where a selector or subquery keeps its times; none if it is neither.
fn shift_of(expr: &mut Expr) -> Option<&mut Shift> {
    match &mut expr.kind {
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => Some(&mut selector.time),
        ExprKind::Subquery(subquery) => Some(&mut subquery.time),
        _ => None,
    }
}

/// Literals must be over 0; expressions are checked once they are worked out.
fn positive(length: &Length) -> Result<(), String> {
    match length {
        Length::Ms(..=0) => Err("duration must be greater than 0".to_owned()),
        _ => Ok(()),
    }
}

fn is_name(name: String) -> Matcher {
    Matcher {
        name: NAME.to_owned(),
        op: MatchOp::Equal,
        value: name,
    }
}

/// A pattern, anchored at both ends. `.` also means a line break, as in Prometheus.
pub(in crate::promql) fn regex(pattern: &str) -> Result<regex::Regex, String> {
    if pattern.len() > REGEX_BYTES_MAX {
        return Err(format!(
            "a regular expression of {} bytes, at most {REGEX_BYTES_MAX} are allowed",
            pattern.len()
        ));
    }
    regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(REGEX_BUILT_BYTES_MAX)
        .nest_limit(64)
        .build()
        .map_err(|error| format!("error parsing regexp {pattern:?}: {error}"))
}
