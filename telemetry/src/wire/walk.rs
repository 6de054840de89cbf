//! One walk over a request: checks all that prost checks, finds the spans, leaves out those that are no spans.
//!
//! In: OTLP `TracesData`, which has the shape of `ExportTraceServiceRequest`, from anywhere. Out: a [`TracesView`] over accepted spans,
//! or why the whole is refused. The steady state allocates nothing: the vectors are used again.

use super::entry::{Entries, Marks, ResourceEntry, ScopeEntry};
use super::fault::{Stop, WalkError, stop_at};
use super::field::{resource_spans, scope_spans, traces_data};
use super::limit::{Rejected, WalkLimits};
use super::proto::{DEPTH_MAX, Extent, Reader};
use super::rewrite;
use super::trace::{SpanPlace, TracesView, place};

mod at;
mod holder;
mod span;
mod value;

pub use at::{FoundSpan, NoSpan, span_at};
pub(super) use value::ValueWalk;

/// Buffers larger than this are not kept from walk to walk, in bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Walks requests, one at a time.
#[derive(Debug, Default)]
pub struct TraceWalker {
    entries: Entries,
    rejected: Rejected,
    /// The request written anew, where parts of it were over a limit or in pieces.
    rewritten: Vec<u8>,
    /// Where its spans lie in the request as it came.
    places: Vec<SpanPlace>,
}

impl TraceWalker {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks `bytes` and finds their spans.
    ///
    /// # Errors
    /// When prost would refuse the bytes, or there are more items than `limits` allow.
    pub fn walk<'a>(
        &'a mut self,
        bytes: &'a [u8],
        limits: &WalkLimits,
    ) -> Result<TracesView<'a>, WalkError> {
        self.reset();
        self.pass(bytes, limits)?;
        if !self.entries.is_dirty() {
            return Ok(self.view(bytes, None));
        }
        self.rewrite(bytes, limits)?;
        Ok(self.view(&self.rewritten, Some(&self.places)))
    }

    fn reset(&mut self) {
        self.entries.clear();
        self.rejected.clear();
        self.places.clear();
        self.rewritten.clear();
        self.rewritten.shrink_to(KEPT_BYTES_MAX);
    }

    fn view<'a>(&'a self, bytes: &'a [u8], places: Option<&'a [SpanPlace]>) -> TracesView<'a> {
        TracesView {
            bytes,
            entries: &self.entries,
            places,
            rejected: &self.rejected,
        }
    }

    fn pass(&mut self, bytes: &[u8], limits: &WalkLimits) -> Result<(), WalkError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(WalkError::TooLarge {
                n_bytes: bytes.len(),
            });
        }
        Pass::new(bytes, limits, &mut self.entries, &mut self.rejected)
            .traces_data()
            .map_err(|stop| stop.into_error(limits.spans_max))
    }

    /// Cuts and joins what is marked, and walks the result instead.
    #[cold]
    fn rewrite(&mut self, bytes: &[u8], limits: &WalkLimits) -> Result<(), WalkError> {
        let mut rewritten = std::mem::take(&mut self.rewritten);
        rewrite::traces_data(bytes, &self.entries, limits, &mut rewritten);
        let entries = &self.entries;
        let raw_place = |span: &super::entry::SpanEntry| {
            place(
                span,
                entries.resource(span.resource_idx),
                entries.scope(span.scope_idx),
            )
        };
        self.places.extend(entries.spans.iter().map(raw_place));
        self.entries.clear();
        let walked = self.pass(&rewritten, &WalkLimits::trusted());
        self.rewritten = rewritten;
        walked
    }
}

impl Entries {
    fn is_dirty(&self) -> bool {
        let mut all = Marks::default();
        for resource in &self.resources {
            all.add(resource.marks);
        }
        for scope in &self.scopes {
            all.add(scope.marks);
        }
        for span in &self.spans {
            all.add(span.marks);
        }
        all.is_dirty()
    }
}

/// Where the walk is, for messages.
#[derive(Debug, Clone, Copy, Default)]
struct Path {
    resource_idx: u32,
    scope_idx: u32,
    span_idx: u32,
}

struct Pass<'a, 'w> {
    bytes: &'a [u8],
    limits: &'w WalkLimits,
    values: ValueWalk<'w>,
    entries: &'w mut Entries,
    rejected: &'w mut Rejected,
    /// Spans seen, accepted or not.
    n_spans: u32,
    path: Path,
}

impl<'a, 'w> Pass<'a, 'w> {
    fn new(
        bytes: &'a [u8],
        limits: &'w WalkLimits,
        entries: &'w mut Entries,
        rejected: &'w mut Rejected,
    ) -> Self {
        Self {
            bytes,
            limits,
            values: ValueWalk::new(limits),
            entries,
            rejected,
            n_spans: 0,
            path: Path::default(),
        }
    }

    fn traces_data(mut self) -> Result<(), Stop> {
        let mut reader = Reader::new(self.bytes);
        while !reader.is_at_end() {
            match reader.varint()? {
                traces_data::RESOURCE_SPANS => {
                    let body = reader
                        .delimited()
                        .and_then(|it| reader.enter(it, DEPTH_MAX));
                    let idx = self.path.resource_idx;
                    body.map_err(Stop::from)
                        .and_then(|body| self.resource_spans(body))
                        .map_err(|stop| stop_at(stop, "resource_spans", idx))?;
                    self.path.resource_idx += 1;
                }
                other => reader.skip_unknown(other, traces_data::KNOWN, DEPTH_MAX)?,
            }
        }
        Ok(())
    }

    fn resource_spans(&mut self, (mut reader, budget): (Reader<'a>, u32)) -> Result<(), Stop> {
        let n_spans_before = self.entries.spans.len();
        let resource_idx = next_idx(self.entries.resources.len(), self.limits)?;
        let mut entry = ResourceEntry {
            start: reader.at(),
            end: reader.end(),
            ..ResourceEntry::default()
        };
        self.entries.resources.push(entry);
        self.path.scope_idx = 0;
        while !reader.is_at_end() {
            match reader.varint()? {
                resource_spans::RESOURCE => self.resource(&mut reader, budget, &mut entry)?,
                resource_spans::SCOPE_SPANS => {
                    let body = reader.delimited().and_then(|it| reader.enter(it, budget));
                    let idx = self.path.scope_idx;
                    body.map_err(Stop::from)
                        .and_then(|body| self.scope_spans(body, resource_idx))
                        .map_err(|stop| stop_at(stop, "scope_spans", idx))?;
                    self.path.scope_idx += 1;
                }
                resource_spans::SCHEMA_URL => {
                    let bytes_max = self.limits.string_bytes_max;
                    entry.schema_url =
                        holder::schema_url(&mut reader, bytes_max, &mut entry.marks)?;
                }
                other => reader.skip_unknown(other, resource_spans::KNOWN, budget)?,
            }
        }
        if let Some(reason) = holder::rejection(entry.marks, entry.body, self.limits) {
            self.reject_since(n_spans_before, "resource", &reason);
        }
        entry.service_name = holder::service_name(self.bytes, entry.attributes);
        if let Some(noted) = self.entries.resources.last_mut() {
            *noted = entry;
        }
        Ok(())
    }

    fn scope_spans(
        &mut self,
        (mut reader, budget): (Reader<'a>, u32),
        resource_idx: u32,
    ) -> Result<(), Stop> {
        let n_spans_before = self.entries.spans.len();
        let scope_idx = next_idx(self.entries.scopes.len(), self.limits)?;
        let mut entry = ScopeEntry {
            start: reader.at(),
            end: reader.end(),
            ..ScopeEntry::default()
        };
        self.entries.scopes.push(entry);
        self.path.span_idx = 0;
        while !reader.is_at_end() {
            match reader.varint()? {
                scope_spans::SCOPE => self.scope(&mut reader, budget, &mut entry)?,
                scope_spans::SPANS => {
                    if self.n_spans == self.limits.spans_max {
                        return Err(Stop::TooManyItems);
                    }
                    self.n_spans += 1;
                    let idx = self.path.span_idx;
                    self.note_span(&mut reader, budget, scope_idx, resource_idx)
                        .map_err(|fault| stop_at(Stop::Fault(fault), "spans", idx))?;
                    self.path.span_idx += 1;
                }
                scope_spans::SCHEMA_URL => {
                    let bytes_max = self.limits.string_bytes_max;
                    entry.schema_url =
                        holder::schema_url(&mut reader, bytes_max, &mut entry.marks)?;
                }
                other => reader.skip_unknown(other, scope_spans::KNOWN, budget)?,
            }
        }
        if let Some(reason) = holder::rejection(entry.marks, entry.body, self.limits) {
            self.reject_since(n_spans_before, "scope", &reason);
        }
        if let Some(noted) = self.entries.scopes.last_mut() {
            *noted = entry;
        }
        Ok(())
    }

    /// Leaves out the spans accepted since there were `n_spans_before`: what they were sent under is no good.
    #[cold]
    fn reject_since(&mut self, n_spans_before: usize, what: &str, reason: &str) {
        let n_spans = self.entries.spans.len() - n_spans_before;
        self.entries.spans.truncate(n_spans_before);
        let Path {
            resource_idx,
            scope_idx,
            ..
        } = self.path;
        let n_spans = n_spans as u32;
        match what {
            "scope" => self.rejected.add(
                n_spans,
                format_args!(
                    "resource_spans[{resource_idx}].scope_spans[{scope_idx}].scope: {reason}"
                ),
            ),
            _ => self.rejected.add(
                n_spans,
                format_args!("resource_spans[{resource_idx}].{what}: {reason}"),
            ),
        }
    }
}

/// Index of the next entry, if one more is allowed.
fn next_idx(len: usize, limits: &WalkLimits) -> Result<u32, Stop> {
    match u32::try_from(len) {
        Ok(idx) if idx < limits.spans_max => Ok(idx),
        _ => Err(Stop::TooManyItems),
    }
}

/// Notes that a field which occurs once was met, and marks it if it was met before.
fn note_once(place: &mut Option<Extent>, found: Extent, marks: &mut Marks) {
    if place.replace(found).is_some() {
        marks.add(Marks::PIECES);
    }
}
