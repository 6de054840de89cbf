//! Parts of a trace joined: what was stored twice becomes one, and nothing else is lost.

use std::collections::BTreeMap;

use telemetry::SpanId;
use telemetry::wire::{SpanKind, TraceWalker, TraceWriter, TracesView, WalkLimits};
use xxhash_rust::xxh3::xxh3_128;

use super::StoredTrace;

/// Spans of different bytes that one span id (and kind) may have; more are no variants but a broken sender's.
const VARIANTS_MAX: usize = 8;

/// Joins parts of one trace. Spans that are equal in id, kind and bytes are one; of others under one id and kind the first 8 stay.
/// Sampling is that of the first part that came before the decision. Parts that cannot be read as OTLP are left out, unless it is the only one.
/// None for no parts.
#[must_use]
pub fn merge_parts(mut parts: Vec<StoredTrace>) -> Option<StoredTrace> {
    parts.sort_by_key(|part| part.late);
    let mut walkers: Vec<TraceWalker> = parts.iter().map(|_| TraceWalker::new()).collect();
    let limits = WalkLimits::trusted();
    let views: Vec<TracesView<'_>> = walkers
        .iter_mut()
        .zip(&parts)
        .filter_map(|(walker, part)| walker.walk(&part.traces_data, &limits).ok())
        .collect();
    let mut identities = Identities::default();
    let wanted: Vec<Vec<bool>> = views
        .iter()
        .map(|view| {
            view.spans()
                .map(|span| identities.add(span.span_id(), span.kind(), span.bytes()))
                .collect()
        })
        .collect();
    let is_whole = views.len() == 1 && wanted.iter().flatten().all(|wanted| *wanted);
    let mut merged = parts.first()?.clone();
    if is_whole || views.is_empty() {
        return Some(merged);
    }
    let mut writer = TraceWriter::new();
    for (view, wanted) in views.iter().zip(&wanted) {
        view.spans()
            .zip(wanted)
            .filter(|(_, wanted)| **wanted)
            .for_each(|(span, _)| writer.push(&span));
    }
    merged.traces_data = writer.finish().into();
    merged.late = parts.iter().any(|part| part.late);
    Some(merged)
}

/// Spans that are there already.
#[derive(Default)]
struct Identities(BTreeMap<(SpanId, u8), Vec<u128>>);

impl Identities {
    /// Whether the span is new and has room among its variants.
    fn add(&mut self, id: SpanId, kind: SpanKind, bytes: &[u8]) -> bool {
        let variants = self.0.entry((id, kind as u8)).or_default();
        let hash = xxh3_128(bytes);
        let wanted = variants.len() < VARIANTS_MAX && !variants.contains(&hash);
        if wanted {
            variants.push(hash);
        }
        wanted
    }
}
