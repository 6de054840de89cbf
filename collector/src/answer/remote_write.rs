//! Answers to Prometheus remote write: a code, and a line of text that the sender logs.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::http::{HttpBody, whole_seconds_up};
use super::{Accepted, PARTIAL_BYTES_MAX, Refused, Unsupported, cut};
use crate::answer::Refusal;

/// Encodings that are read; told to senders that used another.
const ENCODINGS: HeaderValue = HeaderValue::from_static("snappy");

/// The response to `POST /api/v1/write`. The protocol has no partial success: 400 says that some series were rejected for good, while all others are
/// durable (docs/decisions/111-remote-write.md).
pub(crate) fn remote_write(outcome: &Result<Accepted, Refused>) -> Response<HttpBody> {
    match outcome {
        Ok(accepted) if accepted.n_rejected == 0 => respond(StatusCode::NO_CONTENT, String::new()),
        Ok(accepted) => {
            let told = format!(
                "{} samples rejected, {} taken: {}",
                accepted.n_rejected, accepted.n_accepted, accepted.message
            );
            respond(StatusCode::BAD_REQUEST, cut(told, PARTIAL_BYTES_MAX))
        }
        Err(refused) => failure(refused),
    }
}

fn failure(refused: &Refused) -> Response<HttpBody> {
    let refusal = &refused.refusal;
    // Prometheus drops what is answered 429 unless told otherwise: a quota is a reason to wait like any other.
    let code = match refusal.http_status() {
        429 => 503,
        code => code,
    };
    let code = StatusCode::from_u16(code).expect("the table has valid codes");
    let mut response = respond(code, refusal.message());
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

fn respond(code: StatusCode, mut text: String) -> Response<HttpBody> {
    if !text.is_empty() {
        text.push('\n');
    }
    let has_text = !text.is_empty();
    let mut response = Response::new(HttpBody::new(Bytes::from(text)));
    *response.status_mut() = code;
    if has_text {
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
    }
    response
}
