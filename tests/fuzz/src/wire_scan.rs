//! The walker accepts nothing that prost refuses, counts the spans that prost sees, and reads them as prost does.

use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message;
use telemetry::wire::{Attributes, SpanView, TraceWalker, ValueView, WalkLimits};

pub(crate) fn run(bytes: &[u8]) {
    let decoded = TracesData::decode(bytes);
    for limits in [WalkLimits::default(), WalkLimits::trusted()] {
        let mut walker = TraceWalker::new();
        let Ok(view) = walker.walk(bytes, &limits) else {
            continue;
        };
        let decoded = decoded
            .as_ref()
            .expect("the walker accepts what prost refuses");
        // What is accepted comes in the order it was sent in, so each span is looked for after the one before.
        let mut sent = decoded
            .resource_spans
            .iter()
            .flat_map(|resource| &resource.scope_spans)
            .flat_map(|scope| &scope.spans);
        let n_sent = sent.clone().count();
        let n_seen = view.n_spans() + view.rejected().n_spans as usize;
        assert_eq!(n_seen, n_sent, "spans seen");
        for span in view.spans() {
            assert!(
                sent.any(|sent| is_same(&span, sent)),
                "a span that nobody sent"
            );
            read_values(&span);
        }
    }
}

fn is_same(span: &SpanView<'_>, sent: &Span) -> bool {
    let status = sent.status.clone().unwrap_or_default();
    span.trace_id().0.as_slice() == sent.trace_id
        && span.span_id().0.as_slice() == sent.span_id
        && span.name() == sent.name
        && span.start_unix_ns() == sent.start_time_unix_nano
        && span.end_unix_ns() == sent.end_time_unix_nano
        && span.trace_state() == sent.trace_state
        && span.flags() == sent.flags
        && span.status_message() == status.message
        && span.attributes().count() == sent.attributes.len()
        && span.events().count() == sent.events.len()
        && span.links().count() == sent.links.len()
}

/// Reads every value of a span to its bottom.
fn read_values(span: &SpanView<'_>) {
    read(span.attributes());
    read(span.resource().attributes());
    read(span.scope().attributes());
    span.events().for_each(|event| read(event.attributes()));
    span.links().for_each(|link| read(link.attributes()));
}

fn read(attributes: Attributes<'_>) {
    attributes.for_each(|(_, value)| read_value(&value));
}

/// Recursion ends: the walker has refused what lies deeper than its limit.
fn read_value(value: &ValueView<'_>) {
    std::hint::black_box(value.text());
    match value {
        ValueView::Array(values) => values.clone().for_each(|value| read_value(&value)),
        ValueView::KvList(values) => read(values.clone()),
        _ => {}
    }
}
