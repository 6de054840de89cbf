//! The walker of remote write against prost: values, refusals, what no store can use, and what regrouping makes of a request.

use std::collections::BTreeMap;

use prost::Message;
use telemetry::wire::{
    HistogramSide, MetricLimits, NativeHistogramView, SpanOfBuckets, WalkError, WriteRegroup,
    WriteView, WriteWalker,
};

use crate::oracle::generate::{Seed, mutate};
use crate::oracle::remote_write::{
    BucketSpan, Count, Exemplar, Label, MetricMetadata, NativeHistogram, Sample, TimeSeries,
    WriteRequest, ZeroCount, label, write_request,
};

/// Damaged requests to try; `TRACEWELL_MUTATIONS` asks for more.
fn n_mutations() -> u64 {
    option_env!("TRACEWELL_MUTATIONS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(30_000)
}

fn labels<'a>(views: impl Iterator<Item = telemetry::wire::Label<'a>>) -> Vec<Label> {
    views.map(|view| label(view.name, view.value)).collect()
}

/// All that a view shows, counts of histograms as floats.
fn seen(view: &WriteView<'_>) -> WriteRequest {
    let series = view.series().map(|view| TimeSeries {
        labels: labels(view.labels()),
        samples: view
            .samples()
            .map(|view| Sample {
                value: view.value,
                timestamp: view.unix_ms,
            })
            .collect(),
        exemplars: view
            .exemplars()
            .map(|view| Exemplar {
                labels: labels(view.labels()),
                value: view.value,
                timestamp: view.unix_ms,
            })
            .collect(),
        histograms: view.histograms().map(|view| histogram(&view)).collect(),
    });
    let metadata = view.metadata().map(|view| MetricMetadata {
        kind: view.kind,
        metric_family_name: view.metric.to_owned(),
        help: view.help.to_owned(),
        unit: view.unit.to_owned(),
    });
    WriteRequest {
        timeseries: series.collect(),
        metadata: metadata.collect(),
    }
}

fn histogram(view: &NativeHistogramView<'_>) -> NativeHistogram {
    let spans = |side| {
        let span = |span: SpanOfBuckets| BucketSpan {
            offset: span.offset,
            length: span.length,
        };
        view.spans(side).map(span).collect()
    };
    NativeHistogram {
        count: Some(Count::Float(view.count)),
        sum: view.sum,
        schema: view.schema,
        zero_threshold: view.zero_threshold,
        zero_count: Some(ZeroCount::Float(view.zero_count)),
        negative_spans: spans(HistogramSide::Negative),
        negative_deltas: view.deltas(HistogramSide::Negative).collect(),
        negative_counts: view.counts(HistogramSide::Negative).collect(),
        positive_spans: spans(HistogramSide::Positive),
        positive_deltas: view.deltas(HistogramSide::Positive).collect(),
        positive_counts: view.counts(HistogramSide::Positive).collect(),
        reset_hint: view.reset_hint,
        timestamp: view.unix_ms,
        custom_values: view.custom_values().collect(),
    }
}

fn normal(mut request: WriteRequest) -> WriteRequest {
    let series = request.timeseries.iter_mut();
    for it in series.flat_map(|series| &mut series.histograms) {
        it.count = Some(Count::Float(match it.count {
            Some(Count::Int(count)) => count as f64,
            Some(Count::Float(count)) => count,
            None => 0.0,
        }));
        it.zero_count = Some(ZeroCount::Float(match it.zero_count {
            Some(ZeroCount::Int(count)) => count as f64,
            Some(ZeroCount::Float(count)) => count,
            None => 0.0,
        }));
    }
    request
}

#[track_caller]
fn check_as_prost(walker: &mut WriteWalker, bytes: &[u8]) -> bool {
    let decoded = WriteRequest::decode(bytes);
    let walked = walker.walk(bytes, &MetricLimits::trusted());
    match (decoded, walked) {
        (Ok(decoded), Ok(view)) => {
            let (seen, expected) = (seen(&view), normal(decoded));
            assert!(
                seen.encode_to_vec() == expected.encode_to_vec(),
                "{seen:?}\n{expected:?}\n{bytes:02x?}"
            );
            let n_points: usize = expected.timeseries.iter().map(n_points).sum();
            let n_seen = view.n_points() + u64::from(view.rejected().n_points());
            assert_eq!(n_seen, n_points as u64);
            true
        }
        (Err(_), Err(WalkError::Malformed(reason))) => {
            assert!(reason.len() <= 256, "{reason}");
            false
        }
        (decoded, walked) => panic!(
            "prost: {:?}, walker: {:?}, {bytes:02x?}",
            decoded.map(|_| "accepted"),
            walked.map(|_| "accepted")
        ),
    }
}

fn n_points(series: &TimeSeries) -> usize {
    series.samples.len() + series.histograms.len()
}

#[test]
fn remote_write_reads_as_prost_decodes_it_or_both_refuse_it() {
    let mut walker = WriteWalker::new();
    for seed in 0..1_000 {
        let request = write_request(&mut Seed(seed)).encode_to_vec();
        assert!(check_as_prost(&mut walker, &request));
    }
    let mut n_accepted = 0_u64;
    for number in 0..n_mutations() {
        let mut seed = Seed(number);
        let mut request = write_request(&mut seed).encode_to_vec();
        mutate(&mut seed, &mut request);
        n_accepted += u64::from(check_as_prost(&mut walker, &request));
    }
    assert!(
        n_accepted > n_mutations() / 20,
        "only {n_accepted} stayed valid"
    );
}

#[test]
fn partitions_get_their_series_in_order_in_parts_that_fit() {
    let (mut walker, mut regroup) = (WriteWalker::new(), WriteRegroup::new());
    let (mut n_taken, mut n_sent) = (0, 0);
    for seed in 0..500 {
        let decoded = write_request(&mut Seed(seed));
        let request = decoded.encode_to_vec();
        let view = walker
            .walk(&request, &MetricLimits::default())
            .expect("valid");
        let n_partitions = 1 + seed % 7;
        let part_bytes_max = 200 + 100 * (seed as usize % 9);
        let mut found: BTreeMap<u32, Vec<TimeSeries>> = BTreeMap::new();
        let mut placed: BTreeMap<String, u32> = BTreeMap::new();
        regroup.regroup(
            &view,
            |identity| (identity % n_partitions) as u32,
            part_bytes_max,
            |partition, n_in_part, part| {
                let part_bytes = part.len();
                let part = WriteRequest::decode(part).expect("a valid request");
                let n_items = part.timeseries.len() + part.metadata.len();
                assert!(part_bytes <= part_bytes_max || n_items == 1);
                let n: usize = part.timeseries.iter().map(n_points).sum();
                assert_eq!(n, n_in_part as usize);
                for series in &part.timeseries {
                    let mut labels = series.labels.clone();
                    labels.retain(|label| !label.value.is_empty());
                    labels.sort_by(|a, b| a.name.cmp(&b.name));
                    let first = *placed.entry(format!("{labels:?}")).or_insert(partition);
                    assert_eq!(first, partition, "a series in two partitions");
                }
                found.entry(partition).or_default().extend(part.timeseries);
            },
        );
        let found: Vec<TimeSeries> = found.into_values().flatten().collect();
        let of = |series: &[TimeSeries]| -> Vec<Vec<u8>> {
            series.iter().map(Message::encode_to_vec).collect()
        };
        let (found, sent) = (of(&found), of(&decoded.timeseries));
        assert!(found.iter().all(|series| sent.contains(series)));
        n_taken += found.len();
        n_sent += sent.len();
    }
    assert!(n_taken > n_sent / 2, "{n_taken} of {n_sent}");
}

#[test]
fn series_that_no_store_can_use_are_left_out_with_the_reason() {
    let long = |n: usize| "x".repeat(n);
    let named = |labels: Vec<Label>| TimeSeries {
        labels: [vec![label("__name__", "up")], labels].concat(),
        samples: vec![Sample {
            value: 1.0,
            timestamp: 1,
        }],
        ..TimeSeries::default()
    };
    let span = |offset, length| BucketSpan { offset, length };
    let native = |spans: Vec<BucketSpan>, deltas: Vec<i64>| NativeHistogram {
        count: Some(Count::Int(9)),
        positive_spans: spans,
        positive_deltas: deltas,
        ..NativeHistogram::default()
    };
    let of = |histogram: NativeHistogram| TimeSeries {
        histograms: vec![histogram],
        ..named(Vec::new())
    };
    let sound = native(vec![span(0, 2)], vec![1, -1]);
    for (series, reason) in [
        (named(vec![label("b", "1"), label("a", "2")]), ""),
        (of(sound.clone()), ""),
        (
            of(NativeHistogram {
                sum: f64::from_bits(0x7ff0_0000_0000_0002),
                schema: 99,
                ..sound.clone()
            }),
            "",
        ),
        (
            TimeSeries {
                labels: vec![label("a", "b")],
                ..named(Vec::new())
            },
            ": no label __name__",
        ),
        (named(vec![label("", "v")]), ": a label without a name"),
        (
            named(vec![label("a", "1"), label("b", ""), label("a", "1")]),
            ": a label comes twice",
        ),
        (
            named(vec![label(&long(257), "v")]),
            ": a label's name is longer than 256 bytes",
        ),
        (
            named(vec![label("v", &long(4097))]),
            ": a label's value is longer than 4 KiB",
        ),
        (
            named((0..500).map(|n| label(&format!("l{n}"), "v")).collect()),
            ": more than 40 labels",
        ),
        (
            of(native(vec![span(0, 2)], vec![1, -2])),
            ": a histogram with a negative bucket",
        ),
        (
            of(native(vec![span(0, 2)], vec![1])),
            ": a histogram whose spans and buckets differ in number",
        ),
        (
            of(native(vec![span(0, 1), span(-1, 1)], vec![1, 1])),
            ": a histogram whose spans overlap",
        ),
        (
            of(native(vec![span(0, 100_000)], vec![0; 100_000])),
            ": a histogram of more than 1024 buckets",
        ),
        (
            of(native(vec![span(0, 1), span(i32::MAX, 1)], vec![1, 1])),
            ": a histogram of more than 1024 buckets",
        ),
        (
            of(NativeHistogram {
                schema: 1_000_000_000,
                ..sound.clone()
            }),
            ": a histogram of an unknown schema",
        ),
        (
            of(NativeHistogram {
                count: Some(Count::Float(-1.0)),
                ..sound.clone()
            }),
            ": a histogram whose count or zero bucket is negative or no number",
        ),
        (
            of(NativeHistogram {
                schema: -53,
                custom_values: vec![1.0, f64::NAN],
                ..sound
            }),
            ": a histogram whose custom bounds do not ascend",
        ),
    ] {
        let request = WriteRequest {
            timeseries: vec![named(vec![label("good", "x")]), series.clone()],
            ..WriteRequest::default()
        };
        let bytes = request.encode_to_vec();
        let mut walker = WriteWalker::new();
        let view = walker
            .walk(&bytes, &MetricLimits::default())
            .expect("valid");
        let told = view.rejected().reason();
        if reason.is_empty() {
            assert_eq!(told, "");
        } else {
            let told = told.strip_prefix("timeseries[1]").expect(told);
            assert!(told.ends_with(reason), "{told} is not {reason}");
            assert_eq!(view.n_points(), 1);
            assert_eq!(view.rejected().n_points() as usize, n_points(&series));
        }
    }
}
