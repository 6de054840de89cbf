//! OTLP metrics (`MetricsData`) of a record. In: its payload, which a collector has checked and cut to the limits. Out: points in the nouns of
//! [`crate::otlp`].

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exemplar::Value as ExemplarValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data as MetricData;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, MetricsData, NumberDataPoint, ResourceMetrics,
};
use prost::Message;

use crate::fold::Fold;
use crate::otlp::{Data, Kind, Metric, MetricFold, Point, PointExemplar, ResourceLabels};

pub(in crate::machine) type Request = MetricsData;

/// Bit of a point's flags: no recorded value.
const NO_VALUE: u32 = 1;

pub(super) fn read(payload: &[u8]) -> Result<Request, String> {
    MetricsData::decode(payload).map_err(|error| error.to_string())
}

pub(super) fn fold(request: &Request, fold: &mut Fold<'_>) {
    for resource in &request.resource_metrics {
        fold_resource(resource, fold);
    }
}

fn fold_resource(metrics: &ResourceMetrics, fold: &mut Fold<'_>) {
    let attributes = metrics.resource.as_ref().map(|r| r.attributes.as_slice());
    let labels = ResourceLabels::new(&texts(attributes.unwrap_or_default()));
    let mut newest_unix_ns = None;
    for metric in metrics.scope_metrics.iter().flat_map(|s| &s.metrics) {
        let Some(data) = &metric.data else { continue };
        let described = Metric {
            name: &metric.name,
            unit: &metric.unit,
            description: &metric.description,
            kind: kind(data),
        };
        let metric = MetricFold::new(&described, &labels, fold);
        let newest = fold_points(data, &metric, fold);
        newest_unix_ns = newest_unix_ns.max(newest);
    }
    if let Some(newest) = newest_unix_ns {
        labels.fold_infos((newest / 1_000_000) as i64, fold);
    }
}

fn kind(data: &MetricData) -> Kind {
    let delta = |temporality: i32| temporality == AggregationTemporality::Delta as i32;
    match data {
        MetricData::Gauge(_) => Kind::Gauge,
        MetricData::Sum(sum) => Kind::Sum {
            monotonic: sum.is_monotonic,
            delta: delta(sum.aggregation_temporality),
        },
        MetricData::Histogram(histogram) => Kind::Histogram {
            delta: delta(histogram.aggregation_temporality),
        },
        MetricData::ExponentialHistogram(histogram) => Kind::ExpHistogram {
            delta: delta(histogram.aggregation_temporality),
        },
        MetricData::Summary(_) => Kind::Summary,
    }
}

/// Folds every point; returns the newest time.
fn fold_points(data: &MetricData, metric: &MetricFold<'_>, fold: &mut Fold<'_>) -> Option<u64> {
    let mut newest = None;
    let mut take = |attributes: &[KeyValue], exemplars: &[Exemplar], point: Point<'_>| {
        newest = newest.max(Some(point.time_unix_ns));
        let attributes = texts(attributes);
        let exemplars: Vec<PointExemplar> = exemplars.iter().filter_map(exemplar).collect();
        let point = Point {
            attributes: &attributes,
            exemplars: &exemplars,
            ..point
        };
        metric.fold(&point, fold);
    };
    match data {
        MetricData::Gauge(gauge) => numbers(&gauge.data_points, &mut take),
        MetricData::Sum(sum) => numbers(&sum.data_points, &mut take),
        MetricData::Histogram(histogram) => {
            for point in &histogram.data_points {
                let data = Data::Histogram {
                    count: point.count,
                    sum: point.sum,
                    bounds: &point.explicit_bounds,
                    counts: &point.bucket_counts,
                };
                let times = (point.start_time_unix_nano, point.time_unix_nano);
                let point_of = bare(times, point.flags, data);
                take(&point.attributes, &point.exemplars, point_of);
            }
        }
        MetricData::ExponentialHistogram(histogram) => {
            for point in &histogram.data_points {
                let data = Data::ExpHistogram {
                    scale: point.scale.clamp(-10, 20),
                    count: point.count,
                    sum: point.sum,
                    zero_count: point.zero_count,
                    zero_threshold: point.zero_threshold,
                    positive: side(point.positive.as_ref()),
                    negative: side(point.negative.as_ref()),
                };
                let times = (point.start_time_unix_nano, point.time_unix_nano);
                let point_of = bare(times, point.flags, data);
                take(&point.attributes, &point.exemplars, point_of);
            }
        }
        MetricData::Summary(summary) => {
            for point in &summary.data_points {
                let quantiles = point.quantile_values.iter();
                let quantiles: Vec<(f64, f64)> = quantiles.map(|q| (q.quantile, q.value)).collect();
                let data = Data::Summary {
                    count: point.count,
                    sum: point.sum,
                    quantiles: &quantiles,
                };
                let times = (point.start_time_unix_nano, point.time_unix_nano);
                take(&point.attributes, &[], bare(times, point.flags, data));
            }
        }
    }
    newest
}

fn numbers(points: &[NumberDataPoint], take: &mut impl FnMut(&[KeyValue], &[Exemplar], Point<'_>)) {
    for point in points {
        let no_value = point.flags & NO_VALUE != 0;
        let value = match point.value {
            Some(Number::AsDouble(value)) => value,
            Some(Number::AsInt(value)) => value as f64,
            None if no_value => 0.0,
            None => continue,
        };
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        let point_of = bare(times, point.flags, Data::Number(value));
        take(&point.attributes, &point.exemplars, point_of);
    }
}

fn bare((start, time): (u64, u64), flags: u32, data: Data<'_>) -> Point<'_> {
    Point {
        attributes: &[],
        start_unix_ns: start,
        time_unix_ns: time,
        no_value: flags & NO_VALUE != 0,
        data,
        exemplars: &[],
    }
}

fn side(buckets: Option<&Buckets>) -> (i32, &[u64]) {
    buckets.map_or((0, &[]), |b| (b.offset, b.bucket_counts.as_slice()))
}

fn exemplar(exemplar: &Exemplar) -> Option<PointExemplar> {
    let value = match exemplar.value.as_ref()? {
        ExemplarValue::AsDouble(value) => *value,
        ExemplarValue::AsInt(value) => *value as f64,
    };
    let ids = [
        ("span_id", &exemplar.span_id),
        ("trace_id", &exemplar.trace_id),
    ];
    let ids = ids
        .into_iter()
        .filter(|(_, id)| !id.is_empty())
        .map(|(name, id)| (name.to_owned(), hex(id)));
    let filtered = texts(&exemplar.filtered_attributes);
    let filtered = filtered
        .into_iter()
        .map(|(name, value)| (name.into_owned(), value.into_owned()));
    let mut labels: Vec<(String, String)> = ids.chain(filtered).collect();
    labels.sort();
    Some(PointExemplar {
        unix_ns: exemplar.time_unix_nano,
        value,
        labels,
    })
}

fn texts(attributes: &[KeyValue]) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    attributes.iter().map(pair).collect()
}

fn pair(attribute: &KeyValue) -> (Cow<'_, str>, Cow<'_, str>) {
    let value = attribute.value.as_ref().and_then(|one| one.value.as_ref());
    (
        Cow::Borrowed(attribute.key.as_str()),
        value.map(text).unwrap_or_default(),
    )
}

/// A value as text; what has parts is written as JSON writes it.
fn text(value: &Any) -> Cow<'_, str> {
    match value {
        Any::StringValue(text) => Cow::Borrowed(text),
        Any::BoolValue(value) => Cow::Owned(value.to_string()),
        Any::IntValue(value) => Cow::Owned(value.to_string()),
        Any::DoubleValue(value) => Cow::Owned(value.to_string()),
        Any::BytesValue(bytes) => Cow::Owned(hex(bytes)),
        Any::ArrayValue(array) => {
            let parts = array.values.iter().map(part);
            Cow::Owned(format!("[{}]", parts.collect::<Vec<_>>().join(",")))
        }
        Any::KvlistValue(list) => {
            let part_of = |pair: &KeyValue| {
                let value = pair.value.as_ref().map_or("null".to_owned(), part);
                format!("{:?}:{value}", pair.key)
            };
            let parts: Vec<String> = list.values.iter().map(part_of).collect();
            Cow::Owned(format!("{{{}}}", parts.join(",")))
        }
        _ => Cow::Borrowed(""),
    }
}

fn part(value: &AnyValue) -> String {
    match &value.value {
        Some(Any::StringValue(text)) => format!("{text:?}"),
        Some(value) => text(value).into_owned(),
        None => "null".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
