//! JSON that is taken becomes OTLP that prost and the walker take, and what is written of that reads back as the same.

use opentelemetry_proto::tonic::metrics::v1::MetricsData;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use telemetry::wire::{MetricLimits, MetricsWalker, TraceWalker, WalkLimits, json};

pub(crate) fn run(bytes: &[u8]) {
    metrics(bytes);
    let Ok(protobuf) = json::decode_traces(bytes) else {
        return;
    };
    TracesData::decode(protobuf.as_slice()).expect("what JSON became is valid protobuf");
    let mut walker = TraceWalker::new();
    let Ok(view) = walker.walk(&protobuf, &WalkLimits::trusted()) else {
        return; // nested deeper than is read
    };
    if view.rejected().n_spans > 0 {
        return; // what is rejected is not written
    }
    let mut text = Vec::new();
    json::encode_traces(&view, &mut text);
    let again = json::decode_traces(&text).expect("our own JSON is JSON");
    let mut walker_again = TraceWalker::new();
    let view_again = walker_again
        .walk(&again, &WalkLimits::trusted())
        .expect("our own JSON is OTLP");
    let mut text_again = Vec::new();
    json::encode_traces(&view_again, &mut text_again);
    assert!(
        text == text_again,
        "what was written reads back as something else"
    );
}

/// The same of metrics, which nobody writes as JSON.
fn metrics(bytes: &[u8]) {
    let mut room = bytes.len();
    let grown = json::decode_metrics(bytes, &mut |more| {
        room += more;
        true
    });
    let Ok(protobuf) = grown else {
        return;
    };
    assert!(protobuf.len() <= room, "more was taken than was asked for");
    MetricsData::decode(protobuf.as_slice()).expect("what JSON became is valid protobuf");
    let mut walker = MetricsWalker::new();
    let walked = walker.walk(&protobuf, &MetricLimits::trusted());
    walked.expect("what prost takes the walker takes");
}
