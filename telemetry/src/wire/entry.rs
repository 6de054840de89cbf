//! What the walk notes of a request: one fixed-size entry a resource, scope and span, all in three vectors that are used again.

use super::proto::Extent;
use crate::{SpanId, TraceId};

/// Everything noted of a request.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) resources: Vec<ResourceEntry>,
    pub(crate) scopes: Vec<ScopeEntry>,
    pub(crate) spans: Vec<SpanEntry>,
}

/// One `ResourceSpans`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResourceEntry {
    /// Where the body of the `ResourceSpans` begins.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Body of the `Resource`.
    pub(crate) body: Option<Extent>,
    pub(crate) attributes: Extent,
    pub(crate) schema_url: Extent,
    pub(crate) service_name: Option<Extent>,
    pub(crate) dropped_attributes_count: u32,
    pub(crate) marks: Marks,
}

/// One `ScopeSpans`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScopeEntry {
    /// Where the body of the `ScopeSpans` begins.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Body of the `InstrumentationScope`.
    pub(crate) body: Option<Extent>,
    pub(crate) name: Extent,
    pub(crate) version: Extent,
    pub(crate) attributes: Extent,
    pub(crate) schema_url: Extent,
    pub(crate) dropped_attributes_count: u32,
    pub(crate) marks: Marks,
}

/// One accepted span.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpanEntry {
    pub(crate) body: Extent,
    pub(crate) resource_idx: u32,
    pub(crate) scope_idx: u32,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// All zero for none.
    pub(crate) parent_span_id: SpanId,
    pub(crate) start_unix_ns: u64,
    pub(crate) end_unix_ns: u64,
    pub(crate) name: Extent,
    pub(crate) trace_state: Extent,
    pub(crate) status_message: Extent,
    /// From the first to the last attribute; other fields may lie between. The same for events and links.
    pub(crate) attributes: Extent,
    pub(crate) events: Extent,
    pub(crate) links: Extent,
    pub(crate) kind: i32,
    pub(crate) status_code: i32,
    pub(crate) flags: u32,
    pub(crate) dropped_attributes_count: u32,
    pub(crate) dropped_events_count: u32,
    pub(crate) dropped_links_count: u32,
    pub(crate) marks: Marks,
}

/// What is not as it should be with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks(u8);

impl Marks {
    /// More, or longer, than a limit allows: it is cut.
    pub(crate) const OVER: Self = Self(1);
    /// A message field that occurs once came in several pieces: they are joined.
    pub(crate) const PIECES: Self = Self(2);
    /// A value nested deeper than the limit: the item is rejected.
    pub(crate) const DEEP: Self = Self(4);

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the item must be written anew.
    pub(crate) fn is_dirty(self) -> bool {
        self.has(Self::OVER) || self.has(Self::PIECES)
    }
}

impl Entries {
    pub(crate) fn clear(&mut self) {
        self.resources.clear();
        self.scopes.clear();
        self.spans.clear();
    }

    pub(crate) fn resource(&self, idx: u32) -> &ResourceEntry {
        let noted = self.resources.get(idx as usize);
        noted.expect("a span is noted behind what it was sent under")
    }

    pub(crate) fn scope(&self, idx: u32) -> &ScopeEntry {
        let noted = self.scopes.get(idx as usize);
        noted.expect("a span is noted behind what it was sent under")
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.resources.capacity() * size_of::<ResourceEntry>()
            + self.scopes.capacity() * size_of::<ScopeEntry>()
            + self.spans.capacity() * size_of::<SpanEntry>()
    }
}
