//! What a search asks of a trace: that **one** of its spans meets every condition. Used on stored and on live traces alike.

use std::ops::ControlFlow;

use telemetry::wire::{SpanKind, SpanView, StatusCode, TracesView};

use crate::tags::{self, TagValue};

/// The service of a span without `service.name`, as Jaeger calls it.
pub const NO_SERVICE_NAME: &str = "OTLPResourceNoServiceName";

/// Conditions on one span; what is not given, any span meets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    pub service: Option<String>,
    /// Name of the span.
    pub operation: Option<String>,
    /// Each is an attribute of the span, its resource, scope, events or links, or one of `error`, `span.kind`, `otel.status_code` and what else
    /// Jaeger shows as a tag. Values compare as text.
    pub tags: Vec<(String, String)>,
    pub duration_min_ns: Option<u64>,
    pub duration_max_ns: Option<u64>,
    /// Bounds of the span's start, inclusive.
    pub start_min_unix_ns: Option<u64>,
    pub start_max_unix_ns: Option<u64>,
    pub kind: Option<SpanKind>,
    pub status: Option<StatusCode>,
}

impl Filter {
    /// Whether one span meets everything.
    #[must_use]
    pub fn matches(&self, traces: &TracesView<'_>) -> bool {
        traces.spans().any(|span| self.matches_span(&span))
    }

    /// Whether this span meets everything. The cheap conditions come first.
    #[must_use]
    pub fn matches_span(&self, span: &SpanView<'_>) -> bool {
        let (start, duration) = (span.start_unix_ns(), span.duration_ns());
        self.start_min_unix_ns.is_none_or(|min| min <= start)
            && self.start_max_unix_ns.is_none_or(|max| start <= max)
            && self.duration_min_ns.is_none_or(|min| min <= duration)
            && self.duration_max_ns.is_none_or(|max| duration <= max)
            && self.kind.is_none_or(|kind| kind == span.kind())
            && self
                .status
                .is_none_or(|status| status == span.status_code())
            && self
                .operation
                .as_deref()
                .is_none_or(|operation| operation == span.name())
            && self
                .service
                .as_deref()
                .is_none_or(|service| service == service_of(span))
            && self
                .tags
                .iter()
                .all(|(key, value)| has_tag(span, key, value))
    }
}

/// Name of the service of a span, [`NO_SERVICE_NAME`] if it has none.
#[must_use]
pub fn service_of<'a>(span: &SpanView<'a>) -> &'a str {
    span.resource().service_name().unwrap_or(NO_SERVICE_NAME)
}

fn has_tag(span: &SpanView<'_>, key: &str, value: &str) -> bool {
    let mut same = |found_key: &[u8], found: TagValue<'_>| {
        if found_key == key.as_bytes() && found.is(value) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    tags::each(span, &mut same).is_break()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
    use opentelemetry_proto::tonic::trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status, TracesData,
    };
    use prost::Message;
    use telemetry::wire::{TraceWalker, WalkLimits};

    use super::*;
    use crate::fixtures::tag;

    fn valued(key: &str, value: Value) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    /// One span with something in every place.
    fn trace() -> Vec<u8> {
        let list = ArrayValue {
            values: vec![AnyValue {
                value: Some(Value::IntValue(1)),
            }],
        };
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![1; 8],
            name: "buy".into(),
            kind: 3,
            trace_state: "a=b".into(),
            status: Some(Status {
                code: 2,
                message: "no stock".into(),
            }),
            attributes: vec![
                valued("n", Value::IntValue(-5)),
                valued("f", Value::DoubleValue(72.5)),
                valued("b", Value::BoolValue(true)),
                valued("l", Value::ArrayValue(list)),
            ],
            events: vec![Event {
                name: "retry".into(),
                attributes: vec![tag("in.event", "e")],
                ..Event::default()
            }],
            links: vec![Link {
                trace_id: vec![2; 16],
                span_id: vec![2; 8],
                attributes: vec![tag("in.link", "l")],
                ..Link::default()
            }],
            ..Span::default()
        };
        let scope = InstrumentationScope {
            name: "lib".into(),
            version: "1.2".into(),
            attributes: vec![tag("in.scope", "s")],
            ..InstrumentationScope::default()
        };
        let scope_spans = vec![ScopeSpans {
            scope: Some(scope),
            spans: vec![span],
            ..ScopeSpans::default()
        }];
        let resource = Some(Resource {
            attributes: vec![tag("in.resource", "r")],
            ..Resource::default()
        });
        TracesData {
            resource_spans: vec![ResourceSpans {
                resource,
                scope_spans,
                ..ResourceSpans::default()
            }],
        }
        .encode_to_vec()
    }

    fn matches(filter: &Filter) -> bool {
        let bytes = trace();
        filter.matches(
            &TraceWalker::new()
                .walk(&bytes, &WalkLimits::trusted())
                .unwrap(),
        )
    }

    #[track_caller]
    fn check(key: &str, value: &str, expected: bool) {
        let filter = Filter {
            tags: vec![(key.into(), value.into())],
            ..Filter::default()
        };
        assert_eq!(matches(&filter), expected, "{key}={value}");
    }

    #[test]
    fn tags_are_found_in_every_place_as_text() {
        for (key, value) in [
            ("n", "-5"),
            ("f", "72.5"),
            ("b", "true"),
            ("l", "[1]"),
            ("in.event", "e"),
            ("event", "retry"),
            ("in.link", "l"),
            ("in.scope", "s"),
            ("otel.scope.name", "lib"),
            ("otel.scope.version", "1.2"),
            ("in.resource", "r"),
            ("span.kind", "client"),
            ("otel.status_code", "ERROR"),
            ("otel.status_description", "no stock"),
            ("error", "true"),
            ("w3c.tracestate", "a=b"),
        ] {
            check(key, value, true);
            check(key, "other", false);
        }
        check("error", "false", false);
        check("N", "-5", false);
    }

    #[test]
    fn a_span_without_a_service_has_the_name_that_jaeger_gives() {
        let of = |service: &str| Filter {
            service: Some(service.into()),
            ..Filter::default()
        };
        assert!(matches(&of(NO_SERVICE_NAME)));
        assert!(!matches(&of("")));
    }
}
