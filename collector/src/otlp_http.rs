//! OTLP over HTTP: protobuf and JSON, answered in the type of the request. Remote write, health and metrics of the process are on the same port.

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use bus::Log;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Body;
use xxhash_rust::xxh3::xxh3_128;

use crate::Collector;
use crate::admit::{BodyLimits, discard, read_whole};
use crate::answer::{self, HttpBody, Refusal, Unsupported};
use crate::arrival::{Arrival, Format, Signal, tenant_of};
use crate::inflate::Encoding;
use crate::otlp_grpc::{quoted, unknown_encoding};
use crate::remote_write;

/// So many times the largest body is read of a body that was refused, before the connection is closed instead.
const UNWANTED_FACTOR: u64 = 4;
/// Longest pause in a body that was refused.
const UNWANTED_IDLE: Duration = Duration::from_secs(1);

/// Answers one request.
pub(crate) async fn respond<L: Log, B>(
    collector: Collector<L>,
    request: Request<B>,
) -> Result<Response<HttpBody>, Infallible>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let (head, mut body) = request.into_parts();
    let mut response = match head.uri.path() {
        "/v1/traces" => export(&collector, Signal::Traces, &head, &mut body).await,
        "/v1/metrics" => export(&collector, Signal::Metrics, &head, &mut body).await,
        remote_write::PATH => remote_write::write(&collector, &head, &mut body).await,
        "/-/healthy" => read_only(&head, || text(StatusCode::OK, "text/plain", "ok\n")),
        "/-/ready" | "/ready" => read_only(&head, || ready(&collector)),
        "/metrics" => read_only(&head, || scrape(&collector)),
        _ => unserved(&collector, &head),
    };
    if head.version <= Version::HTTP_11 && !read_out(&collector, &response, &mut body).await {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Reads on to the end of a body that was refused, within reason, and says whether it came. A sender over HTTP/1 that is still writing when the
/// connection closes sees a reset instead of its answer, and sends all of it again. HTTP/2 ends the stream alone.
async fn read_out<L: Log, B>(
    collector: &Collector<L>,
    response: &Response<HttpBody>,
    body: &mut B,
) -> bool
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    if body.is_end_stream() {
        return true;
    }
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        return false;
    }
    let limits = collector.body_limits();
    let unwanted = BodyLimits {
        bytes_max: limits.bytes_max.saturating_mul(UNWANTED_FACTOR),
        idle: limits.idle.min(UNWANTED_IDLE),
        total: limits.total,
    };
    discard(body, unwanted).await
}

async fn export<L: Log, B>(
    collector: &Collector<L>,
    signal: Signal,
    head: &Parts,
    body: &mut B,
) -> Response<HttpBody>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let format = format_of(&head.headers).unwrap_or(Format::Json);
    let under_way = collector.under_way(format.protocol(), signal);
    let outcome = match read(collector, signal, head, body).await {
        Ok(arrival) => collector.receive(arrival).await,
        Err(refusal) => Err(collector.refuse(&tenant_of(&head.extensions), refusal)),
    };
    under_way.answered(&outcome);
    answer::http(&outcome, signal, format)
}

async fn read<L: Log, B>(
    collector: &Collector<L>,
    signal: Signal,
    head: &Parts,
    body: &mut B,
) -> Result<Arrival, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    check_verb(&head.method)?;
    collector.check_open()?;
    collector.check_headers(&head.headers)?;
    let format = format_of(&head.headers).ok_or_else(|| unknown_type(&head.headers))?;
    let encoding = encoding_of(&head.headers)?;
    let mut reserved = collector.reserve();
    let body = read_whole(body, encoding, collector.body_limits(), &mut reserved).await?;
    Ok(Arrival {
        tenant: tenant_of(&head.extensions),
        signal,
        format,
        encoding,
        body_hash: xxh3_128(&body),
        body,
        reserved,
        is_historic: false,
        answer_by: collector.answer_by(None),
    })
}

pub(crate) fn check_verb(verb: &Method) -> Result<(), Refusal> {
    if verb == Method::POST {
        return Ok(());
    }
    Err(Refusal::Unsupported {
        what: Unsupported::Verb("POST"),
        problem: format!("{verb} is not served here, POST is"),
    })
}

fn format_of(headers: &HeaderMap) -> Option<Format> {
    Format::named(headers.get(header::CONTENT_TYPE)?.as_bytes())
}

fn unknown_type(headers: &HeaderMap) -> Refusal {
    let name = headers.get(header::CONTENT_TYPE).map_or_else(
        || "none".to_owned(),
        |name| quoted(&String::from_utf8_lossy(name.as_bytes())),
    );
    Refusal::Unsupported {
        what: Unsupported::ContentType,
        problem: format!(
            "content type {name} is not read; application/x-protobuf and application/json are"
        ),
    }
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(Encoding::Identity),
        (Some(one), None) => Encoding::named(one.as_bytes())
            .ok_or_else(|| unknown_encoding("content-encoding", one.as_bytes())),
        (Some(_), Some(second)) => Err(unknown_encoding(
            "a second content-encoding",
            second.as_bytes(),
        )),
    }
}

fn unserved<L: Log>(collector: &Collector<L>, head: &Parts) -> Response<HttpBody> {
    let (signal, problem) = match head.uri.path() {
        "/v1/logs" => ("logs", not_read("logs")),
        "/v1development/profiles" => ("profiles", not_read("profiles")),
        other => (
            "other",
            format!(
                "{} is not served here; /v1/traces, /v1/metrics and /api/v1/write are",
                quoted(other)
            ),
        ),
    };
    let what = Unsupported::Path;
    let refusal = Refusal::Unsupported { what, problem };
    let format = format_of(&head.headers).unwrap_or(Format::Json);
    collector.turned_away(format.protocol(), signal, &refusal);
    let refused = collector.refuse(&tenant_of(&head.extensions), refusal);
    answer::refused(&refused, format)
}

fn not_read(signal: &str) -> String {
    format!("{signal} are not taken yet: nothing here would read them")
}

/// Pages that are only read.
fn read_only(head: &Parts, page: impl FnOnce() -> Response<HttpBody>) -> Response<HttpBody> {
    if matches!(head.method, Method::GET | Method::HEAD) {
        return page();
    }
    answer::plain(&Refusal::Unsupported {
        what: Unsupported::Verb("GET, HEAD"),
        problem: format!("{} is not served here, GET is", head.method),
    })
}

fn ready<L: Log>(collector: &Collector<L>) -> Response<HttpBody> {
    let standing = collector.standing();
    let code = if standing.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    text(code, "application/json", standing.to_json())
}

fn scrape<L: Log>(collector: &Collector<L>) -> Response<HttpBody> {
    let text_of = &collector.standing().scrape;
    text(
        StatusCode::OK,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        text_of(),
    )
}

fn text(code: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::new(body.into()));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
