//! A TraceQL expression is refused or answers: within the limits on its text, and the same when it stands in parentheses.

use std::sync::OnceLock;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use telemetry::wire::{TraceWalker, WalkLimits};
use trace_store::traceql::{FieldExpr, TEXT_BYTES_MAX};

pub(crate) fn run(bytes: &[u8]) {
    static SPANS: OnceLock<Vec<u8>> = OnceLock::new();
    let text = String::from_utf8_lossy(bytes);
    let Ok(expr) = FieldExpr::parse(&text) else {
        return;
    };
    assert!(text.len() <= TEXT_BYTES_MAX, "a text beyond its limit");
    // One level and two bytes more may be beyond the limits.
    let enclosed = FieldExpr::parse(&format!("({text})"));
    let mut walker = TraceWalker::new();
    let view = walker
        .walk(SPANS.get_or_init(spans), &WalkLimits::default())
        .expect("it is valid OTLP");
    for span in view.spans() {
        let answer = expr.matches(&span);
        if let Ok(enclosed) = &enclosed {
            assert_eq!(answer, enclosed.matches(&span), "parentheses change it");
        }
    }
}

fn spans() -> Vec<u8> {
    let attribute = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let span = |n: u8| Span {
        trace_id: vec![1; 16],
        span_id: vec![n + 1; 8],
        name: format!("GET /{n}"),
        start_time_unix_nano: 1,
        end_time_unix_nano: 150_000_000 * u64::from(n),
        attributes: vec![
            attribute("http.response.status_code", Value::IntValue(503)),
            attribute("ratio", Value::DoubleValue(f64::NAN)),
            attribute("retry", Value::BoolValue(n == 0)),
            attribute("least", Value::IntValue(i64::MIN)),
        ],
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans {
        spans: (0..3).map(span).collect(),
        ..ScopeSpans::default()
    }];
    let resource_spans = vec![ResourceSpans {
        scope_spans,
        ..ResourceSpans::default()
    }];
    TracesData { resource_spans }.encode_to_vec()
}
