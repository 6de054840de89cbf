//! The cold way: a request written anew where items are over a cut limit, or where a message that occurs once came in pieces.
//!
//! In: a walked request and what was marked in it. Out: `TracesData` of its accepted spans. Clean items are copied as they are. Joining
//! pieces is what protobuf says of them: the bodies one after the other are the message.

use super::entry::{Entries, ResourceEntry, ScopeEntry};
use super::field::{resource_spans, scope_spans};
use super::limit::WalkLimits;
use super::proto::{Extent, Reader, put_delimited, put_message};
use super::value::next_field;

mod message;
mod value;

use message::{RESOURCE, SCOPE, SPAN};

/// Appends the accepted spans of `bytes`, cut to `limits` and joined.
pub(super) fn traces_data(bytes: &[u8], entries: &Entries, limits: &WalkLimits, out: &mut Vec<u8>) {
    let rewrite = Rewrite {
        bytes,
        entries,
        limits,
    };
    let mut spans = entries.spans.as_slice();
    while let Some(first) = spans.first() {
        let idx = first.resource_idx;
        let n_spans = spans.partition_point(|span| span.resource_idx == idx);
        let (here, rest) = spans.split_at(n_spans);
        put_message(out, 1, |out| rewrite.resource_spans(idx, here, out));
        spans = rest;
    }
}

struct Rewrite<'a> {
    bytes: &'a [u8],
    entries: &'a Entries,
    limits: &'a WalkLimits,
}

impl Rewrite<'_> {
    fn resource_spans(&self, idx: u32, mut spans: &[super::entry::SpanEntry], out: &mut Vec<u8>) {
        let entry = self.entries.resource(idx);
        self.resource(entry, out);
        while let Some(first) = spans.first() {
            let idx = first.scope_idx;
            let n_spans = spans.partition_point(|span| span.scope_idx == idx);
            let (here, rest) = spans.split_at(n_spans);
            put_message(out, 2, |out| self.scope_spans(idx, here, out));
            spans = rest;
        }
        self.schema_url(entry.schema_url, out);
    }

    fn resource(&self, entry: &ResourceEntry, out: &mut Vec<u8>) {
        let around = Extent {
            start: entry.start,
            end: entry.end,
        };
        match entry.body {
            None => {}
            Some(_) if entry.marks.is_dirty() => {
                let pieces = self.pieces(around, resource_spans::RESOURCE);
                put_message(out, 1, |out| {
                    message::write(&pieces, &RESOURCE, self.limits, out)
                });
            }
            Some(body) => put_delimited(out, 1, body.of(self.bytes)),
        }
    }

    fn scope_spans(&self, idx: u32, spans: &[super::entry::SpanEntry], out: &mut Vec<u8>) {
        let entry = self.entries.scope(idx);
        self.scope(entry, out);
        for span in spans {
            let body = span.body.of(self.bytes);
            if span.marks.is_dirty() {
                put_message(out, 2, |out| {
                    message::write(&[body], &SPAN, self.limits, out)
                });
            } else {
                put_delimited(out, 2, body);
            }
        }
        self.schema_url(entry.schema_url, out);
    }

    fn scope(&self, entry: &ScopeEntry, out: &mut Vec<u8>) {
        let around = Extent {
            start: entry.start,
            end: entry.end,
        };
        match entry.body {
            None => {}
            Some(_) if entry.marks.is_dirty() => {
                let pieces = self.pieces(around, scope_spans::SCOPE);
                put_message(out, 1, |out| {
                    message::write(&pieces, &SCOPE, self.limits, out)
                });
            }
            Some(body) => put_delimited(out, 1, body.of(self.bytes)),
        }
    }

    fn schema_url(&self, url: Extent, out: &mut Vec<u8>) {
        let (url, _) = value::cut(url.of(self.bytes), self.limits.string_bytes_max);
        if !url.is_empty() {
            put_delimited(out, 3, url);
        }
    }

    /// All bodies of the field with this key in the message at `around`.
    fn pieces(&self, around: Extent, key: u64) -> Vec<&[u8]> {
        let mut reader = Reader::within(self.bytes, around);
        std::iter::from_fn(|| next_field(&mut reader, key)).collect()
    }
}
