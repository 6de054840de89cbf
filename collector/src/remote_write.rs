//! Prometheus remote write 1.0 on `/api/v1/write`: protobuf in one snappy block, answered in plain text. Remote write 2.0 is refused by its content type,
//! so that a sender falls back to 1.0.

use std::fmt::Display;

use bus::Log;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, header};
use hyper::body::Body;
use xxhash_rust::xxh3::xxh3_128;

use crate::Collector;
use crate::admit::read_whole;
use crate::answer::{self, HttpBody, Refusal, Unsupported};
use crate::arrival::{Arrival, Format, Protocol, Signal, tenant_of};
use crate::inflate::Encoding;
use crate::otlp_grpc::quoted;
use crate::otlp_http::check_verb;

/// Where it is sent.
pub(crate) const PATH: &str = "/api/v1/write";
/// Message that a content type names without a word.
const MESSAGE: &[u8] = b"prometheus.WriteRequest";

/// Answers one request.
pub(crate) async fn write<L: Log, B>(
    collector: &Collector<L>,
    head: &Parts,
    body: &mut B,
) -> Response<HttpBody>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let under_way = collector.under_way(Protocol::RemoteWrite, Signal::RemoteWrite);
    let outcome = match read(collector, head, body).await {
        Ok(arrival) => collector.receive(arrival).await,
        Err(refusal) => Err(collector.refuse(&tenant_of(&head.extensions), refusal)),
    };
    under_way.answered(&outcome);
    answer::remote_write(&outcome)
}

async fn read<L: Log, B>(
    collector: &Collector<L>,
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
    check_content_type(&head.headers)?;
    check_encoding(&head.headers)?;
    let mut reserved = collector.reserve();
    let encoding = Encoding::Snappy;
    let body = read_whole(body, encoding, collector.body_limits(), &mut reserved).await?;
    Ok(Arrival {
        tenant: tenant_of(&head.extensions),
        signal: Signal::RemoteWrite,
        format: Format::Protobuf,
        encoding,
        body_hash: xxh3_128(&body),
        body,
        reserved,
        is_historic: false,
        answer_by: collector.answer_by(None),
    })
}

/// # Errors
/// When the body is not the message of remote write 1.0. A sender that names no type at all means it.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let content_type = content_type.as_bytes();
    let mut parts = content_type.split(|&byte| byte == b';');
    let is_protobuf = parts.next().is_some_and(|name| {
        name.trim_ascii()
            .eq_ignore_ascii_case(b"application/x-protobuf")
    });
    let message = parts.find_map(|part| part.trim_ascii().strip_prefix(b"proto="));
    if is_protobuf && message.is_none_or(|message| message == MESSAGE) {
        return Ok(());
    }
    Err(Refusal::Unsupported {
        what: Unsupported::ContentType,
        problem: format!(
            "content type {} is not read here; application/x-protobuf of prometheus.WriteRequest (remote write 1.0) is",
            quoted(&String::from_utf8_lossy(content_type))
        ),
    })
}

/// # Errors
/// When the body is not one block of snappy.
fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let name = encodings
        .next()
        .map_or(&b"none"[..], |name| name.as_bytes());
    let is_one = encodings.next().is_none();
    if is_one && name.trim_ascii().eq_ignore_ascii_case(b"snappy") {
        return Ok(());
    }
    let name = quoted(&String::from_utf8_lossy(name));
    Err(Refusal::Unsupported {
        what: Unsupported::Encoding,
        problem: format!("content-encoding {name} is not read here; snappy is"),
    })
}
