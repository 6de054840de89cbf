//! Prometheus remote write 1.0 through the port for HTTP.

use bus::{Kind, Topic};
use prost::Message;
use xxhash_rust::xxh3::xxh3_128;

use crate::corpus::body;
use crate::memory_log::Mood;
use crate::server::Server;
use crate::wire::{Answer, PROTOBUF, send};

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    metric_family_name: String,
}

fn series(name: &str, instance: usize) -> TimeSeries {
    let label = |name: &str, value: &str| Label {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    TimeSeries {
        labels: vec![
            label("__name__", name),
            label("instance", &instance.to_string()),
        ],
        samples: vec![Sample {
            value: 1.5,
            timestamp: 1_700_000_000_000,
        }],
    }
}

fn request(n_series: usize) -> WriteRequest {
    WriteRequest {
        timeseries: (0..n_series).map(|n| series("up", n)).collect(),
        metadata: vec![Metadata {
            kind: 2,
            metric_family_name: "up".to_owned(),
        }],
    }
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    let packed = snap::raw::Encoder::new().compress_vec(bytes);
    packed.expect("it is short")
}

const SNAPPY: (&str, &str) = ("content-encoding", "snappy");

async fn post(server: &Server, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    send(server.http, "POST", "/api/v1/write", headers, body).await
}

#[tokio::test]
async fn over_a_tenants_quota_of_points_samples_may_come_again_and_spans_come() {
    let server = Server::start(|config| config.limits.points = 10).await;
    let sent = snappy(&request(64).encode_to_vec());
    let answer = post(&server, &[PROTOBUF, SNAPPY], &sent).await;
    assert_eq!(answer.status, 204, "the bucket was full");
    let answer = post(&server, &[PROTOBUF, SNAPPY], &sent).await;
    assert_eq!(answer.status, 503, "Prometheus drops what is answered 429");
    assert!(answer.header("retry-after").is_some());
    let told = String::from_utf8_lossy(&answer.body);
    assert!(
        told.contains("10 points a second (limits.points)"),
        "{told}"
    );
    server.check_metric(r#"tracewell_refused_total{reason="quota"} 1"#);
    let spans = send(server.http, "POST", "/v1/traces", &[PROTOBUF], &body(400)).await;
    assert_eq!(spans.status, 200, "spans have a quota of their own");
}

#[tokio::test]
async fn series_come_into_the_log_each_in_its_partition() {
    let server = Server::start(|_| {}).await;
    let sent = request(64);
    let plain = sent.encode_to_vec();
    let headers = [
        &[PROTOBUF, SNAPPY][..],
        &[
            (
                "content-type",
                "application/x-protobuf;proto=prometheus.WriteRequest",
            ),
            SNAPPY,
            ("x-prometheus-remote-write-version", "0.1.0"),
        ],
    ];
    let mut partitions = Vec::new();
    for headers in headers {
        let answer = post(&server, headers, &snappy(&plain)).await;
        assert_eq!((answer.status, &answer.body[..]), (204, &b""[..]));
        let (mut found, mut n_points, mut n_metadata) = (Vec::new(), 0, 0);
        for draft in server.log.take() {
            let header = &draft.header;
            assert_eq!(
                (draft.to.topic, header.kind, header.request_hash.0),
                (Topic::Points, Kind::RemoteWrite1, xxh3_128(&plain))
            );
            let part = WriteRequest::decode(&draft.payload[..]).expect("a request");
            n_points += header.n_items;
            n_metadata += part.metadata.len();
            let partition = draft.to.partition.0;
            found.extend(
                part.timeseries
                    .into_iter()
                    .map(|one| (format!("{one:?}"), partition)),
            );
        }
        assert_eq!((found.len(), n_points, n_metadata), (64, 64, 1));
        found.sort();
        partitions.push(found);
    }
    assert_eq!(
        partitions[0], partitions[1],
        "a series stays in its partition"
    );
    server.check_metric(
        r#"tracewell_collector_requests_total{protocol="remote_write",signal="metrics",code="204"} 2"#,
    );
    server.check_metric(r#"tracewell_collector_points_accepted_total{tenant="default"} 128"#);
}

#[tokio::test]
async fn what_is_rejected_is_400_and_named_while_the_rest_is_durable() {
    let server = Server::start(|_| {}).await;
    let mut sent = request(3);
    sent.timeseries[1].labels[0].name = "name".to_owned();
    let answer = post(&server, &[PROTOBUF, SNAPPY], &snappy(&sent.encode_to_vec())).await;
    let told = String::from_utf8_lossy(&answer.body);
    assert_eq!(
        (answer.status, &*told),
        (
            400,
            "1 samples rejected, 2 taken: timeseries[1]: no label __name__\n"
        )
    );
    assert!(answer.header("retry-after").is_none());
    let n_items: u32 = server
        .log
        .take()
        .iter()
        .map(|draft| draft.header.n_items)
        .sum();
    assert_eq!(n_items, 2);
    server.check_metric(
        r#"tracewell_collector_requests_total{protocol="remote_write",signal="metrics",code="400"} 1"#,
    );
    server.check_metric(
        r#"tracewell_collector_points_rejected_total{tenant="default",reason="invalid"} 1"#,
    );
}

#[tokio::test]
async fn b03_a_block_that_lies_about_its_length_allocates_nothing() {
    let server = Server::start(|config| config.limits.inflated_max = 1 << 20).await;
    let good = snappy(&request(50).encode_to_vec());
    let mut cut = good.clone();
    cut.truncate(good.len() / 2);
    let mut longer = good.clone();
    longer[0] |= 0x7f;
    for (body, status, told) in [
        (
            &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
            413,
            "limits.inflated_max",
        ),
        (&[0x80, 0x80, 0x41], 413, "limits.inflated_max"),
        (&[0x80, 0x80, 0x20, 0, 0], 400, "cannot lie in 5"),
        (
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            400,
            "damaged compression",
        ),
        (b"", 400, "damaged compression"),
        (&cut, 400, "damaged compression"),
        (&longer, 400, "damaged compression"),
        (&snappy(b"\x0a\x05"), 400, "timeseries[0]"),
    ] {
        let answer = post(&server, &[PROTOBUF, SNAPPY], body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{text}");
        assert!(text.contains(told), "{text:?} does not tell {told:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
    }
    assert_eq!(server.log.n_appends(), 0);
}

#[tokio::test]
async fn other_versions_types_and_encodings_have_their_codes() {
    let server = Server::start(|_| {}).await;
    let body = snappy(&request(1).encode_to_vec());
    let v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    for (verb, headers, status, told) in [
        ("GET", &[PROTOBUF, SNAPPY][..], 405, "POST is"),
        ("POST", &[PROTOBUF], 415, "snappy is"),
        (
            "POST",
            &[PROTOBUF, ("content-encoding", "zstd")],
            415,
            "snappy is",
        ),
        (
            "POST",
            &[("content-type", "text/plain"), SNAPPY],
            415,
            "remote write 1.0",
        ),
        (
            "POST",
            &[("content-type", v2), SNAPPY],
            415,
            "remote write 1.0",
        ),
    ] {
        let answer = send(server.http, verb, "/api/v1/write", headers, &body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{text}");
        assert!(text.contains(told), "{text:?} does not tell {told:?}");
    }
    server
        .log
        .set(Mood::Refuses(|| bus::PublishError::ReadOnly));
    let answer = post(&server, &[PROTOBUF, SNAPPY], &body).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    server.log.set(Mood::Takes);
    let empty = post(&server, &[PROTOBUF, SNAPPY], &snappy(b"")).await;
    assert_eq!(empty.status, 204);
}
