//! Which points are left out, and what is told of each.

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint,
};
use prost::Message;
use telemetry::wire::{MetricLimits, MetricsWalker};

/// Walks one metric with one point; why it was left out, empty if it was not.
fn told(name: &str, data: Data) -> String {
    let metric = Metric {
        name: name.to_owned(),
        data: Some(data),
        ..Metric::default()
    };
    let scope_metrics = vec![ScopeMetrics {
        metrics: vec![metric],
        ..ScopeMetrics::default()
    }];
    let request = MetricsData {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics,
            ..ResourceMetrics::default()
        }],
    };
    let bytes = request.encode_to_vec();
    let mut walker = MetricsWalker::new();
    let view = walker
        .walk(&bytes, &MetricLimits::default())
        .expect("valid");
    let rejected = view.rejected();
    assert_eq!(view.n_points() + rejected.n_points() as usize, 1);
    assert_eq!(rejected.reason().is_empty(), view.n_points() == 1);
    let path = "resource_metrics[0].scope_metrics[0].metrics[0]";
    rejected.reason().replace(path, "")
}

fn gauge(value: Option<Value>, flags: u32) -> Data {
    Data::Gauge(Gauge {
        data_points: vec![NumberDataPoint {
            value,
            flags,
            ..NumberDataPoint::default()
        }],
    })
}

fn sum(value: f64, aggregation_temporality: i32, is_monotonic: bool) -> Data {
    Data::Sum(Sum {
        data_points: vec![NumberDataPoint {
            value: Some(Value::AsDouble(value)),
            ..NumberDataPoint::default()
        }],
        aggregation_temporality,
        is_monotonic,
    })
}

fn histogram(bounds: &[f64], counts: &[u64], count: u64) -> HistogramDataPoint {
    HistogramDataPoint {
        count,
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn of_histogram(point: HistogramDataPoint) -> Data {
    Data::Histogram(Histogram {
        data_points: vec![point],
        aggregation_temporality: 1,
    })
}

fn exponential(offset: i32, counts: Vec<u64>, count: u64) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        count,
        positive: Some(Buckets {
            offset,
            bucket_counts: counts,
        }),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn of_exponential(point: ExponentialHistogramDataPoint) -> Data {
    Data::ExponentialHistogram(ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: 2,
    })
}

fn summary(quantiles: &[f64]) -> Data {
    let value = |quantile: &f64| ValueAtQuantile {
        quantile: *quantile,
        value: 1.0,
    };
    Data::Summary(Summary {
        data_points: vec![SummaryDataPoint {
            quantile_values: quantiles.iter().map(value).collect(),
            ..SummaryDataPoint::default()
        }],
    })
}

#[test]
fn numbers_that_no_store_can_use_are_left_out() {
    let one = Some(Value::AsInt(1));
    for (name, data, reason) in [
        ("m", gauge(one, 0), ""),
        ("m", gauge(Some(Value::AsDouble(f64::NAN)), 0), ""),
        ("m", gauge(None, 1), ""),
        ("m", gauge(None, 0), ".data_points[0]: no value"),
        ("", gauge(one, 0), ".name: empty"),
        (
            &"m".repeat(257),
            gauge(one, 0),
            ".name: longer than 256 bytes",
        ),
        ("m", sum(-1.0, 2, false), ""),
        ("m", sum(f64::INFINITY, 2, true), ""),
        (
            "m",
            sum(1.0, 0, true),
            ".aggregation_temporality: neither delta nor cumulative",
        ),
        (
            "m",
            sum(1.0, 3, true),
            ".aggregation_temporality: neither delta nor cumulative",
        ),
        (
            "m",
            sum(-1.0, 2, true),
            ".data_points[0]: a negative value of a monotonic sum",
        ),
        (
            "m",
            sum(f64::NAN, 1, false),
            ".data_points[0]: a delta that is no finite number",
        ),
    ] {
        assert_eq!(told(name, data), reason);
    }
}

#[test]
fn distributions_that_no_store_can_use_are_left_out() {
    let with_sum = |sum| HistogramDataPoint {
        sum: Some(sum),
        ..histogram(&[1.0], &[1, 2], 3)
    };
    let many = vec![0; 100_000];
    let threshold = |zero_threshold| ExponentialHistogramDataPoint {
        zero_threshold,
        ..exponential(0, vec![1], 1)
    };
    let bounds = ".data_points[0].explicit_bounds: not finite and ascending";
    let mut negative = exponential(0, vec![1], 2);
    negative.negative = Some(Buckets {
        offset: 0,
        bucket_counts: vec![2],
    });
    for (data, reason) in [
        (of_histogram(histogram(&[], &[], 9)), ""),
        (of_histogram(histogram(&[], &[9], 9)), ""),
        (of_histogram(histogram(&[1.0, 2.0], &[1, 2, 3], 7)), ""),
        (of_histogram(histogram(&[2.0, 1.0], &[1, 2, 3], 6)), bounds),
        (of_histogram(histogram(&[1.0, 1.0], &[1, 2, 3], 6)), bounds),
        (of_histogram(histogram(&[f64::NAN], &[1, 2], 3)), bounds),
        (
            of_histogram(histogram(&[f64::INFINITY], &[1, 2], 3)),
            bounds,
        ),
        (
            of_histogram(histogram(&[1.0], &[1], 1)),
            ".data_points[0].bucket_counts: not one more than explicit_bounds",
        ),
        (
            of_histogram(histogram(&[1.0], &[1, 2], 2)),
            ".data_points[0].bucket_counts: more than count",
        ),
        (
            of_histogram(with_sum(f64::NAN)),
            ".data_points[0].sum: no finite number",
        ),
        (of_exponential(exponential(-7, vec![1, 2], 3)), ""),
        (
            of_exponential(exponential(0, many, 3)),
            ".data_points[0].bucket_counts: more than 1024",
        ),
        (
            of_exponential(exponential(i32::MAX, vec![1], 1)),
            ".data_points[0].offset: buckets beyond 32 bits",
        ),
        (
            of_exponential(negative),
            ".data_points[0].bucket_counts and zero_count: more than count",
        ),
        (
            of_exponential(threshold(-1.0)),
            ".data_points[0].zero_threshold: no finite number from 0",
        ),
        (summary(&[0.0, 0.5, 1.0]), ""),
        (
            summary(&[0.5, 1.5]),
            ".data_points[0].quantile_values: a quantile outside 0 to 1",
        ),
        (
            summary(&[f64::NAN]),
            ".data_points[0].quantile_values: a quantile outside 0 to 1",
        ),
    ] {
        assert_eq!(told("m", data), reason);
    }
}
