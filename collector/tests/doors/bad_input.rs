//! The table of bad inputs (B01–B10, B12), by its numbers: each gets its answer, and the next good request is taken.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::corpus::{body, gzip, request, span, spans_of, zstd};
use crate::server::Server;
use crate::wire::{EXPORT, JSON, PROTOBUF, Refused, call, call_in_chunks, framed, post, raw};

/// A length-delimited field.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// A request of `n` spans without any field.
fn empty_spans(n: usize) -> Vec<u8> {
    field(1, &field(2, &[0x12, 0].repeat(n)))
}

/// Posts protobuf and gives the status.
async fn status_of(server: &Server, encoding: &str, sent: &[u8]) -> u16 {
    post(
        server.http,
        &[PROTOBUF, ("content-encoding", encoding)],
        sent,
    )
    .await
    .status
}

/// Posts one span beside a good one: the good one is taken, and this is how many were rejected.
async fn rejected_of(server: &Server, bad: Span) -> i64 {
    let sent = request("shop", vec![span(0, 0), bad]).encode_to_vec();
    let answer = post(server.http, &[PROTOBUF], &sent).await;
    assert_eq!(answer.status, 200);
    let message = ExportTraceServiceResponse::decode(&answer.body[..]).expect("the response");
    let n = message
        .partial_success
        .map_or(0, |partial| partial.rejected_spans);
    let kept = spans_of(&server.log.take());
    assert_eq!(kept.len() as i64, 2 - n);
    assert!(kept.contains(&span(0, 0)));
    n
}

#[tokio::test]
async fn b01_four_mib_of_empty_spans_are_too_large() {
    let server = Server::start(|_| {}).await;
    let sent = gzip(&empty_spans(2 << 20));
    assert!(sent.len() < 8_000, "{} B", sent.len());
    assert_eq!(status_of(&server, "gzip", &sent).await, 413);
    let called = call(
        server.grpc,
        &[("grpc-encoding", "gzip")],
        &framed(true, &sent),
    )
    .await;
    assert_eq!(
        called.expect_err("too large").status().code(),
        Code::ResourceExhausted
    );
}

#[tokio::test]
async fn b02_gzip_bombs_and_damage() {
    let server = Server::start(|_| {}).await;
    let (zeros, good) = (vec![0; 256 << 20], gzip(&body(8)));
    let mut bad_crc = good.clone();
    let crc_at = bad_crc.len() - 8;
    bad_crc[crc_at] ^= 1;
    for (name, sent, status) in [
        ("bomb", gzip(&zeros), 413),
        ("nested", gzip(&good), 400),
        ("cut", good[..good.len() - 1].to_vec(), 400),
        ("trailing junk", [&good[..], b"junk"].concat(), 400),
        ("bad CRC", bad_crc, 400),
        ("two equal members", [&good[..], &good].concat(), 200),
    ] {
        assert_eq!(status_of(&server, "gzip", &sent).await, status, "{name}");
    }
    // Messages add up when they follow each other: so do members.
    assert_eq!(spans_of(&server.log.take()).len(), 16);
}

#[tokio::test]
async fn b03_zstd_bombs_and_unknown_encodings() {
    let server = Server::start(|_| {}).await;
    for (encoding, sent, status) in [
        ("zstd", zstd(&vec![0; 256 << 20]), 413),
        ("zstd", body(8), 400),
        ("br", body(8), 415),
        ("deflate", body(8), 415),
        ("snappy", body(8), 415),
    ] {
        assert_eq!(
            status_of(&server, encoding, &sent).await,
            status,
            "{encoding}"
        );
    }
}

#[tokio::test]
async fn b04_a_lying_length_over_http_is_refused_or_timed_out() {
    let server = Server::start(|config| config.limits.body_idle = Duration::from_millis(30)).await;
    let head = |rest: &str| {
        format!(
            "POST /v1/traces HTTP/1.1\r\nhost: t\r\ncontent-type: application/x-protobuf\r\n{rest}\r\n\r\n"
        )
    };
    // Over the limit: refused before any of it is sent.
    let answer = raw(server.http, head("content-length: 99999999999").as_bytes()).await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (413, Some("close"))
    );
    // More announced than sent: the pause ends it.
    for rest in ["content-length: 1000", "transfer-encoding: chunked"] {
        let answer = raw(server.http, head(rest).as_bytes()).await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (408, Some("close"))
        );
    }
    // Chunks without end: refused at the limit.
    let mut stream = TcpStream::connect(server.http).await.expect("it listens");
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(vec![0; 0x10000]);
    chunk.extend(b"\r\n");
    stream
        .write_all(head("transfer-encoding: chunked").as_bytes())
        .await
        .expect("it reads");
    while stream.write_all(&chunk).await.is_ok() {}
    drop(stream);
    server.check_metric(
        r#"tracewell_collector_requests_total{protocol="http_protobuf",signal="traces",code="413"} 2"#,
    );
}

#[tokio::test]
async fn b04_who_sends_too_much_can_read_the_answer_and_go_on() {
    let server = Server::start(|config| config.limits.body_max = 100_000).await;
    let mut stream = TcpStream::connect(server.http).await.expect("it listens");
    let head = "POST /v1/traces HTTP/1.1\r\nhost: t\r\ncontent-type: application/x-protobuf\r\n";
    let body = vec![0; 300_000];
    for path in ["/v1/traces", "/v1/logs"] {
        let head = head.replace("/v1/traces", path);
        let sized = format!("{head}content-length: {}\r\n\r\n", body.len());
        stream
            .write_all(&[sized.as_bytes(), &body].concat())
            .await
            .expect("it reads");
        let chunked = format!(
            "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n",
            body.len()
        );
        let ended = [chunked.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        stream.write_all(&ended).await.expect("it reads");
    }
    let good = corpus_request(head);
    stream.write_all(&good).await.expect("it reads");
    let answers = read_all(&mut stream).await;
    let statuses: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|answer| answer.get(..3))
        .collect();
    assert_eq!(statuses, ["413", "413", "404", "404", "200"]);
}

/// A good request after which the connection closes.
fn corpus_request(head: &str) -> Vec<u8> {
    let body = body(3);
    let head = format!(
        "{head}connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .await
        .expect("an orderly end");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn b19_streams_reset_as_soon_as_they_are_opened_end_the_connection() {
    let server = Server::start(|_| {}).await;
    let stream = TcpStream::connect(server.grpc).await.expect("it listens");
    let (mut client, connection) = h2::client::handshake(stream).await.expect("it speaks h2");
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let mut n_streams = 0;
    while let Ok(mut ready) = client.ready().await {
        let request = http::Request::post(format!("http://test{EXPORT}"))
            .header("content-type", "application/grpc")
            .body(())
            .expect("valid headers");
        let Ok((_response, mut sender)) = ready.send_request(request, false) else {
            break;
        };
        // The headers go out before the reset does.
        tokio::task::yield_now().await;
        sender.send_reset(h2::Reason::CANCEL);
        client = ready;
        n_streams += 1;
        assert!(n_streams < 100_000, "nobody minds");
    }
    let ended = tasks
        .join_next()
        .await
        .expect("one task")
        .expect("no panic");
    assert!(
        ended.is_err(),
        "after {n_streams} streams the connection is gone"
    );
    assert!(
        call(server.grpc, &[], &framed(false, &body(3)))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn b04_a_lying_prefix_over_grpc_is_refused_or_timed_out() {
    let server = Server::start(|config| config.limits.body_idle = Duration::from_millis(30)).await;
    let open = |prefix: &'static [u8]| async move {
        call_in_chunks(server.grpc, EXPORT, &[], &[prefix], false)
            .await
            .expect_err("it lies")
    };
    let too_large = open(b"\0\xff\xff\xff\xff").await.status();
    assert_eq!(too_large.code(), Code::ResourceExhausted);
    for silent in [&b"\0\0\x0f\0\0"[..], b"\0\0"] {
        let cut = open(silent).await;
        assert!(matches!(cut, Refused::Reset(h2::Reason::CANCEL)), "{cut:?}");
    }
    let short = call(server.grpc, &[], b"\0\0\0\0\x09\x0a")
        .await
        .expect_err("it lies");
    assert_eq!(short.status().code(), Code::InvalidArgument);
    server.check_metric(r#"tracewell_refused_total{reason="slow_body"} 2"#);
}

/// A value of `depth` arrays in each other around nothing.
fn arrays(depth: usize) -> AnyValue {
    (0..depth).fold(AnyValue::default(), |inner, _| AnyValue {
        value: Some(any_value::Value::ArrayValue(ArrayValue {
            values: vec![inner],
        })),
    })
}

#[tokio::test]
async fn b05_deep_values_cost_their_span_and_too_deep_ones_the_request() {
    let server = Server::start(|_| {}).await;
    let with = |value: AnyValue| {
        let mut bad = span(0, 1);
        bad.attributes = vec![KeyValue {
            key: "deep".to_owned(),
            value: Some(value),
            ..Default::default()
        }];
        bad
    };
    assert_eq!(rejected_of(&server, with(arrays(10))).await, 0);
    assert_eq!(rejected_of(&server, with(arrays(17))).await, 1);
    let too_deep = request("shop", vec![with(arrays(48))]).encode_to_vec();
    assert_eq!(status_of(&server, "identity", &too_deep).await, 400);
    assert_eq!(status_of(&server, "identity", &[0x0b; 101]).await, 400);
}

#[tokio::test]
async fn b06_json_of_every_kind() {
    let server = Server::start(|_| {}).await;
    let of =
        |span: &str| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    let ids = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;
    let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for (name, sent, status, n_spans) in [
        ("depth 10 000", deep, 400, 0),
        (
            "unknown field",
            of(&format!(r#"{{{ids},"what":[1,{{}}]}}"#)),
            200,
            1,
        ),
        (
            "null",
            of(&format!(r#"{{{ids},"name":null,"attributes":null}}"#)),
            200,
            1,
        ),
        (
            "duplicate key",
            of(&format!(r#"{{{ids},"name":"a","name":"b"}}"#)),
            200,
            1,
        ),
        (
            "enum name",
            of(&format!(r#"{{{ids},"kind":"SPAN_KIND_SERVER"}}"#)),
            400,
            0,
        ),
        (
            "non-hex id",
            of(r#"{"traceId":"zz8efff798038103d269b633813fc60c"}"#),
            400,
            0,
        ),
        (
            "BOM",
            format!("\u{feff}{}", of(&format!("{{{ids}}}"))),
            200,
            1,
        ),
        (
            "lone surrogate",
            of(&format!(r#"{{{ids},"name":"\ud800"}}"#)),
            400,
            0,
        ),
        (
            "text int64",
            of(&format!(
                r#"{{{ids},"startTimeUnixNano":"18446744073709551615"}}"#
            )),
            200,
            1,
        ),
        (
            "NaN",
            of(&format!(r#"{{{ids},"startTimeUnixNano":NaN}}"#)),
            400,
            0,
        ),
        ("trailing text", format!("{} x", of("")), 400, 0),
    ] {
        let answer = post(server.http, &[JSON], sent.as_bytes()).await;
        assert_eq!(
            answer.status,
            status,
            "{name}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert_eq!(spans_of(&server.log.take()).len(), n_spans, "{name}");
    }
}

#[tokio::test]
async fn b07_bad_ids_cost_their_span() {
    let server = Server::start(|_| {}).await;
    for (trace_id, span_id) in [
        (vec![], vec![1; 8]),
        (vec![0; 16], vec![1; 8]),
        (vec![1; 3], vec![1; 8]),
        (vec![1; 17], vec![1; 8]),
        (vec![1; 16], vec![0; 8]),
        (vec![1; 16], vec![]),
        (vec![1; 16], vec![1; 9]),
    ] {
        let mut bad = span(0, 1);
        (bad.trace_id, bad.span_id) = (trace_id, span_id);
        assert_eq!(rejected_of(&server, bad).await, 1);
    }
}

#[tokio::test]
async fn b08_odd_parents_and_times_are_taken_as_they_are() {
    let server = Server::start(|_| {}).await;
    for (parent, start, end) in [
        (span(0, 1).span_id, 1, 2),
        (vec![9; 8], 2, 1),
        (vec![], 0, 0),
        (vec![9; 8], u64::MAX, u64::MAX),
    ] {
        let mut odd = span(0, 1);
        odd.parent_span_id = parent;
        (odd.start_time_unix_nano, odd.end_time_unix_nano) = (start, end);
        assert_eq!(rejected_of(&server, odd).await, 0);
    }
}

#[tokio::test]
async fn b09_invalid_utf8_refuses_the_request_and_names_the_field() {
    let server = Server::start(|_| {}).await;
    let mut sent = request("XYZZY", vec![span(0, 0)]).encode_to_vec();
    let at = sent
        .windows(5)
        .position(|five| five == b"XYZZY")
        .expect("the service");
    sent[at] = 0xff;
    let answer = post(server.http, &[PROTOBUF], &sent).await;
    let status = tonic_types::Status::decode(&answer.body[..]).expect("google.rpc.Status");
    assert_eq!((answer.status, status.code), (400, 3));
    assert!(
        status.message.contains("string_value"),
        "{}",
        status.message
    );
}

#[tokio::test]
async fn b10_and_b12_odd_text_is_stored_as_it_is() {
    let server = Server::start(|_| {}).await;
    for name in [
        "a\0b",
        "\x1b[31m",
        "\u{202e}",
        "x\n{\"level\":\"error\"}",
        "",
    ] {
        let mut odd = span(0, 1);
        odd.name = name.to_owned();
        assert_eq!(rejected_of(&server, odd).await, 0);
    }
    for service in ["", "../../etc", "%2e%2e", &"x".repeat(4000)] {
        let sent = request(service, vec![span(0, 0)]).encode_to_vec();
        assert_eq!(status_of(&server, "identity", &sent).await, 200);
        assert_eq!(spans_of(&server.log.take()), [span(0, 0)]);
    }
}

#[tokio::test]
async fn long_headers_are_refused() {
    let server = Server::start(|_| {}).await;
    let long = "x".repeat(17_000);
    let answer = post(server.http, &[PROTOBUF, ("x-long", &long)], &body(1)).await;
    assert_eq!(answer.status, 413);
}
