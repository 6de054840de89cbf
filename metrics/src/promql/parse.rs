//! From text to tree: a precedence parser. In: any text. Out: an expression of right types whose depth and size are bounded, or what is wrong and where.
//!
//! The recursion counts its levels, a chain of operators counts as depth too, and both are bounded before anything grows: what walks, clones or
//! drops the tree later needs no bound of its own.

mod aggregate;
mod binary;
mod brackets;
mod call;
mod length;
mod selector;
mod word;

pub(super) use selector::regex;

use super::ast::{Expr, ExprKind, Op, Span, Type};
use super::error::PromqlError;
use super::lex::{Mistake, TEXT_BYTES_MAX, Token, TokenKind, lex};
use super::limits::Features;

/// Brackets within each other.
pub(super) const NESTING_MAX: usize = 64;
/// Levels of the recursion: a bracket and the operator before it take two.
const RECURSION_MAX: usize = 2 * NESTING_MAX + 2;
/// Levels of the tree: a chain of operators has one each.
pub(super) const DEPTH_MAX: usize = 256;
/// Longest regular expression, in bytes.
pub(super) const REGEX_BYTES_MAX: usize = 1 << 10;

/// The tree of a query.
pub(super) fn parse(text: &str, features: Features) -> Result<Expr, PromqlError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(PromqlError::BadData(format!(
            "the query is {} bytes long, at most {TEXT_BYTES_MAX} are allowed",
            text.len()
        )));
    }
    let tokens = lex(text).map_err(|mistake| at_line(text, mistake))?;
    brackets::bound(&tokens).map_err(|mistake| at_line(text, mistake))?;
    let mut parser = Parser {
        tokens: &tokens,
        next: 0,
        nesting: 0,
        n_length_operators: 0,
        n_selectors: 0,
        allows_empty_matchers: false,
        features,
    };
    let parsed = parser.whole();
    parsed.map_err(|failure| match failure {
        Failure::Mistake(mistake) => at_line(text, mistake),
        Failure::NotSupported(feature) => PromqlError::NotSupported { feature },
    })
}

fn at_line(text: &str, mistake: Mistake) -> PromqlError {
    let (line, column) = place(text, mistake.at);
    PromqlError::Parse {
        line,
        column,
        message: mistake.message,
    }
}

/// Line and column of a byte, as people count them.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.get(line_start..).unwrap_or("").chars().count();
    (line, column)
}

/// Why there is no tree.
#[derive(Debug)]
enum Failure {
    Mistake(Mistake),
    NotSupported(&'static str),
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}

type Parsed<T> = Result<T, Failure>;

fn mistake<T>(at: usize, message: impl Into<String>) -> Parsed<T> {
    Err(Mistake::new(at, message).into())
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    nesting: usize,
    n_length_operators: usize,
    n_selectors: usize,
    /// Within the second argument of `info`.
    allows_empty_matchers: bool,
    features: Features,
}

impl Parser<'_> {
    fn whole(&mut self) -> Parsed<Expr> {
        if self.kind() == &TokenKind::End {
            return mistake(0, "no expression found in input");
        }
        let expr = self.expr(0)?;
        if self.kind() != &TokenKind::End {
            return self.unexpected("");
        }
        Ok(expr)
    }

    /// An expression of operators that bind at least as strongly as `strength`.
    fn expr(&mut self, strength: u8) -> Parsed<Expr> {
        self.deeper(|parser| {
            let mut lhs = parser.unary()?;
            while let Some(op) = parser.operator() {
                let (left, right) = binary::strengths(op);
                if left < strength {
                    break;
                }
                lhs = parser.binary(lhs, op, right)?;
            }
            Ok(lhs)
        })
    }

    /// A sign binds weaker than `^` and stronger than the others.
    fn unary(&mut self) -> Parsed<Expr> {
        let start = self.span().start;
        let is_minus = self.is_mark("-");
        if !is_minus && !self.is_mark("+") {
            return self.postfix();
        }
        self.step();
        let expr = self.expr(binary::strengths(Op::Pow).0)?;
        if !matches!(expr.ty, Type::Scalar | Type::Vector) {
            return mistake(
                start,
                format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                    expr.ty.name()
                ),
            );
        }
        if let ExprKind::Number { value, is_duration } = expr.kind {
            // a signed number is a number, as in Prometheus: `+Inf` is how one is written
            let value = if is_minus { -value } else { value };
            let kind = ExprKind::Number { value, is_duration };
            return self.node(start, Type::Scalar, kind);
        }
        let expr = Box::new(expr);
        self.node(start, expr.ty, ExprKind::Unary { is_minus, expr })
    }

    /// What operators stand between, with ranges, offsets and times behind it.
    fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        loop {
            expr = if self.is_mark("[") {
                self.range_of(expr)?
            } else if self.is_mark("@") {
                self.at_of(expr)?
            } else if self.is_word("offset") {
                self.offset_of(expr)?
            } else {
                return Ok(expr);
            };
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let span = self.span();
        match self.kind().clone() {
            TokenKind::Number(value) => {
                self.step();
                let kind = ExprKind::Number {
                    value,
                    is_duration: false,
                };
                self.node(span.start, Type::Scalar, kind)
            }
            TokenKind::Duration(ms) => {
                self.step();
                let kind = ExprKind::Number {
                    value: super::time::seconds(ms),
                    is_duration: true,
                };
                self.node(span.start, Type::Scalar, kind)
            }
            TokenKind::Text(text) => {
                self.step();
                self.node(span.start, Type::Text, ExprKind::Text(text))
            }
            TokenKind::Mark("(") => {
                self.step();
                let expr = Box::new(self.expr(0)?);
                self.expect(")", "parenthesized expression")?;
                self.node(span.start, expr.ty, ExprKind::Paren(expr))
            }
            TokenKind::Mark("{") => self.selector(None, span.start),
            TokenKind::Ident(name) => self.named(name, span.start),
            TokenKind::Mark(_) | TokenKind::End => self.unexpected(""),
        }
    }

    /// What a name begins: an aggregation, a call or a selector.
    fn named(&mut self, name: String, start: usize) -> Parsed<Expr> {
        let after = self.peek(1);
        let opens = after == &TokenKind::Mark("(");
        let lower = name.to_ascii_lowercase();
        let op = aggregate::find(&lower);
        let is_grouped = matches!(after, TokenKind::Ident(word) if word::is_grouping(word));
        if let Some(op) = op
            && (opens || is_grouped)
        {
            return self.aggregate(op, start);
        }
        if opens {
            return self.call(&name, start);
        }
        if word::is_reserved(&lower) {
            return self.unexpected("");
        }
        self.step();
        self.selector(Some(name), start)
    }

    /// A node that ends with the last token.
    fn node(&self, start: usize, ty: Type, kind: ExprKind) -> Parsed<Expr> {
        let depth = 1 + depth_below(&kind);
        let span = Span::new(start, self.end_of_last());
        if depth > DEPTH_MAX {
            return mistake(
                start,
                format!("the expression is more than {DEPTH_MAX} operators deep"),
            );
        }
        Ok(Expr {
            span,
            ty,
            depth,
            kind,
        })
    }

    /// Runs `read` one level further in.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= RECURSION_MAX {
            return mistake(self.span().start, brackets::too_deep());
        }
        self.nesting += 1;
        let read = read(self);
        self.nesting -= 1;
        read
    }

    fn peek(&self, ahead: usize) -> &TokenKind {
        let token = self.tokens.get(self.next + ahead);
        token.map_or(&TokenKind::End, |token| &token.kind)
    }

    fn kind(&self) -> &TokenKind {
        self.peek(0)
    }

    fn span(&self) -> Span {
        let token = self.tokens.get(self.next).or(self.tokens.last());
        token.map_or(Span::default(), |token| token.span)
    }

    fn end_of_last(&self) -> usize {
        let last = self.next.checked_sub(1);
        let token = last.and_then(|last| self.tokens.get(last));
        token.map_or(0, |token| token.span.end)
    }

    fn step(&mut self) {
        self.next += 1;
    }

    fn is_mark(&self, mark: &str) -> bool {
        matches!(self.kind(), TokenKind::Mark(at) if *at == mark)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), TokenKind::Ident(at) if at.eq_ignore_ascii_case(word))
    }

    /// Steps over a mark if it is there.
    fn take(&mut self, mark: &str) -> bool {
        let is_there = self.is_mark(mark);
        if is_there {
            self.step();
        }
        is_there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        if is_there {
            self.step();
        }
        is_there
    }

    fn expect(&mut self, mark: &str, context: &str) -> Parsed<()> {
        if self.take(mark) {
            return Ok(());
        }
        self.unexpected(&format!(" in {context}, expected {mark:?}"))
    }

    fn unexpected<T>(&self, context: &str) -> Parsed<T> {
        let what = match self.kind() {
            TokenKind::Ident(name) => format!("identifier {name:?}"),
            TokenKind::Number(value) => format!("number {value}"),
            TokenKind::Duration(ms) => format!("duration {}", super::time::duration_text(*ms)),
            TokenKind::Text(text) => format!("string {text:?}"),
            TokenKind::Mark(mark) => format!("{mark:?}"),
            TokenKind::End => "end of input".to_owned(),
        };
        mistake(self.span().start, format!("unexpected {what}{context}"))
    }
}

fn depth_below(kind: &ExprKind) -> usize {
    match kind {
        ExprKind::Number { .. }
        | ExprKind::Text(_)
        | ExprKind::Selector(_)
        | ExprKind::Range { .. } => 0,
        ExprKind::Subquery(subquery) => subquery.expr.depth,
        ExprKind::Paren(expr) | ExprKind::Unary { expr, .. } => expr.depth,
        ExprKind::Binary(binary) => binary.lhs.depth.max(binary.rhs.depth),
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate.param.as_ref().map_or(0, |param| param.depth);
            aggregate.expr.depth.max(param)
        }
        ExprKind::Call(call) => call.args.iter().map(|arg| arg.depth).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests;
