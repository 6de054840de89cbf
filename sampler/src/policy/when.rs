//! `when`: blocks that ask spans, comparisons that ask the trace, joined by `&&`, `||`, `!` and parentheses.

use regex::{Regex, RegexBuilder};
use trace_store::traceql::lex::{Lexer, Token};
use trace_store::traceql::{
    DEPTH_MAX, FieldExpr, ParseError, REGEX_BYTES_MAX, REGEX_COMPILED_BYTES_MAX,
};

use super::facts::{Facts, Needs};
use super::threshold;

/// A condition on a trace: a flat list of nodes.
#[derive(Debug)]
pub struct When {
    nodes: Vec<Node>,
    root: u32,
}

/// A question to spans, with a bit in every open trace.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) whom: Whom,
    pub(crate) expr: FieldExpr,
}

/// Which spans a block asks, and what its bit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Set when a span met it.
    Any,
    /// Set when a span did not meet it.
    All,
    /// Set when a span met it; it holds while none did.
    None,
    /// Set when the root met it.
    Root,
    /// Kept apart: leaves are known at the end.
    Leaf,
}

#[derive(Debug)]
enum Node {
    Or(Vec<u32>),
    And(Vec<u32>),
    Not(u32),
    Block {
        whom: Whom,
        place: usize,
    },
    Number {
        field: NumberField,
        op: Op,
        literal: f64,
    },
    HasRoot {
        expected: bool,
    },
    Text {
        field: TextField,
        is: bool,
        literal: String,
    },
    Match {
        field: TextField,
        is: bool,
        regex: Regex,
    },
    Services {
        all: bool,
        names: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberField {
    Duration,
    RootDuration,
    SpanCount,
    ErrorCount,
    ExceptionCount,
    ServiceCount,
    Bytes,
    PIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextField {
    RootService,
    RootName,
    SettledBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// Reads a condition. Its blocks join those of the list, what it needs joins the list's needs.
///
/// # Errors
/// When it is none, with line and column.
pub(super) fn parse(
    text: &str,
    blocks: &mut Vec<Block>,
    needs: &mut Needs,
) -> Result<When, ParseError> {
    let mut lexer = Lexer::new(text)?;
    let mut parser = Parser {
        lexer: &mut lexer,
        nodes: Vec::new(),
        blocks,
        needs,
        depth: 0,
    };
    let root = parser.or()?;
    let nodes = parser.nodes;
    if *lexer.peek() == Token::End {
        Ok(When { nodes, root })
    } else {
        Err(lexer.error(format!("expected the end, found {}", lexer.peek())))
    }
}

impl When {
    /// Whether a trace meets it. Recurses as deep as the text was nested.
    #[must_use]
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.node_holds(self.root, facts)
    }

    fn node_holds(&self, node: u32, facts: &Facts<'_>) -> bool {
        let Some(node) = self.nodes.get(node as usize) else {
            return false;
        };
        match node {
            Node::Or(all) => all.iter().any(|node| self.node_holds(*node, facts)),
            Node::And(all) => all.iter().all(|node| self.node_holds(*node, facts)),
            Node::Not(node) => !self.node_holds(*node, facts),
            Node::Block { whom, place } => match whom {
                Whom::Any | Whom::Root => facts.is_set(*place),
                Whom::All | Whom::None => !facts.is_set(*place),
                Whom::Leaf => facts.has_leaf(*place),
            },
            Node::Number { field, op, literal } => field
                .of(facts)
                .is_some_and(|value| op.holds(value, *literal)),
            Node::HasRoot { expected } => facts.has_root == *expected,
            Node::Text { field, is, literal } => {
                field.of(facts).is_some_and(|text| (text == literal) == *is)
            }
            Node::Match { field, is, regex } => field
                .of(facts)
                .is_some_and(|text| regex.is_match(text) == *is),
            Node::Services { all, names } => {
                let has = |name: &String| {
                    facts
                        .extras
                        .is_some_and(|extras| extras.services.contains(name.as_str()))
                };
                if *all {
                    names.iter().all(has)
                } else {
                    names.iter().any(has)
                }
            }
        }
    }
}

impl Op {
    fn of(sign: &str) -> Option<Self> {
        Some(match sign {
            "=" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterEqual,
            _ => return None,
        })
    }

    fn holds(self, value: f64, literal: f64) -> bool {
        match self {
            Self::Equal => value == literal,
            Self::NotEqual => value != literal,
            Self::Less => value < literal,
            Self::LessEqual => value <= literal,
            Self::Greater => value > literal,
            Self::GreaterEqual => value >= literal,
        }
    }
}

impl NumberField {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "duration" => Self::Duration,
            "root_duration" => Self::RootDuration,
            "span_count" => Self::SpanCount,
            "error_count" => Self::ErrorCount,
            "exception_count" => Self::ExceptionCount,
            "service_count" => Self::ServiceCount,
            "bytes" => Self::Bytes,
            "p_in" => Self::PIn,
            _ => return None,
        })
    }

    /// Missing without a root, where it is of the root.
    fn of(self, facts: &Facts<'_>) -> Option<f64> {
        let extras = facts.extras;
        Some(match self {
            Self::Duration => facts.duration_ns as f64,
            Self::RootDuration => extras.filter(|_| facts.has_root)?.root_duration_ns as f64,
            Self::SpanCount => f64::from(facts.span_count),
            Self::ErrorCount => f64::from(facts.error_count),
            Self::ExceptionCount => f64::from(extras.map_or(0, |extras| extras.exception_count)),
            Self::ServiceCount => extras.map_or(0, |extras| extras.services.len()) as f64,
            Self::Bytes => facts.bytes as f64,
            Self::PIn => threshold::probability(facts.threshold_in),
        })
    }
}

impl TextField {
    fn of<'a>(self, facts: &Facts<'a>) -> Option<&'a str> {
        match self {
            Self::SettledBy => Some(facts.settled.name()),
            Self::RootService => Some(&*facts.extras.filter(|_| facts.has_root)?.root_service),
            Self::RootName => Some(&*facts.extras.filter(|_| facts.has_root)?.root_name),
        }
    }
}

struct Parser<'p, 'a> {
    lexer: &'p mut Lexer<'a>,
    nodes: Vec<Node>,
    blocks: &'p mut Vec<Block>,
    needs: &'p mut Needs,
    depth: u32,
}

impl Parser<'_, '_> {
    fn push(&mut self, node: Node) -> u32 {
        let id = u32::try_from(self.nodes.len()).expect("a text of 32 KiB has fewer nodes");
        self.nodes.push(node);
        id
    }

    fn or(&mut self) -> Result<u32, ParseError> {
        self.joined("||", Self::and, Node::Or)
    }

    fn and(&mut self) -> Result<u32, ParseError> {
        self.joined("&&", Self::not, Node::And)
    }

    fn joined(
        &mut self,
        sign: &str,
        operand: fn(&mut Self) -> Result<u32, ParseError>,
        node: fn(Vec<u32>) -> Node,
    ) -> Result<u32, ParseError> {
        let first = operand(self)?;
        let mut all = vec![first];
        while self.lexer.take_sign(sign)? {
            all.push(operand(self)?);
        }
        Ok(if all.len() == 1 {
            first
        } else {
            self.push(node(all))
        })
    }

    fn not(&mut self) -> Result<u32, ParseError> {
        if self.lexer.take_sign("!")? {
            let inner = self.deeper(Self::not)?;
            return Ok(self.push(Node::Not(inner)));
        }
        if self.lexer.take_sign("(")? {
            let inner = self.deeper(Self::or)?;
            self.lexer.expect_sign(")")?;
            return Ok(inner);
        }
        self.block_or_comparison()
    }

    fn deeper(
        &mut self,
        read: fn(&mut Self) -> Result<u32, ParseError>,
    ) -> Result<u32, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.lexer.error(format!("nested deeper than {DEPTH_MAX}")));
        }
        let inner = read(self);
        self.depth -= 1;
        inner
    }

    fn block_or_comparison(&mut self) -> Result<u32, ParseError> {
        let Token::Word(word) = self.lexer.peek().clone() else {
            let told = format!(
                "expected any, all, none, root, leaf or trace., found {}",
                self.lexer.peek()
            );
            return Err(self.lexer.error(told));
        };
        let whom = match word.as_str() {
            "any" => Whom::Any,
            "all" => Whom::All,
            "none" => Whom::None,
            "root" => Whom::Root,
            "leaf" => Whom::Leaf,
            _ => return self.comparison(&word),
        };
        self.lexer.take()?;
        self.lexer.expect_sign("{")?;
        let expr = FieldExpr::parse_from(self.lexer)?;
        self.lexer.expect_sign("}")?;
        let place = self.blocks.len();
        self.blocks.push(Block { whom, expr });
        Ok(self.push(Node::Block { whom, place }))
    }

    fn comparison(&mut self, word: &str) -> Result<u32, ParseError> {
        let Some(name) = word.strip_prefix("trace.") else {
            let told = format!(
                "{word:?} is neither a block (any, all, none, root, leaf) nor a field of the trace (trace.…)"
            );
            return Err(self.lexer.error(told));
        };
        let node = match name {
            "services" => return self.services(),
            "has_root" => return self.has_root(),
            "depth" | "orphan_count" | "shape" => {
                return Err(self
                    .lexer
                    .error(format!("trace.{name} comes with a later release")));
            }
            "root_service" => self.text(TextField::RootService)?,
            "root_name" => self.text(TextField::RootName)?,
            "settled_by" => self.text(TextField::SettledBy)?,
            _ => match NumberField::parse(name) {
                Some(field) => self.number(field)?,
                None => return Err(self.lexer.error(format!("trace has no field {name:?}"))),
            },
        };
        Ok(self.push(node))
    }

    fn number(&mut self, field: NumberField) -> Result<Node, ParseError> {
        self.needs.root |= field == NumberField::RootDuration;
        self.needs.exceptions |= field == NumberField::ExceptionCount;
        self.needs.services |= field == NumberField::ServiceCount;
        self.lexer.take()?;
        let op = match self.lexer.peek() {
            Token::Sign(sign) => Op::of(sign),
            _ => None,
        };
        let op = op.ok_or_else(|| {
            self.lexer.error(format!(
                "expected a comparison, found {}",
                self.lexer.peek()
            ))
        })?;
        self.lexer.take()?;
        let literal = match *self.lexer.peek() {
            Token::Int(n) | Token::Duration(n) => n as f64,
            Token::Float(n) => n,
            _ => {
                return Err(self
                    .lexer
                    .error(format!("expected a number, found {}", self.lexer.peek())));
            }
        };
        self.lexer.take()?;
        Ok(Node::Number { field, op, literal })
    }

    fn text(&mut self, field: TextField) -> Result<Node, ParseError> {
        self.needs.root |= field != TextField::SettledBy;
        self.lexer.take()?;
        let sign = match *self.lexer.peek() {
            Token::Sign(sign @ ("=" | "!=" | "=~" | "!~")) => sign,
            _ => {
                return Err(self.lexer.error(format!(
                    "expected = != =~ or !~, found {}",
                    self.lexer.peek()
                )));
            }
        };
        self.lexer.take()?;
        let literal = self.literal_text()?;
        let is = !sign.starts_with('!');
        if !sign.ends_with('~') {
            return Ok(Node::Text { field, is, literal });
        }
        if literal.len() > REGEX_BYTES_MAX {
            return Err(self.lexer.error(format!(
                "a regular expression over the limit of {REGEX_BYTES_MAX} bytes"
            )));
        }
        let regex = RegexBuilder::new(&format!("^(?:{literal})$"))
            .size_limit(REGEX_COMPILED_BYTES_MAX)
            .nest_limit(DEPTH_MAX)
            .build()
            .map_err(|_| {
                self.lexer
                    .error(format!("{literal:?} is no regular expression"))
            })?;
        Ok(Node::Match { field, is, regex })
    }

    fn literal_text(&mut self) -> Result<String, ParseError> {
        let Token::Text(text) = self.lexer.peek().clone() else {
            return Err(self
                .lexer
                .error(format!("expected text, found {}", self.lexer.peek())));
        };
        self.lexer.take()?;
        Ok(text)
    }

    fn has_root(&mut self) -> Result<u32, ParseError> {
        self.lexer.take()?;
        let mut expected = true;
        if let Token::Sign(sign @ ("=" | "!=")) = *self.lexer.peek() {
            self.lexer.take()?;
            let is_true = match self.lexer.peek() {
                Token::Word(word) if word == "true" => true,
                Token::Word(word) if word == "false" => false,
                _ => {
                    return Err(self.lexer.error(format!(
                        "expected true or false, found {}",
                        self.lexer.peek()
                    )));
                }
            };
            self.lexer.take()?;
            expected = is_true == (sign == "=");
        }
        Ok(self.push(Node::HasRoot { expected }))
    }

    /// `trace.services has "a"`, `has_any ["a", "b"]`, `has_all [ … ]`.
    fn services(&mut self) -> Result<u32, ParseError> {
        self.needs.services = true;
        self.lexer.take()?;
        let all = match self.lexer.peek() {
            Token::Word(word) if word == "has_all" => true,
            Token::Word(word) if word == "has" || word == "has_any" => false,
            _ => {
                return Err(self.lexer.error(format!(
                    "expected has, has_any or has_all, found {}",
                    self.lexer.peek()
                )));
            }
        };
        self.lexer.take()?;
        let mut names = Vec::new();
        if self.lexer.take_sign("[")? {
            names.push(self.literal_text()?);
            while self.lexer.take_sign(",")? {
                names.push(self.literal_text()?);
            }
            self.lexer.expect_sign("]")?;
        } else {
            names.push(self.literal_text()?);
        }
        Ok(self.push(Node::Services { all, names }))
    }
}
