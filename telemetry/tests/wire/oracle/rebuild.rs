//! Views as prost's structs, so that they compare with what prost decodes.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, TracesData};
use telemetry::wire::{
    Attributes, EventView, LinkView, ResourceView, ScopeView, SpanView, TracesView, ValueView,
};

/// A span with what it was sent under.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) resource: Resource,
    pub(crate) resource_schema_url: String,
    pub(crate) scope: InstrumentationScope,
    pub(crate) scope_schema_url: String,
    pub(crate) span: Span,
}

/// All spans of a view.
pub(crate) fn seen(view: &TracesView<'_>) -> Vec<Sent> {
    view.spans().map(|span| sent(&span)).collect()
}

pub(crate) fn sent(span: &SpanView<'_>) -> Sent {
    Sent {
        resource: resource(&span.resource()),
        resource_schema_url: span.resource().schema_url().to_owned(),
        scope: scope(&span.scope()),
        scope_schema_url: span.scope().schema_url().to_owned(),
        span: rebuilt(span),
    }
}

/// All spans that prost decoded and a walker accepts, with what no view shows set to its default.
pub(crate) fn expected(decoded: &TracesData) -> Vec<Sent> {
    let mut all = Vec::new();
    for resource_spans in &decoded.resource_spans {
        for scope_spans in &resource_spans.scope_spans {
            for span in scope_spans.spans.iter().filter(|span| is_acceptable(span)) {
                all.push(normal(Sent {
                    resource: resource_spans.resource.clone().unwrap_or_default(),
                    resource_schema_url: resource_spans.schema_url.clone(),
                    scope: scope_spans.scope.clone().unwrap_or_default(),
                    scope_schema_url: scope_spans.schema_url.clone(),
                    span: span.clone(),
                }));
            }
        }
    }
    all
}

fn is_acceptable(span: &Span) -> bool {
    let is_id = |id: &[u8], len| id.len() == len && id.iter().any(|&byte| byte != 0);
    let may_be_empty = |id: &[u8], len| id.is_empty() || id.len() == len;
    is_id(&span.trace_id, 16)
        && is_id(&span.span_id, 8)
        && may_be_empty(&span.parent_span_id, 8)
        && span
            .links
            .iter()
            .all(|link| may_be_empty(&link.trace_id, 16) && may_be_empty(&link.span_id, 8))
}

fn normal(mut sent: Sent) -> Sent {
    sent.resource.entity_refs.clear();
    normal_attributes(&mut sent.resource.attributes);
    normal_attributes(&mut sent.scope.attributes);
    let span = &mut sent.span;
    normal_attributes(&mut span.attributes);
    for event in &mut span.events {
        normal_attributes(&mut event.attributes);
    }
    for link in &mut span.links {
        normal_attributes(&mut link.attributes);
        link.trace_id.resize(16, 0);
        link.span_id.resize(8, 0);
    }
    if span.parent_span_id.iter().all(|&byte| byte == 0) {
        span.parent_span_id.clear();
    }
    let status = span.status.get_or_insert_default();
    status.code = if matches!(status.code, 1 | 2) {
        status.code
    } else {
        0
    };
    span.kind = if matches!(span.kind, 1..=5) {
        span.kind
    } else {
        0
    };
    sent
}

fn normal_attributes(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        attribute.key_strindex = 0;
        let value = attribute.value.get_or_insert_default();
        normal_value(value);
    }
}

fn normal_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::StringValueStrindex(_)) => value.value = None,
        // NaN is no equal of itself.
        Some(Value::DoubleValue(number)) => {
            value.value = Some(Value::IntValue(number.to_bits() as i64));
        }
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(normal_value),
        Some(Value::KvlistValue(list)) => normal_attributes(&mut list.values),
        _ => {}
    }
}

fn resource(view: &ResourceView<'_>) -> Resource {
    Resource {
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        entity_refs: Vec::new(),
    }
}

fn scope(view: &ScopeView<'_>) -> InstrumentationScope {
    InstrumentationScope {
        name: view.name().to_owned(),
        version: view.version().to_owned(),
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
    }
}

fn rebuilt(view: &SpanView<'_>) -> Span {
    Span {
        trace_id: view.trace_id().0.to_vec(),
        span_id: view.span_id().0.to_vec(),
        trace_state: view.trace_state().to_owned(),
        parent_span_id: view.parent_span_id().map_or(Vec::new(), |id| id.0.to_vec()),
        flags: view.flags(),
        name: view.name().to_owned(),
        kind: view.kind() as i32,
        start_time_unix_nano: view.start_unix_ns(),
        end_time_unix_nano: view.end_unix_ns(),
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        events: view.events().map(|event| rebuilt_event(&event)).collect(),
        dropped_events_count: view.dropped_events_count(),
        links: view.links().map(|link| rebuilt_link(&link)).collect(),
        dropped_links_count: view.dropped_links_count(),
        status: Some(Status {
            message: view.status_message().to_owned(),
            code: view.status_code() as i32,
        }),
    }
}

fn rebuilt_event(view: &EventView<'_>) -> Event {
    Event {
        time_unix_nano: view.time_unix_ns(),
        name: view.name().to_owned(),
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
    }
}

fn rebuilt_link(view: &LinkView<'_>) -> Link {
    Link {
        trace_id: view.trace_id().0.to_vec(),
        span_id: view.span_id().0.to_vec(),
        trace_state: view.trace_state().to_owned(),
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        flags: view.flags(),
    }
}

pub(crate) fn attributes(view: Attributes<'_>) -> Vec<KeyValue> {
    view.map(|(key, value)| KeyValue {
        key: key.to_owned(),
        value: Some(any_value(value)),
        ..KeyValue::default()
    })
    .collect()
}

fn any_value(view: ValueView<'_>) -> AnyValue {
    let value = match view {
        ValueView::Empty => None,
        ValueView::Str(text) => Some(Value::StringValue(text.to_owned())),
        ValueView::Bool(value) => Some(Value::BoolValue(value)),
        ValueView::Int(value) => Some(Value::IntValue(value)),
        ValueView::Double(value) => Some(Value::IntValue(value.to_bits() as i64)),
        ValueView::Bytes(bytes) => Some(Value::BytesValue(bytes.to_vec())),
        ValueView::Array(values) => Some(Value::ArrayValue(ArrayValue {
            values: values.map(any_value).collect(),
        })),
        ValueView::KvList(list) => Some(Value::KvlistValue(KeyValueList {
            values: attributes(list),
        })),
    };
    AnyValue { value }
}

/// JSON has one NaN: sets each to that.
pub(crate) fn forget_nan_payloads(sent: &mut Sent) {
    let span = &mut sent.span;
    let events = span.events.iter_mut().map(|event| &mut event.attributes);
    let links = span.links.iter_mut().map(|link| &mut link.attributes);
    let own = [
        &mut sent.resource.attributes,
        &mut sent.scope.attributes,
        &mut span.attributes,
    ];
    for attributes in events.chain(links).chain(own) {
        attributes.iter_mut().for_each(forget_in_attribute);
    }
}

fn forget_in_attribute(attribute: &mut KeyValue) {
    attribute.value.iter_mut().for_each(forget_in_value);
}

fn forget_in_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::DoubleValue(number)) if number.is_nan() => *number = f64::NAN,
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(forget_in_value),
        Some(Value::KvlistValue(list)) => list.values.iter_mut().for_each(forget_in_attribute),
        _ => {}
    }
}
