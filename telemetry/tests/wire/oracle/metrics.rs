//! Requests of metrics made up by a seed, and what of them a view shows.

pub(crate) mod seen;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exemplar::Value as ExemplarValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as NumberValue;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    Summary, SummaryDataPoint,
};

use super::generate::{Seed, attribute, resource, scope};

pub(crate) fn metrics(seed: &mut Seed) -> MetricsData {
    MetricsData {
        resource_metrics: seed.many(3, |seed| ResourceMetrics {
            resource: (!seed.one_in(5)).then(|| resource(seed)),
            scope_metrics: seed.many(3, |seed| ScopeMetrics {
                scope: (!seed.one_in(5)).then(|| scope(seed)),
                metrics: seed.many(4, metric),
                schema_url: seed.text(),
            }),
            schema_url: seed.text(),
        }),
    }
}

fn metric(seed: &mut Seed) -> Metric {
    Metric {
        name: if seed.one_in(9) {
            seed.text()
        } else {
            "system.cpu.time".to_owned()
        },
        description: seed.text(),
        unit: seed.text(),
        metadata: seed.many(1, |seed| attribute(seed, 1)),
        data: data(seed),
    }
}

fn data(seed: &mut Seed) -> Option<Data> {
    let aggregation_temporality = seed.below(4) as i32;
    Some(match seed.below(6) {
        0 => return None,
        1 => Data::Gauge(Gauge {
            data_points: seed.many(4, number_point),
        }),
        2 => Data::Sum(Sum {
            data_points: seed.many(4, number_point),
            aggregation_temporality,
            is_monotonic: seed.one_in(2),
        }),
        3 => Data::Histogram(Histogram {
            data_points: seed.many(4, histogram_point),
            aggregation_temporality,
        }),
        4 => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: seed.many(4, exponential_point),
            aggregation_temporality,
        }),
        _ => Data::Summary(Summary {
            data_points: seed.many(4, |seed| SummaryDataPoint {
                attributes: seed.many(3, |seed| attribute(seed, 1)),
                start_time_unix_nano: seed.next(),
                time_unix_nano: seed.next(),
                count: seed.next(),
                sum: double(seed),
                quantile_values: seed.many(3, |seed| ValueAtQuantile {
                    quantile: seed.below(11) as f64 / 10.0,
                    value: double(seed),
                }),
                flags: seed.below(3) as u32,
            }),
        }),
    })
}

fn double(seed: &mut Seed) -> f64 {
    if seed.one_in(3) {
        f64::from_bits(seed.next())
    } else {
        seed.below(1000) as f64 / 8.0
    }
}

fn number_point(seed: &mut Seed) -> NumberDataPoint {
    let value = match seed.below(5) {
        0 => None,
        1 | 2 => Some(NumberValue::AsInt(seed.next() as i64)),
        _ => Some(NumberValue::AsDouble(double(seed))),
    };
    NumberDataPoint {
        attributes: seed.many(4, |seed| attribute(seed, 2)),
        start_time_unix_nano: seed.next(),
        time_unix_nano: seed.next(),
        exemplars: seed.many(2, exemplar),
        flags: seed.below(3) as u32,
        value,
    }
}

fn histogram_point(seed: &mut Seed) -> HistogramDataPoint {
    let explicit_bounds = seed.many(6, double);
    let bucket_counts: Vec<u64> = (0..=explicit_bounds.len()).map(|n| n as u64).collect();
    HistogramDataPoint {
        attributes: seed.many(3, |seed| attribute(seed, 1)),
        start_time_unix_nano: seed.next(),
        time_unix_nano: seed.next(),
        count: bucket_counts.iter().sum(),
        sum: seed.one_in(2).then(|| double(seed)),
        bucket_counts,
        explicit_bounds,
        exemplars: seed.many(2, exemplar),
        flags: seed.below(3) as u32,
        min: seed.one_in(2).then(|| double(seed)),
        max: seed.one_in(2).then(|| double(seed)),
    }
}

fn exponential_point(seed: &mut Seed) -> ExponentialHistogramDataPoint {
    let buckets = |seed: &mut Seed| Buckets {
        offset: seed.next() as i32 >> seed.below(32),
        bucket_counts: seed.many(6, |seed| seed.next() >> (20 + seed.below(44))),
    };
    ExponentialHistogramDataPoint {
        attributes: seed.many(3, |seed| attribute(seed, 1)),
        start_time_unix_nano: seed.next(),
        time_unix_nano: seed.next(),
        count: seed.next(),
        sum: seed.one_in(2).then(|| double(seed)),
        scale: seed.next() as i32 >> seed.below(32),
        zero_count: seed.below(3) as u64,
        positive: seed.one_in(2).then(|| buckets(seed)),
        negative: seed.one_in(2).then(|| buckets(seed)),
        flags: seed.below(3) as u32,
        exemplars: seed.many(2, exemplar),
        min: seed.one_in(2).then(|| double(seed)),
        max: seed.one_in(2).then(|| double(seed)),
        zero_threshold: double(seed),
    }
}

fn exemplar(seed: &mut Seed) -> Exemplar {
    let value = match seed.below(3) {
        0 => None,
        1 => Some(ExemplarValue::AsInt(seed.next() as i64)),
        _ => Some(ExemplarValue::AsDouble(double(seed))),
    };
    Exemplar {
        filtered_attributes: seed.many(2, |seed| attribute(seed, 1)),
        time_unix_nano: seed.next(),
        span_id: seed.bytes(8),
        trace_id: seed.bytes(16),
        value,
    }
}

/// What no view shows set to its default.
pub(crate) fn normal(mut data: MetricsData) -> MetricsData {
    for resource in &mut data.resource_metrics {
        if let Some(it) = &mut resource.resource {
            it.entity_refs.clear();
            normal_attributes(&mut it.attributes);
        }
        for scope in &mut resource.scope_metrics {
            if let Some(it) = &mut scope.scope {
                normal_attributes(&mut it.attributes);
            }
            scope.metrics.iter_mut().for_each(normal_metric);
        }
    }
    data
}

fn normal_metric(metric: &mut Metric) {
    normal_attributes(&mut metric.metadata);
    match &mut metric.data {
        None => {}
        Some(Data::Gauge(Gauge { data_points }) | Data::Sum(Sum { data_points, .. })) => {
            for point in data_points {
                normal_attributes(&mut point.attributes);
                normal_exemplars(&mut point.exemplars);
            }
        }
        Some(Data::Histogram(histogram)) => {
            for point in &mut histogram.data_points {
                normal_attributes(&mut point.attributes);
                normal_exemplars(&mut point.exemplars);
            }
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            for point in &mut histogram.data_points {
                normal_attributes(&mut point.attributes);
                normal_exemplars(&mut point.exemplars);
            }
        }
        Some(Data::Summary(summary)) => {
            for point in &mut summary.data_points {
                normal_attributes(&mut point.attributes);
            }
        }
    }
}

fn normal_exemplars(exemplars: &mut [Exemplar]) {
    for exemplar in exemplars {
        normal_attributes(&mut exemplar.filtered_attributes);
    }
}

fn normal_attributes(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        attribute.key_strindex = 0;
        normal_value(attribute.value.get_or_insert_default());
    }
}

fn normal_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::StringValueStrindex(_)) => value.value = None,
        // views of values are compared by their bits
        Some(Value::DoubleValue(number)) => {
            value.value = Some(Value::IntValue(number.to_bits() as i64));
        }
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(normal_value),
        Some(Value::KvlistValue(list)) => normal_attributes(&mut list.values),
        _ => {}
    }
}

/// One of a request's points with all that it stands under, encoded.
pub(crate) fn points(data: &MetricsData) -> Vec<Vec<u8>> {
    use prost::Message;
    let mut all = Vec::new();
    for resource in &data.resource_metrics {
        for scope in &resource.scope_metrics {
            for metric in &scope.metrics {
                for data in each(metric) {
                    let metric = Metric {
                        data: Some(data),
                        ..metric.clone()
                    };
                    let alone = ResourceMetrics {
                        scope_metrics: vec![ScopeMetrics {
                            metrics: vec![metric],
                            ..scope.clone()
                        }],
                        ..resource.clone()
                    };
                    all.push(alone.encode_to_vec());
                }
            }
        }
    }
    all
}

/// The data of a metric, one for each point.
fn each(metric: &Metric) -> Vec<Data> {
    macro_rules! split {
        ($whole:expr, $kind:path) => {{
            let whole = $whole;
            let one = |point: &_| {
                let mut one = whole.clone();
                one.data_points = vec![Clone::clone(point)];
                $kind(one)
            };
            whole.data_points.iter().map(one).collect()
        }};
    }
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(it)) => split!(it, Data::Gauge),
        Some(Data::Sum(it)) => split!(it, Data::Sum),
        Some(Data::Histogram(it)) => split!(it, Data::Histogram),
        Some(Data::ExponentialHistogram(it)) => split!(it, Data::ExponentialHistogram),
        Some(Data::Summary(it)) => split!(it, Data::Summary),
    }
}
