//! `POST /api/tracewell/v1/import`: a file of spans, told apart by its content: OTLP protobuf, OTLP JSON or Jaeger JSON, plain, gzip or zstd.
//! Its spans keep their times and are sampled like any other.

mod jaeger;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bus::Bus;
use collector::{Collector, Format, ImportError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use telemetry::Tenant;

/// Largest body, in bytes as sent; unpacked it may have what the collector's limits say.
const BODY_BYTES_MAX: usize = 64 << 20;

pub(crate) fn router(collector: Collector<Bus>) -> Router {
    Router::new()
        .route("/api/tracewell/v1/import", post(import))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(collector)
}

async fn import(
    State(collector): State<Collector<Bus>>,
    extensions: Extensions,
    file: Bytes,
) -> Response {
    let tenant = extensions
        .get::<Tenant>()
        .cloned()
        .unwrap_or_else(Tenant::default_tenant);
    match take(&collector, tenant, file).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => problem(&error),
    }
}

async fn take(
    collector: &Collector<Bus>,
    tenant: Tenant,
    file: Bytes,
) -> Result<Value, ImportError> {
    let content = collector.unpack(&tenant, file).await?;
    let (format, body) = tokio::task::spawn_blocking(move || as_otlp(content))
        .await
        .map_err(stopped)??;
    let imported = collector.import(tenant, format, body).await?;
    Ok(json!({
        "accepted_spans": imported.accepted_spans,
        "rejected_spans": imported.rejected_spans,
        "message": imported.message,
    }))
}

/// Only the keys that tell formats apart.
#[derive(Deserialize)]
struct TopLevel {
    data: Option<IgnoredAny>,
}

/// What kind of OTLP the content is, made so if it is Jaeger's.
fn as_otlp(content: Bytes) -> Result<(Format, Bytes), ImportError> {
    let text = content
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&content)
        .trim_ascii_start();
    // An OTLP protobuf body begins with the key of its first field, 0x0a, or is empty.
    if text.first() != Some(&b'{') {
        return Ok((Format::Protobuf, content));
    }
    let is_jaeger = serde_json::from_slice::<TopLevel>(text).is_ok_and(|top| top.data.is_some());
    if !is_jaeger {
        return Ok((Format::Json, content));
    }
    let otlp = jaeger::to_otlp_json(text).map_err(|error| refusal(400, error.to_string()))?;
    Ok((Format::Json, Bytes::from(otlp.to_string())))
}

fn refusal(http_status: u16, message: String) -> ImportError {
    ImportError {
        http_status,
        message,
        retry_in: None,
    }
}

fn stopped(error: tokio::task::JoinError) -> ImportError {
    refusal(500, format!("reading the file failed: {error}"))
}

/// RFC 9457, as all of our own API answers.
fn problem(error: &ImportError) -> Response {
    let status =
        StatusCode::from_u16(error.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "type": "/docs/codes/TW2201",
        "title": "the file was not imported",
        "status": status.as_u16(),
        "detail": error.message,
        "code": "TW2201",
    });
    let mut response = (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
        .into_response();
    if let Some(wait) = error.retry_in {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn format_of(content: &[u8]) -> Format {
        as_otlp(Bytes::copy_from_slice(content))
            .expect("readable")
            .0
    }

    #[test]
    fn files_are_told_apart_by_their_content() {
        assert_eq!(format_of(b"\x0a\x02\x0a\x00"), Format::Protobuf);
        assert_eq!(format_of(b""), Format::Protobuf);
        assert_eq!(format_of(b" {\"resourceSpans\":[]}"), Format::Json);
        assert_eq!(format_of("\u{feff}{\"data\":[]}".as_bytes()), Format::Json);
        let (_, body) = as_otlp(Bytes::from_static(b"{\"data\":[]}")).expect("Jaeger JSON");
        assert_eq!(body, "{\"resourceSpans\":[]}");
    }

    #[test]
    fn broken_jaeger_json_is_refused_with_its_reason() {
        let error =
            as_otlp(Bytes::from_static(b"{\"data\":[{\"spans\":[{}]}]}")).expect_err("no ids");
        assert_eq!(error.http_status, 400);
        assert!(error.message.contains("traceID"), "{}", error.message);
    }
}
