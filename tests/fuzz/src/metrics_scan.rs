//! The walker of metrics accepts nothing that prost refuses, counts the points that prost sees, and what is split by partition is valid OTLP again, with
//! the same points under the same metrics, scopes and resources.

use std::collections::HashMap;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, MetricsData, ResourceMetrics, ScopeMetrics};
use prost::Message;
use telemetry::wire::{
    DataView, MetricLimits, MetricRegroup, MetricView, MetricsView, MetricsWalker,
};

const N_PARTITIONS: u64 = 3;
/// Small, so that parts are cut.
const PART_BYTES_MAX: usize = 400;
/// Points up to which each is compared with all that it stands under.
const COMPARED_MAX: usize = 300;

pub(crate) fn run(bytes: &[u8]) {
    let decoded = MetricsData::decode(bytes);
    for limits in [MetricLimits::default(), MetricLimits::trusted()] {
        let mut walker = MetricsWalker::new();
        let Ok(view) = walker.walk(bytes, &limits) else {
            continue;
        };
        let decoded = decoded
            .as_ref()
            .expect("the walker accepts what prost refuses");
        let n_sent: usize = metrics(decoded).map(n_points).sum();
        let n_seen = view.n_points() + view.rejected().n_points() as usize;
        assert_eq!(n_seen, n_sent, "points seen");
        let n_read = read(&view);
        assert_eq!(n_read, n_sent, "points read");
        let parts = regrouped(&view);
        let is_cut = limits != MetricLimits::trusted();
        if n_sent <= COMPARED_MAX && !is_cut {
            compare(decoded, &parts);
        }
    }
}

fn metrics(data: &MetricsData) -> impl Iterator<Item = &Metric> {
    let scopes = data
        .resource_metrics
        .iter()
        .flat_map(|it| &it.scope_metrics);
    scopes.flat_map(|scope| &scope.metrics)
}

fn n_points(metric: &Metric) -> usize {
    match &metric.data {
        None => 0,
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
    }
}

/// Reads every point to its bottom and counts them.
fn read(view: &MetricsView<'_>) -> usize {
    let scopes = view.resources().flat_map(|resource| resource.scopes());
    scopes
        .flat_map(|scope| scope.metrics())
        .map(|metric| read_metric(&metric))
        .sum()
}

fn read_metric(metric: &MetricView<'_>) -> usize {
    let texts = |attributes: telemetry::wire::Attributes<'_>| {
        attributes.for_each(|(_, value)| drop(std::hint::black_box(value.text())));
    };
    texts(metric.metadata());
    let mut n_points = 0;
    let mut count = || n_points += 1;
    match metric.data() {
        None => {}
        Some(DataView::Gauge { points } | DataView::Sum { points, .. }) => points.for_each(|it| {
            count();
            texts(it.attributes());
            it.exemplars()
                .for_each(|it| texts(it.filtered_attributes()));
        }),
        Some(DataView::Histogram { points, .. }) => points.for_each(|it| {
            count();
            texts(it.attributes());
            std::hint::black_box((it.bucket_counts().count(), it.explicit_bounds().count()));
            it.exemplars()
                .for_each(|it| texts(it.filtered_attributes()));
        }),
        Some(DataView::ExpHistogram { points, .. }) => points.for_each(|it| {
            count();
            texts(it.attributes());
            let sides = [it.positive, it.negative].into_iter().flatten();
            let n_buckets: usize = sides.map(|side| side.counts().count()).sum();
            std::hint::black_box(n_buckets);
            it.exemplars()
                .for_each(|it| texts(it.filtered_attributes()));
        }),
        Some(DataView::Summary { points }) => points.for_each(|it| {
            count();
            texts(it.attributes());
            std::hint::black_box(it.quantiles().count());
        }),
    }
    n_points
}

/// The parts that are made, each checked alone.
fn regrouped(view: &MetricsView<'_>) -> Vec<MetricsData> {
    let (mut parts, mut n_points_of_all) = (Vec::new(), 0);
    MetricRegroup::new().regroup(
        view,
        |identity| (identity % N_PARTITIONS) as u32,
        PART_BYTES_MAX,
        |partition, n_points, part| {
            assert!(u64::from(partition) < N_PARTITIONS);
            let mut again = MetricsWalker::new();
            let walked = again
                .walk(part, &MetricLimits::trusted())
                .expect("a part is accepted");
            assert_eq!(walked.n_points(), n_points as usize, "points of a part");
            assert_eq!(
                walked.rejected().n_points(),
                0,
                "a rejected point is in a part"
            );
            n_points_of_all += n_points as usize;
            parts.push(MetricsData::decode(part).expect("a part is valid OTLP"));
        },
    );
    assert_eq!(n_points_of_all, view.n_points(), "points of all parts");
    parts
}

/// Whether each point of the parts was sent, as often as it is there, under what it stands under.
fn compare(sent: &MetricsData, parts: &[MetricsData]) {
    let mut left: HashMap<Vec<u8>, usize> = HashMap::new();
    for point in placed(sent) {
        *left.entry(point).or_default() += 1;
    }
    for point in parts.iter().flat_map(placed) {
        let n_left = left
            .get_mut(&point)
            .expect("a point stands where nobody sent it");
        *n_left = n_left.checked_sub(1).expect("a point came twice");
    }
}

/// Every point as prost reads it, with what it stands under.
fn placed(data: &MetricsData) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for resource in &data.resource_metrics {
        let around = ResourceMetrics {
            scope_metrics: Vec::new(),
            ..resource.clone()
        };
        let around = around.encode_to_vec();
        for scope in &resource.scope_metrics {
            let of_scope = ScopeMetrics {
                metrics: Vec::new(),
                ..scope.clone()
            };
            let of_scope = of_scope.encode_to_vec();
            for metric in &scope.metrics {
                for alone in each(metric) {
                    all.push([&around[..], b"|", &of_scope, b"|", &alone].concat());
                }
            }
        }
    }
    all
}

/// The metric with each of its points alone.
fn each(metric: &Metric) -> Vec<Vec<u8>> {
    macro_rules! split {
        ($data:expr, $kind:path) => {{
            let around = {
                let mut around = $data.clone();
                around.data_points.clear();
                Metric {
                    data: Some($kind(around)),
                    ..metric.clone()
                }
                .encode_to_vec()
            };
            let alone = |point: &_| [&around[..], b"|", &Message::encode_to_vec(point)].concat();
            $data.data_points.iter().map(alone).collect()
        }};
    }
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => split!(data, Data::Gauge),
        Some(Data::Sum(data)) => split!(data, Data::Sum),
        Some(Data::Histogram(data)) => split!(data, Data::Histogram),
        Some(Data::ExponentialHistogram(data)) => split!(data, Data::ExponentialHistogram),
        Some(Data::Summary(data)) => split!(data, Data::Summary),
    }
}
