//! An expression asked of one span. Nothing here fails: what is missing, or of another type, matches nothing.

use regex::Regex;
use std::borrow::Cow;
use std::cmp::Ordering;

use telemetry::wire::{Attributes, SpanKind, SpanView, StatusCode, ValueView};

use super::expr::{ArithmeticOp, CompareOp, Field, FieldExpr, Literal, Node, NodeId};

/// A value of a span or of the text.
#[derive(Debug, Clone)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Status(StatusCode),
    Kind(SpanKind),
}

pub(super) fn is_true(expr: &FieldExpr, span: &SpanView<'_>) -> bool {
    Asked { expr, span }.truth(expr.root)
}

#[derive(Clone, Copy)]
struct Asked<'e, 'a> {
    expr: &'e FieldExpr,
    span: &'e SpanView<'a>,
}

impl<'e, 'a> Asked<'e, 'a> {
    /// Recurses as deep as the text was nested, which its parser bounds.
    fn truth(self, id: NodeId) -> bool {
        let Some(node) = self.expr.node(id) else {
            return false;
        };
        match node {
            Node::Or(all) => all.iter().any(|id| self.truth(*id)),
            Node::And(all) => all.iter().all(|id| self.truth(*id)),
            Node::Not(id) => !self.truth(*id),
            Node::Test { field, op, literal } => {
                let right = value_of(literal);
                holds(*op, |ask| {
                    each(field, self.span, &mut |left| ask(compare(&left, &right)))
                })
            }
            Node::Compare { left, op, right } => holds(*op, |ask| {
                let Some(right) = self.value(*right) else {
                    return;
                };
                self.each_value(*left, &mut |left| ask(compare(&left, &right)));
            }),
            Node::Match { of, regex, negated } => self.is_match(*of, regex) == Some(!negated),
            Node::IsNil { field, negated } => {
                let mut found = false;
                each_raw(field, self.span, &mut |_| found = true);
                found == *negated
            }
            Node::Field(_) | Node::Literal(_) => matches!(self.value(id), Some(Value::Bool(true))),
            Node::Arithmetic { .. } | Node::Negate(_) => false,
        }
    }

    /// Whether any text matches; none if there is no text.
    fn is_match(self, of: NodeId, regex: &Regex) -> Option<bool> {
        let mut found = None;
        self.each_value(of, &mut |value| {
            if let Value::Text(text) = value {
                found = Some(found == Some(true) || regex.is_match(&text));
            }
        });
        found
    }

    /// Every value of a field, or the one of anything else.
    fn each_value(self, id: NodeId, see: &mut dyn FnMut(Value<'_>)) {
        match self.expr.node(id) {
            Some(Node::Field(field)) => each(field, self.span, see),
            _ => {
                if let Some(value) = self.value(id) {
                    see(value);
                }
            }
        }
    }

    /// The value of a node; of a field with several, the first.
    fn value(self, id: NodeId) -> Option<Value<'e>> {
        match self.expr.node(id)? {
            Node::Field(field) => {
                let mut first = None;
                each(field, self.span, &mut |value| {
                    if first.is_none() {
                        first = Some(value.owned());
                    }
                });
                first
            }
            Node::Literal(literal) => Some(value_of(literal)),
            Node::Negate(id) => match self.value(*id)? {
                Value::Int(n) => Some(Value::Int(n.wrapping_neg())),
                Value::Float(n) => Some(Value::Float(-n)),
                _ => None,
            },
            Node::Arithmetic { first, rest } => {
                let mut left = self.value(*first)?;
                for (op, right) in rest {
                    left = arithmetic(*op, &left, &self.value(*right)?)?;
                }
                Some(left)
            }
            _ => Some(Value::Bool(self.truth(id))),
        }
    }
}

impl Value<'_> {
    fn owned<'b>(self) -> Value<'b> {
        match self {
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Int(n) => Value::Int(n),
            Self::Float(n) => Value::Float(n),
            Self::Bool(b) => Value::Bool(b),
            Self::Status(code) => Value::Status(code),
            Self::Kind(kind) => Value::Kind(kind),
        }
    }
}

fn value_of(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Text(text) => Value::Text(Cow::Borrowed(text)),
        Literal::Int(n) => Value::Int(*n),
        Literal::Float(n) => Value::Float(*n),
        Literal::Bool(b) => Value::Bool(*b),
        Literal::Status(code) => Value::Status(*code),
        Literal::Kind(kind) => Value::Kind(*kind),
    }
}

/// Whether a comparison holds for what `ask_all` shows: `!=` for none, all others for any, and never without a value of a fitting type.
fn holds(op: CompareOp, ask_all: impl FnOnce(&mut dyn FnMut(Option<Ordering>))) -> bool {
    let (mut any, mut fits) = (false, false);
    ask_all(&mut |ordering| {
        let Some(ordering) = ordering else { return };
        fits = true;
        any |= match op {
            CompareOp::Equal | CompareOp::NotEqual => ordering.is_eq(),
            CompareOp::Less => ordering.is_lt(),
            CompareOp::LessEqual => ordering.is_le(),
            CompareOp::Greater => ordering.is_gt(),
            CompareOp::GreaterEqual => ordering.is_ge(),
        };
    });
    if op == CompareOp::NotEqual {
        fits && !any
    } else {
        any
    }
}

/// None if the two are of different types. NaN is of no type.
fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    let equality = |equal: bool| {
        Some(if equal {
            Ordering::Equal
        } else {
            Ordering::Less
        })
    };
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.as_ref().cmp(right.as_ref())),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            float(left)?.partial_cmp(&float(right)?)
        }
        (Value::Bool(left), Value::Bool(right)) => equality(left == right),
        (Value::Status(left), Value::Status(right)) => equality(left == right),
        (Value::Kind(left), Value::Kind(right)) => equality(left == right),
        _ => None,
    }
}

fn float(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(n) => Some(*n),
        _ => None,
    }
}

/// Integers stay integers while they can.
fn arithmetic<'a>(op: ArithmeticOp, left: &Value<'_>, right: &Value<'_>) -> Option<Value<'a>> {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        let exact = match op {
            ArithmeticOp::Add => left.checked_add(*right),
            ArithmeticOp::Subtract => left.checked_sub(*right),
            ArithmeticOp::Multiply => left.checked_mul(*right),
            ArithmeticOp::Remainder => left.checked_rem(*right),
            ArithmeticOp::Divide if *right != 0 && left.checked_rem(*right) == Some(0) => {
                left.checked_div(*right)
            }
            ArithmeticOp::Divide | ArithmeticOp::Power => None,
        };
        if let Some(exact) = exact {
            return Some(Value::Int(exact));
        }
    }
    let (left, right) = (float(left)?, float(right)?);
    Some(Value::Float(match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Subtract => left - right,
        ArithmeticOp::Multiply => left * right,
        ArithmeticOp::Divide => left / right,
        ArithmeticOp::Remainder => left % right,
        ArithmeticOp::Power => libm::pow(left, right),
    }))
}

/// Shows every value of a field; the elements of an array one by one.
fn each(field: &Field, span: &SpanView<'_>, see: &mut dyn FnMut(Value<'_>)) {
    let text = |text| Value::Text(Cow::Borrowed(text));
    match field {
        Field::Name => see(text(span.name())),
        Field::Duration => see(Value::Int(
            i64::try_from(span.duration_ns()).unwrap_or(i64::MAX),
        )),
        Field::Kind => see(Value::Kind(span.kind())),
        Field::Status => see(Value::Status(span.status_code())),
        Field::StatusMessage => see(text(span.status_message())),
        Field::SpanId => see(Value::Text(span.span_id().to_string().into())),
        Field::ParentId => {
            see(Value::Text(
                span.parent_span_id()
                    .map(|id| id.to_string())
                    .unwrap_or_default()
                    .into(),
            ));
        }
        Field::TraceId => see(Value::Text(span.trace_id().to_string().into())),
        Field::ScopeName => see(text(span.scope().name())),
        Field::ScopeVersion => see(text(span.scope().version())),
        Field::EventName => span.events().for_each(|event| see(text(event.name()))),
        Field::LinkSpanId => span
            .links()
            .for_each(|link| see(Value::Text(link.span_id().to_string().into()))),
        Field::LinkTraceId => span
            .links()
            .for_each(|link| see(Value::Text(link.trace_id().to_string().into()))),
        Field::Any(_)
        | Field::Span(_)
        | Field::Resource(_)
        | Field::Scope(_)
        | Field::Event(_)
        | Field::Link(_) => {
            each_raw(field, span, &mut |value| show(&value, see));
        }
    }
}

/// Shows every attribute that a field names, as it is.
fn each_raw(field: &Field, span: &SpanView<'_>, see: &mut dyn FnMut(ValueView<'_>)) {
    match field {
        Field::Any(key) => {
            if let Some(value) =
                find(span.attributes(), key).or_else(|| find(span.resource().attributes(), key))
            {
                see(value);
            }
        }
        Field::Span(key) => find(span.attributes(), key).into_iter().for_each(see),
        Field::Resource(key) => find(span.resource().attributes(), key)
            .into_iter()
            .for_each(see),
        Field::Scope(key) => find(span.scope().attributes(), key)
            .into_iter()
            .for_each(see),
        Field::Event(key) => span
            .events()
            .filter_map(|event| find(event.attributes(), key))
            .for_each(see),
        Field::Link(key) => span
            .links()
            .filter_map(|link| find(link.attributes(), key))
            .for_each(see),
        _ => {}
    }
}

fn find<'a>(mut attributes: Attributes<'a>, key: &str) -> Option<ValueView<'a>> {
    attributes
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

fn show(value: &ValueView<'_>, see: &mut dyn FnMut(Value<'_>)) {
    if let ValueView::Array(array) = value {
        for element in array.clone() {
            if let Some(element) = scalar(&element) {
                see(element);
            }
        }
    } else if let Some(value) = scalar(value) {
        see(value);
    }
}

fn scalar<'a>(value: &ValueView<'a>) -> Option<Value<'a>> {
    match value {
        ValueView::Str(text) => Some(Value::Text(Cow::Borrowed(text))),
        ValueView::Bool(b) => Some(Value::Bool(*b)),
        ValueView::Int(n) => Some(Value::Int(*n)),
        ValueView::Double(n) => Some(Value::Float(*n)),
        ValueView::Empty | ValueView::Bytes(_) | ValueView::Array(_) | ValueView::KvList(_) => None,
    }
}
