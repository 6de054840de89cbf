//! Every tag of a span: what a tag search compares with. In: a view of a span. Out: keys and values, one after the other, values not read yet.
//!
//! Used for both the tag filters of blocks and the exact test, so that they cannot disagree about what a tag is.

use std::ops::ControlFlow;

use telemetry::wire::{Attributes, SpanKind, SpanView, StatusCode, UnreadValue};
use xxhash_rust::xxh3::xxh3_64;

/// Where the tags of a span come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Span,
    Scope,
    Resource,
}

/// The value of a tag. It compares as text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TagValue<'a> {
    Unread(UnreadValue<'a>),
    Text(&'a str),
}

impl TagValue<'_> {
    fn put_text(self, out: &mut Vec<u8>) {
        match self {
            Self::Unread(value) => value.put_text(out),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    pub(crate) fn is(self, text: &str) -> bool {
        match self {
            Self::Unread(value) => value.read().text() == text,
            Self::Text(own) => own == text,
        }
    }
}

/// Calls `visit` with each tag of a level until it breaks.
pub(crate) fn each_of(
    level: Level,
    span: &SpanView<'_>,
    visit: &mut impl FnMut(&[u8], TagValue<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match level {
        Level::Span => of_span(span, visit),
        Level::Scope => of_scope(span, visit),
        Level::Resource => of_attributes(span.resource().attributes(), visit),
    }
}

/// Calls `visit` with each tag until it breaks.
pub(crate) fn each(
    span: &SpanView<'_>,
    visit: &mut impl FnMut(&[u8], TagValue<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    [Level::Span, Level::Scope, Level::Resource]
        .into_iter()
        .try_for_each(|level| each_of(level, span, visit))
}

fn of_attributes(
    attributes: Attributes<'_>,
    visit: &mut impl FnMut(&[u8], TagValue<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    attributes
        .unread()
        .try_for_each(|(key, value)| visit(key, TagValue::Unread(value)))
}

fn of_span(
    span: &SpanView<'_>,
    visit: &mut impl FnMut(&[u8], TagValue<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    of_attributes(span.attributes(), visit)?;
    if let Some(kind) = kind_text(span.kind()) {
        visit(b"span.kind", TagValue::Text(kind))?;
    }
    match span.status_code() {
        StatusCode::Unset => {}
        StatusCode::Ok => visit(b"otel.status_code", TagValue::Text("OK"))?,
        StatusCode::Error => {
            visit(b"otel.status_code", TagValue::Text("ERROR"))?;
            visit(b"error", TagValue::Text("true"))?;
        }
    }
    if !span.status_message().is_empty() {
        visit(
            b"otel.status_description",
            TagValue::Text(span.status_message()),
        )?;
    }
    if !span.trace_state().is_empty() {
        visit(b"w3c.tracestate", TagValue::Text(span.trace_state()))?;
    }
    for event in span.events() {
        if !event.name().is_empty() {
            visit(b"event", TagValue::Text(event.name()))?;
        }
        of_attributes(event.attributes(), visit)?;
    }
    for link in span.links() {
        of_attributes(link.attributes(), visit)?;
    }
    ControlFlow::Continue(())
}

fn of_scope(
    span: &SpanView<'_>,
    visit: &mut impl FnMut(&[u8], TagValue<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let scope = span.scope();
    if !scope.name().is_empty() {
        visit(b"otel.scope.name", TagValue::Text(scope.name()))?;
    }
    if !scope.version().is_empty() {
        visit(b"otel.scope.version", TagValue::Text(scope.version()))?;
    }
    of_attributes(scope.attributes(), visit)
}

/// As the tag `span.kind` writes it.
fn kind_text(kind: SpanKind) -> Option<&'static str> {
    match kind {
        SpanKind::Unspecified => None,
        SpanKind::Internal => Some("internal"),
        SpanKind::Server => Some("server"),
        SpanKind::Client => Some("client"),
        SpanKind::Producer => Some("producer"),
        SpanKind::Consumer => Some("consumer"),
    }
}

/// What stands for a tag in a block's tag filters. `buffer` is scratch.
pub(crate) fn hash(key: &[u8], value: TagValue<'_>, buffer: &mut Vec<u8>) -> u64 {
    buffer.clear();
    buffer.extend_from_slice(key);
    buffer.push(0);
    value.put_text(buffer);
    xxh3_64(buffer)
}
