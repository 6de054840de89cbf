//! What is split by partition is valid OTLP again, with the same spans under the same resources and scopes.

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use telemetry::wire::{Regroup, SpanView, TraceWalker, WalkLimits};

const N_PARTITIONS: u32 = 3;
/// Small, so that parts are cut.
const PART_BYTES_MAX: usize = 400;

pub(crate) fn run(bytes: &[u8]) {
    let mut walker = TraceWalker::new();
    let Ok(view) = walker.walk(bytes, &WalkLimits::default()) else {
        return;
    };
    let mut accepted: Vec<Vec<u8>> = view.spans().map(|span| span.bytes().to_vec()).collect();
    let mut parts = Vec::new();
    Regroup::default().regroup(
        &view,
        N_PARTITIONS,
        partition_of,
        PART_BYTES_MAX,
        |partition, n_spans, part| parts.push((partition, n_spans, part.to_vec())),
    );
    let mut placed = placed_spans(view.bytes());
    let mut found = Vec::new();
    let mut again = TraceWalker::new();
    for (partition, n_spans, part) in &parts {
        for span in placed_spans(part) {
            let at = placed.iter().position(|sent| *sent == span);
            placed.swap_remove(at.expect("a span stands where nobody sent it"));
        }
        let part = again
            .walk(part, &WalkLimits::trusted())
            .expect("a part is accepted");
        assert_eq!(part.n_spans(), *n_spans as usize, "spans of a part");
        for span in part.spans() {
            assert_eq!(
                partition_of(&span),
                *partition,
                "a span of another partition"
            );
            found.push(span.bytes().to_vec());
        }
    }
    accepted.sort_unstable();
    found.sort_unstable();
    assert!(accepted == found, "spans went missing or came twice");
}

fn partition_of(span: &SpanView<'_>) -> u32 {
    u32::from(span.span_id().0[7]) % N_PARTITIONS
}

/// Every span as prost reads it, with the resource and the scope it stands under.
fn placed_spans(traces: &[u8]) -> Vec<[Vec<u8>; 3]> {
    let traces = TracesData::decode(traces).expect("it is valid OTLP");
    let mut placed = Vec::new();
    for mut resource in traces.resource_spans {
        let scopes = std::mem::take(&mut resource.scope_spans);
        let resource = resource.encode_to_vec();
        for mut scope in scopes {
            let spans = std::mem::take(&mut scope.spans);
            let scope = scope.encode_to_vec();
            placed.extend(
                spans
                    .iter()
                    .map(|span| [resource.clone(), scope.clone(), span.encode_to_vec()]),
            );
        }
    }
    placed
}
