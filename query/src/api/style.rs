//! How each API writes a refusal.

use axum::Json;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::request_id::RequestId;
use crate::refusal::{Kind, Refusal};

/// Whose clients asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    JaegerV1,
    JaegerV3,
    Own,
    Grpc,
    Prometheus,
    Plain,
}

/// Beginnings of paths, the first that fits counts. `/jaeger` before them is taken away.
const STYLES: [(&str, Style); 12] = [
    ("/api/tracewell/", Style::Own),
    ("/api/v3/", Style::JaegerV3),
    ("/prometheus", Style::Prometheus),
    ("/api/v1/", Style::Prometheus),
    ("/federate", Style::Prometheus),
    ("/tempo", Style::Plain),
    ("/zipkin", Style::Plain),
    ("/api/v2/", Style::Plain),
    ("/api/search", Style::Plain),
    ("/api/echo", Style::Plain),
    ("/api/status", Style::Plain),
    ("/api/", Style::JaegerV1),
];

impl Style {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
        if request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(grpc)
        {
            return Self::Grpc;
        }
        let path = below_mount(request.uri().path());
        STYLES
            .iter()
            .find(|(prefix, _)| path.starts_with(prefix))
            .map_or(Self::Plain, |(_, style)| *style)
    }

    /// Label of the series.
    pub(crate) fn api(self) -> &'static str {
        match self {
            Self::JaegerV1 => "jaeger_v1",
            Self::JaegerV3 => "jaeger_v3",
            Self::Own => "tracewell",
            Self::Grpc => "grpc",
            Self::Prometheus => "prometheus",
            Self::Plain => "other",
        }
    }

    /// The refusal as this API's clients expect it.
    pub(crate) fn refuse(self, refusal: &Refusal, request_id: &RequestId, path: &str) -> Response {
        let status = refusal.kind.status();
        let text = &refusal.text;
        match self {
            Self::Grpc => tonic::Status::from(refusal.clone()).into_http::<axum::body::Body>(),
            Self::JaegerV1 => (status, Json(jaeger_v1(status, text))).into_response(),
            Self::JaegerV3 => (status, Json(json!({ "error": { "httpCode": status.as_u16(), "message": text } }))).into_response(),
            Self::Prometheus => (status, Json(json!({ "status": "error", "errorType": prometheus_type(refusal.kind), "error": text }))).into_response(),
            Self::Plain => (status, format!("{text}\n")).into_response(),
            Self::Own => problem(refusal, request_id, path),
        }
    }
}

/// A path without the `/jaeger` under which Jaeger's routes are mounted once more.
pub(super) fn below_mount(path: &str) -> &str {
    let below = path
        .strip_prefix("/jaeger")
        .filter(|below| below.starts_with('/'));
    below.unwrap_or(path)
}

fn jaeger_v1(status: StatusCode, text: &str) -> serde_json::Value {
    json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{ "code": status.as_u16(), "msg": text }] })
}

fn prometheus_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "bad_data",
        Kind::NotFound | Kind::NotServed => "not_found",
        Kind::TooLarge => "execution",
        Kind::Deadline => "timeout",
        Kind::Busy | Kind::Unavailable => "unavailable",
        Kind::Internal => "internal",
    }
}

/// RFC 9457.
fn problem(refusal: &Refusal, request_id: &RequestId, path: &str) -> Response {
    let (status, code) = (refusal.kind.status(), refusal.kind.code());
    let body = json!({
        "type": format!("/docs/codes/{code}"),
        "title": refusal.kind.title(),
        "status": status.as_u16(),
        "detail": refusal.text,
        "instance": path,
        "code": code,
        "request_id": request_id.0,
    });
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}
