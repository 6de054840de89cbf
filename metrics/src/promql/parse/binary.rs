//! Operators between two expressions, and which series they match.

use super::super::ast::{Binary, Expr, ExprKind, Grouping, Matching, Op, Type};
use super::super::lex::TokenKind;
use super::{Failure, Parsed, Parser, mistake};

/// How strongly an operator binds: what stands to its left must bind at least as strongly, and to its right.
pub(super) fn strengths(op: Op) -> (u8, u8) {
    match op {
        Op::Or => (1, 2),
        Op::And | Op::Unless => (3, 4),
        op if op.is_comparison() => (5, 6),
        Op::Add | Op::Sub => (7, 8),
        Op::Pow => (12, 11), // from the right
        _ => (9, 10),
    }
}

fn op_of(kind: &TokenKind) -> Option<Op> {
    Some(match kind {
        TokenKind::Mark(mark) => match *mark {
            "+" => Op::Add,
            "-" => Op::Sub,
            "*" => Op::Mul,
            "/" => Op::Div,
            "%" => Op::Mod,
            "^" => Op::Pow,
            "==" => Op::Equal,
            "!=" => Op::NotEqual,
            ">" => Op::Greater,
            "<" => Op::Less,
            ">=" => Op::GreaterEqual,
            "<=" => Op::LessEqual,
            _ => return None,
        },
        TokenKind::Ident(word) => match word.to_ascii_lowercase().as_str() {
            "and" => Op::And,
            "or" => Op::Or,
            "unless" => Op::Unless,
            "atan2" => Op::Atan2,
            _ => return None,
        },
        _ => return None,
    })
}

impl Parser<'_> {
    pub(super) fn operator(&self) -> Option<Op> {
        op_of(self.kind())
    }

    /// `lhs op …`; the operator is the next token.
    pub(super) fn binary(&mut self, lhs: Expr, op: Op, right: u8) -> Parsed<Expr> {
        let at = self.span().start;
        self.step();
        let is_bool = self.take_word("bool");
        let (matching, is_matched) = self.matching(op)?;
        let rhs = self.expr(right)?;
        let binary = Binary {
            op,
            lhs,
            rhs,
            is_bool,
            matching,
        };
        let ty = check(&binary, is_matched).or_else(|message| mistake(at, message))?;
        let start = binary.lhs.span.start;
        self.node(start, ty, ExprKind::Binary(Box::new(binary)))
    }

    /// `on(…) group_left(…)`, and whether there is any of it.
    fn matching(&mut self, op: Op) -> Parsed<(Matching, bool)> {
        let mut matching = Matching::default();
        self.refuse_fill()?;
        let is_on = self.is_word("on");
        if !is_on && !self.is_word("ignoring") {
            return Ok((matching, false));
        }
        self.step();
        matching.is_on = is_on;
        matching.labels = self.labels("grouping opts")?;
        let grouping = match () {
            () if self.is_word("group_left") => Grouping::Left,
            () if self.is_word("group_right") => Grouping::Right,
            () => Grouping::None,
        };
        if grouping != Grouping::None {
            let at = self.span().start;
            self.step();
            if op.is_set() {
                return mistake(
                    at,
                    format!("no grouping allowed for {:?} operation", op.text()),
                );
            }
            matching.grouping = grouping;
            if self.is_mark("(") {
                matching.include = self.labels("grouping opts")?;
            }
        }
        self.refuse_fill()?;
        Ok((matching, true))
    }

    /// `fill(…)` came after Prometheus 3.8.
    fn refuse_fill(&self) -> Parsed<()> {
        let is_fill = ["fill", "fill_left", "fill_right"]
            .iter()
            .any(|word| self.is_word(word));
        if is_fill && self.peek(1) == &TokenKind::Mark("(") {
            return Err(Failure::NotSupported("promql-binop-fill-modifiers"));
        }
        Ok(())
    }
}

/// The type of the result.
fn check(binary: &Binary, is_matched: bool) -> Result<Type, String> {
    let op = binary.op;
    let sides = (binary.lhs.ty, binary.rhs.ty);
    if binary.is_bool && !op.is_comparison() {
        return Err("bool modifier can only be used on comparison operators".to_owned());
    }
    if [sides.0, sides.1]
        .iter()
        .any(|ty| !matches!(ty, Type::Scalar | Type::Vector))
    {
        return Err(
            "binary expression must contain only scalar and instant vector types".to_owned(),
        );
    }
    if sides == (Type::Vector, Type::Vector) {
        let matching = &binary.matching;
        let twice = matching
            .labels
            .iter()
            .find(|label| matching.is_on && matching.include.contains(label));
        return match twice {
            Some(label) => Err(format!(
                "label {label:?} must not occur in ON and GROUP clause at once"
            )),
            None => Ok(Type::Vector),
        };
    }
    if is_matched {
        return Err("vector matching only allowed between instant vectors".to_owned());
    }
    if op.is_set() {
        return Err(format!(
            "set operator {:?} not allowed in binary scalar expression",
            op.text()
        ));
    }
    if sides == (Type::Scalar, Type::Scalar) {
        if op.is_comparison() && !binary.is_bool {
            return Err("comparisons between scalars must use BOOL modifier".to_owned());
        }
        return Ok(Type::Scalar);
    }
    Ok(Type::Vector)
}
