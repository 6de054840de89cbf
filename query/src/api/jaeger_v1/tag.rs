//! Tags: a key, one of five types, and a value.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use telemetry::wire::{Attributes, SpanView, StatusCode, ValueView};

use crate::read::kind;

/// Largest whole number that JavaScript reads exactly. What lies beyond is written as text, as Jaeger does.
const SAFE_INT_MAX: i64 = (1 << 53) - 1;

#[derive(Debug, Serialize)]
pub(super) struct Tag<'a> {
    pub(super) key: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    value: Value<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Float(f64),
}

impl<'a> Tag<'a> {
    pub(super) fn text(key: impl Into<Cow<'a, str>>, text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            key: key.into(),
            kind: "string",
            value: Value::Text(text.into()),
        }
    }

    pub(super) fn bool(key: &'a str, bool: bool) -> Self {
        Self {
            key: key.into(),
            kind: "bool",
            value: Value::Bool(bool),
        }
    }

    pub(super) fn float(key: &'a str, float: f64) -> Self {
        Self {
            key: key.into(),
            kind: "float64",
            value: float_value(float),
        }
    }

    /// Lists and maps become their JSON text.
    pub(super) fn of(key: &'a str, value: ValueView<'a>) -> Self {
        let (kind, value) = match value {
            ValueView::Bool(bool) => ("bool", Value::Bool(bool)),
            ValueView::Int(int) if (-SAFE_INT_MAX..=SAFE_INT_MAX).contains(&int) => {
                ("int64", Value::Int(int))
            }
            ValueView::Int(int) => ("int64", Value::Text(int.to_string().into())),
            ValueView::Double(float) => ("float64", float_value(float)),
            ValueView::Bytes(bytes) => ("binary", Value::Text(STANDARD.encode(bytes).into())),
            ValueView::Str(text) => ("string", Value::Text(text.into())),
            ValueView::Empty => ("string", Value::Text("".into())),
            nested @ (ValueView::Array(_) | ValueView::KvList(_)) => {
                ("string", Value::Text(nested.text().into_owned().into()))
            }
        };
        Self {
            key: key.into(),
            kind,
            value,
        }
    }
}

/// JSON has no NaN and no infinities: they are text.
fn float_value(float: f64) -> Value<'static> {
    if float.is_finite() {
        return Value::Float(float);
    }
    let text = if float.is_nan() {
        "NaN"
    } else if float > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    Value::Text(text.into())
}

pub(super) fn of_attributes<'a>(attributes: Attributes<'a>) -> impl Iterator<Item = Tag<'a>> {
    attributes.map(|(key, value)| Tag::of(key, value))
}

/// The tags of a span in Jaeger's order: scope, attributes, kind, status, tracestate.
pub(super) fn of_span<'a>(span: &SpanView<'a>, tracestate: Cow<'a, str>) -> Vec<Tag<'a>> {
    let scope = span.scope();
    let mut tags = Vec::new();
    let put_text = |tags: &mut Vec<Tag<'a>>, key: &'static str, text: Cow<'a, str>| {
        if !text.is_empty() {
            tags.push(Tag::text(key, text));
        }
    };
    put_text(&mut tags, "otel.scope.name", scope.name().into());
    put_text(&mut tags, "otel.scope.version", scope.version().into());
    tags.extend(of_attributes(span.attributes()));
    put_text(&mut tags, "span.kind", kind::text(span.kind()).into());
    match span.status_code() {
        StatusCode::Unset => {}
        StatusCode::Ok => tags.push(Tag::text("otel.status_code", "OK")),
        StatusCode::Error => tags.extend([
            Tag::text("otel.status_code", "ERROR"),
            Tag::bool("error", true),
        ]),
    }
    put_text(
        &mut tags,
        "otel.status_description",
        span.status_message().into(),
    );
    put_text(&mut tags, "w3c.tracestate", tracestate);
    tags
}
