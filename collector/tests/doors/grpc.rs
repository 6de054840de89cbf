//! OTLP over gRPC, by the generated client and by hand.

use bus::{Kind, PublishError};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use telemetry::{Tenant, TraceId, partition_of};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tonic_types::StatusExt;
use xxhash_rust::xxh3::xxh3_128;

use crate::corpus::{body, gzip, request, span, spans, spans_of, zstd};
use crate::memory_log::Mood;
use crate::server::Server;
use crate::wire::{EXPORT, call, call_in_chunks, framed};

async fn channel(server: &Server) -> Channel {
    Endpoint::from_shared(format!("http://{}", server.grpc))
        .expect("an address")
        .connect()
        .await
        .expect("it listens")
}

#[tokio::test]
async fn spans_come_into_the_log_as_they_were_each_trace_in_its_partition() {
    let server = Server::start(|_| {}).await;
    let mut client = TraceServiceClient::new(channel(&server).await);
    let sent = request("shop", spans(512));
    let answer = client.export(sent.clone()).await.expect("accepted");
    assert_eq!(answer.into_inner(), ExportTraceServiceResponse::default());

    let drafts = server.log.take();
    assert_eq!(spans_of(&drafts), spans(512));
    let tenant = Tenant::default_tenant();
    for (part, draft) in drafts.iter().enumerate() {
        let header = &draft.header;
        assert_eq!((&header.tenant, header.kind), (&tenant, Kind::Otlp));
        assert_eq!(header.request_hash.0, xxh3_128(&sent.encode_to_vec()));
        assert_eq!((usize::from(header.part), header.historic), (part, false));
        for span in spans_of(std::slice::from_ref(draft)) {
            let id: [u8; 16] = span.trace_id.try_into().expect("16 bytes");
            let partition = partition_of(&tenant, TraceId(id), 4);
            assert_eq!(partition, draft.to.partition.0);
        }
    }
    server.check_metric(r#"tracewell_collector_spans_accepted_total{tenant="default"} 512"#);
    server.check_metric(
        r#"tracewell_collector_requests_total{protocol="grpc",signal="traces",code="OK"} 1"#,
    );
}

#[tokio::test]
async fn compressed_messages_are_the_same_request() {
    let server = Server::start(|_| {}).await;
    let plain = body(100);
    for (encoding, message) in [
        ("gzip", gzip(&plain)),
        ("gzip", [gzip(&plain[..500]), gzip(&plain[500..])].concat()),
        ("zstd", zstd(&plain)),
    ] {
        let answer = call(
            server.grpc,
            &[("grpc-encoding", encoding)],
            &framed(true, &message),
        )
        .await;
        assert!(answer.expect("accepted").is_empty());
        let drafts = server.log.take();
        assert_eq!(spans_of(&drafts), spans(100));
        assert_eq!(drafts[0].header.request_hash.0, xxh3_128(&plain));
    }
    // The flag decides, not the header.
    let uncompressed = call(
        server.grpc,
        &[("grpc-encoding", "gzip")],
        &framed(false, &plain),
    )
    .await;
    assert!(uncompressed.is_ok());
    assert_eq!(spans_of(&server.log.take()), spans(100));
}

#[tokio::test]
async fn an_empty_request_is_ok_and_does_not_touch_the_log() {
    let server = Server::start(|_| {}).await;
    assert!(call(server.grpc, &[], &framed(false, b"")).await.is_ok());
    assert!(
        call(server.grpc, &[], &framed(false, &body(0)))
            .await
            .is_ok()
    );
    assert_eq!(server.log.n_appends(), 0);
}

#[tokio::test]
async fn invalid_spans_are_left_out_and_told_the_rest_is_taken() {
    let server = Server::start(|_| {}).await;
    let mut mixed = spans(10);
    mixed[3].trace_id = vec![0; 16];
    mixed[7].span_id = vec![1; 3];
    let message = framed(false, &request("shop", mixed).encode_to_vec());
    let answer = call(server.grpc, &[], &message).await.expect("accepted");
    let answer = ExportTraceServiceResponse::decode(answer).expect("the response");
    let partial = answer.partial_success.expect("two are invalid");
    assert_eq!(partial.rejected_spans, 2);
    assert!(
        partial.error_message.contains("trace"),
        "{}",
        partial.error_message
    );
    assert_eq!(spans_of(&server.log.take()).len(), 8);
    server.check_metric(
        r#"tracewell_collector_spans_rejected_total{tenant="default",reason="invalid"} 2"#,
    );
}

#[tokio::test]
async fn what_the_log_cannot_take_now_is_unavailable_with_the_time_to_come_again() {
    let server = Server::start(|_| {}).await;
    let message = framed(false, &body(3));
    for why in [
        (|| PublishError::ReadOnly) as fn() -> PublishError,
        || PublishError::Closed,
        || PublishError::Unavailable("down".into()),
        || PublishError::Full {
            queued_bytes: 2,
            queued_bytes_max: 1,
        },
    ] {
        server.log.set(Mood::Refuses(why));
        let status = call(server.grpc, &[], &message)
            .await
            .expect_err("refused")
            .status();
        assert_eq!(status.code(), Code::Unavailable);
        let retry_info = status.get_details_retry_info().expect("RetryInfo");
        let seconds = retry_info.retry_delay.expect("a delay").as_secs_f64();
        assert!((0.8..=1.2).contains(&seconds), "{seconds} s");
    }
    server.log.set(Mood::Takes);
    assert!(call(server.grpc, &[], &message).await.is_ok());
    assert_eq!(spans_of(&server.log.take()), spans(3));
}

#[tokio::test]
async fn a_log_that_does_not_confirm_in_time_is_unavailable() {
    let server = Server::start(|config| {
        config.limits.answer = std::time::Duration::from_millis(20);
    })
    .await;
    server.log.set(Mood::Hangs);
    let status = call(server.grpc, &[], &framed(false, &body(3)))
        .await
        .expect_err("refused")
        .status();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some());
    server.check_metric(r#"tracewell_refused_total{reason="deadline"} 1"#);
}

#[tokio::test]
async fn a_callers_own_shorter_deadline_is_kept() {
    let server = Server::start(|_| {}).await;
    server.log.set(Mood::Hangs);
    let status = call(
        server.grpc,
        &[("grpc-timeout", "50m")],
        &framed(false, &body(3)),
    )
    .await;
    assert_eq!(
        status.expect_err("refused").status().code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn a_panic_is_unavailable_once_and_internal_when_the_same_bytes_come_again() {
    let server = Server::start(|_| {}).await;
    server.log.set(Mood::Panics);
    for (n, code) in [
        (3, Code::Unavailable),
        (3, Code::Internal),
        (4, Code::Unavailable),
        (3, Code::Internal),
    ] {
        let status = call(server.grpc, &[], &framed(false, &body(n)))
            .await
            .expect_err("it panics")
            .status();
        assert_eq!(status.code(), code);
        assert_eq!(
            status.get_details_retry_info().is_some(),
            code == Code::Unavailable
        );
    }
    server.log.set(Mood::Takes);
    assert!(
        call(server.grpc, &[], &framed(false, &body(3)))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn signals_that_nothing_reads_are_unimplemented_and_say_so() {
    let server = Server::start(|_| {}).await;
    let channel = channel(&server).await;
    let logs = LogsServiceClient::new(channel)
        .export(ExportLogsServiceRequest::default())
        .await;
    let status = logs.expect_err("nobody reads them");
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(
        status.message(),
        "logs are not taken yet: nothing here would read them"
    );
    let unknown = call_in_chunks(server.grpc, "/a.B/C", &[], &[b"\0\0\0\0\0"], true).await;
    assert_eq!(
        unknown.expect_err("unknown").status().code(),
        Code::Unimplemented
    );
    server.check_metric(
        r#"tracewell_collector_requests_total{protocol="grpc",signal="logs",code="UNIMPLEMENTED"} 1"#,
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_for_good() {
    let server = Server::start(|_| {}).await;
    let good = body(3);
    for (name, headers, bytes, code) in [
        (
            "no protobuf",
            &[][..],
            framed(false, b"plain text"),
            Code::InvalidArgument,
        ),
        (
            "cut gzip",
            &[("grpc-encoding", "gzip")],
            framed(true, &gzip(&good)[..30]),
            Code::InvalidArgument,
        ),
        (
            "no gzip",
            &[("grpc-encoding", "gzip")],
            framed(true, &good),
            Code::InvalidArgument,
        ),
        (
            "flag without encoding",
            &[],
            framed(true, &good),
            Code::InvalidArgument,
        ),
        (
            "br",
            &[("grpc-encoding", "br")],
            framed(true, &good),
            Code::Unimplemented,
        ),
        ("no message", &[], Vec::new(), Code::InvalidArgument),
        (
            "two messages",
            &[],
            [framed(false, &good), framed(false, &good)].concat(),
            Code::InvalidArgument,
        ),
        (
            "over the limit",
            &[],
            framed(false, &vec![0; (16 << 20) + 1]),
            Code::ResourceExhausted,
        ),
    ] {
        let status = call(server.grpc, headers, &bytes)
            .await
            .expect_err(name)
            .status();
        assert_eq!(status.code(), code, "{name}: {}", status.message());
        assert!(status.get_details_retry_info().is_none(), "{name}");
        let has_field = status.get_details_bad_request().is_some();
        assert_eq!(has_field, code == Code::InvalidArgument, "{name}");
    }
    assert_eq!(server.log.n_appends(), 0);
}

#[tokio::test]
async fn health_follows_readiness() {
    let server = Server::start(|_| {}).await;
    let mut client = HealthClient::new(channel(&server).await);
    for service in ["", "opentelemetry.proto.collector.trace.v1.TraceService"] {
        for (waiting, status) in [(vec!["bus: replay 41 %".to_owned()], 2), (Vec::new(), 1)] {
            server.waiting.send_replace(waiting);
            let service = service.to_owned();
            let answer = client.check(HealthCheckRequest { service }).await;
            assert_eq!(answer.expect("known").into_inner().status, status);
        }
    }
    let service = "other".to_owned();
    let unknown = client.check(HealthCheckRequest { service }).await;
    assert_eq!(unknown.expect_err("unknown").code(), Code::NotFound);

    let service = String::new();
    let watched = client.watch(HealthCheckRequest { service }).await;
    let mut watched = watched.expect("known").into_inner();
    assert_eq!(
        watched
            .message()
            .await
            .expect("open")
            .expect("a status")
            .status,
        1
    );
    server.waiting.send_replace(vec!["bus".to_owned()]);
    assert_eq!(
        watched
            .message()
            .await
            .expect("open")
            .expect("a status")
            .status,
        2
    );
}

#[tokio::test]
async fn a_request_on_the_wrong_port_is_told_where_to_go() {
    let server = Server::start(|_| {}).await;
    let answer = crate::wire::post(server.grpc, &[crate::wire::PROTOBUF], &body(1)).await;
    assert_eq!(answer.status, 415);
    let told = answer.json()["message"].as_str().expect("text").to_owned();
    assert!(told.contains("4318"), "{told}");
}

#[tokio::test]
async fn a_trace_keeps_its_partition_from_request_to_request() {
    let server = Server::start(|_| {}).await;
    for i in 0..20 {
        let message = framed(false, &request("shop", vec![span(7, i)]).encode_to_vec());
        let answer = call_in_chunks(
            server.grpc,
            EXPORT,
            &[],
            &[&message[..3], &message[3..9], &message[9..]],
            true,
        )
        .await;
        assert!(answer.is_ok());
    }
    let drafts = server.log.take();
    assert_eq!(drafts.len(), 20);
    assert!(drafts.iter().all(|draft| draft.to == drafts[0].to));
}

#[tokio::test]
async fn reflection_names_the_services_and_has_the_files_of_a_symbol() {
    let server = Server::start(|_| {}).await;
    for (service, itself) in [
        ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1"),
        (
            "grpc.reflection.v1alpha.ServerReflection",
            "grpc.reflection.v1alpha",
        ),
    ] {
        let path = format!("/{service}/ServerReflectionInfo");
        let ask = async |message: ServerReflectionRequest| {
            let request = framed(false, &message.encode_to_vec());
            let answer = call_in_chunks(server.grpc, &path, &[], &[&request], true).await;
            let answer = ServerReflectionResponse::decode(answer.expect("answered"));
            answer
                .expect("a message")
                .message_response
                .expect("one of them")
        };
        let of = |message_request| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message_request),
        };
        let MessageResponse::ListServicesResponse(listed) =
            ask(of(MessageRequest::ListServices(String::new()))).await
        else {
            panic!("no list");
        };
        let mut names: Vec<String> = listed.service.into_iter().map(|one| one.name).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "grpc.health.v1.Health",
                &format!("{itself}.ServerReflection"),
                "opentelemetry.proto.collector.metrics.v1.MetricsService",
                "opentelemetry.proto.collector.trace.v1.TraceService",
            ]
        );
        let symbol = "opentelemetry.proto.collector.trace.v1.TraceService".to_owned();
        let MessageResponse::FileDescriptorResponse(files) =
            ask(of(MessageRequest::FileContainingSymbol(symbol))).await
        else {
            panic!("no file");
        };
        assert_eq!(files.file_descriptor_proto.len(), 1);
    }
}
