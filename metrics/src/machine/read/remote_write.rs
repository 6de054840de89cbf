//! Prometheus remote write 1.0 (`prometheus.WriteRequest`) of a record. In: views of its payload. Out: samples, native histograms, exemplars and metadata
//! as they were sent.

use telemetry::wire::{
    HistogramSide, Label, MetadataView, NativeHistogramView, SeriesContent, SeriesView,
    SpanOfBuckets, WriteView,
};

use crate::chunk::histograms::BUCKETS_MAX;
use crate::fold::Fold;
use crate::histogram::{Buckets, Histogram, ResetHint};
use crate::row::{Exemplar as RowExemplar, HELP_BYTES_MAX, Metadata, MetricKind};

pub(super) fn fold(view: &WriteView<'_>, fold: &mut Fold<'_>) {
    for metadata in view.metadata() {
        fold_metadata(&metadata, fold);
    }
    let (mut labels, mut pairs) = (Vec::new(), Vec::new());
    for series in view.series() {
        let content = series.content();
        // bytes say which series it is where all its labels are among them
        let run = series.labels_hash().filter(|_| content.n_labels == 0);
        let is_plain = content.n_histograms == 0 && content.n_exemplars == 0;
        if let Some(known) = run.and_then(|run| fold.known(run))
            && is_plain
        {
            for sample in series.samples() {
                fold.known_float(known, sample.unix_ms, sample.value);
            }
            continue;
        }
        labels.clear();
        labels.extend(series.labels());
        pairs.clear();
        put_pairs(&labels, &mut pairs);
        let new_run = run.filter(|run| fold.known(*run).is_none());
        fold.noting(new_run, |fold| fold_series(&series, content, &pairs, fold));
    }
}

fn fold_metadata(view: &MetadataView<'_>, fold: &mut Fold<'_>) {
    let kind = usize::try_from(view.kind).ok();
    let kind = kind.and_then(|kind| MetricKind::ALL.get(kind)).copied();
    let end = view.help.floor_char_boundary(HELP_BYTES_MAX);
    fold.metadata(
        view.metric,
        Metadata {
            kind: kind.unwrap_or_default(),
            unit: view.unit.to_owned(),
            help: view.help.get(..end).unwrap_or_default().to_owned(),
        },
    );
}

/// Sorted by name, each name once, no value empty.
fn put_pairs<'a>(labels: &[Label<'a>], pairs: &mut Vec<(&'a str, &'a str)>) {
    let set = labels.iter().filter(|label| !label.value.is_empty());
    pairs.extend(set.map(|label| (label.name, label.value)));
    if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
        pairs.sort_by_key(|(name, _)| *name);
        pairs.dedup_by_key(|(name, _)| *name);
    }
}

fn fold_series(
    series: &SeriesView<'_>,
    content: SeriesContent,
    labels: &[(&str, &str)],
    fold: &mut Fold<'_>,
) {
    let mut id = None;
    for sample in series.samples() {
        let taken = fold.float(labels, sample.unix_ms, sample.value);
        id = taken.or(id);
    }
    if content.n_histograms == 0 && content.n_exemplars == 0 {
        return;
    }
    for histogram in series.histograms() {
        let taken = fold.histogram(labels, histogram.unix_ms, native(&histogram));
        id = taken.or(id);
    }
    let Some(id) = id else { return };
    for exemplar in series.exemplars() {
        let sent: Vec<Label<'_>> = exemplar.labels().collect();
        let mut labels = Vec::new();
        put_pairs(&sent, &mut labels);
        let labels = labels.into_iter();
        fold.exemplar(RowExemplar {
            series: id,
            unix_ms: exemplar.unix_ms,
            value: exemplar.value,
            labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        });
    }
}

fn native(sent: &NativeHistogramView<'_>) -> Histogram {
    Histogram {
        schema: sent.schema,
        custom_bounds: sent.custom_values().take(BUCKETS_MAX).collect(),
        zero_threshold: sent.zero_threshold,
        zero_count: sent.zero_count,
        count: sent.count,
        sum: sent.sum,
        positive: side(sent, HistogramSide::Positive),
        negative: side(sent, HistogramSide::Negative),
        reset_hint: match sent.reset_hint {
            1 => ResetHint::Reset,
            2 => ResetHint::NotReset,
            3 => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        },
    }
}

fn side(sent: &NativeHistogramView<'_>, side: HistogramSide) -> Buckets {
    if sent.is_float {
        return buckets(sent.spans(side), sent.counts(side));
    }
    let mut count = 0_i64;
    let whole = sent.deltas(side).map(|delta| {
        count = count.wrapping_add(delta);
        count as f64
    });
    buckets(sent.spans(side), whole)
}

/// Spans of buckets with gaps as consecutive ones; what lies further than [`BUCKETS_MAX`] from the first is left out, as no sender makes it.
fn buckets(
    spans: impl Iterator<Item = SpanOfBuckets>,
    mut counts: impl Iterator<Item = f64>,
) -> Buckets {
    let mut all = Buckets::default();
    for (n, span) in spans.enumerate() {
        let gap = if n == 0 {
            all.offset = span.offset;
            0
        } else {
            usize::try_from(span.offset).unwrap_or(0)
        };
        let wanted = all.counts.len().saturating_add(gap);
        all.counts.resize(wanted.min(BUCKETS_MAX), 0.0);
        let room = BUCKETS_MAX - all.counts.len();
        let length = (span.length as usize).min(room);
        all.counts.extend(counts.by_ref().take(length));
        if all.counts.len() == BUCKETS_MAX {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_with_gaps_become_consecutive_buckets() {
        let span = |offset, length| SpanOfBuckets { offset, length };
        let spans = [span(-3, 2), span(2, 1)];
        let expected = Buckets {
            offset: -3,
            counts: vec![1.0, 4.0, 0.0, 0.0, 3.0],
        };
        assert_eq!(
            buckets(spans.into_iter(), [1.0, 4.0, 3.0].into_iter()),
            expected
        );
        let huge = [span(0, u32::MAX), span(i32::MAX, u32::MAX)];
        assert_eq!(
            buckets(huge.into_iter(), std::iter::repeat(1.0))
                .counts
                .len(),
            BUCKETS_MAX
        );
    }

    #[test]
    fn labels_are_put_in_order() {
        let label = |name, value| Label { name, value };
        let labels = [label("b", "1"), label("a", ""), label("__name__", "up")];
        let mut pairs = Vec::new();
        put_pairs(&labels, &mut pairs);
        assert_eq!(pairs, [("__name__", "up"), ("b", "1")]);
    }
}
