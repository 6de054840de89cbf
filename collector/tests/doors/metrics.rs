//! OTLP metrics through both doors: what comes in is in the log under its resource's partition, or is refused by the same table of answers as spans.

use std::collections::BTreeMap;

use bus::{Draft, Kind, Topic};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, MetricsData, NumberDataPoint, ResourceMetrics,
    ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tonic::transport::Endpoint;
use tonic_types::StatusExt;
use xxhash_rust::xxh3::xxh3_128;

use crate::corpus::{gzip, text, zstd};
use crate::memory_log::Mood;
use crate::server::Server;
use crate::wire::{Answer, JSON, PROTOBUF, send};

fn gauge(name: &str, n_points: u64) -> Metric {
    let point = |n: u64| NumberDataPoint {
        attributes: vec![text("cpu", &n.to_string())],
        time_unix_nano: 1_700_000_000_000_000_000 + n,
        value: Some(Value::AsDouble(n as f64 / 2.0)),
        ..Default::default()
    };
    Metric {
        name: name.to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: (0..n_points).map(point).collect(),
        })),
        ..Default::default()
    }
}

fn resource(service: &str, metrics: Vec<Metric>) -> ResourceMetrics {
    ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![text("service.name", service)],
            ..Default::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            metrics,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Two gauges of each service.
fn request(services: &[&str], n_points: u64) -> ExportMetricsServiceRequest {
    let of = |service: &&str| resource(service, vec![gauge("a", n_points), gauge("b", n_points)]);
    ExportMetricsServiceRequest {
        resource_metrics: services.iter().map(of).collect(),
    }
}

async fn post(server: &Server, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    send(server.http, "POST", "/v1/metrics", headers, body).await
}

/// Resources of all drafts, by the name of the service, and how many points the headers tell.
fn resources(drafts: &[Draft]) -> (BTreeMap<String, ResourceMetrics>, u32) {
    let mut all = BTreeMap::new();
    for draft in drafts {
        assert_eq!(
            (draft.to.topic, draft.header.kind),
            (Topic::Points, Kind::Otlp)
        );
        let data = MetricsData::decode(&draft.payload[..]).expect("valid OTLP");
        for resource in data.resource_metrics {
            let attributes = &resource.resource.as_ref().expect("it has one").attributes;
            let name = format!("{:?}", attributes[0].value);
            assert_eq!(all.insert(name, resource), None, "each once");
        }
    }
    (all, drafts.iter().map(|draft| draft.header.n_items).sum())
}

#[tokio::test]
async fn points_come_into_the_log_as_they_were_each_resource_in_its_partition() {
    let server = Server::start(|_| {}).await;
    let names: Vec<String> = (0..32).map(|n| format!("service-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let sent = request(&names, 3);
    let plain = sent.encode_to_vec();
    let mut partitions = BTreeMap::new();
    for (headers, body) in [
        (&[PROTOBUF][..], plain.clone()),
        (&[PROTOBUF, ("content-encoding", "gzip")], gzip(&plain)),
        (&[PROTOBUF, ("content-encoding", "zstd")], zstd(&plain)),
    ] {
        let answer = post(&server, headers, &body).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]));
        let drafts = server.log.take();
        let (all, n_points) = resources(&drafts);
        assert_eq!(n_points, 32 * 6);
        let sent: Vec<&ResourceMetrics> = sent.resource_metrics.iter().collect();
        assert!(sent.iter().all(|sent| all.values().any(|it| it == *sent)));
        for draft in &drafts {
            assert_eq!(draft.header.request_hash.0, xxh3_128(&plain));
            let (of_draft, _) = resources(std::slice::from_ref(draft));
            for name in of_draft.into_keys() {
                let first = *partitions.entry(name).or_insert(draft.to.partition);
                assert_eq!(first, draft.to.partition);
            }
        }
    }
    let used: std::collections::BTreeSet<_> = partitions.values().collect();
    assert_eq!(used.len(), 4, "all partitions have some");
    server.check_metric(r#"tracewell_collector_points_accepted_total{tenant="default"} 576"#);
    server.check_metric(
        r#"tracewell_collector_requests_total{protocol="http_protobuf",signal="metrics",code="200"} 3"#,
    );
}

#[tokio::test]
async fn the_grpc_service_takes_the_same_and_the_quota_of_spans_is_not_theirs() {
    let server = Server::start(|config| config.limits.spans = 1).await;
    let channel = Endpoint::from_shared(format!("http://{}", server.grpc)).expect("an address");
    let channel = channel.connect().await.expect("it listens");
    let mut client = MetricsServiceClient::new(channel);
    for n_points in [5, 4] {
        let sent = request(&["shop"], n_points);
        let answer = client.export(sent.clone()).await.expect("accepted");
        assert_eq!(answer.into_inner(), ExportMetricsServiceResponse::default());
        let (all, n) = resources(&server.log.take());
        assert_eq!(
            (all.into_values().collect(), u64::from(n)),
            (sent.resource_metrics, 2 * n_points)
        );
    }
    server
        .log
        .set(Mood::Refuses(|| bus::PublishError::ReadOnly));
    let refused = client.export(request(&["shop"], 1)).await;
    assert_eq!(
        refused.expect_err("refused").code(),
        tonic::Code::Unavailable
    );
}

#[tokio::test]
async fn over_the_quota_of_points_otlp_is_told_when_to_come_again() {
    let server = Server::start(|config| config.limits.points = 3).await;
    let channel = Endpoint::from_shared(format!("http://{}", server.grpc)).expect("an address");
    let channel = channel.connect().await.expect("it listens");
    let mut client = MetricsServiceClient::new(channel);
    let first = client.export(request(&["shop"], 400)).await;
    assert!(first.is_ok(), "the bucket was full");
    let refused = client.export(request(&["shop"], 1)).await;
    let status = refused.expect_err("in debt");
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert!(
        status.get_details_retry_info().is_some(),
        "it may come again"
    );
    let sent = request(&["shop"], 1).encode_to_vec();
    let answer = post(&server, &[PROTOBUF], &sent).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn json_comes_in_with_whole_numbers_as_texts_and_ids_in_hex() {
    let server = Server::start(|_| {}).await;
    let sent = br#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},
        "scopeMetrics":[{"metrics":[
        {"name":"d","unit":"ms","histogram":{"aggregationTemporality":2,"dataPoints":[
          {"timeUnixNano":"1544712660000000000","count":"3","sum":1.5,"bucketCounts":["1",2],"explicitBounds":[10],"min":"-Infinity",
           "exemplars":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","asInt":"-7"}]},
          {"timeUnixNano":"1544712660000000000","count":"3","bucketCounts":["1",2],"explicitBounds":[10, 5]}]}}]}]}]}"#;
    let answer = post(&server, &[JSON], sent).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some(JSON.1))
    );
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "1");
    assert_eq!(
        partial["errorMessage"],
        "resource_metrics[0].scope_metrics[0].metrics[0].data_points[1].explicit_bounds: not finite and ascending"
    );
    let (all, n_points) = resources(&server.log.take());
    assert_eq!(n_points, 1);
    let resource = all.into_values().next().expect("one");
    let Some(Data::Histogram(Histogram { data_points, .. })) =
        &resource.scope_metrics[0].metrics[0].data
    else {
        panic!("a histogram: {resource:?}");
    };
    let HistogramDataPoint {
        count,
        sum,
        bucket_counts,
        explicit_bounds,
        min,
        exemplars,
        ..
    } = &data_points[0];
    assert_eq!(
        (*count, *sum, *min),
        (3, Some(1.5), Some(f64::NEG_INFINITY))
    );
    assert_eq!(
        (&bucket_counts[..], &explicit_bounds[..]),
        (&[1, 2][..], &[10.0][..])
    );
    assert_eq!(exemplars[0].trace_id.len(), 16);
    for (bad, status) in [
        (&br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"d","gauge":{"dataPoints":[{"asInt":"x"}]}}]}]}]}"#[..], 400),
        (br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"d","histogram":{"dataPoints":[{"bucketCounts":[-1]}]}}]}]}]}"#, 400),
        (br#"{"resourceMetrics":{}}"#, 400),
        (b"{}", 200),
    ] {
        let answer = post(&server, &[JSON], bad).await;
        assert_eq!(answer.status, status, "{:?}", String::from_utf8_lossy(&answer.body));
    }
}

#[tokio::test]
async fn refusals_are_those_of_the_table() {
    let server = Server::start(|config| config.limits.items_max = 10).await;
    let (good, large) = (
        request(&["a"], 2).encode_to_vec(),
        request(&["a"], 9).encode_to_vec(),
    );
    let mut bad_text = good.clone();
    let place = good
        .windows(4)
        .position(|it| it == b"cpu\x12")
        .expect("a key");
    bad_text[place] = 0xff;
    for (headers, body, status, told) in [
        (
            &[PROTOBUF][..],
            &bad_text,
            400,
            "metrics[0].gauge.data_points[0].attributes[0].key: invalid UTF-8",
        ),
        (&[PROTOBUF], &large, 413, "limits.items_max of 10"),
        (&[("content-type", "text/plain")], &good, 415, "text/plain"),
    ] {
        let answer = post(&server, headers, body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{text}");
        assert!(text.contains(told), "{text:?} does not tell {told:?}");
    }
    assert_eq!(server.log.n_appends(), 0);
    server
        .log
        .set(Mood::Refuses(|| bus::PublishError::ReadOnly));
    let answer = post(&server, &[PROTOBUF], &good).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn b17_attributes_over_a_limit_are_left_out_and_counted() {
    let server = Server::start(|_| {}).await;
    let mut metric = gauge("m", 1);
    let Some(Data::Gauge(gauge)) = &mut metric.data else {
        panic!("a gauge");
    };
    let long = "x".repeat(10_000);
    let mut attributes = vec![text("long", &long), text(&long, "v")];
    attributes.extend((0..500).map(|n| text(&format!("l{n}"), "v")));
    gauge.data_points[0].attributes = attributes;
    let sent = ExportMetricsServiceRequest {
        resource_metrics: vec![resource("a", vec![metric])],
    };
    let answer = post(&server, &[PROTOBUF], &sent.encode_to_vec()).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]));
    let (all, n_points) = resources(&server.log.take());
    let resource = all.into_values().next().expect("one");
    let Some(Data::Gauge(gauge)) = &resource.scope_metrics[0].metrics[0].data else {
        panic!("a gauge");
    };
    let kept = &gauge.data_points[0].attributes;
    assert_eq!((n_points, kept.len(), kept[0].key.as_str()), (1, 40, "l0"));
    server.check_metric(r#"tracewell_collector_attributes_dropped_total{tenant="default"} 462"#);
}

#[tokio::test]
async fn b18_points_that_no_store_can_use_are_rejected_and_the_rest_is_taken() {
    let server = Server::start(|_| {}).await;
    let histogram = |bounds: &[f64], counts: Vec<u64>, sum: f64| HistogramDataPoint {
        time_unix_nano: 1,
        count: counts.iter().sum(),
        sum: Some(sum),
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts,
        ..Default::default()
    };
    let points = vec![
        histogram(&[1.0, 2.0], vec![1, 2, 3], 4.0),
        histogram(&[2.0, 1.0], vec![1, 2, 3], 4.0),
        histogram(&[1.0, f64::NAN], vec![1, 2, 3], 4.0),
        histogram(&[1.0], vec![1, 2, 3], 4.0),
        histogram(&[1.0], vec![1, 2], f64::NAN),
        histogram(&vec![0.0; 100_000], vec![0; 100_001], 4.0),
        HistogramDataPoint {
            count: 1,
            ..histogram(&[1.0], vec![1, 2], 4.0)
        },
    ];
    let metric = Metric {
        name: "h".to_owned(),
        data: Some(Data::Histogram(Histogram {
            data_points: points.clone(),
            aggregation_temporality: 2,
        })),
        ..Default::default()
    };
    let sent = ExportMetricsServiceRequest {
        resource_metrics: vec![resource("a", vec![metric, gauge("g", 2)])],
    };
    let answer = post(&server, &[PROTOBUF], &sent.encode_to_vec()).await;
    let message = ExportMetricsServiceResponse::decode(&answer.body[..]).expect("the response");
    let partial = message.partial_success.expect("six are invalid");
    assert_eq!((answer.status, partial.rejected_data_points), (200, 6));
    assert!(partial.error_message.len() <= 1024);
    let (all, n_points) = resources(&server.log.take());
    assert_eq!(n_points, 3);
    let resource = all.into_values().next().expect("one");
    let metrics = &resource.scope_metrics[0].metrics;
    let Some(Data::Histogram(kept)) = &metrics[0].data else {
        panic!("a histogram");
    };
    assert_eq!(kept.data_points, points[..1]);
    assert_eq!(metrics[1], gauge("g", 2));
    server.check_metric(
        r#"tracewell_collector_points_rejected_total{tenant="default",reason="invalid"} 6"#,
    );
}

#[tokio::test]
async fn json_that_grows_is_held_to_the_memory_of_requests() {
    let counts = vec!["0"; 100_000].join(",");
    let text = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"h","histogram":{{"aggregationTemporality":2,"dataPoints":[{{"bucketCounts":[{counts}]}}]}}}}]}}]}}]}}"#
    );
    for (memory_factor, status, told) in [
        (4, 413, "limits.ingest_memory"),
        (30, 200, "data_points[0]: larger than 512 KiB"),
    ] {
        let memory = memory_factor * text.len() as u64;
        let server = Server::start(|config| config.limits.ingest_memory = memory).await;
        let answer = post(&server, &[JSON], text.as_bytes()).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{body}");
        assert!(body.contains(told), "{body:?} does not tell {told:?}");
        assert_eq!(server.log.n_appends(), 0);
    }
}
