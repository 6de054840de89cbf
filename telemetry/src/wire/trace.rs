//! Traces as they lie in a request: each accepted span with the resource and scope it was sent under, read in place.
//!
//! In: what [`super::TraceWalker`] found. Out: values and byte ranges. Nothing here is copied out of the request.

use super::entry::{Entries, ResourceEntry, ScopeEntry, SpanEntry};
use super::field;
use super::limit::Rejected;
use super::proto::Reader;
use super::value::Attributes;
use crate::{SpanId, TraceId};

mod event;
mod kind;

pub use event::{EventView, LinkView};
pub use kind::{SpanKind, StatusCode};

/// Where a span lies: byte positions in the walked bytes of the bodies of the enclosing `ResourceSpans` and `ScopeSpans` messages and of
/// the `Span` itself, and the length of the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanPlace {
    pub resource_spans_start: u32,
    pub scope_spans_start: u32,
    pub start: u32,
    pub len: u32,
}

/// The accepted spans of a request, in the order they were sent.
#[derive(Debug, Clone, Copy)]
pub struct TracesView<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) entries: &'a Entries,
    /// Places in the bytes that were walked, where `bytes` are a rewritten form of them.
    pub(crate) places: Option<&'a [SpanPlace]>,
    pub(crate) rejected: &'a Rejected,
}

/// A span.
#[derive(Debug, Clone, Copy)]
pub struct SpanView<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) entry: &'a SpanEntry,
    pub(crate) place: SpanPlace,
    pub(crate) resource: &'a ResourceEntry,
    pub(crate) scope: &'a ScopeEntry,
}

/// The resource that a span was sent under. Without one in the request everything is empty.
#[derive(Debug, Clone, Copy)]
pub struct ResourceView<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) entry: &'a ResourceEntry,
}

/// The instrumentation scope that a span was sent under. Without one in the request everything is empty.
#[derive(Debug, Clone, Copy)]
pub struct ScopeView<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) entry: &'a ScopeEntry,
}

impl<'a> TracesView<'a> {
    /// `TracesData` that the views lie in: the walked bytes, or their rewritten form where something was over a limit or came in
    /// pieces. Spans that were rejected may still be in them.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[must_use]
    pub fn n_spans(&self) -> usize {
        self.entries.spans.len()
    }

    pub fn spans(&self) -> impl ExactSizeIterator<Item = SpanView<'a>> + use<'a> {
        let this = *self;
        let entries: &'a [SpanEntry] = &this.entries.spans;
        entries
            .iter()
            .enumerate()
            .map(move |(idx, entry)| this.view(idx, entry))
    }

    /// The span with this index.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn span(&self, idx: usize) -> SpanView<'a> {
        let entries: &'a [SpanEntry] = &self.entries.spans;
        let entry = entries.get(idx).expect("the caller counts by n_spans");
        self.view(idx, entry)
    }

    /// What was left out, and why.
    #[must_use]
    pub fn rejected(&self) -> &'a Rejected {
        self.rejected
    }

    /// Heap that this view holds beside the bytes, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.entries.heap_bytes()
    }

    fn view(&self, idx: usize, entry: &'a SpanEntry) -> SpanView<'a> {
        let resource = self.entries.resource(entry.resource_idx);
        let scope = self.entries.scope(entry.scope_idx);
        let raw = self.places.and_then(|places| places.get(idx));
        SpanView {
            bytes: self.bytes,
            entry,
            place: raw
                .copied()
                .unwrap_or_else(|| place(entry, resource, scope)),
            resource,
            scope,
        }
    }
}

pub(crate) fn place(entry: &SpanEntry, resource: &ResourceEntry, scope: &ScopeEntry) -> SpanPlace {
    SpanPlace {
        resource_spans_start: resource.start,
        scope_spans_start: scope.start,
        start: entry.body.start,
        len: entry.body.len(),
    }
}

impl<'a> SpanView<'a> {
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.entry.trace_id
    }

    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.entry.span_id
    }

    /// None for a root.
    #[must_use]
    pub fn parent_span_id(&self) -> Option<SpanId> {
        let id = self.entry.parent_span_id;
        (!id.is_zero()).then_some(id)
    }

    #[must_use]
    pub fn name(&self) -> &'a str {
        self.entry.name.text(self.bytes)
    }

    /// The bytes of its name: enough to look up one that is known.
    #[must_use]
    pub fn name_bytes(&self) -> &'a [u8] {
        self.entry.name.of(self.bytes)
    }

    /// A number that OpenTelemetry does not know reads as unspecified.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        SpanKind::from_number(self.entry.kind)
    }

    #[must_use]
    pub fn start_unix_ns(&self) -> u64 {
        self.entry.start_unix_ns
    }

    #[must_use]
    pub fn end_unix_ns(&self) -> u64 {
        self.entry.end_unix_ns
    }

    /// 0 where the end lies before the start.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.entry
            .end_unix_ns
            .saturating_sub(self.entry.start_unix_ns)
    }

    /// A number that OpenTelemetry does not know reads as unset.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_number(self.entry.status_code)
    }

    #[must_use]
    pub fn status_message(&self) -> &'a str {
        self.entry.status_message.text(self.bytes)
    }

    /// W3C tracestate.
    #[must_use]
    pub fn trace_state(&self) -> &'a str {
        self.entry.trace_state.text(self.bytes)
    }

    /// W3C trace flags in the low 8 bits; bits 8 and 9 tell whether the parent is remote.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.entry.flags
    }

    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        self.entry.dropped_attributes_count
    }

    #[must_use]
    pub fn dropped_events_count(&self) -> u32 {
        self.entry.dropped_events_count
    }

    #[must_use]
    pub fn dropped_links_count(&self) -> u32 {
        self.entry.dropped_links_count
    }

    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        let reader = Reader::within(self.bytes, self.entry.attributes);
        Attributes::new(reader, field::span::ATTRIBUTES)
    }

    pub fn events(&self) -> impl Iterator<Item = EventView<'a>> + Clone + use<'a> {
        EventView::all(Reader::within(self.bytes, self.entry.events))
    }

    pub fn links(&self) -> impl Iterator<Item = LinkView<'a>> + Clone + use<'a> {
        LinkView::all(Reader::within(self.bytes, self.entry.links))
    }

    #[must_use]
    pub fn resource(&self) -> ResourceView<'a> {
        ResourceView {
            bytes: self.bytes,
            entry: self.resource,
        }
    }

    #[must_use]
    pub fn scope(&self) -> ScopeView<'a> {
        ScopeView {
            bytes: self.bytes,
            entry: self.scope,
        }
    }

    /// Body of the `Span` message.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.entry.body.of(self.bytes)
    }

    /// Where the span lies in the bytes that were walked.
    #[must_use]
    pub fn place(&self) -> SpanPlace {
        self.place
    }
}

impl<'a> ResourceView<'a> {
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        let reader = Reader::within(self.bytes, self.entry.attributes);
        Attributes::new(reader, field::resource::ATTRIBUTES)
    }

    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        self.entry.dropped_attributes_count
    }

    #[must_use]
    pub fn schema_url(&self) -> &'a str {
        self.entry.schema_url.text(self.bytes)
    }

    /// `service.name`, where it is text.
    #[must_use]
    pub fn service_name(&self) -> Option<&'a str> {
        let name = self.entry.service_name?;
        Some(name.text(self.bytes))
    }

    /// The bytes of [`ResourceView::service_name`]: enough to look up one that is known.
    #[must_use]
    pub fn service_name_bytes(&self) -> Option<&'a [u8]> {
        let name = self.entry.service_name?;
        Some(name.of(self.bytes))
    }

    /// Body of the `Resource` message, if there is one.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        self.entry.body.map(|body| body.of(self.bytes))
    }
}

impl<'a> ScopeView<'a> {
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.entry.name.text(self.bytes)
    }

    #[must_use]
    pub fn version(&self) -> &'a str {
        self.entry.version.text(self.bytes)
    }

    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        let reader = Reader::within(self.bytes, self.entry.attributes);
        Attributes::new(reader, field::scope::ATTRIBUTES)
    }

    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        self.entry.dropped_attributes_count
    }

    #[must_use]
    pub fn schema_url(&self) -> &'a str {
        self.entry.schema_url.text(self.bytes)
    }

    /// Body of the `InstrumentationScope` message, if there is one.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        self.entry.body.map(|body| body.of(self.bytes))
    }
}
