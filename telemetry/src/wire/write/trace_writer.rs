//! The spans of one trace, from several requests, as one `TracesData`.

use std::collections::HashMap;

use super::super::field::{resource_spans, scope_spans};
use super::super::locate::Located;
use super::super::proto::{DEPTH_MAX, Extent, Reader, delimited_len, put_delimited};
use super::super::trace::{SpanPlace, SpanView};
use super::super::walk::NoSpan;

/// Builds `TracesData` of spans that come one by one. Spans with the same resource and scope, byte for byte, stand under one; resources,
/// scopes within one and spans within one come in order of first appearance.
#[derive(Debug, Default)]
pub struct TraceWriter {
    resources: Groups,
    /// Parallel to `resources`.
    scopes: Vec<Groups>,
    /// Resource or scope of the span being pushed, with its schema URL, as fields.
    resource_head: Vec<u8>,
    scope_head: Vec<u8>,
}

/// Groups of what stands under equal heads.
#[derive(Debug, Default)]
struct Groups {
    groups: Vec<Group>,
    by_head: HashMap<Vec<u8>, usize>,
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
        let is_last = |group: &Group| group.head == head;
        if self.groups.get(self.last).is_some_and(is_last) {
            return self.last;
        }
        self.last = match self.by_head.get(head) {
            Some(&idx) => idx,
            None => self.add(head),
        };
        self.last
    }

    fn add(&mut self, head: &[u8]) -> usize {
        let idx = self.groups.len();
        self.by_head.insert(head.to_vec(), idx);
        self.groups.push(Group {
            head: head.to_vec(),
            spans: Vec::new(),
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
        put_head(
            resource.bytes(),
            resource.schema_url(),
            &mut self.resource_head,
        );
        put_head(scope.bytes(), scope.schema_url(), &mut self.scope_head);
        put_delimited(self.spans(), scope_spans::SPANS >> 3, span.bytes());
    }

    /// Adds the span at `place` of a record's payload, as the bytes there are.
    ///
    /// # Errors
    /// When there is no span.
    pub fn push_at(&mut self, record_payload: &[u8], place: SpanPlace) -> Result<(), NoSpan> {
        let located = Located::find(record_payload, place).ok_or(NoSpan {
            place,
            n_bytes: record_payload.len(),
        })?;
        copy_all_but(
            record_payload,
            located.resource_spans,
            resource_spans::SCOPE_SPANS,
            &mut self.resource_head,
        );
        copy_all_but(
            record_payload,
            located.scope_spans,
            scope_spans::SPANS,
            &mut self.scope_head,
        );
        let span = located.span_field.of(record_payload);
        self.spans().extend_from_slice(span);
        Ok(())
    }

    /// Where spans with the present heads go.
    fn spans(&mut self) -> &mut Vec<u8> {
        let resource = self.resources.find_or_add(&self.resource_head);
        if self.scopes.len() <= resource {
            self.scopes.resize_with(resource + 1, Groups::default);
        }
        let scopes = self.scopes.get_mut(resource).expect("made above");
        let scope = scopes.find_or_add(&self.scope_head);
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
