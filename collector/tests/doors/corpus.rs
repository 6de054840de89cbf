//! Requests of known content.

use std::io::Write;

use bus::Draft;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..Default::default()
    }
}

/// A span whose ids follow from two small numbers.
pub(crate) fn span(trace: u64, span: u64) -> Span {
    let mut trace_id = trace.to_be_bytes().to_vec();
    trace_id.extend((trace + 1).to_be_bytes());
    Span {
        trace_id,
        span_id: (span + 1).to_be_bytes().to_vec(),
        name: format!("GET /item/{span}"),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000 + span,
        end_time_unix_nano: 1_700_000_000_001_000_000 + span,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.path", "/item"),
        ],
        ..Default::default()
    }
}

/// One resource, one scope, these spans.
pub(crate) fn request(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = ScopeSpans {
        scope: Some(InstrumentationScope {
            name: "corpus".to_owned(),
            ..Default::default()
        }),
        spans,
        ..Default::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![text("service.name", service)],
                ..Default::default()
            }),
            scope_spans: vec![scope_spans],
            ..Default::default()
        }],
    }
}

/// `n` spans of eight to a trace.
pub(crate) fn spans(n: u64) -> Vec<Span> {
    (0..n).map(|i| span(i / 8, i)).collect()
}

pub(crate) fn body(n: u64) -> Vec<u8> {
    request("shop", spans(n)).encode_to_vec()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("a vector takes all")
}

/// All spans of all drafts, in order of their span ids. Each draft has to be valid OTLP, count its spans right and have its whole traces in
/// one partition.
#[track_caller]
pub(crate) fn spans_of(drafts: &[Draft]) -> Vec<Span> {
    let mut all = Vec::new();
    for draft in drafts {
        let data = TracesData::decode(&draft.payload[..]).expect("valid OTLP");
        let spans: Vec<Span> = data
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect();
        assert_eq!(draft.header.n_items as usize, spans.len());
        all.extend(spans);
    }
    all.sort_by(|a, b| a.span_id.cmp(&b.span_id));
    all
}
