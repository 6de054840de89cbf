//! Ranges around a span whose place is known.

use super::field::{resource_spans, scope_spans, traces_data};
use super::proto::{DEPTH_MAX, Extent, Reader};
use super::trace::SpanPlace;

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
