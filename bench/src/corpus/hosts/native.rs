//! Requests of native histograms: one exponential histogram a series, cumulative, about 20 buckets each.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Metric,
    ResourceMetrics, ScopeMetrics, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::body::attribute;
use crate::rng::Rng;

/// Series of one request.
const REQUEST_SERIES: usize = 1_000;
const N_BUCKETS: u64 = 20;

/// The `nth` scrape of so many histograms, in requests.
#[must_use]
pub fn natives(n_series: usize, nth: u64, unix_ms: i64) -> Vec<Vec<u8>> {
    let requests = (0..n_series).step_by(REQUEST_SERIES);
    requests
        .map(|from| {
            let to = n_series.min(from + REQUEST_SERIES);
            let points = (from..to).map(|n| point(n as u64, nth, unix_ms));
            request(from / REQUEST_SERIES, points.collect()).encode_to_vec()
        })
        .collect()
}

fn request(
    instance: usize,
    data_points: Vec<ExponentialHistogramDataPoint>,
) -> ExportMetricsServiceRequest {
    let histogram = ExponentialHistogram {
        data_points,
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
    };
    let metric = Metric {
        name: "native_duration_seconds".to_owned(),
        data: Some(metric::Data::ExponentialHistogram(histogram)),
        ..Metric::default()
    };
    let instance = format!("i-{instance}");
    let attributes = [
        ("service.name", "shop"),
        ("service.instance.id", instance.as_str()),
    ];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: attributes.map(attribute).to_vec(),
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

/// Each bucket grows by 1 to 9 a scrape; which, the series says.
fn point(n: u64, nth: u64, unix_ms: i64) -> ExponentialHistogramDataPoint {
    let mut rng = Rng::new(n);
    let bucket_counts: Vec<u64> = (0..N_BUCKETS)
        .map(|_| (1 + rng.below(9)) * (nth + 1))
        .collect();
    let count: u64 = bucket_counts.iter().sum();
    let unix_ns = unix_ms as u64 * 1_000_000;
    ExponentialHistogramDataPoint {
        attributes: vec![attribute(("route", &format!("/route/{n}")))],
        start_time_unix_nano: unix_ns - (nth + 1) * 60_000_000_000,
        time_unix_nano: unix_ns,
        count,
        sum: Some(count as f64 * 0.07),
        scale: 3,
        positive: Some(Buckets {
            offset: -40,
            bucket_counts,
        }),
        ..ExponentialHistogramDataPoint::default()
    }
}

#[cfg(test)]
mod tests {
    use telemetry::wire::{MetricLimits, MetricsWalker};

    use super::*;

    #[test]
    fn every_series_has_one_point_that_grows() {
        for nth in [0, 5] {
            let requests = natives(1_500, nth, 1_700_000_000_000);
            let n_points: usize = requests
                .iter()
                .map(|request| {
                    let mut walker = MetricsWalker::new();
                    let view = walker.walk(request, &MetricLimits::default());
                    view.expect("it is OTLP").n_points()
                })
                .sum();
            assert_eq!(n_points, 1_500);
        }
        let [first, later] = [0, 5].map(|nth| point(7, nth, 1_700_000_000_000).count);
        assert_eq!(later, 6 * first);
    }
}
