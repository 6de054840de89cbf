//! JSON out: views written as OTLP JSON. Fields at their default are left out; 64-bit numbers are texts.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::entry::SpanEntry;
use super::super::trace::{EventView, LinkView, ResourceView, ScopeView, SpanView, TracesView};
use super::super::value::{Attributes, ValueView};

mod object;

use object::{Object, write_array};

/// Appends the accepted spans as OTLP JSON, under the resources and scopes they were sent under.
pub fn encode_traces(view: &TracesView<'_>, out: &mut Vec<u8>) {
    let runs = Runs::new(view, 0..view.n_spans(), |span| span.resource_idx);
    let mut root = Object::begin(out);
    write_array(root.value("resourceSpans"), runs, |spans, out| {
        resource_spans(view, spans, out);
    });
    root.end();
}

/// Runs of spans that stand under one resource, or one scope.
struct Runs<'v, F> {
    spans: &'v [SpanEntry],
    left: Range<usize>,
    idx_of: F,
}

impl<'v, F: Fn(&SpanEntry) -> u32> Runs<'v, F> {
    fn new(view: &TracesView<'v>, within: Range<usize>, idx_of: F) -> Self {
        Self {
            spans: &view.entries.spans,
            left: within,
            idx_of,
        }
    }
}

impl<F: Fn(&SpanEntry) -> u32> Iterator for Runs<'_, F> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let spans = self.spans.get(self.left.clone())?;
        let idx = (self.idx_of)(spans.first()?);
        let is_here = |span: &&SpanEntry| (self.idx_of)(span) == idx;
        let start = self.left.start;
        self.left.start += spans.iter().take_while(is_here).count();
        Some(start..self.left.start)
    }
}

fn resource_spans(view: &TracesView<'_>, spans: Range<usize>, out: &mut Vec<u8>) {
    let resource_view = view.span(spans.start).resource();
    let mut object = Object::begin(out);
    resource(&resource_view, object.value("resource"));
    let runs = Runs::new(view, spans, |span| span.scope_idx);
    write_array(object.value("scopeSpans"), runs, |spans, out| {
        scope_spans(view, spans, out);
    });
    object.text("schemaUrl", resource_view.schema_url());
    object.end();
}

fn scope_spans(view: &TracesView<'_>, spans: Range<usize>, out: &mut Vec<u8>) {
    let scope_view = view.span(spans.start).scope();
    let mut object = Object::begin(out);
    scope(&scope_view, object.value("scope"));
    write_array(object.value("spans"), spans, |idx, out| {
        span(&view.span(idx), out);
    });
    object.text("schemaUrl", scope_view.schema_url());
    object.end();
}

fn resource(view: &ResourceView<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    attributes(&mut object, "attributes", view.attributes());
    object.count("droppedAttributesCount", view.dropped_attributes_count());
    object.end();
}

fn scope(view: &ScopeView<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("name", view.name());
    object.text("version", view.version());
    attributes(&mut object, "attributes", view.attributes());
    object.count("droppedAttributesCount", view.dropped_attributes_count());
    object.end();
}

fn span(view: &SpanView<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.id("traceId", &view.trace_id().0);
    object.id("spanId", &view.span_id().0);
    object.text("traceState", view.trace_state());
    if let Some(parent) = view.parent_span_id() {
        object.id("parentSpanId", &parent.0);
    }
    object.count("flags", view.flags());
    object.text("name", view.name());
    object.count("kind", view.kind() as u32);
    object.integer("startTimeUnixNano", view.start_unix_ns());
    object.integer("endTimeUnixNano", view.end_unix_ns());
    attributes(&mut object, "attributes", view.attributes());
    object.count("droppedAttributesCount", view.dropped_attributes_count());
    list(&mut object, "events", view.events(), event);
    object.count("droppedEventsCount", view.dropped_events_count());
    list(&mut object, "links", view.links(), link);
    object.count("droppedLinksCount", view.dropped_links_count());
    let mut status = Object::begin(object.value("status"));
    status.text("message", view.status_message());
    status.count("code", view.status_code() as u32);
    status.end();
    object.end();
}

fn event(view: EventView<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.integer("timeUnixNano", view.time_unix_ns());
    object.text("name", view.name());
    attributes(&mut object, "attributes", view.attributes());
    object.count("droppedAttributesCount", view.dropped_attributes_count());
    object.end();
}

fn link(view: LinkView<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.id("traceId", &view.trace_id().0);
    object.id("spanId", &view.span_id().0);
    object.text("traceState", view.trace_state());
    attributes(&mut object, "attributes", view.attributes());
    object.count("droppedAttributesCount", view.dropped_attributes_count());
    object.count("flags", view.flags());
    object.end();
}

/// A repeated field; left out when it is empty.
fn list<T>(
    object: &mut Object<'_>,
    name: &str,
    items: impl Iterator<Item = T>,
    write: impl FnMut(T, &mut Vec<u8>),
) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        write_array(object.value(name), items, write);
    }
}

fn attributes(object: &mut Object<'_>, name: &str, view: Attributes<'_>) {
    list(object, name, view, key_value);
}

fn key_value((key, value): (&str, ValueView<'_>), out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("key", key);
    any_value(value, object.value("value"));
    object.end();
}

/// Goes as deep as the walk let the value go.
fn any_value(value: ValueView<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    match value {
        ValueView::Empty => {}
        ValueView::Str(text) => object.set("stringValue", text),
        ValueView::Bool(value) => object.set("boolValue", &value),
        ValueView::Int(value) => object.set("intValue", &value.to_string()),
        ValueView::Double(value) if value.is_nan() => object.set("doubleValue", "NaN"),
        ValueView::Double(f64::INFINITY) => object.set("doubleValue", "Infinity"),
        ValueView::Double(f64::NEG_INFINITY) => object.set("doubleValue", "-Infinity"),
        ValueView::Double(value) => object.set("doubleValue", &value),
        ValueView::Bytes(bytes) => object.set("bytesValue", &STANDARD.encode(bytes)),
        ValueView::Array(values) => {
            let mut array = Object::begin(object.value("arrayValue"));
            list(&mut array, "values", values, any_value);
            array.end();
        }
        ValueView::KvList(view) => {
            let mut list = Object::begin(object.value("kvlistValue"));
            attributes(&mut list, "values", view);
            list.end();
        }
    }
    object.end();
}
