//! Every tag of a span: what a tag search compares with. In: a view of a span. Out: keys and values, one after the other.
//!
//! Used for both the tag filters of blocks and the exact test, so that they cannot disagree about what a tag is.

use std::ops::ControlFlow;

use telemetry::wire::{SpanKind, SpanView, StatusCode, ValueView};
use xxhash_rust::xxh3::xxh3_64;

/// Where the tags of a span come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Span,
    Scope,
    Resource,
}

/// Calls `visit` with each tag of a level until it breaks.
pub(crate) fn each_of(
    level: Level,
    span: &SpanView<'_>,
    visit: &mut impl FnMut(&str, ValueView<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match level {
        Level::Span => of_span(span, visit),
        Level::Scope => of_scope(span, visit),
        Level::Resource => span
            .resource()
            .attributes()
            .try_for_each(|(key, value)| visit(key, value)),
    }
}

/// Calls `visit` with each tag until it breaks.
pub(crate) fn each(
    span: &SpanView<'_>,
    visit: &mut impl FnMut(&str, ValueView<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    [Level::Span, Level::Scope, Level::Resource]
        .into_iter()
        .try_for_each(|level| each_of(level, span, visit))
}

fn of_span(
    span: &SpanView<'_>,
    visit: &mut impl FnMut(&str, ValueView<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    span.attributes()
        .try_for_each(|(key, value)| visit(key, value))?;
    if let Some(kind) = kind_text(span.kind()) {
        visit("span.kind", ValueView::Str(kind))?;
    }
    match span.status_code() {
        StatusCode::Unset => {}
        StatusCode::Ok => visit("otel.status_code", ValueView::Str("OK"))?,
        StatusCode::Error => {
            visit("otel.status_code", ValueView::Str("ERROR"))?;
            visit("error", ValueView::Bool(true))?;
        }
    }
    if !span.status_message().is_empty() {
        visit(
            "otel.status_description",
            ValueView::Str(span.status_message()),
        )?;
    }
    if !span.trace_state().is_empty() {
        visit("w3c.tracestate", ValueView::Str(span.trace_state()))?;
    }
    for event in span.events() {
        if !event.name().is_empty() {
            visit("event", ValueView::Str(event.name()))?;
        }
        event
            .attributes()
            .try_for_each(|(key, value)| visit(key, value))?;
    }
    for link in span.links() {
        link.attributes()
            .try_for_each(|(key, value)| visit(key, value))?;
    }
    ControlFlow::Continue(())
}

fn of_scope(
    span: &SpanView<'_>,
    visit: &mut impl FnMut(&str, ValueView<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let scope = span.scope();
    if !scope.name().is_empty() {
        visit("otel.scope.name", ValueView::Str(scope.name()))?;
    }
    if !scope.version().is_empty() {
        visit("otel.scope.version", ValueView::Str(scope.version()))?;
    }
    scope
        .attributes()
        .try_for_each(|(key, value)| visit(key, value))
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
pub(crate) fn hash(key: &str, value_text: &str, buffer: &mut Vec<u8>) -> u64 {
    buffer.clear();
    buffer.extend(key.as_bytes());
    buffer.push(0);
    buffer.extend(value_text.as_bytes());
    xxh3_64(buffer)
}
