//! Aggregations: `sum by (a) (x)`, `topk(3, x) without (b)`.

use super::super::ast::{Aggregate, AggregateOp, Expr, ExprKind, Type};
use super::super::lex::TokenKind;
use super::super::limits::EXPERIMENTAL_FUNCTIONS;
use super::{Failure, Parsed, Parser, mistake, word};

/// The operator of that name, in lower case.
pub(super) fn find(name: &str) -> Option<AggregateOp> {
    let found = AggregateOp::ALL.iter().find(|(text, _)| *text == name);
    found.map(|(_, op)| *op)
}

impl Parser<'_> {
    /// The name of the operator is the next token.
    pub(super) fn aggregate(&mut self, op: AggregateOp, start: usize) -> Parsed<Expr> {
        if op.is_experimental() && !self.features.experimental_functions {
            return Err(Failure::NotSupported(EXPERIMENTAL_FUNCTIONS));
        }
        self.step();
        let before = self.grouping()?;
        let args = self.args("aggregation")?;
        let after = match before {
            Some(_) => None,
            None => self.grouping()?,
        };
        let (is_without, labels) = before.or(after).unwrap_or_default();
        let (param, expr) = split(op, args).or_else(|message| mistake(start, message))?;
        let aggregate = Aggregate {
            op,
            param,
            expr,
            is_without,
            labels,
        };
        self.node(
            start,
            Type::Vector,
            ExprKind::Aggregate(Box::new(aggregate)),
        )
    }

    /// `by (…)` or `without (…)`.
    fn grouping(&mut self) -> Parsed<Option<(bool, Vec<String>)>> {
        let TokenKind::Ident(word) = self.kind() else {
            return Ok(None);
        };
        if !word::is_grouping(word) {
            return Ok(None);
        }
        let is_without = self.is_word("without");
        self.step();
        Ok(Some((is_without, self.labels("grouping opts")?)))
    }

    /// `(a, b, "with spaces")`; a comma may stand behind the last.
    pub(super) fn labels(&mut self, context: &str) -> Parsed<Vec<String>> {
        self.expect("(", context)?;
        let mut labels = Vec::new();
        while !self.take(")") {
            match self.kind().clone() {
                TokenKind::Ident(name) | TokenKind::Text(name)
                    if !name.is_empty() && !name.contains(':')
                        || matches!(self.kind(), TokenKind::Text(text) if !text.is_empty()) =>
                {
                    labels.push(name);
                }
                _ => return self.unexpected(&format!(" in {context}, expected label")),
            }
            self.step();
            if !self.take(",") && !self.is_mark(")") {
                return self.unexpected(&format!(" in {context}, expected \",\" or \")\""));
            }
        }
        Ok(labels)
    }
}

/// The arguments of an aggregation.
fn split(op: AggregateOp, args: Vec<Expr>) -> Result<(Option<Expr>, Expr), String> {
    let n_wanted = 1 + usize::from(op.param().is_some());
    let n_args = args.len();
    if n_args == 0 {
        return Err(format!(
            "no arguments for aggregate expression provided, expected {n_wanted}"
        ));
    }
    let mut args = args.into_iter();
    let (param, expr) = match (op.param(), args.next(), args.next(), args.next()) {
        (None, Some(expr), None, None) => (None, expr),
        (Some(_), Some(param), Some(expr), None) => (Some(param), expr),
        _ => {
            return Err(format!(
                "wrong number of arguments for aggregate expression provided, expected {n_wanted}, got {n_args}"
            ));
        }
    };
    let wanted = |ty: Type, expr: &Expr| {
        if expr.ty == ty {
            return Ok(());
        }
        Err(format!(
            "expected type {} in aggregation expression, got {}",
            ty.name(),
            expr.ty.name()
        ))
    };
    wanted(Type::Vector, &expr)?;
    if let (Some(ty), Some(param)) = (op.param(), &param) {
        wanted(ty, param)?;
    }
    Ok((param, expr))
}
