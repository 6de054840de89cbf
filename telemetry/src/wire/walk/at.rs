//! A span found again by its place, without walking the rest of the record.

use super::super::entry::{Entries, ResourceEntry, ScopeEntry, SpanEntry};
use super::super::fault::Faulty;
use super::super::field::{resource_spans, scope_spans};
use super::super::limit::{Rejected, WalkLimits};
use super::super::locate::Located;
use super::super::proto::{DEPTH_MAX, Reader};
use super::super::trace::{SpanPlace, SpanView};
use super::{Pass, holder};

/// Why there is no span at a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no span at {place:?} of {n_bytes} bytes")]
pub struct NoSpan {
    pub place: SpanPlace,
    pub n_bytes: usize,
}

/// A span that was found again.
#[derive(Debug, Clone, Copy)]
pub struct FoundSpan<'a> {
    bytes: &'a [u8],
    entry: SpanEntry,
    place: SpanPlace,
    resource: ResourceEntry,
    scope: ScopeEntry,
}

impl FoundSpan<'_> {
    #[must_use]
    pub fn view(&self) -> SpanView<'_> {
        SpanView {
            bytes: self.bytes,
            entry: &self.entry,
            place: self.place,
            resource: &self.resource,
            scope: &self.scope,
        }
    }
}

/// The span at `place` of bytes that were walked before. A resource or value that the sender gave in pieces shows one of them.
///
/// # Errors
/// When the bytes are not those that the place belongs to.
pub fn span_at(bytes: &[u8], place: SpanPlace) -> Result<FoundSpan<'_>, NoSpan> {
    let none = NoSpan {
        place,
        n_bytes: bytes.len(),
    };
    let located = Located::find(bytes, place).ok_or(none.clone())?;
    let limits = WalkLimits::trusted();
    let (mut entries, mut rejected) = (Entries::default(), Rejected::default());
    let mut pass = Pass::new(bytes, &limits, &mut entries, &mut rejected);
    let read = pass.read_at(&located, place);
    read.ok().flatten().ok_or(none)
}

/// Levels that are left inside `ResourceSpans` and `ScopeSpans`.
const RESOURCE_SPANS_BUDGET: u32 = DEPTH_MAX - 1;
const SCOPE_SPANS_BUDGET: u32 = DEPTH_MAX - 2;

impl<'a> Pass<'a, '_> {
    fn read_at(&mut self, located: &Located, place: SpanPlace) -> Faulty<Option<FoundSpan<'a>>> {
        let mut around = Reader::within(self.bytes, located.span_field);
        around.varint()?;
        let mut entry = SpanEntry::default();
        let is_good = self.span(&mut around, SCOPE_SPANS_BUDGET, &mut entry)?;
        let resource = self.resource_at(Reader::within(self.bytes, located.resource_spans))?;
        let scope = self.scope_at(Reader::within(self.bytes, located.scope_spans))?;
        Ok(is_good.then_some(FoundSpan {
            bytes: self.bytes,
            entry,
            place,
            resource,
            scope,
        }))
    }

    fn resource_at(&mut self, mut reader: Reader<'a>) -> Faulty<ResourceEntry> {
        let mut entry = ResourceEntry {
            start: reader.at(),
            end: reader.end(),
            ..ResourceEntry::default()
        };
        while !reader.is_at_end() {
            match reader.varint()? {
                resource_spans::RESOURCE => {
                    self.resource(&mut reader, RESOURCE_SPANS_BUDGET, &mut entry)?;
                }
                resource_spans::SCHEMA_URL => {
                    entry.schema_url = holder::schema_url(&mut reader, u32::MAX, &mut entry.marks)?;
                }
                other => reader.skip(other, RESOURCE_SPANS_BUDGET)?,
            }
        }
        entry.service_name = holder::service_name(self.bytes, entry.attributes);
        Ok(entry)
    }

    fn scope_at(&mut self, mut reader: Reader<'a>) -> Faulty<ScopeEntry> {
        let mut entry = ScopeEntry {
            start: reader.at(),
            end: reader.end(),
            ..ScopeEntry::default()
        };
        while !reader.is_at_end() {
            match reader.varint()? {
                scope_spans::SCOPE => self.scope(&mut reader, SCOPE_SPANS_BUDGET, &mut entry)?,
                scope_spans::SCHEMA_URL => {
                    entry.schema_url = holder::schema_url(&mut reader, u32::MAX, &mut entry.marks)?;
                }
                other => reader.skip(other, SCOPE_SPANS_BUDGET)?,
            }
        }
        Ok(entry)
    }
}
