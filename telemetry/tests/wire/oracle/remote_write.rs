//! `prometheus.WriteRequest` as prost reads it, made up by a seed.

use prost::{Message, Oneof};

use super::generate::Seed;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) histograms: Vec<NativeHistogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
    #[prost(int64, tag = "3")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NativeHistogram {
    #[prost(oneof = "Count", tags = "1, 2")]
    pub(crate) count: Option<Count>,
    #[prost(double, tag = "3")]
    pub(crate) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(crate) schema: i32,
    #[prost(double, tag = "5")]
    pub(crate) zero_threshold: f64,
    #[prost(oneof = "ZeroCount", tags = "6, 7")]
    pub(crate) zero_count: Option<ZeroCount>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) negative_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "9")]
    pub(crate) negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub(crate) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    pub(crate) positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub(crate) positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub(crate) reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub(crate) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(crate) custom_values: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum Count {
    #[prost(uint64, tag = "1")]
    Int(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum ZeroCount {
    #[prost(uint64, tag = "6")]
    Int(u64),
    #[prost(double, tag = "7")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct BucketSpan {
    #[prost(sint32, tag = "1")]
    pub(crate) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MetricMetadata {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) metric_family_name: String,
    #[prost(string, tag = "4")]
    pub(crate) help: String,
    #[prost(string, tag = "5")]
    pub(crate) unit: String,
}

pub(crate) fn label(name: &str, value: &str) -> Label {
    Label {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

pub(crate) fn write_request(seed: &mut Seed) -> WriteRequest {
    WriteRequest {
        timeseries: seed.many(5, series),
        metadata: seed.many(2, |seed| MetricMetadata {
            kind: seed.below(9) as i32,
            metric_family_name: seed.text(),
            help: seed.text(),
            unit: seed.text(),
        }),
    }
}

fn series(seed: &mut Seed) -> TimeSeries {
    let mut labels = vec![label("__name__", &format!("metric_{}", seed.below(4)))];
    labels.extend((0..seed.below(4)).map(|n| label(&format!("l{n}"), &seed.text())));
    if seed.one_in(6) {
        labels.extend(seed.many(2, |seed| label(&seed.text(), &seed.text())));
    }
    TimeSeries {
        labels,
        samples: seed.many(4, |seed| Sample {
            value: f64::from_bits(seed.next()),
            timestamp: seed.next() as i64 >> seed.below(64),
        }),
        exemplars: seed.many(2, |seed| Exemplar {
            labels: seed.many(2, |seed| label("trace_id", &seed.text())),
            value: f64::from_bits(seed.next()),
            timestamp: seed.next() as i64,
        }),
        histograms: seed.many(2, histogram),
    }
}

/// Most of them sound.
fn histogram(seed: &mut Seed) -> NativeHistogram {
    let is_float = seed.one_in(3);
    let spans = |seed: &mut Seed| {
        seed.many(3, |seed| BucketSpan {
            offset: seed.below(6) as i32 - i32::from(seed.one_in(8)),
            length: seed.below(4) as u32,
        })
    };
    let (negative_spans, positive_spans) = (spans(seed), spans(seed));
    let n_buckets = |spans: &[BucketSpan]| spans.iter().map(|span| span.length as usize).sum();
    let (n_negative, n_positive): (usize, usize) =
        (n_buckets(&negative_spans), n_buckets(&positive_spans));
    let deltas = |n: usize, seed: &mut Seed| -> Vec<i64> {
        let least = -i64::from(seed.one_in(10));
        (0..n).map(|_| seed.below(9) as i64 + least).collect()
    };
    let counts = |n: usize, seed: &mut Seed| -> Vec<f64> {
        (0..n).map(|_| seed.below(90) as f64 / 4.0).collect()
    };
    let mut made = NativeHistogram {
        count: Some(if is_float {
            Count::Float(seed.below(900) as f64 / 2.0)
        } else {
            Count::Int(seed.next())
        }),
        sum: seed.below(900) as f64 / 2.0,
        schema: seed.below(13) as i32 - 4,
        zero_threshold: 0.001,
        zero_count: seed.one_in(2).then(|| ZeroCount::Int(seed.next())),
        negative_spans,
        positive_spans,
        reset_hint: seed.below(5) as i32,
        timestamp: seed.next() as i64,
        custom_values: if seed.one_in(4) {
            vec![0.5, 1.0, 2.0]
        } else {
            Vec::new()
        },
        ..NativeHistogram::default()
    };
    if is_float {
        made.negative_counts = counts(n_negative, seed);
        made.positive_counts = counts(n_positive, seed);
    } else {
        made.negative_deltas = deltas(n_negative, seed);
        made.positive_deltas = deltas(n_positive, seed);
    }
    made
}
