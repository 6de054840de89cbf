//! Lengths of time behind `[` and `offset`: literals, and expressions of them (feature `promql-duration-expr`).

use super::super::ast::{Length, Op};
use super::super::lex::TokenKind;
use super::super::limits::DURATION_EXPRESSIONS;
use super::super::time;
use super::{Failure, Parsed, Parser, mistake};

impl Parser<'_> {
    /// A range or a step.
    pub(super) fn length(&mut self) -> Parsed<Length> {
        self.length_of(0)
    }

    /// An offset: what stands behind it is the next operator of the query, so `offset 5m + 2` adds 2 to the values. Sums stand in parentheses.
    pub(super) fn offset_length(&mut self) -> Parsed<Length> {
        let is_minus = self.take("-");
        if !is_minus {
            self.take("+");
        }
        Ok(match (is_minus, self.length_primary()?) {
            (true, Length::Ms(ms)) => Length::Ms(-ms),
            (true, length) => Length::Negative(Box::new(length)),
            (false, length) => length,
        })
    }

    fn length_of(&mut self, strength: u8) -> Parsed<Length> {
        self.deeper(|parser| {
            let mut lhs = parser.length_unary()?;
            while let Some(op) = parser.operator() {
                let is_arithmetic = !op.is_comparison() && !op.is_set() && op != Op::Atan2;
                let (left, right) = super::binary::strengths(op);
                if !is_arithmetic || left < strength {
                    break;
                }
                parser.wants_expressions()?;
                parser.step();
                let rhs = parser.length_of(right)?;
                lhs = Length::Binary(op, Box::new((lhs, rhs)));
                parser.lengths_are_few()?;
            }
            Ok(lhs)
        })
    }

    fn length_unary(&mut self) -> Parsed<Length> {
        let is_minus = self.is_mark("-");
        if !is_minus && !self.is_mark("+") {
            return self.length_primary();
        }
        self.wants_expressions()?;
        self.step();
        let length = self.length_of(super::binary::strengths(Op::Pow).0)?;
        Ok(if is_minus {
            Length::Negative(Box::new(length))
        } else {
            length
        })
    }

    fn length_primary(&mut self) -> Parsed<Length> {
        match self.kind().clone() {
            TokenKind::Number(_) | TokenKind::Duration(_) => self.literal(),
            TokenKind::Mark("(") => {
                self.wants_expressions()?;
                self.step();
                let length = self.length_of(0)?;
                self.expect(")", "duration expression")?;
                Ok(Length::Paren(Box::new(length)))
            }
            TokenKind::Ident(word) => self.length_call(&word.to_ascii_lowercase()),
            _ => self.unexpected(" in duration, expected a number or a duration"),
        }
    }

    fn length_call(&mut self, word: &str) -> Parsed<Length> {
        if !matches!(word, "step" | "range" | "min" | "max") {
            return self.unexpected(" in duration, expected a number or a duration");
        }
        self.wants_expressions()?;
        self.step();
        self.expect("(", "duration expression")?;
        let length = match word {
            "step" => Length::Step,
            "range" => Length::Range,
            _ => {
                let first = self.length_of(0)?;
                self.expect(",", "duration expression")?;
                let pair = Box::new((first, self.length_of(0)?));
                if word == "min" {
                    Length::Min(pair)
                } else {
                    Length::Max(pair)
                }
            }
        };
        self.expect(")", "duration expression")?;
        Ok(length)
    }

    /// A duration, or a number of seconds.
    fn literal(&mut self) -> Parsed<Length> {
        let at = self.span().start;
        let ms = match *self.kind() {
            TokenKind::Duration(ms) => Some(ms),
            TokenKind::Number(seconds) => time::ms_of_seconds(seconds),
            _ => return self.unexpected(" in duration, expected a number or a duration"),
        };
        self.step();
        match ms.filter(|ms| ms.abs() <= time::LENGTH_MS_MAX) {
            Some(ms) => Ok(Length::Ms(ms)),
            None => mistake(at, "duration out of range"),
        }
    }

    fn wants_expressions(&self) -> Parsed<()> {
        if self.features.duration_expressions {
            Ok(())
        } else {
            Err(Failure::NotSupported(DURATION_EXPRESSIONS))
        }
    }

    /// A chain of operators is a level each: its tree is bounded by the tokens of a duration.
    fn lengths_are_few(&mut self) -> Parsed<()> {
        self.n_length_operators += 1;
        if self.n_length_operators > super::DEPTH_MAX {
            return mistake(
                self.span().start,
                format!("more than {} operators in durations", super::DEPTH_MAX),
            );
        }
        Ok(())
    }
}
