//! What is split by partition is valid OTLP again, with the same spans under the same resources and scopes.

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use telemetry::wire::{Regroup, TraceWalker, WalkLimits};

const N_PARTITIONS: u32 = 3;
/// Small, so that parts are cut.
const PART_BYTES_MAX: usize = 400;

pub(crate) fn run(bytes: &[u8]) {
    let mut walker = TraceWalker::new();
    let Ok(view) = walker.walk(bytes, &WalkLimits::default()) else {
        return;
    };
    let whole = TracesData::decode(view.bytes()).expect("the view lies in valid OTLP");
    let mut accepted: Vec<Vec<u8>> = view.spans().map(|span| span.bytes().to_vec()).collect();
    let mut parts = Vec::new();
    let partition_of =
        |span: &telemetry::wire::SpanView<'_>| u32::from(span.span_id().0[7]) % N_PARTITIONS;
    Regroup::default().regroup(
        &view,
        N_PARTITIONS,
        partition_of,
        PART_BYTES_MAX,
        |partition, n_spans, part| parts.push((partition, n_spans, part.to_vec())),
    );
    let mut found = Vec::new();
    let mut again = TraceWalker::new();
    for (partition, n_spans, part) in &parts {
        let decoded = TracesData::decode(part.as_slice()).expect("a part is valid OTLP");
        for resource in &decoded.resource_spans {
            let is_sent = |sent: &&_| {
                let sent: &&opentelemetry_proto::tonic::trace::v1::ResourceSpans = sent;
                sent.resource.encode_to_vec() == resource.resource.encode_to_vec()
                    && sent.schema_url == resource.schema_url
            };
            assert!(
                whole.resource_spans.iter().any(|sent| is_sent(&sent)),
                "a resource that nobody sent"
            );
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

trait EncodeToVec {
    fn encode_to_vec(&self) -> Vec<u8>;
}

impl<M: Message> EncodeToVec for Option<M> {
    fn encode_to_vec(&self) -> Vec<u8> {
        self.as_ref().map_or_else(Vec::new, Message::encode_to_vec)
    }
}
