//! The walker: validate an OTLP request and view every span in it, beside prost's decode and drop of the same bytes.

use std::hint::black_box;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use telemetry::wire::{TraceWalker, WalkLimits};

use super::Settings;
use crate::corpus::{Corpus, Spec};
use crate::cost::{Samples, Side, interleave};
use crate::table::Table;

/// Spans of the corpus: 25 MB of OTLP, more than the caches hold.
const N_SPANS: u64 = 50_000;

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    for request_spans in [512, 16] {
        let corpus = Corpus::of_spans(Spec::shop(request_spans), settings.scaled(N_SPANS));
        table(&corpus, request_spans, &measure(&corpus, settings.rounds)).print()?;
    }
    Ok(())
}

/// What each way through the corpus costs, in ns a span.
struct Costs {
    walk: Samples,
    view: Samples,
    prost: Samples,
    copy: Samples,
}

fn measure(corpus: &Corpus, rounds: usize) -> Costs {
    let limits = WalkLimits::default();
    let (mut walker, mut viewer) = (TraceWalker::new(), TraceWalker::new());
    let mut copy = Vec::new();
    let requests = &corpus.requests;
    let mut sides = [
        Side::new("walk", || {
            for request in requests {
                let view = walker
                    .walk(&request.bytes, &limits)
                    .expect("the corpus is OTLP");
                black_box(view.n_spans());
            }
        }),
        Side::new("view", || {
            for request in requests {
                let view = viewer
                    .walk(&request.bytes, &limits)
                    .expect("the corpus is OTLP");
                for span in view.spans() {
                    black_box((
                        span.trace_id(),
                        span.parent_span_id(),
                        span.duration_ns(),
                        span.status_code(),
                    ));
                }
            }
        }),
        Side::new("prost", || {
            for request in requests {
                let decoded = ExportTraceServiceRequest::decode(request.bytes.as_slice())
                    .expect("the corpus is OTLP");
                drop(black_box(decoded));
            }
        }),
        Side::new("copy", || {
            for request in requests {
                copy.clear();
                copy.extend_from_slice(&request.bytes);
                black_box(&copy);
            }
        }),
    ];
    let mut samples = interleave(&mut sides, rounds, corpus.n_spans).into_iter();
    let mut next = || samples.next().expect("there are as many samples as sides");
    Costs {
        walk: next(),
        view: next(),
        prost: next(),
        copy: next(),
    }
}

fn table(corpus: &Corpus, request_spans: usize, costs: &Costs) -> Table {
    let mut table = Table::new(
        format!("walk: {request_spans} spans a request ({})", corpus.told()),
        &[
            "",
            "ns/span, median / worst",
            "prost is so many times slower",
        ],
    );
    let ratio = |samples: &Samples| format!("{:.1}x", costs.prost.median() / samples.median());
    table.row([
        "walker: validate, find every span".to_owned(),
        costs.walk.told(0),
        ratio(&costs.walk),
    ]);
    table.row([
        "the same, ids, times and status read".to_owned(),
        costs.view.told(0),
        ratio(&costs.view),
    ]);
    table.row([
        "prost: decode and drop".to_owned(),
        costs.prost.told(0),
        String::new(),
    ]);
    table.row([
        "memcpy of the same bytes".to_owned(),
        costs.copy.told(0),
        ratio(&costs.copy),
    ]);
    table.note("one thread, the system's allocator on all sides; allocations are counted by bench/tests/allocations.rs");
    table
}
