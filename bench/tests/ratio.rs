//! The ratio that CI keeps, with a wide margin: bench's `walk` prints the real one. Debug builds say nothing about speed.

use std::hint::black_box;

use bench::corpus::{Corpus, Spec};
use bench::cost::{Side, interleave};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use telemetry::wire::{TraceWalker, WalkLimits};

#[test]
#[cfg_attr(debug_assertions, ignore = "ratios hold for optimised builds")]
fn prost_costs_at_least_four_times_what_the_walker_costs() {
    let corpus = Corpus::of_spans(Spec::shop(512), 20_000);
    let limits = WalkLimits::default();
    let mut walker = TraceWalker::new();
    let mut sides = [
        Side::new("walker", || {
            for request in &corpus.requests {
                black_box(
                    walker
                        .walk(&request.bytes, &limits)
                        .expect("the corpus is OTLP")
                        .n_spans(),
                );
            }
        }),
        Side::new("prost", || {
            for request in &corpus.requests {
                drop(black_box(
                    ExportTraceServiceRequest::decode(request.bytes.as_slice())
                        .expect("the corpus is OTLP"),
                ));
            }
        }),
    ];
    let samples = interleave(&mut sides, 9, corpus.n_spans);
    let ratio = samples[1].median() / samples[0].median();
    assert!(ratio >= 4.0, "prost costs {ratio:.1} times as much");
}
