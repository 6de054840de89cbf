//! OTLP over HTTP: protobuf and JSON, answered in the type of the request. Health and metrics of the process are on the same port.

use bus::Log;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use std::convert::Infallible;

use crate::Collector;
use crate::admit::read_whole;
use crate::answer::{self, HttpBody, Refusal, Unsupported};
use crate::arrival::{Arrival, Format, Protocol, tenant_of};
use crate::inflate::Encoding;
use crate::otlp_grpc::{quoted, unknown_encoding};

/// Answers one request.
pub(crate) async fn respond<L: Log>(
    collector: Collector<L>,
    request: Request<Incoming>,
) -> Result<Response<HttpBody>, Infallible> {
    let version = request.version();
    let mut response = match request.uri().path() {
        "/v1/traces" => export(&collector, request).await,
        "/-/healthy" => read_only(&request, || text(StatusCode::OK, "text/plain", "ok\n")),
        "/-/ready" | "/ready" => read_only(&request, || ready(&collector)),
        "/metrics" => read_only(&request, || scrape(&collector)),
        path => unserved(&collector, path, &request),
    };
    // What was not read of the body is not worth reading: HTTP/1 can only end the connection, HTTP/2 ends the stream.
    let is_unread = matches!(response.status().as_u16(), 408 | 413);
    if is_unread && version <= Version::HTTP_11 {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn export<L: Log>(
    collector: &Collector<L>,
    request: Request<Incoming>,
) -> Response<HttpBody> {
    let started = collector.clock().monotonic();
    let tenant = tenant_of(request.extensions());
    let format = format_of(request.headers()).unwrap_or(Format::Json);
    let outcome = match read(collector, request).await {
        Ok(arrival) => collector.receive(arrival).await,
        Err(refusal) => Err(collector.refuse(&tenant, refusal)),
    };
    collector.answered(format.protocol(), &outcome, started);
    answer::http(&outcome, format)
}

async fn read<L: Log>(
    collector: &Collector<L>,
    request: Request<Incoming>,
) -> Result<Arrival, Refusal> {
    check_verb(&request)?;
    collector.check_open()?;
    let (head, body) = request.into_parts();
    collector.check_headers(&head.headers)?;
    let format = format_of(&head.headers).ok_or_else(|| unknown_type(&head.headers))?;
    let encoding = encoding_of(&head.headers)?;
    let mut reserved = collector.reserve();
    let body = read_whole(body, collector.body_limits(), &mut reserved).await?;
    Ok(Arrival {
        tenant: tenant_of(&head.extensions),
        format,
        encoding,
        body,
        reserved,
        answer_by: collector.answer_by(None),
    })
}

fn check_verb<B>(request: &Request<B>) -> Result<(), Refusal> {
    if request.method() == Method::POST {
        return Ok(());
    }
    Err(Refusal::Unsupported {
        what: Unsupported::Verb("POST"),
        problem: format!("{} is not served here, POST is", request.method()),
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

fn unserved<L: Log>(
    collector: &Collector<L>,
    path: &str,
    request: &Request<Incoming>,
) -> Response<HttpBody> {
    let (signal, problem) = match path {
        "/v1/metrics" => ("metrics", not_read("metrics")),
        "/v1/logs" => ("logs", not_read("logs")),
        "/v1development/profiles" => ("profiles", not_read("profiles")),
        other => (
            "other",
            format!("{} is not served here; /v1/traces is", quoted(other)),
        ),
    };
    let what = Unsupported::Path;
    let refusal = Refusal::Unsupported { what, problem };
    let format = format_of(request.headers()).unwrap_or(Format::Json);
    let protocol: Protocol = format.protocol();
    collector.turned_away(protocol, signal, &refusal);
    let refused = collector.refuse(&tenant_of(request.extensions()), refusal);
    answer::http(&Err(refused), format)
}

fn not_read(signal: &str) -> String {
    format!("{signal} are not taken yet: nothing here would read them")
}

/// Pages that are only read.
fn read_only<B>(
    request: &Request<B>,
    page: impl FnOnce() -> Response<HttpBody>,
) -> Response<HttpBody> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return page();
    }
    answer::plain(&Refusal::Unsupported {
        what: Unsupported::Verb("GET, HEAD"),
        problem: format!("{} is not served here, GET is", request.method()),
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
