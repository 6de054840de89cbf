//! What a search asks of a trace: that **one** of its spans meets every condition. Used on stored and on live traces alike.

use std::ops::ControlFlow;

use telemetry::wire::{SpanKind, SpanView, StatusCode, TracesView};

use crate::tags;

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
    let mut same = |found_key: &str, found: telemetry::wire::ValueView<'_>| {
        if found_key == key && found.text() == value {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    tags::each(span, &mut same).is_break()
}
