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
    resources: Groups,
    /// Parallel to `resources`.
    scopes: Vec<Groups>,
    /// Used again from span to span.
    heads: Heads,
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
    /// Places in `groups`, by the hash of their heads.
    by_head: HashTable<usize>,
    last: usize,
}

#[derive(Debug, Default)]
struct Group {
    head: Vec<u8>,
    /// Spans, each with key and length.
    spans: Vec<u8>,
}

impl Groups {
    /// Index of the group with this head, made if there is none.
    fn find_or_add(&mut self, head: &[u8]) -> usize {
        let is_same = |group: &Group| group.head == head;
        if self.groups.get(self.last).is_some_and(is_same) {
            return self.last;
        }
        let hash = xxh3_64(head);
        let is_it = |idx: &usize| self.groups.get(*idx).is_some_and(is_same);
        self.last = match self.by_head.find(hash, is_it) {
            Some(&idx) => idx,
            None => self.add(head, hash),
        };
        self.last
    }

    fn add(&mut self, head: &[u8], hash: u64) -> usize {
        let idx = self.groups.len();
        self.groups.push(Group {
            head: head.to_vec(),
            spans: Vec::new(),
        });
        let groups = &self.groups;
        self.by_head.insert_unique(hash, idx, |idx| {
            groups.get(*idx).map_or(0, |group| xxh3_64(&group.head))
        });
        idx
    }
}

impl TraceWriter {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a span.
    pub fn push(&mut self, span: &SpanView<'_>) {
        let (resource, scope) = (span.resource(), span.scope());
        let mut heads = std::mem::take(&mut self.heads);
        put_head(resource.bytes(), resource.schema_url(), &mut heads.resource);
        put_head(scope.bytes(), scope.schema_url(), &mut heads.scope);
        let spans = self.spans(&heads.resource, &heads.scope);
        put_delimited(spans, scope_spans::SPANS >> 3, span.bytes());
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
        let bytes = span.of(record.bytes);
        self.spans(record.resource_head(), record.scope_head())
            .extend_from_slice(bytes);
        Ok(())
    }

    /// Where spans with these heads go.
    fn spans(&mut self, resource_head: &[u8], scope_head: &[u8]) -> &mut Vec<u8> {
        let resource = self.resources.find_or_add(resource_head);
        if self.scopes.len() <= resource {
            self.scopes.resize_with(resource + 1, Groups::default);
        }
        let scopes = self.scopes.get_mut(resource).expect("made above");
        let scope = scopes.find_or_add(scope_head);
        &mut scopes
            .groups
            .get_mut(scope)
            .expect("found or made above")
            .spans
    }

    /// All that was pushed, and begins anew.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let scopes_len = |scopes: &Groups| -> usize {
            let scope_len = |scope: &Group| delimited_len(scope.head.len() + scope.spans.len());
            scopes.groups.iter().map(scope_len).sum()
        };
        let mut out = Vec::new();
        for (resource, scopes) in self.resources.groups.iter().zip(&self.scopes) {
            let len = resource.head.len() + scopes_len(scopes);
            out.reserve(delimited_len(len));
            put_frame(&mut out, 1, len);
            out.extend_from_slice(&resource.head);
            for scope in &scopes.groups {
                put_frame(&mut out, 2, scope.head.len() + scope.spans.len());
                out.extend_from_slice(&scope.head);
                out.extend_from_slice(&scope.spans);
            }
        }
        self.resources = Groups::default();
        self.scopes.clear();
        out
    }
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
