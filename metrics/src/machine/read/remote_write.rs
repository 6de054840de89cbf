//! Prometheus remote write 1.0 (`prometheus.WriteRequest`) of a record, as it is: labels, samples, native histograms, exemplars, metadata.

use prost::{Message, Oneof};

use crate::chunk::histograms::BUCKETS_MAX;
use crate::fold::Fold;
use crate::histogram::{Buckets, Histogram, ResetHint};
use crate::row::{Exemplar as RowExemplar, HELP_BYTES_MAX, Metadata, MetricKind};

#[derive(Clone, PartialEq, Message)]
pub(in crate::machine) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(super) metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<NativeHistogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct NativeHistogram {
    #[prost(oneof = "Count", tags = "1, 2")]
    count: Option<Count>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(oneof = "ZeroCount", tags = "6, 7")]
    zero_count: Option<ZeroCount>,
    #[prost(message, repeated, tag = "8")]
    negative_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "9")]
    negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    reset_hint: i32,
    #[prost(int64, tag = "15")]
    timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    custom_values: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
enum Count {
    #[prost(uint64, tag = "1")]
    Int(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, Oneof)]
enum ZeroCount {
    #[prost(uint64, tag = "6")]
    Int(u64),
    #[prost(double, tag = "7")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricMetadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    metric_family_name: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

pub(super) fn read(payload: &[u8]) -> Result<Request, String> {
    Request::decode(payload).map_err(|error| error.to_string())
}

pub(super) fn fold(request: &Request, fold: &mut Fold<'_>) {
    for metadata in &request.metadata {
        let kind = usize::try_from(metadata.kind).ok();
        let kind = kind.and_then(|kind| MetricKind::ALL.get(kind)).copied();
        let help = &metadata.help;
        let end = (0..=help.len().min(HELP_BYTES_MAX)).rev();
        let end = end.into_iter().find(|end| help.is_char_boundary(*end));
        fold.metadata(
            &metadata.metric_family_name,
            Metadata {
                kind: kind.unwrap_or_default(),
                unit: metadata.unit.clone(),
                help: help.get(..end.unwrap_or(0)).unwrap_or_default().to_owned(),
            },
        );
    }
    for series in &request.timeseries {
        fold_series(series, fold);
    }
}

/// Sorted by name, each name once, no value empty.
fn pairs(labels: &[Label]) -> Vec<(&str, &str)> {
    let pairs = labels.iter().map(|l| (l.name.as_str(), l.value.as_str()));
    let mut pairs: Vec<(&str, &str)> = pairs.filter(|(_, value)| !value.is_empty()).collect();
    if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
        pairs.sort_by_key(|(name, _)| *name);
        pairs.dedup_by_key(|(name, _)| *name);
    }
    pairs
}

fn fold_series(series: &TimeSeries, fold: &mut Fold<'_>) {
    let labels = pairs(&series.labels);
    let mut id = None;
    for sample in &series.samples {
        let taken = fold.float(&labels, sample.timestamp, sample.value);
        id = taken.or(id);
    }
    for histogram in &series.histograms {
        let taken = fold.histogram(&labels, histogram.timestamp, native(histogram));
        id = taken.or(id);
    }
    let Some(id) = id else { return };
    for exemplar in &series.exemplars {
        let labels = pairs(&exemplar.labels).into_iter();
        fold.exemplar(RowExemplar {
            series: id,
            unix_ms: exemplar.timestamp,
            value: exemplar.value,
            labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        });
    }
}

fn native(sent: &NativeHistogram) -> Histogram {
    let is_float = matches!(sent.count, Some(Count::Float(_)));
    let side = |spans: &[BucketSpan], deltas: &[i64], counts: &[f64]| {
        if is_float {
            buckets(spans, counts.iter().copied())
        } else {
            let mut count = 0i64;
            let whole = deltas.iter().map(|delta| {
                count = count.wrapping_add(*delta);
                count as f64
            });
            buckets(spans, whole)
        }
    };
    Histogram {
        schema: sent.schema,
        custom_bounds: sent
            .custom_values
            .iter()
            .copied()
            .take(BUCKETS_MAX)
            .collect(),
        zero_threshold: sent.zero_threshold,
        zero_count: match sent.zero_count {
            Some(ZeroCount::Int(count)) => count as f64,
            Some(ZeroCount::Float(count)) => count,
            None => 0.0,
        },
        count: match sent.count {
            Some(Count::Int(count)) => count as f64,
            Some(Count::Float(count)) => count,
            None => 0.0,
        },
        sum: sent.sum,
        positive: side(
            &sent.positive_spans,
            &sent.positive_deltas,
            &sent.positive_counts,
        ),
        negative: side(
            &sent.negative_spans,
            &sent.negative_deltas,
            &sent.negative_counts,
        ),
        reset_hint: match sent.reset_hint {
            1 => ResetHint::Reset,
            2 => ResetHint::NotReset,
            3 => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        },
    }
}

/// Spans of buckets with gaps as consecutive ones; what lies further than [`BUCKETS_MAX`] from the first is left out, as no sender makes it.
fn buckets(spans: &[BucketSpan], mut counts: impl Iterator<Item = f64>) -> Buckets {
    let first = spans.first().map_or(0, |span| span.offset);
    let mut all = Buckets {
        offset: first,
        counts: Vec::new(),
    };
    for (n, span) in spans.iter().enumerate() {
        let gap = if n == 0 {
            0
        } else {
            usize::try_from(span.offset).unwrap_or(0)
        };
        let wanted = all.counts.len().saturating_add(gap);
        all.counts.resize(wanted.min(BUCKETS_MAX), 0.0);
        let room = BUCKETS_MAX - all.counts.len();
        let length = (span.length as usize).min(room);
        all.counts.extend(counts.by_ref().take(length));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_with_gaps_become_consecutive_buckets() {
        let span = |offset, length| BucketSpan { offset, length };
        let sent = NativeHistogram {
            count: Some(Count::Int(11)),
            schema: 2,
            positive_spans: vec![span(-3, 2), span(2, 1)],
            positive_deltas: vec![1, 3, -1],
            negative_spans: vec![span(0, 1)],
            negative_deltas: vec![3],
            zero_count: Some(ZeroCount::Int(1)),
            ..NativeHistogram::default()
        };
        let native = native(&sent);
        let expected = Buckets {
            offset: -3,
            counts: vec![1.0, 4.0, 0.0, 0.0, 3.0],
        };
        assert_eq!(native.positive, expected);
        assert_eq!(native.negative.counts, [3.0]);
        assert_eq!((native.count, native.zero_count), (11.0, 1.0));
        let huge = [span(0, u32::MAX), span(i32::MAX, u32::MAX)];
        assert_eq!(
            buckets(&huge, std::iter::repeat(1.0)).counts.len(),
            BUCKETS_MAX
        );
    }

    #[test]
    fn labels_are_put_in_order() {
        let label = |name: &str, value: &str| Label {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let labels = [label("b", "1"), label("a", ""), label("__name__", "up")];
        assert_eq!(pairs(&labels), [("__name__", "up"), ("b", "1")]);
    }
}
