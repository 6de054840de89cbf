//! A checked expression: a flat list of nodes, so that neither asking nor dropping it recurses deeper than it was nested.

use regex::Regex;
use telemetry::wire::SpanView;

use super::eval;
use super::lex::{Lexer, Token};
use super::parse::{ParseError, parse};

/// An expression about one span that is true or false.
#[derive(Debug, Clone)]
pub struct FieldExpr {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

/// Place of a node in its list.
pub(super) type NodeId = u32;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Or(Vec<NodeId>),
    And(Vec<NodeId>),
    Not(NodeId),
    /// A field against a literal, the common case.
    Test {
        field: Field,
        op: CompareOp,
        literal: Literal,
    },
    Compare {
        left: NodeId,
        op: CompareOp,
        right: NodeId,
    },
    Match {
        of: NodeId,
        regex: Regex,
        negated: bool,
    },
    IsNil {
        field: Field,
        negated: bool,
    },
    Field(Field),
    Literal(Literal),
    /// First, then each operator with its operand, from the left.
    Arithmetic {
        first: NodeId,
        rest: Vec<(ArithmeticOp, NodeId)>,
    },
    Negate(NodeId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// A value that stands in the text. Durations are integers of ns, as TraceQL compares them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Status(telemetry::wire::StatusCode),
    Kind(telemetry::wire::SpanKind),
}

/// What a span is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    Duration,
    Kind,
    Status,
    StatusMessage,
    SpanId,
    ParentId,
    TraceId,
    ScopeName,
    ScopeVersion,
    EventName,
    LinkSpanId,
    LinkTraceId,
    /// `.key`: of the span, else of its resource.
    Any(String),
    Span(String),
    Resource(String),
    Scope(String),
    Event(String),
    Link(String),
}

impl FieldExpr {
    /// Reads a whole text.
    ///
    /// # Errors
    /// When it is no expression, or one that is neither true nor false.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut lexer = Lexer::new(text)?;
        let expr = parse(&mut lexer)?;
        if *lexer.peek() == Token::End {
            Ok(expr)
        } else {
            Err(lexer.error(format!("expected the end, found {}", lexer.peek())))
        }
    }

    /// Reads an expression off the front of a longer text.
    ///
    /// # Errors
    /// As [`FieldExpr::parse`].
    pub fn parse_from(lexer: &mut Lexer<'_>) -> Result<Self, ParseError> {
        parse(lexer)
    }

    /// Whether a span meets it.
    #[must_use]
    pub fn matches(&self, span: &SpanView<'_>) -> bool {
        eval::is_true(self, span)
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }
}
