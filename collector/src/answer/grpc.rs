//! Answers over gRPC: status in the trailers, `google.rpc.Status` with RetryInfo or BadRequest beside it.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::{BodyExt, Full};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic_types::{ErrorDetails, StatusExt};

use super::http::ExportResponse;
use super::{Accepted, Refusal, Refused, Unsupported};

/// Encodings that are read; told to senders that used another.
const ENCODINGS: HeaderValue = HeaderValue::from_static("identity,gzip,zstd");
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// The response to an Export call.
pub(crate) fn grpc(outcome: &Result<Accepted, Refused>) -> Response<Body> {
    match outcome {
        Ok(accepted) => success(accepted),
        Err(refused) => failure(refused),
    }
}

/// The HTTP response to a request that is no gRPC call at all.
pub(crate) fn grpc_other(refusal: &Refusal) -> Response<Body> {
    super::plain(refusal).map(Body::new)
}

fn success(accepted: &Accepted) -> Response<Body> {
    let message = ExportResponse::of(accepted);
    let len = message.encoded_len();
    let mut framed = BytesMut::with_capacity(5 + len);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(len).expect("a partial success is at most some 1 KiB"));
    message
        .encode(&mut framed)
        .expect("the buffer has the encoded length");
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body =
        Full::<Bytes>::new(framed.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

fn failure(refused: &Refused) -> Response<Body> {
    let mut response: Response<Body> = status(refused).into_http();
    if let Refusal::Unsupported {
        what: Unsupported::Encoding,
        ..
    } = refused.refusal
    {
        response
            .headers_mut()
            .insert("grpc-accept-encoding", ENCODINGS);
    }
    response
}

/// The refusal as gRPC tells it. Its `details` are an encoded `google.rpc.Status`.
pub(super) fn status(refused: &Refused) -> Status {
    let mut details = ErrorDetails::new();
    if let Some(retry_in) = refused.retry_in {
        details.set_retry_info(Some(retry_in));
    }
    let message = refused.refusal.message();
    if let Refusal::Malformed { field, .. } = &refused.refusal {
        details.add_bad_request_violation(field.as_ref(), message.as_str());
    }
    Status::with_error_details(refused.refusal.grpc_code(), message, details)
}
