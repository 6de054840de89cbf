use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::Status;
use tonic_types::StatusExt;

use super::*;
use crate::arrival::{Format, Signal};

/// After which answers senders send again: the rules of opentelemetry-rust (opentelemetry-otlp, `src/retry_classification.rs`) and of the OTLP
/// specification ("Failures", "Retryable Response Codes"), written down here.
mod sender {
    use tonic::Code;

    /// The same in both.
    pub(super) fn grpc_retries(code: Code, has_retry_info: bool) -> bool {
        match code {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => true,
            Code::ResourceExhausted => has_retry_info,
            _ => false,
        }
    }

    pub(super) fn http_retries_by_specification(status: u16) -> bool {
        matches!(status, 429 | 502 | 503 | 504)
    }

    pub(super) fn http_retries_in_rust(status: u16) -> bool {
        status == 429 || !(400..500).contains(&status)
    }
}

fn refusals() -> Vec<(Refusal, Code, u16)> {
    let unsupported = |what| Refusal::Unsupported {
        what,
        problem: "unknown".to_owned(),
    };
    let too_large = Refusal::TooLarge {
        what: "body as sent in bytes",
        amount: 17,
        limit: "limits.body_max",
        max: 16,
    };
    let memory = Overload::Memory { wanted: 2, max: 1 };
    vec![
        (
            Refusal::malformed("body", "bad"),
            Code::InvalidArgument,
            400,
        ),
        (too_large, Code::ResourceExhausted, 413),
        (
            Refusal::Quota {
                of: QuotaOf::Points,
                items_per_s: 5,
            },
            Code::ResourceExhausted,
            429,
        ),
        (Refusal::Overloaded(memory), Code::Unavailable, 503),
        (
            Refusal::Overloaded(Overload::LogFull),
            Code::Unavailable,
            503,
        ),
        (
            Refusal::Overloaded(Overload::DiskFull),
            Code::Unavailable,
            503,
        ),
        (
            Refusal::Overloaded(Overload::ReadOnly),
            Code::Unavailable,
            503,
        ),
        (
            Refusal::Overloaded(Overload::LogUnavailable),
            Code::Unavailable,
            503,
        ),
        (
            Refusal::Overloaded(Overload::Deadline),
            Code::Unavailable,
            503,
        ),
        (
            Refusal::Overloaded(Overload::Draining),
            Code::Unavailable,
            503,
        ),
        (unsupported(Unsupported::Encoding), Code::Unimplemented, 415),
        (
            unsupported(Unsupported::ContentType),
            Code::Unimplemented,
            415,
        ),
        (unsupported(Unsupported::Path), Code::Unimplemented, 404),
        (
            unsupported(Unsupported::Verb("POST")),
            Code::Unimplemented,
            405,
        ),
        (Refusal::Slow("slow".to_owned()), Code::Cancelled, 408),
        (Refusal::Panicked, Code::Unavailable, 503),
        (Refusal::PanickedAgain, Code::Internal, 500),
    ]
}

fn refused(refusal: Refusal) -> Refused {
    let retry_in = refusal
        .is_retryable()
        .then_some(Duration::from_millis(1_200));
    Refused { refusal, retry_in }
}

#[test]
fn over_grpc_every_refusal_has_its_code_and_details() {
    for (refusal, code, _) in refusals() {
        let refused = refused(refusal);
        let response = grpc(&Err(refused.clone()));
        let status = Status::from_header_map(response.headers()).expect("trailers only");
        assert_eq!(status.code(), code, "{refused:?}");
        let details = status.get_error_details();
        let retry_delay = details.retry_info().and_then(|info| info.retry_delay);
        assert_eq!(retry_delay, refused.retry_in, "{refused:?}");
        let is_malformed = matches!(refused.refusal, Refusal::Malformed { .. });
        assert_eq!(details.bad_request().is_some(), is_malformed);
    }
}

#[tokio::test]
async fn over_http_every_refusal_has_its_status_headers_and_body_in_either_type() {
    for (refusal, code, http_status) in refusals() {
        let refused = refused(refusal);
        for format in [Format::Protobuf, Format::Json] {
            let response = http(&Err(refused.clone()), Signal::Traces, format);
            assert_eq!(response.status(), http_status, "{refused:?}");
            assert_eq!(response.headers()["content-type"], format.content_type());
            let retry_after = response.headers().get("retry-after").cloned();
            assert_eq!(retry_after.is_some(), refused.refusal.is_retryable());
            assert!(retry_after.is_none_or(|seconds| seconds == "2"));
            let body = response.into_body().collect().await.expect("a full body");
            check_status(format, &body.to_bytes(), code, &refused);
        }
    }
}

#[track_caller]
fn check_status(format: Format, body: &[u8], code: Code, refused: &Refused) {
    let n_details = usize::from(refused.retry_in.is_some())
        + usize::from(matches!(refused.refusal, Refusal::Malformed { .. }));
    match format {
        Format::Protobuf => {
            let status = tonic_types::Status::decode(body).expect("google.rpc.Status");
            assert_eq!(
                (status.code, status.details.len()),
                (code as i32, n_details)
            );
            assert_eq!(status.message, refused.refusal.to_string());
        }
        Format::Json => {
            let status: serde_json::Value = serde_json::from_slice(body).expect("JSON");
            assert_eq!(status["code"], code as i32);
            assert_eq!(status["message"], refused.refusal.to_string());
            assert_eq!(status["details"].as_array().map_or(0, Vec::len), n_details);
            if refused.retry_in.is_some() {
                assert_eq!(status["details"][0]["retryDelay"], "1.200000000s");
            }
        }
    }
}

#[test]
fn a_sender_retries_exactly_what_can_succeed() {
    for (refusal, code, http_status) in refusals() {
        let retryable = refusal.is_retryable();
        // Over gRPC a slow body is a stream reset, which senders may try again.
        if !matches!(refusal, Refusal::Slow(_)) {
            assert_eq!(
                sender::grpc_retries(code, retryable),
                retryable,
                "{refusal:?}"
            );
        }
        assert_eq!(
            sender::http_retries_by_specification(http_status),
            retryable,
            "{refusal:?}"
        );
        // opentelemetry-rust takes every 5xx for retryable: it will send again what failed twice, as often as it is configured to.
        if refusal != Refusal::PanickedAgain {
            assert_eq!(
                sender::http_retries_in_rust(http_status),
                retryable,
                "{refusal:?}"
            );
        }
    }
}

#[tokio::test]
async fn success_is_empty_and_partial_success_tells_what_was_rejected() {
    let partial = Accepted {
        n_accepted: 5,
        n_rejected: 3,
        message: "é".repeat(600),
        ..Accepted::default()
    };
    for (accepted, rejected) in [(Accepted::default(), None), (partial, Some(3))] {
        let outcome = Ok(accepted);
        let body = http(&outcome, Signal::Traces, Format::Protobuf)
            .into_body()
            .collect()
            .await;
        let body = body.expect("a full body").to_bytes();
        let message = ExportTraceServiceResponse::decode(body.clone()).expect("the response");
        let told = message.partial_success.map(|partial| {
            assert_eq!(partial.error_message.len(), PARTIAL_BYTES_MAX);
            partial.rejected_spans
        });
        assert_eq!(told, rejected);

        let json = http(&outcome, Signal::Traces, Format::Json)
            .into_body()
            .collect()
            .await;
        let json: serde_json::Value =
            serde_json::from_slice(&json.expect("a full body").to_bytes()).expect("JSON");
        match rejected {
            None => assert_eq!(json, serde_json::json!({})),
            Some(n) => assert_eq!(json["partialSuccess"]["rejectedSpans"], n.to_string()),
        }

        let framed = grpc(&outcome)
            .into_body()
            .collect()
            .await
            .expect("a full body");
        assert_eq!(framed.trailers().expect("trailers")["grpc-status"], "0");
        let framed = framed.to_bytes();
        assert_eq!((framed[0], &framed[5..]), (0, &body[..]));
        assert_eq!(framed[1..5], (body.len() as u32).to_be_bytes());
    }
}

#[test]
fn messages_are_cut_between_characters() {
    let refusal = Refusal::malformed("body", "ü".repeat(500));
    assert!(refusal.message().len() <= MESSAGE_BYTES_MAX);
    assert!(refusal.message().ends_with('ü'));
    assert_eq!(cut("short".to_owned(), 10), "short");
}

#[test]
fn what_the_log_says_becomes_a_row_of_the_table() {
    let full = PublishError::Full {
        queued_bytes: 2,
        queued_bytes_max: 1,
    };
    let disk = PublishError::DiskFull {
        free_bytes: 1,
        reserve_bytes: 2,
    };
    for (error, reason) in [
        (full, "log_full"),
        (disk, "disk_full"),
        (PublishError::ReadOnly, "read_only"),
        (PublishError::Closed, "draining"),
        (PublishError::Unavailable("down".into()), "log_unavailable"),
    ] {
        let refusal = Refusal::from(error);
        assert_eq!((refusal.reason(), refusal.is_retryable()), (reason, true));
    }
    let too_large = PublishError::TooLarge {
        bytes: 2,
        bytes_max: 1,
    };
    assert_eq!(Refusal::from(too_large).reason(), "too_large");
}
