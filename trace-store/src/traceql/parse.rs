//! Tokens to a checked expression: recursive descent with a counted depth; types are checked as they are read.

use regex::RegexBuilder;
use telemetry::wire::{SpanKind, StatusCode};

use super::expr::{ArithmeticOp, CompareOp, Field, FieldExpr, Literal, Node, NodeId};
use super::lex::{Lexer, Token};
use super::{DEPTH_MAX, REGEX_BYTES_MAX, REGEX_COMPILED_BYTES_MAX};

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, col {column}: {told}")]
pub struct ParseError {
    pub line: usize,
    pub column: usize,
    pub told: String,
}

impl ParseError {
    pub(super) fn new(text: &str, at: usize, told: String) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
        Self {
            line: before.matches('\n').count() + 1,
            column,
            told,
        }
    }
}

/// What an operand is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    /// An attribute: known when asked.
    Any,
    Text,
    /// Integers, floats and durations compare with each other.
    Number,
    Bool,
    Status,
    Kind,
    Nil,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Any => "an attribute",
            Self::Text => "text",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Status => "a status",
            Self::Kind => "a kind",
            Self::Nil => "nil",
        }
    }

    fn fits(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any
    }
}

/// A node and what it is.
#[derive(Debug, Clone, Copy)]
struct Typed {
    node: NodeId,
    is: Type,
}

pub(super) fn parse(lexer: &mut Lexer<'_>) -> Result<FieldExpr, ParseError> {
    let mut parser = Parser {
        lexer,
        nodes: Vec::new(),
        depth: 0,
    };
    let whole = parser.or()?;
    parser.want(whole, Type::Bool)?;
    Ok(FieldExpr {
        nodes: parser.nodes,
        root: whole.node,
    })
}

struct Parser<'l, 'a> {
    lexer: &'l mut Lexer<'a>,
    nodes: Vec<Node>,
    depth: u32,
}

impl Parser<'_, '_> {
    fn push(&mut self, node: Node, is: Type) -> Typed {
        let id = NodeId::try_from(self.nodes.len()).expect("a text of 32 KiB has fewer nodes");
        self.nodes.push(node);
        Typed { node: id, is }
    }

    fn want(&self, operand: Typed, is: Type) -> Result<(), ParseError> {
        if operand.is.fits(is) {
            Ok(())
        } else {
            Err(self.lexer.error(format!(
                "expected {}, found {}",
                is.name(),
                operand.is.name()
            )))
        }
    }

    fn or(&mut self) -> Result<Typed, ParseError> {
        self.joined("||", Self::and, Node::Or)
    }

    fn and(&mut self) -> Result<Typed, ParseError> {
        self.joined("&&", Self::compare, Node::And)
    }

    fn joined(
        &mut self,
        sign: &str,
        operand: fn(&mut Self) -> Result<Typed, ParseError>,
        node: fn(Vec<NodeId>) -> Node,
    ) -> Result<Typed, ParseError> {
        let first = operand(self)?;
        let mut all = vec![first.node];
        while self.lexer.take_sign(sign)? {
            if all.len() == 1 {
                self.want(first, Type::Bool)?;
            }
            let next = operand(self)?;
            self.want(next, Type::Bool)?;
            all.push(next.node);
        }
        Ok(if all.len() == 1 {
            first
        } else {
            self.push(node(all), Type::Bool)
        })
    }

    fn compare(&mut self) -> Result<Typed, ParseError> {
        let left = self.arithmetic(0)?;
        let Token::Sign(sign) = *self.lexer.peek() else {
            return Ok(left);
        };
        let op = match sign {
            "=~" | "!~" => return self.regex(left, sign == "!~"),
            "=" => CompareOp::Equal,
            "!=" => CompareOp::NotEqual,
            "<" => CompareOp::Less,
            "<=" => CompareOp::LessEqual,
            ">" => CompareOp::Greater,
            ">=" => CompareOp::GreaterEqual,
            _ => return Ok(left),
        };
        self.lexer.take()?;
        let right = self.arithmetic(0)?;
        if left.is == Type::Nil || right.is == Type::Nil {
            return self.nil(left, op, right);
        }
        self.want(right, left.is)?;
        let equality = matches!(op, CompareOp::Equal | CompareOp::NotEqual);
        let ordered = |is| matches!(is, Type::Any | Type::Text | Type::Number);
        if !(equality || ordered(left.is) && ordered(right.is)) {
            return Err(self.lexer.error(format!("{} has no order", left.is.name())));
        }
        Ok(self.comparison(left, op, right))
    }

    /// A field against a literal becomes one node; the two that it replaces are the last ones.
    fn comparison(&mut self, left: Typed, op: CompareOp, right: Typed) -> Typed {
        if let [.., Node::Field(field), Node::Literal(literal)] = self.nodes.as_slice() {
            let test = Node::Test {
                field: field.clone(),
                op,
                literal: literal.clone(),
            };
            self.nodes.truncate(self.nodes.len() - 2);
            return self.push(test, Type::Bool);
        }
        self.push(
            Node::Compare {
                left: left.node,
                op,
                right: right.node,
            },
            Type::Bool,
        )
    }

    fn nil(&mut self, left: Typed, op: CompareOp, right: Typed) -> Result<Typed, ParseError> {
        let negated = match op {
            CompareOp::Equal => false,
            CompareOp::NotEqual => true,
            _ => return Err(self.lexer.error("nil has no order".to_owned())),
        };
        let operand = if left.is == Type::Nil { right } else { left };
        match self.nodes.get(operand.node as usize) {
            Some(Node::Field(Field::Resource(key))) if key == "service.name" => Err(self
                .lexer
                .error("resource.service.name is never nil".to_owned())),
            Some(Node::Field(field)) if operand.is == Type::Any => {
                let field = field.clone();
                Ok(self.push(Node::IsNil { field, negated }, Type::Bool))
            }
            _ => Err(self
                .lexer
                .error("only an attribute is compared with nil".to_owned())),
        }
    }

    fn regex(&mut self, left: Typed, negated: bool) -> Result<Typed, ParseError> {
        self.want(left, Type::Text)?;
        self.lexer.take()?;
        let Token::Text(text) = self.lexer.peek().clone() else {
            return Err(self.lexer.error(format!(
                "expected a regular expression, found {}",
                self.lexer.peek()
            )));
        };
        if text.len() > REGEX_BYTES_MAX {
            let told = format!(
                "a regular expression of {} bytes, over the limit of {REGEX_BYTES_MAX}",
                text.len()
            );
            return Err(self.lexer.error(told));
        }
        let regex = RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(REGEX_COMPILED_BYTES_MAX)
            .nest_limit(DEPTH_MAX)
            .build()
            .map_err(|error| self.lexer.error(last_line(&error)))?;
        self.lexer.take()?;
        Ok(self.push(
            Node::Match {
                of: left.node,
                regex,
                negated,
            },
            Type::Bool,
        ))
    }

    /// Sums of products of powers: operators of `level` and above.
    fn arithmetic(&mut self, level: usize) -> Result<Typed, ParseError> {
        const LEVELS: [&[(&str, ArithmeticOp)]; 2] = [
            &[("+", ArithmeticOp::Add), ("-", ArithmeticOp::Subtract)],
            &[
                ("*", ArithmeticOp::Multiply),
                ("/", ArithmeticOp::Divide),
                ("%", ArithmeticOp::Remainder),
            ],
        ];
        let Some(signs) = LEVELS.get(level) else {
            return self.power();
        };
        let first = self.arithmetic(level + 1)?;
        let mut rest = Vec::new();
        while let Token::Sign(sign) = *self.lexer.peek() {
            let Some((_, op)) = signs.iter().find(|(name, _)| *name == sign) else {
                break;
            };
            self.lexer.take()?;
            if rest.is_empty() {
                self.want(first, Type::Number)?;
            }
            let operand = self.arithmetic(level + 1)?;
            self.want(operand, Type::Number)?;
            rest.push((*op, operand.node));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(self.push(
            Node::Arithmetic {
                first: first.node,
                rest,
            },
            Type::Number,
        ))
    }

    fn power(&mut self) -> Result<Typed, ParseError> {
        let base = self.unary()?;
        if !self.lexer.take_sign("^")? {
            return Ok(base);
        }
        self.want(base, Type::Number)?;
        let exponent = self.deeper(Self::power)?;
        self.want(exponent, Type::Number)?;
        let rest = vec![(ArithmeticOp::Power, exponent.node)];
        Ok(self.push(
            Node::Arithmetic {
                first: base.node,
                rest,
            },
            Type::Number,
        ))
    }

    fn unary(&mut self) -> Result<Typed, ParseError> {
        if self.lexer.take_sign("!")? {
            let operand = self.deeper(Self::unary)?;
            self.want(operand, Type::Bool)?;
            return Ok(self.push(Node::Not(operand.node), Type::Bool));
        }
        if self.lexer.take_sign("-")? {
            let operand = self.deeper(Self::unary)?;
            self.want(operand, Type::Number)?;
            return Ok(self.negated(operand));
        }
        if self.lexer.take_sign("(")? {
            let inner = self.deeper(Self::or)?;
            self.lexer.expect_sign(")")?;
            return Ok(inner);
        }
        self.operand()
    }

    fn negated(&mut self, operand: Typed) -> Typed {
        match self.nodes.last_mut() {
            Some(Node::Literal(Literal::Int(n))) => *n = n.wrapping_neg(),
            Some(Node::Literal(Literal::Float(n))) => *n = -*n,
            _ => return self.push(Node::Negate(operand.node), Type::Number),
        }
        operand
    }

    fn deeper(
        &mut self,
        read: fn(&mut Self) -> Result<Typed, ParseError>,
    ) -> Result<Typed, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.lexer.error(format!("nested deeper than {DEPTH_MAX}")));
        }
        let inner = read(self);
        self.depth -= 1;
        inner
    }

    fn operand(&mut self) -> Result<Typed, ParseError> {
        let mistake = self.lexer.error(format!(
            "expected a field or a value, found {}",
            self.lexer.peek()
        ));
        if matches!(self.lexer.peek(), Token::Sign(_) | Token::End) {
            return Err(mistake);
        }
        match self.lexer.take()? {
            Token::Text(text) => Ok(self.push(Node::Literal(Literal::Text(text)), Type::Text)),
            Token::Int(n) | Token::Duration(n) => {
                Ok(self.push(Node::Literal(Literal::Int(n)), Type::Number))
            }
            Token::Float(n) => Ok(self.push(Node::Literal(Literal::Float(n)), Type::Number)),
            Token::Word(word) => match word_of(&word) {
                Ok((node, is)) => Ok(self.push(node, is)),
                Err(told) => Err(ParseError { told, ..mistake }),
            },
            Token::Sign(_) | Token::End => Err(mistake),
        }
    }
}

/// The last line of a message: regex draws the expression above it.
fn last_line(error: &regex::Error) -> String {
    let told = error.to_string();
    let line = told
        .lines()
        .last()
        .unwrap_or("")
        .trim_start_matches("error: ");
    format!("no regular expression: {line}")
}

fn word_of(word: &str) -> Result<(Node, Type), String> {
    if let Some((literal, is)) = static_of(word) {
        return Ok((
            literal.map_or(Node::Literal(Literal::Bool(false)), Node::Literal),
            is,
        ));
    }
    let (field, is) = field_of(word)?;
    Ok((Node::Field(field), is))
}

/// Words that are values. Nil has no literal: it is only compared with.
fn static_of(word: &str) -> Option<(Option<Literal>, Type)> {
    let status = |code| Some((Some(Literal::Status(code)), Type::Status));
    let kind = |kind| Some((Some(Literal::Kind(kind)), Type::Kind));
    match word {
        "true" | "false" => Some((Some(Literal::Bool(word == "true")), Type::Bool)),
        "nil" => Some((None, Type::Nil)),
        "error" => status(StatusCode::Error),
        "ok" => status(StatusCode::Ok),
        "unset" => status(StatusCode::Unset),
        "unspecified" => kind(SpanKind::Unspecified),
        "internal" => kind(SpanKind::Internal),
        "server" => kind(SpanKind::Server),
        "client" => kind(SpanKind::Client),
        "producer" => kind(SpanKind::Producer),
        "consumer" => kind(SpanKind::Consumer),
        _ => None,
    }
}

fn field_of(word: &str) -> Result<(Field, Type), String> {
    let intrinsic = match word {
        "name" | "span:name" => Some((Field::Name, Type::Text)),
        "duration" | "span:duration" => Some((Field::Duration, Type::Number)),
        "kind" | "span:kind" => Some((Field::Kind, Type::Kind)),
        "status" | "span:status" => Some((Field::Status, Type::Status)),
        "statusMessage" | "span:statusMessage" => Some((Field::StatusMessage, Type::Text)),
        "span:id" => Some((Field::SpanId, Type::Text)),
        "span:parentID" => Some((Field::ParentId, Type::Text)),
        "trace:id" => Some((Field::TraceId, Type::Text)),
        "instrumentation:name" => Some((Field::ScopeName, Type::Text)),
        "instrumentation:version" => Some((Field::ScopeVersion, Type::Text)),
        "event:name" => Some((Field::EventName, Type::Text)),
        "link:spanID" => Some((Field::LinkSpanId, Type::Text)),
        "link:traceID" => Some((Field::LinkTraceId, Type::Text)),
        _ => None,
    };
    if let Some(found) = intrinsic {
        return Ok(found);
    }
    let (scope, key) = word
        .split_once('.')
        .ok_or_else(|| format!("{word:?} is no field of a span"))?;
    let key = Some(key.to_owned())
        .filter(|key| !key.is_empty())
        .ok_or_else(|| format!("{word:?} names no attribute"))?;
    let field = match scope {
        "" => Field::Any(key),
        "span" => Field::Span(key),
        "resource" => Field::Resource(key),
        "instrumentation" => Field::Scope(key),
        "event" => Field::Event(key),
        "link" => Field::Link(key),
        "parent" => return Err("parent is not known while a trace is still coming in".to_owned()),
        _ => {
            return Err(format!(
                "{scope:?} is no scope: span, resource, event, link or instrumentation"
            ));
        }
    };
    Ok((field, Type::Any))
}
