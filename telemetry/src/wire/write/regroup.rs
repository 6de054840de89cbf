//! The spans of a request by partition: a counting sort of references, then flat copies under lengths worked out before.

use std::ops::Range;

use super::super::entry::{Entries, SpanEntry};
use super::super::proto::{Extent, delimited_key, delimited_len, put_delimited, put_varint};
use super::super::trace::{SpanView, TracesView};

/// Most bytes of the key and length around a message.
const FRAME_BYTES_MAX: usize = 6;
/// Field numbers of `ResourceSpans` in `TracesData`, `ScopeSpans` in `ResourceSpans`, `Span` in `ScopeSpans`.
const RESOURCE_SPANS: u64 = 1;
const SCOPE_SPANS: u64 = 2;
const SPANS: u64 = 2;
/// Of the resource or scope and its schema URL, in both.
const HOLDER: u64 = 1;
const SCHEMA_URL: u64 = 3;

/// Regroups requests by partition, one at a time. Its vectors are used again.
#[derive(Debug, Default)]
pub struct Regroup {
    /// Partition of each span.
    partitions: Vec<u32>,
    /// Where the spans of each partition begin in `order`.
    starts: Vec<u32>,
    /// Indices of spans, by partition, then as they were sent.
    order: Vec<u32>,
    plan: Plan,
    out: Vec<u8>,
}

/// What is written into one part: runs of spans with one resource and one scope.
#[derive(Debug, Default)]
struct Plan {
    resources: Vec<Run>,
    scopes: Vec<Run>,
    /// No less than the bytes that the part will have.
    n_bytes: usize,
}

/// A run of equal resource or scope.
#[derive(Debug, Clone, Copy)]
struct Run {
    idx: u32,
    /// Bytes of the body of the `ResourceSpans` or `ScopeSpans`.
    n_bytes: usize,
    /// Scopes of a resource, spans of a scope.
    n_items: usize,
}

impl Regroup {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `emit` each partition's spans as valid `TracesData` with their number, partitions ascending, in parts of at most
    /// `part_bytes_max` bytes; a span that alone is larger is a part of its own. Within a partition spans keep their order.
    /// A partition that `partition_of` gives is taken modulo `n_partitions`.
    pub fn regroup(
        &mut self,
        view: &TracesView<'_>,
        n_partitions: u32,
        partition_of: impl Fn(&SpanView<'_>) -> u32,
        part_bytes_max: usize,
        mut emit: impl FnMut(u32, u32, &[u8]),
    ) {
        self.sort(view, n_partitions.max(1), partition_of);
        let ranges = self.starts.iter().zip(self.starts.iter().skip(1));
        for (partition, (&start, &end)) in ranges.enumerate() {
            let mut left = Range {
                start: start as usize,
                end: end as usize,
            };
            while !left.is_empty() {
                let spans = self.order.get(left.clone()).unwrap_or_default();
                let n_spans = self.plan.take(view.entries, spans, part_bytes_max);
                let spans = spans.get(..n_spans).unwrap_or_default();
                self.out.clear();
                write_part(view, &self.plan, spans, &mut self.out);
                emit(partition as u32, n_spans as u32, &self.out);
                left.start += n_spans;
            }
        }
    }

    fn sort(
        &mut self,
        view: &TracesView<'_>,
        n_partitions: u32,
        partition_of: impl Fn(&SpanView<'_>) -> u32,
    ) {
        self.partitions.clear();
        let partitions = view.spans().map(|span| partition_of(&span) % n_partitions);
        self.partitions.extend(partitions);
        self.starts.clear();
        self.starts.resize(n_partitions as usize + 1, 0);
        for &partition in &self.partitions {
            if let Some(count) = self.starts.get_mut(partition as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        self.place_in_order();
    }

    /// Puts each span where the next one of its partition goes; `starts` ends as it began.
    fn place_in_order(&mut self) {
        self.order.clear();
        self.order.resize(self.partitions.len(), 0);
        for (span_idx, &partition) in self.partitions.iter().enumerate() {
            if let Some(next) = self.starts.get_mut(partition as usize) {
                if let Some(place) = self.order.get_mut(*next as usize) {
                    *place = span_idx as u32;
                }
                *next += 1;
            }
        }
        self.starts.rotate_right(1);
        if let Some(first) = self.starts.first_mut() {
            *first = 0;
        }
    }
}

impl Plan {
    /// Plans a part of the first of `spans`, as many as fit but at least one. Returns how many.
    fn take(&mut self, entries: &Entries, spans: &[u32], part_bytes_max: usize) -> usize {
        self.resources.clear();
        self.scopes.clear();
        self.n_bytes = 0;
        let mut n_spans = 0;
        for &idx in spans {
            let Some(span) = entries.spans.get(idx as usize) else {
                break;
            };
            let growth = self.growth(entries, span);
            if n_spans > 0 && self.n_bytes + growth > part_bytes_max {
                break;
            }
            self.n_bytes += growth;
            self.add(entries, span);
            n_spans += 1;
        }
        let mut scopes = self.scopes.iter();
        for resource in &mut self.resources {
            let here = scopes.by_ref().take(resource.n_items);
            resource.n_bytes += here
                .map(|scope| delimited_len(scope.n_bytes))
                .sum::<usize>();
        }
        n_spans
    }

    fn has_resource(&self, idx: u32) -> bool {
        self.resources.last().is_some_and(|last| last.idx == idx)
    }

    fn has_scope(&self, idx: u32) -> bool {
        self.scopes.last().is_some_and(|last| last.idx == idx)
    }

    /// Bytes that a span adds at most.
    fn growth(&self, entries: &Entries, span: &SpanEntry) -> usize {
        let mut n_bytes = delimited_len(span.body.len() as usize);
        if !self.has_scope(span.scope_idx) {
            n_bytes += scope_head_len(entries, span.scope_idx) + FRAME_BYTES_MAX;
        }
        if !self.has_resource(span.resource_idx) {
            n_bytes += resource_head_len(entries, span.resource_idx) + FRAME_BYTES_MAX;
        }
        n_bytes
    }

    fn add(&mut self, entries: &Entries, span: &SpanEntry) {
        if !self.has_resource(span.resource_idx) {
            self.resources.push(Run {
                idx: span.resource_idx,
                n_bytes: resource_head_len(entries, span.resource_idx),
                n_items: 0,
            });
        }
        if !self.has_scope(span.scope_idx) {
            self.scopes.push(Run {
                idx: span.scope_idx,
                n_bytes: scope_head_len(entries, span.scope_idx),
                n_items: 0,
            });
            if let Some(resource) = self.resources.last_mut() {
                resource.n_items += 1;
            }
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.n_bytes += delimited_len(span.body.len() as usize);
            scope.n_items += 1;
        }
    }
}

fn resource_head_len(entries: &Entries, idx: u32) -> usize {
    let entry = entries.resource(idx);
    head_len(entry.body, entry.schema_url)
}

fn scope_head_len(entries: &Entries, idx: u32) -> usize {
    let entry = entries.scope(idx);
    head_len(entry.body, entry.schema_url)
}

fn head_len(body: Option<Extent>, schema_url: Extent) -> usize {
    let body_len = body.map_or(0, |body| delimited_len(body.len() as usize));
    let url_len = schema_url.len() as usize;
    body_len
        + if url_len > 0 {
            delimited_len(url_len)
        } else {
            0
        }
}

/// Writes the resource or scope and its schema URL.
fn put_head(bytes: &[u8], body: Option<Extent>, schema_url: Extent, out: &mut Vec<u8>) {
    if let Some(body) = body {
        put_delimited(out, HOLDER, body.of(bytes));
    }
    if schema_url.len() > 0 {
        put_delimited(out, SCHEMA_URL, schema_url.of(bytes));
    }
}

fn put_frame(out: &mut Vec<u8>, field: u64, n_bytes: usize) {
    put_varint(out, delimited_key(field));
    put_varint(out, n_bytes as u64);
}

fn write_part(view: &TracesView<'_>, plan: &Plan, spans: &[u32], out: &mut Vec<u8>) {
    let entries = view.entries;
    let mut scopes = plan.scopes.iter();
    let mut spans = spans.iter();
    out.reserve(plan.n_bytes);
    for resource in &plan.resources {
        put_frame(out, RESOURCE_SPANS, resource.n_bytes);
        let entry = entries.resource(resource.idx);
        put_head(view.bytes, entry.body, entry.schema_url, out);
        for scope in scopes.by_ref().take(resource.n_items) {
            put_frame(out, SCOPE_SPANS, scope.n_bytes);
            let entry = entries.scope(scope.idx);
            put_head(view.bytes, entry.body, entry.schema_url, out);
            for &idx in spans.by_ref().take(scope.n_items) {
                if let Some(span) = entries.spans.get(idx as usize) {
                    put_delimited(out, SPANS, span.body.of(view.bytes));
                }
            }
        }
    }
}
