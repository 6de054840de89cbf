//! Seeds of the targets that read metrics.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::attribute;

const TIME: u64 = 1_700_000_000_000_000_000;

pub(crate) fn seeds() -> BTreeMap<String, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    let requests = [
        ("empty", MetricsData::default()),
        ("small", request(1, vec![gauge(1)])),
        ("usual", request(2, every_kind(3))),
        ("large", request(1, vec![gauge(40)])),
        ("rejected", request(1, rejected())),
    ];
    for (name, request) in requests {
        seeds.insert(format!("metrics_scan/{name}"), request.encode_to_vec());
    }
    seeds.insert("metrics_scan/merged".to_owned(), merged());
    let json = ODD_JSON.as_bytes().to_vec();
    seeds.insert("otlp_json/metrics.json".to_owned(), json);
    seeds.insert("remote_write/empty".to_owned(), Vec::new());
    seeds.insert("remote_write/usual".to_owned(), write_request());
    seeds
}

const ODD_JSON: &str = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},"scopeMetrics":[{"metrics":[
{"name":"g","gauge":{"dataPoints":[{"asInt":"-5","flags":1},{"asDouble":"NaN"},{"asDouble":1e3,"exemplars":[{"traceId":"5B8EFFF798038103D269B633813FC60C","asInt":"7"}]}]}},
{"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"scale":-3,"count":"6","positive":{"offset":-7,"bucketCounts":[1,"2",3]}}]}},
{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","sum":1.5,"bucketCounts":["1",2],"explicitBounds":[10]}]}}]}]}]}"#;

fn attributes(n: u32) -> Vec<KeyValue> {
    vec![
        attribute("cpu", any_value::Value::IntValue(n.into())),
        attribute("state", any_value::Value::StringValue("idle".to_owned())),
    ]
}

fn request(n_resources: u32, metrics: Vec<Metric>) -> MetricsData {
    let resource = |n: u32| ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![attribute(
                "service.name",
                any_value::Value::StringValue(format!("service-{n}")),
            )],
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            metrics: metrics.clone(),
            schema_url: "https://opentelemetry.io/schemas/1.27.0".to_owned(),
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    };
    MetricsData {
        resource_metrics: (0..n_resources).map(resource).collect(),
    }
}

fn metric(name: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        description: "what it is".to_owned(),
        unit: "By".to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    }
}

fn number(n: u32) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(n),
        start_time_unix_nano: TIME,
        time_unix_nano: TIME + u64::from(n),
        exemplars: vec![Exemplar {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            value: Some(exemplar::Value::AsInt(3)),
            ..Exemplar::default()
        }],
        flags: 0,
        value: Some(if n.is_multiple_of(2) {
            number_data_point::Value::AsInt(n.into())
        } else {
            number_data_point::Value::AsDouble(0.5)
        }),
    }
}

fn gauge(n_points: u32) -> Metric {
    let data_points = (0..n_points).map(number).collect();
    metric("system.memory.usage", Data::Gauge(Gauge { data_points }))
}

fn histogram(bounds: &[f64], bucket_counts: &[u64]) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(1),
        time_unix_nano: TIME,
        count: bucket_counts.iter().sum(),
        sum: Some(4.5),
        bucket_counts: bucket_counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        min: Some(0.5),
        max: Some(3.0),
        ..HistogramDataPoint::default()
    }
}

fn every_kind(n_points: u32) -> Vec<Metric> {
    let exponential = ExponentialHistogramDataPoint {
        attributes: attributes(2),
        time_unix_nano: TIME,
        count: 9,
        sum: Some(7.0),
        scale: 3,
        zero_count: 1,
        positive: Some(Buckets {
            offset: -4,
            bucket_counts: vec![1, 0, 300],
        }),
        negative: Some(Buckets::default()),
        zero_threshold: 0.001,
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        attributes: attributes(3),
        time_unix_nano: TIME,
        count: 4,
        sum: 8.0,
        quantile_values: vec![ValueAtQuantile {
            quantile: 0.99,
            value: 3.0,
        }],
        ..SummaryDataPoint::default()
    };
    vec![
        gauge(n_points),
        metric(
            "system.cpu.time",
            Data::Sum(Sum {
                data_points: (0..n_points).map(number).collect(),
                aggregation_temporality: 2,
                is_monotonic: true,
            }),
        ),
        metric(
            "http.server.duration",
            Data::Histogram(Histogram {
                data_points: vec![histogram(&[0.5, 1.0], &[1, 2, 3])],
                aggregation_temporality: 1,
            }),
        ),
        metric(
            "http.client.duration",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: 1,
            }),
        ),
        metric(
            "rpc.duration",
            Data::Summary(Summary {
                data_points: vec![summary],
            }),
        ),
    ]
}

/// One good point among those that no store can use.
fn rejected() -> Vec<Metric> {
    let data_points = vec![
        histogram(&[1.0, 0.5], &[1, 2, 3]),
        histogram(&[0.5, 1.0], &[1, 2, 3]),
        histogram(&[0.5], &[1, 2, 3]),
        histogram(&[f64::NAN], &[1, 2]),
    ];
    let histogram = Histogram {
        data_points,
        aggregation_temporality: 2,
    };
    vec![metric("h", Data::Histogram(histogram)), gauge(2)]
}

/// A metric whose data came in two pieces, which protobuf joins.
fn merged() -> Vec<u8> {
    let framed = |field: u8, body: &[u8]| {
        let mut bytes = vec![field << 3 | 2];
        prost::encode_length_delimiter(body.len(), &mut bytes).expect("a vector grows");
        bytes.extend_from_slice(body);
        bytes
    };
    let pieces = [gauge(1).encode_to_vec(), gauge(2).encode_to_vec()].concat();
    framed(1, &framed(2, &framed(2, &pieces)))
}

/// `prometheus.WriteRequest`
fn write_request() -> Vec<u8> {
    let framed = |field: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        let mut bytes = vec![field << 3 | 2];
        prost::encode_length_delimiter(body.len(), &mut bytes).expect("a vector grows");
        bytes.extend(body);
        bytes
    };
    let label = |name: &[u8], value: &[u8]| framed(1, &[&framed(1, &[name]), &framed(2, &[value])]);
    let sample = framed(
        2,
        &[&[0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0x80, 0x01]],
    );
    let deltas = framed(12, &[&[2, 4, 1]]);
    let span = framed(11, &[&[0x08, 0x03, 0x10, 0x03]]);
    let histogram = framed(4, &[&[0x08, 9], &span, &deltas, &[0x78, 5]]);
    let exemplar = framed(3, &[&label(b"trace_id", b"ab"), &[0x18, 7]]);
    let (name, instance) = (label(b"__name__", b"up"), label(b"instance", b"a:1"));
    let up = framed(1, &[&name, &instance, &sample, &sample, &exemplar]);
    let native = framed(1, &[&name, &label(b"instance", b"b:2"), &histogram]);
    let bad = framed(1, &[&instance, &sample]);
    let metadata = framed(3, &[&[0x08, 2], &framed(2, &[b"up"])]);
    [up, native, bad, metadata].concat()
}
