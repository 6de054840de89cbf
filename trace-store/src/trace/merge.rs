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
    let is_whole = parts.len() == 1 && wanted.iter().flatten().all(|wanted| *wanted);
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

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
    use prost::Message;

    use super::*;
    use crate::fixtures::{id, kept, sampling, single, spans_of, tenant};

    /// A part with spans of one id, told apart by their names.
    fn part(names: &[&str], late: bool) -> StoredTrace {
        let span = |name: &&str| Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: (*name).into(),
            ..Span::default()
        };
        let data = TracesData {
            resource_spans: names
                .iter()
                .map(|name| single("shop", span(name)))
                .collect(),
        };
        let kept = kept(id(1), &data, late);
        StoredTrace {
            tenant: tenant(),
            id: kept.id,
            traces_data: kept.traces_data,
            sampling: sampling(if late { "late" } else { "rest" }),
            late,
        }
    }

    #[track_caller]
    fn check(parts: &[(&[&str], bool)], expected: &[&str]) {
        let merged = merge_parts(
            parts
                .iter()
                .map(|(names, late)| part(names, *late))
                .collect(),
        )
        .unwrap();
        assert_eq!(
            spans_of(&merged.traces_data),
            spans_of(&part(expected, false).traces_data)
        );
        assert_eq!(merged.late, parts.iter().any(|(_, late)| *late));
    }

    #[test]
    fn equal_spans_are_one_and_others_of_one_id_are_variants() {
        check(&[(&["a"], false)], &["a"]);
        check(&[(&["a", "a"], false)], &["a"]);
        check(&[(&["a"], true), (&["a", "b"], false)], &["a", "b"]);
        let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        check(&[(&many, false), (&["k"], true)], &many[..VARIANTS_MAX]);
        assert_eq!(merge_parts(Vec::new()), None);
    }

    #[test]
    fn what_was_decided_tells_the_sampling() {
        let merged = merge_parts(vec![part(&["a"], true), part(&["b"], false)]).unwrap();
        assert_eq!(&*merged.sampling.rule, "rest");
    }

    #[test]
    fn a_part_that_is_no_otlp_spoils_no_other() {
        let broken = StoredTrace {
            traces_data: b"\x0a\xff".as_slice().into(),
            ..part(&["a"], false)
        };
        assert_eq!(merge_parts(vec![broken.clone()]), Some(broken.clone()));
        let merged = merge_parts(vec![broken, part(&["b"], false)]).unwrap();
        assert_eq!(
            TracesData::decode(merged.traces_data)
                .unwrap()
                .resource_spans
                .len(),
            1
        );
    }
}
