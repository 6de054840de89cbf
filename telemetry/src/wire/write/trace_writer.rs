//! The spans of one trace, from several requests, as one `TracesData`.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::super::field::{resource_spans, scope_spans};
use super::super::locate::RecordSpans;
use super::super::proto::{delimited_len, put_delimited};
use super::super::trace::{SpanPlace, SpanView};
use super::super::walk::NoSpan;

/// Builds `TracesData` of spans that come one by one. Spans with the same resource and scope, byte for byte, stand under one; resources,
/// scopes within one and spans within one come in order of first appearance.
#[derive(Debug, Default)]
pub struct TraceWriter {
    /// Spans in the order in which they came, each with key and length.
    spans: Vec<u8>,
    /// Of `spans`, what came in a row for one group.
    pieces: Vec<Piece>,
    /// Resource and scope of the last piece.
    last: Option<(usize, usize)>,
    resources: Groups,
    /// Parallel to `resources`.
    scopes: Vec<Groups>,
    /// Used again from span to span.
    heads: Heads,
}

#[derive(Debug)]
struct Piece {
    start: usize,
    end: usize,
    /// The next of its group.
    next: Option<usize>,
}

/// Resource and scope of a span, each with its schema URL, as fields.
#[derive(Debug, Default)]
struct Heads {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

/// Groups of what stands under equal heads.
#[derive(Debug, Default)]
struct Groups {
    groups: Vec<Group>,
    /// Places in `groups`, by the hash of their heads, once there are too many to look at each.
    by_head: HashTable<usize>,
    last: usize,
}

/// Most groups that are looked at one by one.
const LOOKED_AT_MAX: usize = 8;

#[derive(Debug, Default)]
struct Group {
    head: Vec<u8>,
    /// Bytes of its pieces.
    n_bytes: usize,
    /// Its first and last piece, if it has spans of its own.
    pieces: Option<(usize, usize)>,
}

impl Groups {
    /// Index of the group with this head, made if there is none.
    fn find_or_add(&mut self, head: &[u8]) -> usize {
        let is_last = self.groups.get(self.last).is_some_and(|it| it.head == head);
        if !is_last {
            self.last = self.find(head).unwrap_or_else(|| self.add(head));
        }
        self.last
    }

    fn find(&self, head: &[u8]) -> Option<usize> {
        let is_same = |group: &Group| group.head == head;
        if self.groups.len() <= LOOKED_AT_MAX {
            return self.groups.iter().position(is_same);
        }
        let is_it = |idx: &usize| self.groups.get(*idx).is_some_and(is_same);
        self.by_head.find(xxh3_64(head), is_it).copied()
    }

    fn add(&mut self, head: &[u8]) -> usize {
        let idx = self.groups.len();
        self.groups.push(Group {
            head: head.to_vec(),
            ..Group::default()
        });
        let groups = &self.groups;
        let hash_of = |idx: &usize| groups.get(*idx).map_or(0, |group| xxh3_64(&group.head));
        let begun = if idx == LOOKED_AT_MAX { 0 } else { idx };
        if idx >= LOOKED_AT_MAX {
            for idx in begun..=idx {
                self.by_head.insert_unique(hash_of(&idx), idx, hash_of);
            }
        }
        idx
    }
}

impl TraceWriter {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With room for so many bytes of spans, each with key and length.
    #[must_use]
    pub fn with_capacity(n_bytes: usize) -> Self {
        Self {
            spans: Vec::with_capacity(n_bytes),
            ..Self::default()
        }
    }

    /// Adds a span.
    pub fn push(&mut self, span: &SpanView<'_>) {
        let (resource, scope) = (span.resource(), span.scope());
        let mut heads = std::mem::take(&mut self.heads);
        put_head(resource.bytes(), resource.schema_url(), &mut heads.resource);
        put_head(scope.bytes(), scope.schema_url(), &mut heads.scope);
        let start = self.spans.len();
        put_delimited(&mut self.spans, scope_spans::SPANS >> 3, span.bytes());
        self.note(start, &heads.resource, &heads.scope);
        self.heads = heads;
    }

    /// Adds the span at `place` of a record's payload, as the bytes there are. Several spans of a payload cost less by
    /// [`TraceWriter::push_from`].
    ///
    /// # Errors
    /// When there is no span.
    pub fn push_at(&mut self, record_payload: &[u8], place: SpanPlace) -> Result<(), NoSpan> {
        self.push_from(&mut RecordSpans::new(record_payload), place)
    }

    /// Adds the span at `place` of a record, as the bytes there are.
    ///
    /// # Errors
    /// When there is no span.
    pub fn push_from(
        &mut self,
        record: &mut RecordSpans<'_>,
        place: SpanPlace,
    ) -> Result<(), NoSpan> {
        let span = record.find(place).ok_or(NoSpan {
            place,
            n_bytes: record.bytes.len(),
        })?;
        let start = self.spans.len();
        self.spans.extend_from_slice(span.of(record.bytes));
        self.note(start, record.resource_head(), record.scope_head());
        Ok(())
    }

    /// Notes that what lies from `start` on stands under these heads.
    fn note(&mut self, start: usize, resource_head: &[u8], scope_head: &[u8]) {
        let end = self.spans.len();
        let resource = self.resources.find_or_add(resource_head);
        if self.scopes.len() <= resource {
            self.scopes.resize_with(resource + 1, Groups::default);
        }
        let scopes = self.scopes.get_mut(resource).expect("made above");
        let scope = scopes.find_or_add(scope_head);
        let group = scopes.groups.get_mut(scope).expect("found or made above");
        group.n_bytes += end - start;
        if self.last == Some((resource, scope)) {
            let piece = self.pieces.last_mut();
            piece.expect("the last group has one").end = end;
            return;
        }
        self.last = Some((resource, scope));
        let piece = self.pieces.len();
        let (first, before) = group.pieces.unzip();
        group.pieces = Some((first.unwrap_or(piece), piece));
        if let Some(before) = before.and_then(|before| self.pieces.get_mut(before)) {
            before.next = Some(piece);
        }
        self.pieces.push(Piece {
            start,
            end,
            next: None,
        });
    }

    /// All that was pushed, and begins anew.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let all = std::mem::take(self);
        let resources = || all.resources.groups.iter().zip(&all.scopes);
        let len = resources().map(|(resource, scopes)| delimited_len(len_of(resource, scopes)));
        let mut out = Vec::with_capacity(len.sum());
        for (resource, scopes) in resources() {
            put_frame(&mut out, 1, len_of(resource, scopes));
            out.extend_from_slice(&resource.head);
            for scope in &scopes.groups {
                put_frame(&mut out, 2, scope.head.len() + scope.n_bytes);
                out.extend_from_slice(&scope.head);
                all.put_pieces(scope, &mut out);
            }
        }
        out
    }

    fn put_pieces(&self, scope: &Group, out: &mut Vec<u8>) {
        let mut next = scope.pieces.map(|(first, _)| first);
        while let Some(piece) = next.and_then(|next| self.pieces.get(next)) {
            out.extend_from_slice(self.spans.get(piece.start..piece.end).unwrap_or_default());
            next = piece.next; // always a later one
        }
    }
}

/// Length of a resource's message: its head and its scopes.
fn len_of(resource: &Group, scopes: &Groups) -> usize {
    let scope_len = |scope: &Group| delimited_len(scope.head.len() + scope.n_bytes);
    resource.head.len() + scopes.groups.iter().map(scope_len).sum::<usize>()
}

fn put_frame(out: &mut Vec<u8>, field: u64, len: usize) {
    use super::super::proto::{delimited_key, put_varint};
    put_varint(out, delimited_key(field));
    put_varint(out, len as u64);
}

fn put_head(body: Option<&[u8]>, schema_url: &str, head: &mut Vec<u8>) {
    head.clear();
    if let Some(body) = body {
        put_delimited(head, resource_spans::RESOURCE >> 3, body);
    }
    if !schema_url.is_empty() {
        put_delimited(head, resource_spans::SCHEMA_URL >> 3, schema_url.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_again_however_many_there_are() {
        let mut groups = Groups::default();
        for _ in 0..2 {
            for n in 0..50_u8 {
                assert_eq!(groups.find_or_add(&[n]), usize::from(n));
            }
        }
        assert_eq!(groups.groups.len(), 50);
    }
}
