//! Allocations on the ingest path, counted. One test alone in this process, so that nobody else allocates meanwhile.

use std::alloc::System;

use bench::corpus::{Corpus, Spec};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use telemetry::wire::{Regroup, TraceWalker, WalkLimits};
use telemetry::{Tenant, partition_of};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const N_PARTITIONS: u32 = 4;
const PART_BYTES_MAX: usize = 900_000;

/// Allocations, reallocations included, that `work` makes.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn a_span_is_walked_and_regrouped_without_an_allocation() {
    let limits = WalkLimits::default();
    let tenant = Tenant::default_tenant();
    for request_spans in [512, 16] {
        let corpus = Corpus::of_spans(Spec::shop(request_spans), 20_000);
        let (mut walker, mut regroup) = (TraceWalker::new(), Regroup::new());
        let mut n_routed = 0;
        let mut ingest = || {
            for request in &corpus.requests {
                let view = walker
                    .walk(&request.bytes, &limits)
                    .expect("the corpus is OTLP");
                let partition_of = |span: &telemetry::wire::SpanView<'_>| {
                    partition_of(&tenant, span.trace_id(), N_PARTITIONS)
                };
                regroup.regroup(
                    &view,
                    N_PARTITIONS,
                    partition_of,
                    PART_BYTES_MAX,
                    |_, n_spans, _| n_routed += u64::from(n_spans),
                );
            }
        };
        ingest(); // Grows the vectors that are used again.
        let ours = allocations(ingest);
        let prost = allocations(|| {
            for request in &corpus.requests {
                drop(
                    ExportTraceServiceRequest::decode(request.bytes.as_slice())
                        .expect("the corpus is OTLP"),
                );
            }
        });
        assert_eq!(n_routed, 2 * corpus.n_spans);
        assert_eq!(
            ours, 0,
            "in {} spans, {request_spans} a request",
            corpus.n_spans
        );
        assert!(
            prost as u64 > 20 * corpus.n_spans,
            "the counter counts: prost makes {prost}"
        );
    }
}
