//! Answers over HTTP: the same as over gRPC, in the content type of the request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use prost::Message;
use serde_json::{Value, json};

use super::{Accepted, PARTIAL_BYTES_MAX, Refusal, Refused, Unsupported, cut};
use crate::arrival::{Format, Signal};

/// Encodings that are read; told to senders that used another.
const ENCODINGS: HeaderValue = HeaderValue::from_static("identity, gzip, zstd");

pub(crate) type HttpBody = Full<Bytes>;

/// `ExportTraceServiceResponse` and `ExportMetricsServiceResponse`, which are one on the wire, as far as we fill them.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess`, `ExportMetricsPartialSuccess`
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    n_rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

impl ExportResponse {
    /// A partial success is only set if something was rejected.
    pub(super) fn of(accepted: &Accepted) -> Self {
        let partial_success = (accepted.n_rejected > 0).then(|| PartialSuccess {
            n_rejected: accepted.n_rejected.into(),
            error_message: cut(accepted.message.clone(), PARTIAL_BYTES_MAX),
        });
        Self { partial_success }
    }

    /// The JSON form of OTLP: 64-bit numbers as strings, what is absent left out.
    fn to_json(&self, signal: Signal) -> Value {
        let rejected = match signal {
            Signal::Traces => "rejectedSpans",
            Signal::Metrics | Signal::RemoteWrite => "rejectedDataPoints",
        };
        match &self.partial_success {
            None => json!({}),
            Some(partial) => json!({"partialSuccess": {
                rejected: partial.n_rejected.to_string(),
                "errorMessage": partial.error_message,
            }}),
        }
    }
}

/// The response to `POST /v1/traces` and `POST /v1/metrics`.
pub(crate) fn http(
    outcome: &Result<Accepted, Refused>,
    signal: Signal,
    format: Format,
) -> Response<HttpBody> {
    match outcome {
        Ok(accepted) => success(accepted, signal, format),
        Err(refusal) => refused(refusal, format),
    }
}

/// The response to a request of which not even the content type is known: JSON, which people can read.
pub(crate) fn plain(refusal: &Refusal) -> Response<HttpBody> {
    let refused = Refused {
        refusal: refusal.clone(),
        retry_in: None,
    };
    self::refused(&refused, Format::Json)
}

fn success(accepted: &Accepted, signal: Signal, format: Format) -> Response<HttpBody> {
    let message = ExportResponse::of(accepted);
    respond(
        StatusCode::OK,
        format,
        match format {
            Format::Protobuf => message.encode_to_vec(),
            Format::Json => message.to_json(signal).to_string().into_bytes(),
        },
    )
}

/// The response to a request that was refused.
pub(crate) fn refused(refused: &Refused, format: Format) -> Response<HttpBody> {
    let refusal = &refused.refusal;
    let code = StatusCode::from_u16(refusal.http_status()).expect("the table has valid codes");
    let body = match format {
        Format::Protobuf => super::grpc::status(refused).details().to_vec(),
        Format::Json => status_json(refused).to_string().into_bytes(),
    };
    let mut response = respond(code, format, body);
    let headers = response.headers_mut();
    if let Some(retry_in) = refused.retry_in {
        headers.insert(header::RETRY_AFTER, whole_seconds_up(retry_in).into());
    }
    match refusal {
        Refusal::Unsupported {
            what: Unsupported::Encoding,
            ..
        } => {
            headers.insert(header::ACCEPT_ENCODING, ENCODINGS);
        }
        Refusal::Unsupported {
            what: Unsupported::Verb(allowed),
            ..
        } => {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        _ => {}
    }
    response
}

fn respond(code: StatusCode, format: Format, body: Vec<u8>) -> Response<HttpBody> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.content_type()),
    );
    response
}

/// `google.rpc.Status` in the JSON form of protobuf.
fn status_json(refused: &Refused) -> Value {
    let message = refused.refusal.message();
    let mut details = Vec::new();
    if let Some(retry_in) = refused.retry_in {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{:.9}s", retry_in.as_secs_f64()),
        }));
    }
    if let Refusal::Malformed { field, .. } = &refused.refusal {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": message}],
        }));
    }
    let mut status = json!({"code": refused.refusal.grpc_code() as i32, "message": message});
    if !details.is_empty() {
        status["details"] = Value::Array(details);
    }
    status
}

pub(super) fn whole_seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
