//! The walker of remote write accepts nothing that prost refuses, counts the samples that prost sees, and splits a request into requests of the same series.

use prost::Message;
use telemetry::wire::{HistogramSide, MetricLimits, SeriesView, WriteRegroup, WriteWalker};

const N_PARTITIONS: u64 = 3;
/// Small, so that parts are cut.
const PART_BYTES_MAX: usize = 200;

/// `prometheus.WriteRequest` as far as series are told apart: what is in a sample or histogram, the tests of `telemetry` compare.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) histograms: Vec<Histogram>,
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
pub(crate) struct Histogram {
    #[prost(uint64, tag = "1")]
    pub(crate) count: u64,
    #[prost(message, repeated, tag = "11")]
    pub(crate) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub(crate) positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(sint32, tag = "1")]
    pub(crate) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metadata {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) metric_family_name: String,
}

pub(crate) fn run(bytes: &[u8]) {
    let decoded = WriteRequest::decode(bytes);
    for limits in [MetricLimits::default(), MetricLimits::trusted()] {
        let mut walker = WriteWalker::new();
        let Ok(view) = walker.walk(bytes, &limits) else {
            continue;
        };
        let decoded = decoded
            .as_ref()
            .expect("the walker accepts what prost refuses");
        let n_sent: usize = decoded.timeseries.iter().map(n_points).sum();
        let n_seen = view.n_points() + u64::from(view.rejected().n_points());
        assert_eq!(n_seen, n_sent as u64, "samples seen");
        assert_eq!(view.metadata().count(), decoded.metadata.len());
        view.series().for_each(|series| read(&series));
        let mut left: Vec<Vec<u8>> = decoded
            .timeseries
            .iter()
            .map(Message::encode_to_vec)
            .collect();
        let mut n_of_all = 0;
        WriteRegroup::new().regroup(
            &view,
            |identity| (identity % N_PARTITIONS) as u32,
            PART_BYTES_MAX,
            |_, n_in_part, part| {
                let part = WriteRequest::decode(part).expect("a part is a request");
                let n: usize = part.timeseries.iter().map(n_points).sum();
                assert_eq!(n, n_in_part as usize, "samples of a part");
                n_of_all += n as u64;
                for series in &part.timeseries {
                    let series = series.encode_to_vec();
                    let at = left.iter().position(|sent| *sent == series);
                    left.swap_remove(at.expect("a series that nobody sent"));
                }
            },
        );
        assert_eq!(n_of_all, view.n_points(), "samples of all parts");
        // what it noted the first time changes nothing the second
        let again = walker.walk(bytes, &limits).map(|view| view.n_points());
        assert_eq!(again, Ok(n_of_all), "samples seen again");
    }
}

fn n_points(series: &TimeSeries) -> usize {
    series.samples.len() + series.histograms.len()
}

/// Reads a series to its bottom.
fn read(series: &SeriesView<'_>) {
    std::hint::black_box((series.labels().count(), series.samples().count()));
    for exemplar in series.exemplars() {
        std::hint::black_box(exemplar.labels().count());
    }
    for histogram in series.histograms() {
        for side in [HistogramSide::Negative, HistogramSide::Positive] {
            std::hint::black_box((
                histogram.spans(side).count(),
                histogram.deltas(side).count(),
                histogram.counts(side).count(),
            ));
        }
        std::hint::black_box(histogram.custom_values().count());
    }
}
