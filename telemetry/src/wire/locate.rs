//! Ranges around a span whose place is known.

use super::field::{resource_spans, scope_spans, traces_data};
use super::proto::{DEPTH_MAX, Extent, Reader};
use super::trace::SpanPlace;

/// A record's payload from which several spans are taken. Places that come in ascending order cost one pass over the payload together, since it
/// remembers where the last one was and under what.
#[derive(Debug)]
pub struct RecordSpans<'a> {
    pub(crate) bytes: &'a [u8],
    resource: Around,
    scope: Around,
    /// Where the field after the last span found begins.
    next_at: u32,
}

/// A message around the last span found.
#[derive(Debug, Default)]
struct Around {
    /// None before the first span, and after one that is not there.
    body: Option<Extent>,
    /// All its fields but those that hold spans.
    head: Vec<u8>,
}

impl Around {
    fn is_at(&self, start: u32) -> bool {
        self.body.is_some_and(|body| body.start == start)
    }

    /// Moves to the field with `key` whose body begins at `start` in `within`, and keeps its fields but those with `spans_key`.
    fn move_to(&mut self, bytes: &[u8], within: Extent, key: u64, start: u32, spans_key: u64) {
        self.body = find_field(bytes, within, key, start).map(|(_, body)| body);
        if let Some(body) = self.body {
            copy_all_but(bytes, body, spans_key, &mut self.head);
        }
    }
}

impl<'a> RecordSpans<'a> {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            resource: Around::default(),
            scope: Around::default(),
            next_at: 0,
        }
    }

    /// The span at this place with its key and length. None if there is no span of this length.
    pub(crate) fn find(&mut self, place: SpanPlace) -> Option<Extent> {
        let whole = Extent {
            start: 0,
            end: u32::try_from(self.bytes.len()).ok()?,
        };
        if !self.resource.is_at(place.resource_spans_start) {
            self.scope.body = None;
            let start = place.resource_spans_start;
            let (key, spans_key) = (traces_data::RESOURCE_SPANS, resource_spans::SCOPE_SPANS);
            self.resource
                .move_to(self.bytes, whole, key, start, spans_key);
        }
        let resource = self.resource.body?;
        if !self.scope.is_at(place.scope_spans_start) {
            let start = place.scope_spans_start;
            let (key, spans_key) = (resource_spans::SCOPE_SPANS, scope_spans::SPANS);
            self.scope
                .move_to(self.bytes, resource, key, start, spans_key);
            self.next_at = 0;
        }
        let scope = self.scope.body?;
        let is_ahead = (scope.start..place.start).contains(&self.next_at);
        let rest = Extent {
            start: if is_ahead { self.next_at } else { scope.start },
            end: scope.end,
        };
        let (field, body) = find_field(self.bytes, rest, scope_spans::SPANS, place.start)?;
        self.next_at = field.end;
        (body.len() == place.len).then_some(field)
    }

    /// Fields of the resource of the span found last: the resource and its schema URL.
    pub(crate) fn resource_head(&self) -> &[u8] {
        &self.resource.head
    }

    /// Fields of the scope of the span found last.
    pub(crate) fn scope_head(&self) -> &[u8] {
        &self.scope.head
    }
}

/// Where a span and what it was sent under lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    /// Body of the `ResourceSpans`.
    pub(crate) resource_spans: Extent,
    /// Body of the `ScopeSpans`.
    pub(crate) scope_spans: Extent,
    /// The span with its key and length.
    pub(crate) span_field: Extent,
}

impl Located {
    /// None if there is no span of this length at this place.
    pub(crate) fn find(bytes: &[u8], place: SpanPlace) -> Option<Self> {
        let whole = Extent {
            start: 0,
            end: u32::try_from(bytes.len()).ok()?,
        };
        let (_, resource_spans) = find_field(
            bytes,
            whole,
            traces_data::RESOURCE_SPANS,
            place.resource_spans_start,
        )?;
        let (_, scope_spans) = find_field(
            bytes,
            resource_spans,
            resource_spans::SCOPE_SPANS,
            place.scope_spans_start,
        )?;
        let (span_field, body) = find_field(bytes, scope_spans, scope_spans::SPANS, place.start)?;
        (body.len() == place.len).then_some(Self {
            resource_spans,
            scope_spans,
            span_field,
        })
    }
}

/// The field with this key whose body begins at `start`, and that body, in the message at `around`.
fn find_field(bytes: &[u8], around: Extent, key: u64, start: u32) -> Option<(Extent, Extent)> {
    let mut reader = Reader::within(bytes, around);
    while !reader.is_at_end() && reader.at() < start {
        let field_start = reader.at();
        let found = reader.varint().ok()?;
        if found != key {
            reader.skip(found, DEPTH_MAX).ok()?;
            continue;
        }
        let body = reader.delimited().ok()?;
        if body.start == start {
            let field = Extent {
                start: field_start,
                end: body.end,
            };
            return Some((field, body));
        }
    }
    None
}

/// All fields of the message at `around` but those with this key.
fn copy_all_but(bytes: &[u8], around: Extent, key: u64, head: &mut Vec<u8>) {
    head.clear();
    let mut reader = Reader::within(bytes, around);
    while !reader.is_at_end() {
        let start = reader.at();
        let Ok(found) = reader.varint() else {
            break;
        };
        if reader.skip(found, DEPTH_MAX).is_err() {
            break;
        }
        if found != key {
            head.extend_from_slice(reader.since(start));
        }
    }
}
