//! Span kinds in Jaeger's words.

use telemetry::wire::SpanKind;

const WORDS: [(SpanKind, &str); 6] = [
    (SpanKind::Unspecified, ""),
    (SpanKind::Internal, "internal"),
    (SpanKind::Server, "server"),
    (SpanKind::Client, "client"),
    (SpanKind::Producer, "producer"),
    (SpanKind::Consumer, "consumer"),
];

/// Jaeger's word for a kind; empty without one.
pub(crate) fn text(kind: SpanKind) -> &'static str {
    WORDS
        .iter()
        .find(|(of, _)| *of == kind)
        .map_or("", |(_, text)| text)
}

/// The kind that a word means.
pub(crate) fn of(text: &str) -> Option<SpanKind> {
    let text = if text == "unspecified" { "" } else { text };
    WORDS
        .iter()
        .find(|(_, word)| word.eq_ignore_ascii_case(text))
        .map(|(kind, _)| *kind)
}
