//! The walker of metrics against prost: values, refusals, limits, and what regrouping makes of a request.

mod judged;
mod regroup;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::MetricsData;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use telemetry::wire::{MetricLimits, MetricsWalker, WalkError, json};

use crate::oracle::generate::{Seed, mutate};
use crate::oracle::metrics::{metrics, normal, points, seen::seen};

/// Damaged requests to try; `TRACEWELL_MUTATIONS` asks for more.
fn n_mutations() -> u64 {
    option_env!("TRACEWELL_MUTATIONS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(30_000)
}

/// Walks `bytes` as prost decodes them, or both refuse them.
#[track_caller]
fn check_as_prost(walker: &mut MetricsWalker, bytes: &[u8]) -> bool {
    let decoded = MetricsData::decode(bytes);
    let walked = walker.walk(bytes, &MetricLimits::trusted());
    match (decoded, walked) {
        (Ok(decoded), Ok(view)) => {
            let (seen, expected) = (seen(&view), normal(decoded));
            // NaN is no equal of itself: bytes are compared
            assert!(
                seen.encode_to_vec() == expected.encode_to_vec(),
                "{seen:?}\n{expected:?}\n{bytes:02x?}"
            );
            let n_points = view.n_points() + view.rejected().n_points() as usize;
            assert_eq!(n_points, points(&expected).len());
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

#[test]
fn every_value_of_metrics_reads_as_prost_decodes_it() {
    let mut walker = MetricsWalker::new();
    for seed in 0..1_000 {
        let request = metrics(&mut Seed(seed)).encode_to_vec();
        assert!(check_as_prost(&mut walker, &request));
    }
}

#[test]
fn metrics_that_prost_refuses_are_refused_and_nothing_else() {
    let mut walker = MetricsWalker::new();
    let mut n_accepted = 0_u64;
    for number in 0..n_mutations() {
        let mut seed = Seed(number);
        let mut request = metrics(&mut seed).encode_to_vec();
        mutate(&mut seed, &mut request);
        n_accepted += u64::from(check_as_prost(&mut walker, &request));
    }
    assert!(
        n_accepted > n_mutations() / 20,
        "only {n_accepted} stayed valid"
    );
}

#[test]
fn numbers_that_are_not_packed_and_messages_in_pieces_read_as_prost_reads_them() {
    let point: &[u8] = &[
        0x49, 1, 0, 0, 0, 0, 0, 0, 0, // field 9 as fixed64: no attribute
    ];
    let mut walker = MetricsWalker::new();
    let framed = |field: u8, body: &[u8]| [&[field << 3 | 2, body.len() as u8], body].concat();
    let metric = |data: &[u8]| framed(1, &framed(2, &framed(2, data)));
    let counts = |n: u8| [0x31, n, 0, 0, 0, 0, 0, 0, 0];
    let packed = framed(6, &[5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
    let mixed = [&counts(1)[..], &packed, &counts(2)].concat();
    let gauge = |value: u8| framed(5, &framed(1, &[0x31, value, 0, 0, 0, 0, 0, 0, 0]));
    let sum = framed(7, &[0x10, 2]);
    for (data, is_valid) in [
        (framed(9, &framed(1, &mixed)), true),
        (framed(9, &framed(1, &framed(6, &[1, 2, 3]))), false),
        (framed(9, &framed(1, point)), false),
        ([gauge(1), gauge(2)].concat(), true),
        ([gauge(1), sum.clone(), gauge(2)].concat(), true),
        ([sum.clone(), gauge(1), sum].concat(), true),
    ] {
        assert_eq!(
            check_as_prost(&mut walker, &metric(&data)),
            is_valid,
            "{data:?}"
        );
    }
}

#[test]
fn what_is_over_a_cut_limit_is_left_out_and_all_else_stays() {
    let limits = MetricLimits {
        labels_max: 2,
        attributes_max: 3,
        exemplars_max: 1,
        key_bytes_max: 30,
        value_bytes_max: 30,
        nesting_max: 2,
        ..MetricLimits::trusted()
    };
    let mut walker = MetricsWalker::new();
    let (mut n_attributes, mut n_exemplars) = (0, 0);
    for seed in 0..1_000 {
        let decoded = metrics(&mut Seed(seed));
        let request = decoded.encode_to_vec();
        let view = walker.walk(&request, &limits).expect("valid");
        let shown = seen(&view);
        for resource in view.resources() {
            assert!(resource.attributes().count() <= 3);
        }
        let fits = |pair: &KeyValue| pair.key.len() <= 30 && pair.encoded_len() < 400;
        let (mut of_points, mut of_exemplars) = (0, 0);
        for resource in &shown.resource_metrics {
            for metric in resource
                .scope_metrics
                .iter()
                .flat_map(|scope| &scope.metrics)
            {
                if let Some(Data::Gauge(gauge)) = &metric.data {
                    for point in &gauge.data_points {
                        assert!(point.attributes.len() <= 2 && point.exemplars.len() <= 1);
                        assert!(point.attributes.iter().all(fits));
                        of_points += 1;
                        of_exemplars += point.exemplars.len();
                    }
                }
            }
        }
        assert!(of_exemplars <= of_points);
        assert_eq!(points(&shown).len(), points(&decoded).len());
        n_attributes += view.rejected().n_attributes;
        n_exemplars += view.rejected().n_exemplars;
    }
    assert!(
        n_attributes > 1_000 && n_exemplars > 100,
        "{n_attributes}, {n_exemplars}"
    );
}

#[test]
fn requests_with_more_items_than_are_allowed_are_refused() {
    let mut walker = MetricsWalker::new();
    let (mut n_taken, mut n_refused) = (0, 0);
    for seed in 0..200 {
        let decoded = metrics(&mut Seed(seed));
        let scopes = || {
            decoded
                .resource_metrics
                .iter()
                .flat_map(|it| &it.scope_metrics)
        };
        let n_around = decoded.resource_metrics.len()
            + scopes().count()
            + scopes()
                .flat_map(|it| &it.metrics)
                .filter(|it| it.data.is_some())
                .count();
        let items_max = 10;
        let limits = MetricLimits {
            items_max,
            ..MetricLimits::default()
        };
        let n_points = points(&decoded).len();
        match walker.walk(&decoded.encode_to_vec(), &limits) {
            Ok(_) => {
                n_taken += 1;
                assert!(n_around <= 10 && n_points <= 10);
            }
            Err(error) => {
                n_refused += 1;
                assert_eq!(error, WalkError::TooManyItems { spans_max: 10 });
                assert!(n_around >= 10 || n_points > 10);
            }
        }
    }
    assert!(n_taken > 10 && n_refused > 10, "{n_taken}, {n_refused}");
}

#[test]
fn json_of_metrics_is_the_same_as_protobuf() {
    let text = br#"{"resourceMetrics":[{"schemaUrl":"u","scopeMetrics":[{"scope":{"name":"s"},"metrics":[
        {"name":"g","metadata":[{"key":"k","value":{"intValue":"3"}}],"gauge":{"dataPoints":[{"asInt":"-9223372036854775808","flags":1},{"asDouble":"NaN"},{"asDouble":3}]}},
        {"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"scale":-3,"count":"18446744073709551615","zeroThreshold":0.5,
          "positive":{"offset":-7,"bucketCounts":[1,"2",3]},"negative":null}]}},
        {"name":"s","summary":{"dataPoints":[{"quantileValues":[{"quantile":0.99,"value":1e3}]}]}},
        {"name":"m","sum":{"isMonotonic":true,"dataPoints":[{"attributes":[{"key":"a","value":{"stringValue":"b"}}],"unknown":[1,{"x":2}]}]}}]}]}]}"#;
    let bytes = json::decode_metrics(text, &mut |_| true).expect("valid");
    let decoded = MetricsData::decode(bytes.as_slice()).expect("valid protobuf");
    let told = format!("{:?}", decoded.resource_metrics[0].scope_metrics[0].metrics);
    for part in [
        "AsInt(-9223372036854775808)",
        "AsDouble(NaN)",
        "AsDouble(3.0)",
        "scale: -3",
        "count: 18446744073709551615",
        "zero_threshold: 0.5",
        "offset: -7, bucket_counts: [1, 2, 3]",
        "negative: None",
        "quantile: 0.99, value: 1000.0",
        "is_monotonic: true",
        "StringValue(\"b\")",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    for bad in [
        r#"{"gauge":{"dataPoints":[{"asInt":1.5}]}}"#,
        r#"{"gauge":{"dataPoints":[{"asInt":"9223372036854775808"}]}}"#,
        r#"{"gauge":{"dataPoints":{}}}"#,
        r#"{"histogram":{"dataPoints":[{"bucketCounts":5}]}}"#,
        r#"{"histogram":{"dataPoints":[{"bucketCounts":[null]}]}}"#,
        r#"{"histogram":{"dataPoints":[{"explicitBounds":["x"]}]}}"#,
        r#"{"histogram":{"dataPoints":[{"exemplars":[{"traceId":"xyz"}]}]}}"#,
        r#"{"histogram":{"aggregationTemporality":"DELTA"}}"#,
    ] {
        let text = format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{bad}]}}]}}]}}"#);
        let error = json::decode_metrics(text.as_bytes(), &mut |_| true)
            .expect_err(bad)
            .to_string();
        assert!(
            error.starts_with("resourceMetrics[0].scopeMetrics[0].metrics[0]."),
            "{error}"
        );
    }
}

#[test]
fn what_json_takes_beyond_its_length_is_asked_for_first() {
    let counts = vec!["0"; 100_000].join(",");
    let text = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"bucketCounts":[{counts}]}}]}}}}]}}]}}]}}"#
    );
    let mut room = text.len();
    let bytes = json::decode_metrics(text.as_bytes(), &mut |more| {
        room += more;
        true
    });
    let len = bytes.expect("there is room").len();
    assert!(len > 4 * text.len() && len <= room, "{len} of {room}");
    let mut n_asked = 0;
    let refused = json::decode_metrics(text.as_bytes(), &mut |_| {
        n_asked += 1;
        n_asked < 2
    });
    let told = refused.expect_err("there is no room").to_string();
    assert!(told.contains("no memory for it"), "{told}");
    assert_eq!(n_asked, 2);
}
