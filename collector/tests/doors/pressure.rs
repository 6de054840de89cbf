//! Too much at once, and the end: what is refused can come again, what is under way is answered.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::Code;
use tonic_types::StatusExt;

use crate::corpus::{body, gzip, spans, spans_of};
use crate::memory_log::Mood;
use crate::server::Server;
use crate::wire::{Connection, PROTOBUF, call, framed, post};

/// Waits until the log has been asked `n` times.
async fn asked(server: &Server, n: u64) {
    while server.log.n_appends() < n {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn over_the_memory_that_is_left_a_request_may_come_again_over_all_of_it_not() {
    let request = body(400);
    // A request takes up to three times its size, and twice while the log has it.
    let for_one = request.len() as u64 * 4;
    let server = Server::start(|config| config.limits.ingest_memory = for_one).await;
    let message = framed(false, &request);
    server.log.set(Mood::Hangs);
    let first = call(server.grpc, &[], &message);
    let second = async {
        asked(&server, 1).await;
        let status = call(server.grpc, &[], &message)
            .await
            .expect_err("no room")
            .status();
        server.log.set(Mood::Takes);
        status
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_ok());
    assert_eq!(second.code(), Code::Unavailable, "{}", second.message());
    assert!(second.get_details_retry_info().is_some());
    assert!(
        call(server.grpc, &[], &message).await.is_ok(),
        "the memory was given back"
    );
    server.check_metric(r#"tracewell_refused_total{reason="memory"} 1"#);

    let whole = framed(false, &body(2000));
    let status = call(server.grpc, &[], &whole)
        .await
        .expect_err("over all of it")
        .status();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_none());
    let answer = post(
        server.http,
        &[PROTOBUF, ("content-encoding", "gzip")],
        &gzip(&body(2000)),
    )
    .await;
    assert_eq!((answer.status, answer.header("retry-after")), (413, None));
}

#[tokio::test]
async fn a_large_request_is_many_records_of_at_most_900_kb() {
    let server = Server::start(|_| {}).await;
    let request = body(60_000);
    for (encoding, sent) in [("identity", request.clone()), ("gzip", gzip(&request))] {
        let answer = post(
            server.http,
            &[PROTOBUF, ("content-encoding", encoding)],
            &sent,
        )
        .await;
        assert_eq!(answer.status, 200);
        let drafts = server.log.take();
        assert!(drafts.len() >= 8, "{} records", drafts.len());
        assert!(drafts.iter().all(|draft| draft.payload.len() <= 900_000));
        assert!(spans_of(&drafts) == spans(60_000));
        let parts: Vec<u16> = drafts.iter().map(|draft| draft.header.part).collect();
        assert!(parts.iter().copied().eq(0..parts.len() as u16), "{parts:?}");
    }
}

#[tokio::test]
async fn more_items_than_the_limit_are_too_large() {
    let server = Server::start(|config| config.limits.items_max = 100).await;
    assert!(
        call(server.grpc, &[], &framed(false, &body(100)))
            .await
            .is_ok()
    );
    let status = call(server.grpc, &[], &framed(false, &body(101)))
        .await
        .expect_err("101")
        .status();
    assert_eq!(
        status.code(),
        Code::ResourceExhausted,
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn a_thousand_times_the_same_request_has_the_same_hash_and_parts_each_time() {
    let server = Server::start(|_| {}).await;
    let message = framed(false, &body(8));
    for _ in 0..1000 {
        assert!(call(server.grpc, &[], &message).await.is_ok());
    }
    let drafts = server.log.take();
    let identity = |i: usize| (drafts[i].header.request_hash, drafts[i].header.part);
    assert_eq!(drafts.len(), 1000);
    assert!((0..1000).all(|i| identity(i) == identity(0)));
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_takes_nothing_more() {
    let server = Server::start(|_| {}).await;
    server.log.set(Mood::Hangs);
    let (grpc, http, log) = (server.grpc, server.http, server.log.clone());
    let message = framed(false, &body(8));
    let under_way = call(grpc, &[], &message);
    let stopped = async {
        asked(&server, 1).await;
        server.stop.cancel();
        // The listener is closed at once, while the request is still under way.
        while TcpStream::connect(http).await.is_ok() || TcpStream::connect(grpc).await.is_ok() {
            tokio::task::yield_now().await;
        }
        log.set(Mood::Takes);
    };
    let (answer, ()) = tokio::join!(under_way, stopped);
    assert_eq!(answer.expect("answered"), Bytes::new());
    server.stop().await;
    assert_eq!(spans_of(&log.take()), spans(8));
}

#[tokio::test]
async fn a_stop_cuts_what_takes_longer_than_the_drain() {
    let server = Server::start(|config| config.limits.drain = Duration::from_millis(20)).await;
    server.log.set(Mood::Hangs);
    let message = framed(false, &body(8));
    let (grpc, stop) = (server.grpc, server.stop.clone());
    let under_way = call(grpc, &[], &message);
    let stopped = async {
        asked(&server, 1).await;
        stop.cancel();
    };
    let (answer, ()) = tokio::join!(under_way, stopped);
    assert!(answer.is_err());
    server.stop().await;
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once() {
    let server = Server::start(|config| config.limits.connections_max = 2).await;
    let _first = TcpStream::connect(server.http).await.expect("it listens");
    let _second = TcpStream::connect(server.http).await.expect("it listens");
    let mut third = TcpStream::connect(server.http).await.expect("it listens");
    let end = third.read(&mut [0; 1]).await;
    assert!(matches!(end, Ok(0) | Err(_)));
    server.check_metric("tracewell_collector_connections_refused_total 1");
}

#[tokio::test]
async fn a_connection_that_stays_silent_is_closed() {
    let server = Server::start(|config| config.limits.body_idle = Duration::from_millis(20)).await;
    let mut silent = TcpStream::connect(server.grpc).await.expect("it listens");
    assert_eq!(silent.read(&mut [0; 1]).await.expect("an orderly end"), 0);
}

#[tokio::test]
async fn over_a_tenants_quota_a_request_may_come_again() {
    let server = Server::start(|config| config.limits.spans = 10).await;
    let message = framed(false, &body(400));
    assert!(
        call(server.grpc, &[], &message).await.is_ok(),
        "the bucket was full"
    );
    let status = call(server.grpc, &[], &message)
        .await
        .expect_err("in debt")
        .status();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status.get_details_retry_info().is_some(),
        "it may come again"
    );
    let answer = post(server.http, &[PROTOBUF], &body(1)).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    server.check_metric(r#"tracewell_refused_total{reason="quota"} 2"#);
}

#[tokio::test]
async fn a_request_whose_sender_went_away_is_counted_as_canceled() {
    let server = Server::start(|_| {}).await;
    server.log.set(Mood::Hangs);
    let request = body(1);
    let message = framed(false, &request);
    let over_grpc = call(server.grpc, &[], &message);
    let over_http = post(server.http, &[PROTOBUF], &request);
    let by_hand = body(2);
    tokio::select! {
        answer = over_grpc => panic!("{answer:?}"),
        answer = over_http => panic!("{answer:?}"),
        () = asked(&server, 2) => {} // both go away with this
    }
    let lines = [
        r#"tracewell_collector_requests_total{protocol="grpc",signal="traces",code="CANCELLED"} 1"#,
        r#"tracewell_collector_requests_total{protocol="http_protobuf",signal="traces",code="499"} 1"#,
    ];
    while !lines.iter().all(|line| server.has_metric(line)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.log.set(Mood::Takes);
    assert_eq!(post(server.http, &[PROTOBUF], &by_hand).await.status, 200);
    assert!(
        lines.iter().all(|line| server.has_metric(line)),
        "answered ones are not"
    );
}

#[tokio::test]
async fn what_all_connections_may_send_unread_is_bounded_and_few_have_much() {
    const N: usize = 200;
    let server = Server::start(|config| config.limits.ingest_memory = 32 << 20).await;
    let mut open = Vec::new();
    for _ in 0..N {
        open.push(Connection::open(server.grpc).await);
    }
    let windows: Vec<usize> = open.iter().map(Connection::window_bytes).collect();
    assert!(windows[0] >= 4 << 20, "{windows:?}");
    let sum: usize = windows.iter().sum();
    assert!(sum <= (15 << 20) + N * 65_535, "{sum}: {windows:?}");
}
