//! The walker accepts nothing that prost refuses, and counts the spans that prost sees.

use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message;
use telemetry::wire::{TraceWalker, WalkLimits};

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
        let sent: Vec<&Span> = decoded
            .resource_spans
            .iter()
            .flat_map(|resource| &resource.scope_spans)
            .flat_map(|scope| &scope.spans)
            .collect();
        let n_seen = view.n_spans() + view.rejected().n_spans as usize;
        assert_eq!(n_seen, sent.len(), "spans seen");
        for span in view.spans() {
            let id = span.span_id().0;
            assert!(
                sent.iter().any(|sent| sent.span_id == id),
                "a span that nobody sent"
            );
            std::hint::black_box(
                span.attributes().count() + span.events().count() + span.links().count(),
            );
        }
    }
}
