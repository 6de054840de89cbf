//! One trace as the Jaeger UI reads it, from its OTLP. Pure: without facts of sampling the result is exactly what Jaeger makes of the
//! same spans.
//!
//! Whatever the spans say, this ends: the tree is walked without recursion, and times saturate.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use telemetry::TraceId;
use telemetry::wire::{EventView, LinkView, ResourceView, SpanView, TracesView, ValueView};
use trace_store::filter::service_of;

use super::tag::{self, Tag};
use crate::trace::facts::{self, Facts};
use crate::trace::tree::{self, Place};

#[derive(Debug, Serialize)]
pub(super) struct Trace<'a> {
    #[serde(rename = "traceID")]
    trace_id: String,
    spans: Vec<Span<'a>>,
    processes: BTreeMap<String, Process<'a>>,
    warnings: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    operation_name: &'a str,
    references: Vec<Reference>,
    /// µs since 1970.
    start_time: u64,
    /// µs.
    duration: u64,
    tags: Vec<Tag<'a>>,
    logs: Vec<Log<'a>>,
    #[serde(rename = "processID")]
    process_id: String,
    warnings: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Reference {
    #[serde(rename = "refType")]
    ref_type: &'static str,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Debug, Serialize)]
struct Log<'a> {
    timestamp: u64,
    fields: Vec<Tag<'a>>,
}

#[derive(Debug, Serialize)]
struct Process<'a> {
    #[serde(rename = "serviceName")]
    service_name: &'a str,
    tags: Vec<Tag<'a>>,
}

impl<'a> Trace<'a> {
    pub(super) fn of(id: TraceId, view: &TracesView<'a>, facts: Option<&Facts>) -> Self {
        let links = facts::links(view);
        let places = tree::places(&links);
        let root = tree::root(&links, &places);
        let mut processes = Processes::default();
        let mut spans = Vec::with_capacity(view.n_spans());
        for (index, span) in view.spans().enumerate() {
            let place = places.get(index).copied().unwrap_or(Place::Root);
            let facts = facts.filter(|_| root == Some(index));
            spans.push(of_span(&span, place, facts, processes.id_of(&span)));
        }
        Self {
            trace_id: id.to_string(),
            spans,
            processes: processes.by_id,
            warnings: None,
        }
    }
}

fn of_span<'a>(
    span: &SpanView<'a>,
    place: Place,
    facts: Option<&Facts>,
    process_id: String,
) -> Span<'a> {
    let sent: &'a str = span.trace_state();
    let tracestate = facts.map_or(Cow::Borrowed(sent), |facts| {
        Cow::Owned(facts.tracestate(sent))
    });
    let mut tags = tag::of_span(span, tracestate);
    tags.extend(facts.into_iter().flat_map(of_facts));
    Span {
        trace_id: span.trace_id().to_string(),
        span_id: span.span_id().to_string(),
        operation_name: span.name(),
        references: references(span, place),
        start_time: span.start_unix_ns() / 1_000,
        duration: span.duration_ns() / 1_000,
        tags,
        logs: span.events().map(|event| of_event(&event)).collect(),
        process_id,
        warnings: warnings(span, place),
    }
}

fn of_facts<'a>(facts: &Facts) -> Vec<Tag<'a>> {
    let mut tags = Vec::new();
    tags.extend(facts.state.map(|state| Tag::text(facts::STATE, state)));
    tags.extend(facts.rule.clone().map(|rule| Tag::text(facts::RULE, rule)));
    tags.extend(
        facts
            .adjusted_count
            .map(|count| Tag::float(facts::ADJUSTED_COUNT, count)),
    );
    tags
}

/// The parent first, as backends look for it there, then the links. A parent that would close a circle is left out and told as a warning.
fn references(span: &SpanView<'_>, place: Place) -> Vec<Reference> {
    let circular = matches!(place, Place::OwnParent | Place::Cut);
    let parent = span.parent_span_id().filter(|_| !circular);
    let child_of = parent.map(|parent| Reference {
        ref_type: "CHILD_OF",
        trace_id: span.trace_id().to_string(),
        span_id: parent.to_string(),
    });
    child_of
        .into_iter()
        .chain(span.links().map(|link| of_link(&link)))
        .collect()
}

fn of_link(link: &LinkView<'_>) -> Reference {
    let says_child = |(key, value): (&str, ValueView<'_>)| {
        key == "opentracing.ref_type" && matches!(value, ValueView::Str("child_of"))
    };
    let ref_type = if link.attributes().any(says_child) {
        "CHILD_OF"
    } else {
        "FOLLOWS_FROM"
    };
    Reference {
        ref_type,
        trace_id: link.trace_id().to_string(),
        span_id: link.span_id().to_string(),
    }
}

fn of_event<'a>(event: &EventView<'a>) -> Log<'a> {
    let named = event.name();
    let has_own = event.attributes().any(|(key, _)| key == "event");
    let name = (!named.is_empty() && !has_own).then(|| Tag::text("event", named));
    Log {
        timestamp: event.time_unix_ns() / 1_000,
        fields: name
            .into_iter()
            .chain(tag::of_attributes(event.attributes()))
            .collect(),
    }
}

fn warnings(span: &SpanView<'_>, place: Place) -> Option<Vec<String>> {
    let mut warnings = Vec::new();
    if span.end_unix_ns() < span.start_unix_ns() {
        let before_ns = span.start_unix_ns() - span.end_unix_ns();
        warnings.push(format!(
            "the span ends {before_ns} ns before it starts; its duration is shown as 0"
        ));
    }
    match place {
        Place::OwnParent => {
            warnings.push("the span names itself as its parent; it is shown as a root".to_owned())
        }
        Place::Cut => warnings
            .push("the parents of the span lead back to it; it is shown as a root".to_owned()),
        Place::Root | Place::Under(_) | Place::Orphan => {}
    }
    (!warnings.is_empty()).then_some(warnings)
}

/// The distinct resources of a trace, named p1, p2, … in order of appearance.
#[derive(Default)]
struct Processes<'a> {
    by_id: BTreeMap<String, Process<'a>>,
    /// Written resource → id.
    known: HashMap<String, String>,
    /// Where the resource of the span before lies, and its id: spans of one resource follow each other.
    last: Option<(u32, String)>,
}

impl<'a> Processes<'a> {
    fn id_of(&mut self, span: &SpanView<'a>) -> String {
        let at = span.place().resource_spans_start;
        if let Some((last, id)) = &self.last
            && *last == at
        {
            return id.clone();
        }
        let process = Process {
            service_name: service_of(span),
            tags: process_tags(&span.resource()),
        };
        // Equal resources are written alike. Writing to memory cannot fail, and if it did, the resource would only be listed on its own.
        let written = serde_json::to_string(&process).unwrap_or_else(|_| at.to_string());
        let next = format!("p{}", self.by_id.len() + 1);
        let id = self
            .known
            .entry(written)
            .or_insert_with(|| next.clone())
            .clone();
        if id == next {
            self.by_id.insert(next, process);
        }
        self.last = Some((at, id.clone()));
        id
    }
}

fn process_tags<'a>(resource: &ResourceView<'a>) -> Vec<Tag<'a>> {
    tag::of_attributes(resource.attributes())
        .filter(|tag| tag.key != "service.name")
        .collect()
}

#[cfg(test)]
mod tests;
