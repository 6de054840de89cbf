//! A query as a tree: what the parser makes, the formatter writes and the evaluator walks. No branch is deeper than 256 levels, so
//! walking, cloning and dropping it need little stack.

use crate::Matcher;

/// Bytes [start, end) of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// What an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Scalar,
    Text,
    Vector,
    Matrix,
}

impl Type {
    /// As Prometheus calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Text => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

/// An expression with where it stands.
#[derive(Debug, Clone)]
pub struct Expr {
    pub span: Span,
    pub ty: Type,
    /// Levels below it, itself included.
    pub depth: usize,
    pub kind: ExprKind,
}

#[derive(Debug, Clone)]
pub enum ExprKind {
    Number {
        value: f64,
        /// It was written as a duration.
        is_duration: bool,
    },
    Text(String),
    Selector(Selector),
    Range {
        selector: Selector,
        range: Length,
    },
    Subquery(Box<Subquery>),
    Paren(Box<Expr>),
    Unary {
        is_minus: bool,
        expr: Box<Expr>,
    },
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(Box<Call>),
}

/// Which series, and at which time.
#[derive(Debug, Clone)]
pub struct Selector {
    /// The how-many-th of the query, from 0.
    pub id: usize,
    /// The name before the braces, if it stands there.
    pub name: Option<String>,
    /// All conditions; that on the name too.
    pub matchers: Vec<Matcher>,
    pub time: Shift,
}

/// `offset` and `@`.
#[derive(Debug, Clone, Default)]
pub struct Shift {
    pub offset: Option<Length>,
    pub at: Option<At>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum At {
    Start,
    End,
    UnixMs(i64),
}

/// A length of time: a literal, or worked out from the step and the range of the query (`promql-duration-expr`).
#[derive(Debug, Clone, PartialEq)]
pub enum Length {
    Ms(i64),
    Step,
    Range,
    Negative(Box<Length>),
    Paren(Box<Length>),
    Min(Box<(Length, Length)>),
    Max(Box<(Length, Length)>),
    Binary(Op, Box<(Length, Length)>),
}

/// `expr[range:step]`.
#[derive(Debug, Clone)]
pub struct Subquery {
    pub expr: Expr,
    pub range: Length,
    pub step: Option<Length>,
    pub time: Shift,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    And,
    Or,
    Unless,
}

impl Op {
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::LessEqual => "<=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    #[must_use]
    pub fn is_comparison(self) -> bool {
        use Op::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(
            self,
            Equal | NotEqual | Greater | Less | GreaterEqual | LessEqual
        )
    }

    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

#[derive(Debug, Clone)]
pub struct Binary {
    pub op: Op,
    pub lhs: Expr,
    pub rhs: Expr,
    /// `bool` stands behind a comparison.
    pub is_bool: bool,
    pub matching: Matching,
}

/// Which series of both sides belong together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// `on` (true) or `ignoring`.
    pub is_on: bool,
    pub labels: Vec<String>,
    pub grouping: Grouping,
    /// Labels that the many take from the one.
    pub include: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    #[default]
    None,
    /// `group_left`: many on the left belong to one on the right.
    Left,
    /// `group_right`.
    Right,
}

#[derive(Debug, Clone)]
pub struct Aggregate {
    pub op: AggregateOp,
    pub param: Option<Expr>,
    pub expr: Expr,
    /// `without` (true) or `by`.
    pub is_without: bool,
    pub labels: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    pub(super) const ALL: [(&'static str, Self); 14] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("min", Self::Min),
        ("max", Self::Max),
        ("count", Self::Count),
        ("group", Self::Group),
        ("stddev", Self::Stddev),
        ("stdvar", Self::Stdvar),
        ("topk", Self::Topk),
        ("bottomk", Self::Bottomk),
        ("quantile", Self::Quantile),
        ("count_values", Self::CountValues),
        ("limitk", Self::Limitk),
        ("limit_ratio", Self::LimitRatio),
    ];

    #[must_use]
    pub fn text(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, op)| *op == self);
        found.map_or("", |(name, _)| name)
    }

    /// The type of the argument before the vector, if there is one.
    #[must_use]
    pub fn param(self) -> Option<Type> {
        match self {
            Self::Topk | Self::Bottomk | Self::Quantile | Self::Limitk | Self::LimitRatio => {
                Some(Type::Scalar)
            }
            Self::CountValues => Some(Type::Text),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }
}

#[derive(Debug, Clone)]
pub struct Call {
    pub function: &'static super::signature::Signature,
    pub args: Vec<Expr>,
}

impl Expr {
    /// Itself without the parentheses around it.
    #[must_use]
    pub fn inner(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}
