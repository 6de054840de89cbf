//! OTLP over HTTP/1.1, and the pages beside it.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use crate::corpus::{body, gzip, request, spans, spans_of, zstd};
use crate::memory_log::Mood;
use crate::server::Server;
use crate::wire::{JSON, PROTOBUF, post, send};

#[tokio::test]
async fn protobuf_comes_into_the_log_as_it_was_however_it_is_compressed() {
    let server = Server::start(|_| {}).await;
    let plain = body(100);
    for (headers, sent) in [
        (&[PROTOBUF][..], plain.clone()),
        (&[PROTOBUF, ("content-encoding", "identity")], plain.clone()),
        (&[PROTOBUF, ("content-encoding", "gzip")], gzip(&plain)),
        (&[PROTOBUF, ("content-encoding", "zstd")], zstd(&plain)),
        (
            &[("Content-Type", "Application/X-Protobuf; charset=x")],
            plain.clone(),
        ),
    ] {
        let answer = post(server.http, headers, &sent).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]));
        assert_eq!(answer.header("content-type"), Some(PROTOBUF.1));
        let drafts = server.log.take();
        assert_eq!(spans_of(&drafts), spans(100));
        assert_eq!(drafts[0].header.request_hash.0, xxh3_128(&plain));
    }
}

#[tokio::test]
async fn json_comes_into_the_log_as_protobuf_and_is_answered_in_json() {
    let server = Server::start(|_| {}).await;
    let sent = br#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},
        "scopeSpans":[{"scope":{"name":"s"},"spans":[
        {"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","name":"load","kind":3,
         "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
         "attributes":[{"key":"n","value":{"intValue":"9007199254740993"}}]},
        {"traceId":"","spanId":"eee19b7ec3c1b175"}]}]}]}"#;
    for headers in [
        &[JSON][..],
        &[("content-type", "application/json; charset=utf-8")],
    ] {
        let answer = post(server.http, headers, sent).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(JSON.1))
        );
        assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "1");
        let drafts = server.log.take();
        let spans = spans_of(&drafts);
        assert_eq!(
            (spans.len(), spans[0].name.as_str(), spans[0].kind),
            (1, "load", 3)
        );
        assert_eq!(spans[0].start_time_unix_nano, 1_544_712_660_000_000_000);
        assert_eq!(drafts[0].header.request_hash.0, xxh3_128(sent));
    }
    let answer = post(server.http, &[JSON], b"{}").await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
}

#[tokio::test]
async fn a_partial_success_in_protobuf_tells_the_number() {
    let server = Server::start(|_| {}).await;
    let mut mixed = spans(5);
    mixed[0].trace_id = Vec::new();
    let answer = post(
        server.http,
        &[PROTOBUF],
        &request("shop", mixed).encode_to_vec(),
    )
    .await;
    let message = ExportTraceServiceResponse::decode(&answer.body[..]).expect("the response");
    let partial = message.partial_success.expect("one is invalid");
    assert_eq!((answer.status, partial.rejected_spans), (200, 1));
}

#[tokio::test]
async fn errors_carry_a_status_in_the_type_of_the_request() {
    let server = Server::start(|_| {}).await;
    let answer = post(server.http, &[PROTOBUF], b"plain text").await;
    let status = tonic_types::Status::decode(&answer.body[..]).expect("google.rpc.Status");
    assert_eq!(
        (answer.status, status.code, status.details.len()),
        (400, 3, 1)
    );
    assert_eq!(answer.header("content-type"), Some(PROTOBUF.1));

    let answer = post(server.http, &[JSON], b"{").await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_i64()),
        (400, Some(3))
    );
    assert_eq!(answer.header("content-type"), Some(JSON.1));
}

#[tokio::test]
async fn what_the_log_cannot_take_now_is_503_with_retry_after() {
    let server = Server::start(|_| {}).await;
    server
        .log
        .set(Mood::Refuses(|| bus::PublishError::ReadOnly));
    let answer = post(server.http, &[PROTOBUF], &body(1)).await;
    let seconds: u64 = answer
        .header("retry-after")
        .expect("set")
        .parse()
        .expect("seconds");
    assert_eq!((answer.status, (1..=2).contains(&seconds)), (503, true));
    server.check_metric(
        r#"tracewell_collector_requests_total{protocol="http_protobuf",signal="traces",code="503"} 1"#,
    );
    server.check_metric(r#"tracewell_refused_total{reason="read_only"} 1"#);
}

#[tokio::test]
async fn a_panic_is_503_once_and_500_when_the_same_bytes_come_again() {
    let server = Server::start(|_| {}).await;
    server.log.set(Mood::Panics);
    for status in [503, 500, 500] {
        let answer = post(server.http, &[PROTOBUF], &body(1)).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
    }
}

#[tokio::test]
async fn unknown_paths_verbs_types_and_encodings_have_their_codes() {
    let server = Server::start(|_| {}).await;
    let good = body(1);
    for (verb, path, headers, status, told) in [
        (
            "POST",
            "/v1/logs",
            &[JSON][..],
            404,
            "logs are not taken yet",
        ),
        (
            "POST",
            "/v1/trace",
            &[PROTOBUF],
            404,
            "/v1/traces, /v1/metrics and",
        ),
        ("GET", "/", &[], 404, "/v1/traces, /v1/metrics and"),
        ("GET", "/v1/metrics", &[PROTOBUF], 405, "POST is"),
        ("GET", "/v1/traces", &[PROTOBUF], 405, "POST is"),
        ("PUT", "/v1/traces", &[PROTOBUF], 405, "POST is"),
        ("POST", "/-/ready", &[], 405, "GET is"),
        ("POST", "/v1/traces", &[], 415, "content type none"),
        (
            "POST",
            "/v1/traces",
            &[("content-type", "text/plain")],
            415,
            "text/plain",
        ),
        (
            "POST",
            "/v1/traces",
            &[PROTOBUF, ("content-encoding", "br")],
            415,
            "br",
        ),
        (
            "POST",
            "/v1/traces",
            &[PROTOBUF, ("content-encoding", "deflate")],
            415,
            "deflate",
        ),
        (
            "POST",
            "/v1/traces",
            &[PROTOBUF, ("content-encoding", "gzip, gzip")],
            415,
            "gzip, gzip",
        ),
    ] {
        let answer = send(server.http, verb, path, headers, &good).await;
        assert_eq!(answer.status, status, "{verb} {path} {headers:?}");
        let text = String::from_utf8_lossy(&answer.body);
        assert!(text.contains(told), "{text:?} does not tell {told:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
    assert_eq!(server.log.n_appends(), 0);
}

#[tokio::test]
async fn health_and_metrics_are_on_the_same_port() {
    let server = Server::start(|_| {}).await;
    let get = |path| send(server.http, "GET", path, &[], b"");
    assert_eq!(get("/-/healthy").await.status, 200);
    for path in ["/-/ready", "/ready"] {
        server
            .waiting
            .send_replace(vec!["bus: replay 41 %".to_owned()]);
        let answer = get(path).await;
        let waiting = json!({"ready": false, "waiting": ["bus: replay 41 %"]});
        assert_eq!((answer.status, answer.json()), (503, waiting));
        server.waiting.send_replace(Vec::new());
        let answer = get(path).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"ready": true}))
        );
    }
    let metrics = get("/metrics").await;
    let text = String::from_utf8_lossy(&metrics.body);
    assert!(metrics.status == 200 && text.contains("tracewell_collector_connections"));
}

#[tokio::test]
async fn http2_is_served_on_the_same_port() {
    let server = Server::start(|_| {}).await;
    let stream = tokio::net::TcpStream::connect(server.http)
        .await
        .expect("it listens");
    let (client, connection) = h2::client::handshake(stream).await.expect("it speaks h2");
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let request = http::Request::post("http://test/v1/traces")
        .header(PROTOBUF.0, PROTOBUF.1)
        .body(())
        .expect("valid headers");
    let mut client = client.ready().await.expect("a stream is free");
    let (response, mut sender) = client.send_request(request, false).expect("it is open");
    sender.send_data(body(8).into(), true).expect("it is open");
    assert_eq!(response.await.expect("an answer").status(), 200);
    assert_eq!(spans_of(&server.log.take()), spans(8));
}
