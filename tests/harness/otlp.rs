//! OTLP requests for tests, built with the protocol's own types.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// A string attribute.
#[must_use]
pub fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue {
        value: Some(Value::StringValue(value.to_owned())),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..Default::default()
    }
}

/// A span of trace `trace` (its number becomes the id); span numbers start at 1, parent 0 is none.
#[must_use]
pub fn span(trace: u128, id: u64, parent: u64, start_unix_ns: u64) -> Span {
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 {
            Vec::new()
        } else {
            parent.to_be_bytes().to_vec()
        },
        name: format!("operation-{id}"),
        kind: if parent == 0 { 2 } else { 1 },
        start_time_unix_nano: start_unix_ns,
        end_time_unix_nano: start_unix_ns + 1_000_000 * id,
        attributes: vec![
            text("http.route", "/pay/{id}"),
            text("span.number", &id.to_string()),
        ],
        status: Some(Status::default()),
        ..Default::default()
    }
}

/// A request of one service.
#[must_use]
pub fn request(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: "tests".to_owned(),
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans {
        scope: Some(scope),
        spans,
        ..Default::default()
    }];
    let resource = Resource {
        attributes: vec![text("service.name", service)],
        ..Default::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans,
            ..Default::default()
        }],
    }
}

/// The same, as it goes over the wire.
#[must_use]
pub fn body(service: &str, spans: Vec<Span>) -> Vec<u8> {
    request(service, spans).encode_to_vec()
}

/// Hex of a trace id made of a number.
#[must_use]
pub fn trace_hex(trace: u128) -> String {
    format!("{trace:032x}")
}
