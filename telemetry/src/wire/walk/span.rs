//! The walk through spans, their events, links and status.

use super::super::entry::{Marks, SpanEntry};
use super::super::fault::{At, Faulty, Flaw};
use super::super::field::{event, link, span, status};
use super::super::proto::{Extent, Reader};
use super::Pass;
use crate::{SpanId, TraceId};

const TRACE_ID_BYTES: u32 = size_of::<TraceId>() as u32;
const SPAN_ID_BYTES: u32 = size_of::<SpanId>() as u32;

/// What is noted of a span beside its entry.
#[derive(Default)]
struct Found {
    n_trace_id_bytes: u32,
    n_span_id_bytes: u32,
    n_parent_bytes: u32,
    /// Bytes of an id of a link that is no id.
    wrong_link_id: Option<WrongId>,
    n_attributes: u32,
    n_events: u32,
    n_links: u32,
}

#[derive(Clone, Copy)]
struct WrongId {
    link_idx: u32,
    field: &'static str,
    n_bytes: u32,
    expected: u32,
}

impl<'a> Pass<'a, '_> {
    /// Notes the span that comes next, unless it is rejected.
    #[inline]
    pub(super) fn note_span(
        &mut self,
        outer: &mut Reader<'a>,
        budget: u32,
        scope_idx: u32,
        resource_idx: u32,
    ) -> Faulty<()> {
        // an entry is filled where it stays: it is long
        let mut spans = std::mem::take(&mut self.entries.spans);
        spans.push(SpanEntry {
            scope_idx,
            resource_idx,
            ..SpanEntry::default()
        });
        let entry = spans.last_mut().expect("it was just pushed");
        let read = self.span(outer, budget, entry);
        if !matches!(read, Ok(true)) {
            spans.pop();
        }
        self.entries.spans = spans;
        read.map(drop)
    }

    /// Reads the span that comes next into an entry that has nothing yet. False if it is rejected.
    pub(super) fn span(
        &mut self,
        outer: &mut Reader<'a>,
        budget: u32,
        entry: &mut SpanEntry,
    ) -> Faulty<bool> {
        let body = outer.delimited()?;
        let (reader, budget) = outer.enter(body, budget)?;
        entry.body = body;
        let mut found = Found::default();
        self.span_fields(reader, budget, entry, &mut found)?;
        entry.marks.add(self.values.take_marks());
        if found.n_attributes > self.limits.attributes_max
            || found.n_events > self.limits.events_max
            || found.n_links > self.limits.links_max
        {
            entry.marks.add(Marks::OVER);
        }
        let is_good = self.is_good(entry, &found);
        if !is_good {
            self.reject(entry, &found);
        }
        Ok(is_good)
    }

    fn span_fields(
        &mut self,
        mut reader: Reader<'a>,
        budget: u32,
        entry: &mut SpanEntry,
        found: &mut Found,
    ) -> Faulty<()> {
        let bytes_max = self.limits.string_bytes_max;
        while !reader.is_at_end() {
            let start = reader.at();
            match reader.varint()? {
                span::ATTRIBUTES => {
                    self.values
                        .attribute(&mut reader, budget)
                        .at_item("attributes", found.n_attributes)?;
                    found.n_attributes += 1;
                    entry.attributes = entry.attributes.up_to(reader.extent_since(start));
                }
                span::TRACE_ID => {
                    let id = id(&mut reader, &mut found.n_trace_id_bytes).at("trace_id")?;
                    entry.trace_id = TraceId(id);
                }
                span::SPAN_ID => {
                    let id = id(&mut reader, &mut found.n_span_id_bytes).at("span_id")?;
                    entry.span_id = SpanId(id);
                }
                span::PARENT_SPAN_ID => {
                    let id = id(&mut reader, &mut found.n_parent_bytes).at("parent_span_id")?;
                    entry.parent_span_id = SpanId(id);
                }
                span::NAME => {
                    entry.name = reader
                        .limited_string(bytes_max, &mut entry.marks)
                        .at("name")?;
                }
                span::KIND => entry.kind = reader.varint().at("kind")? as i32,
                span::START_TIME_UNIX_NANO => {
                    entry.start_unix_ns = reader.fixed64().at("start_time_unix_nano")?;
                }
                span::END_TIME_UNIX_NANO => {
                    entry.end_unix_ns = reader.fixed64().at("end_time_unix_nano")?;
                }
                span::STATUS => {
                    let body = reader.delimited().and_then(|it| reader.enter(it, budget));
                    body.map_err(Into::into)
                        .and_then(|body| self.status(body, entry))
                        .at("status")?;
                }
                span::EVENTS => {
                    let body = reader.delimited().and_then(|it| reader.enter(it, budget));
                    body.map_err(Into::into)
                        .and_then(|body| self.event(body, entry))
                        .at_item("events", found.n_events)?;
                    found.n_events += 1;
                    entry.events = entry.events.up_to(reader.extent_since(start));
                }
                span::LINKS => {
                    let body = reader.delimited().and_then(|it| reader.enter(it, budget));
                    body.map_err(Into::into)
                        .and_then(|body| self.link(body, entry, found))
                        .at_item("links", found.n_links)?;
                    found.n_links += 1;
                    entry.links = entry.links.up_to(reader.extent_since(start));
                }
                span::TRACE_STATE => {
                    entry.trace_state = reader
                        .limited_string(bytes_max, &mut entry.marks)
                        .at("trace_state")?;
                }
                span::FLAGS => entry.flags = reader.fixed32().at("flags")?,
                span::DROPPED_ATTRIBUTES_COUNT => {
                    entry.dropped_attributes_count =
                        reader.varint().at("dropped_attributes_count")? as u32;
                }
                span::DROPPED_EVENTS_COUNT => {
                    entry.dropped_events_count = reader.varint().at("dropped_events_count")? as u32;
                }
                span::DROPPED_LINKS_COUNT => {
                    entry.dropped_links_count = reader.varint().at("dropped_links_count")? as u32;
                }
                other => reader.skip_unknown(other, span::KNOWN, budget)?,
            }
        }
        Ok(())
    }

    /// A status that comes in pieces is joined here, because its fields are noted one by one.
    fn status(
        &mut self,
        (mut reader, budget): (Reader<'a>, u32),
        entry: &mut SpanEntry,
    ) -> Faulty<()> {
        while !reader.is_at_end() {
            match reader.varint()? {
                status::MESSAGE => {
                    entry.status_message = reader
                        .limited_string(self.limits.string_bytes_max, &mut entry.marks)
                        .at("message")?;
                }
                status::CODE => entry.status_code = reader.varint().at("code")? as i32,
                other => reader.skip_unknown(other, status::KNOWN, budget)?,
            }
        }
        Ok(())
    }

    fn event(
        &mut self,
        (mut reader, budget): (Reader<'a>, u32),
        entry: &mut SpanEntry,
    ) -> Faulty<()> {
        let mut n_attributes = 0;
        while !reader.is_at_end() {
            match reader.varint()? {
                event::TIME_UNIX_NANO => reader.fixed64().at("time_unix_nano").map(drop)?,
                event::NAME => reader
                    .limited_string(self.limits.string_bytes_max, &mut entry.marks)
                    .at("name")
                    .map(drop)?,
                event::ATTRIBUTES => {
                    self.values
                        .attribute(&mut reader, budget)
                        .at_item("attributes", n_attributes)?;
                    n_attributes += 1;
                }
                event::DROPPED_ATTRIBUTES_COUNT => {
                    reader.varint().at("dropped_attributes_count").map(drop)?;
                }
                other => reader.skip_unknown(other, event::KNOWN, budget)?,
            }
        }
        if n_attributes > self.limits.attributes_max {
            entry.marks.add(Marks::OVER);
        }
        Ok(())
    }

    fn link(
        &mut self,
        (mut reader, budget): (Reader<'a>, u32),
        entry: &mut SpanEntry,
        found: &mut Found,
    ) -> Faulty<()> {
        let mut n_attributes = 0;
        let (mut n_trace_id_bytes, mut n_span_id_bytes) = (0, 0);
        while !reader.is_at_end() {
            match reader.varint()? {
                link::TRACE_ID => n_trace_id_bytes = reader.delimited().at("trace_id")?.len(),
                link::SPAN_ID => n_span_id_bytes = reader.delimited().at("span_id")?.len(),
                link::TRACE_STATE => reader
                    .limited_string(self.limits.string_bytes_max, &mut entry.marks)
                    .at("trace_state")
                    .map(drop)?,
                link::ATTRIBUTES => {
                    self.values
                        .attribute(&mut reader, budget)
                        .at_item("attributes", n_attributes)?;
                    n_attributes += 1;
                }
                link::DROPPED_ATTRIBUTES_COUNT => {
                    reader.varint().at("dropped_attributes_count").map(drop)?;
                }
                link::FLAGS => reader.fixed32().at("flags").map(drop)?,
                other => reader.skip_unknown(other, link::KNOWN, budget)?,
            }
        }
        if n_attributes > self.limits.attributes_max {
            entry.marks.add(Marks::OVER);
        }
        let ids = [
            ("trace_id", n_trace_id_bytes, TRACE_ID_BYTES),
            ("span_id", n_span_id_bytes, SPAN_ID_BYTES),
        ];
        for (field, n_bytes, expected) in ids {
            if n_bytes != 0 && n_bytes != expected {
                found.wrong_link_id = Some(WrongId {
                    link_idx: found.n_links,
                    field,
                    n_bytes,
                    expected,
                });
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn is_good(&self, entry: &SpanEntry, found: &Found) -> bool {
        found.n_trace_id_bytes == TRACE_ID_BYTES
            && found.n_span_id_bytes == SPAN_ID_BYTES
            && (found.n_parent_bytes == 0 || found.n_parent_bytes == SPAN_ID_BYTES)
            && !entry.trace_id.is_zero()
            && !entry.span_id.is_zero()
            && found.wrong_link_id.is_none()
            && !entry.marks.has(Marks::DEEP)
            && entry.body.len() <= self.limits.span_bytes_max
    }

    /// Counts a span that is left out, and says why.
    #[cold]
    fn reject(&mut self, entry: &SpanEntry, found: &Found) {
        let path = format!(
            "resource_spans[{}].scope_spans[{}].spans[{}]",
            self.path.resource_idx, self.path.scope_idx, self.path.span_idx
        );
        let length = |n_bytes: u32, expected: u32| format!("{n_bytes} bytes, must be {expected}");
        let reason = if found.n_trace_id_bytes != TRACE_ID_BYTES {
            format!(
                ".trace_id: {}",
                length(found.n_trace_id_bytes, TRACE_ID_BYTES)
            )
        } else if entry.trace_id.is_zero() {
            ".trace_id: all zero".to_owned()
        } else if found.n_span_id_bytes != SPAN_ID_BYTES {
            format!(".span_id: {}", length(found.n_span_id_bytes, SPAN_ID_BYTES))
        } else if entry.span_id.is_zero() {
            ".span_id: all zero".to_owned()
        } else if found.n_parent_bytes != 0 && found.n_parent_bytes != SPAN_ID_BYTES {
            format!(
                ".parent_span_id: {}",
                length(found.n_parent_bytes, SPAN_ID_BYTES)
            )
        } else if let Some(wrong) = found.wrong_link_id {
            let WrongId {
                link_idx,
                field,
                n_bytes,
                expected,
            } = wrong;
            format!(".links[{link_idx}].{field}: {}", length(n_bytes, expected))
        } else if entry.marks.has(Marks::DEEP) {
            format!(
                ": values nested deeper than {} levels",
                self.limits.nesting_max
            )
        } else {
            let (n_bytes, bytes_max) = (entry.body.len(), self.limits.span_bytes_max);
            format!(": {n_bytes} bytes, at most {bytes_max} are taken")
        };
        self.rejected.add(1, format_args!("{path}{reason}"));
    }
}

/// Reads an id; one of another length reads as all zero.
#[inline(always)]
fn id<const N: usize>(reader: &mut Reader<'_>, n_bytes: &mut u32) -> Result<[u8; N], Flaw> {
    let bytes = reader.delimited_bytes()?;
    *n_bytes = bytes.len() as u32;
    Ok(bytes.try_into().unwrap_or([0; N]))
}

impl Reader<'_> {
    /// Where the field lies whose key began at `start` and whose value was read last.
    #[inline(always)]
    pub(super) fn extent_since(&self, start: u32) -> Extent {
        Extent {
            start,
            end: self.at(),
        }
    }
}
