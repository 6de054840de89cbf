//! `POST /api/tracewell/v1/import`: a file of traces or metrics, told apart by its content: OTLP protobuf, OTLP JSON or Jaeger JSON, plain, gzip or
//! zstd. What it holds keeps its times; spans are sampled like any other.

mod content;
mod jaeger;
mod protobuf;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bus::Bus;
use collector::{Collector, Holds, ImportError, Imported};
use serde::Serialize;
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
    let parts = tokio::task::spawn_blocking(move || content::parts(&content));
    let mut taken = Taken::default();
    for (n, part) in parts.await.map_err(stopped)??.into_iter().enumerate() {
        let imported = collector.import(tenant.clone(), part.holds, part.format, part.body);
        match imported.await {
            Ok(imported) => taken.add(part.holds, imported),
            Err(error) if n == 0 => return Err(error),
            Err(error) => return Err(taken.but(n, error)),
        }
    }
    Ok(json!(taken))
}

/// What became of a file.
#[derive(Debug, Default, Serialize)]
struct Taken {
    accepted_spans: u64,
    rejected_spans: u64,
    accepted_points: u64,
    rejected_points: u64,
    /// Why the first ones were rejected.
    message: String,
}

impl Taken {
    fn add(&mut self, holds: Holds, imported: Imported) {
        let (accepted, rejected) = match holds {
            Holds::Traces => (&mut self.accepted_spans, &mut self.rejected_spans),
            Holds::Metrics => (&mut self.accepted_points, &mut self.rejected_points),
        };
        *accepted += imported.accepted;
        *rejected += u64::from(imported.rejected);
        if self.message.is_empty() {
            self.message = imported.message;
        }
    }

    /// An error after some of the file was taken: sent again soon, that part is known and counts once.
    fn but(&self, n: usize, error: ImportError) -> ImportError {
        let (spans, points) = (self.accepted_spans, self.accepted_points);
        let message = format!(
            "document {}: {}; the {spans} spans and {points} points before it are kept",
            n + 1,
            error.message
        );
        ImportError { message, ..error }
    }
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
