//! OTLP over gRPC, as plain HTTP/2 requests: the five bytes before a message are read and judged before anything is reserved for it.
//!
//! In: a request. Out: the response of `collector::answer`. Stock tonic would reserve what a message announces, inflate it without our bound and
//! answer codes that make senders do the wrong thing (docs/decisions/051-grpc-on-raw-bodies.md); only health and
//! reflection go through it.

use std::time::Duration;

use bus::Log;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use hyper::body::{Body as HttpBody, Incoming};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use xxhash_rust::xxh3::xxh3_128;

use crate::Collector;
use crate::admit::{BodyLimits, Frames, Gathered, Reserved};
use crate::answer::{self, Refusal, Unsupported};
use crate::arrival::{Arrival, Format, Protocol, Signal, tenant_of};
use crate::health::GrpcHealth;
use crate::inflate::Encoding;
use crate::reflection::REFLECTION_SERVICES;

/// Services that take something.
pub(crate) const SERVICES: [&str; 2] = [
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
];
/// Methods that take something.
const EXPORTS: [(&str, Signal); 2] = [
    (
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Traces,
    ),
    (
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Metrics,
    ),
];
const HEALTH: &str = "/grpc.health.v1.Health/";
/// Services of OTLP that no part reads yet, and the signal they carry.
const UNREAD: [(&str, &str); 2] = [
    (
        "/opentelemetry.proto.collector.logs.v1.LogsService/",
        "logs",
    ),
    (
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/",
        "profiles",
    ),
];
/// Compressed flag and length before each message.
const PREFIX_BYTES: usize = 5;
/// Share of a caller's own deadline within which we answer, in percent.
const DEADLINE_SHARE_PERCENT: u32 = 80;

/// Answers one request. An error resets the stream: nothing sensible can be told to a sender that stopped sending.
pub(crate) async fn respond<L: Log>(
    collector: Collector<L>,
    mut reflection: Routes,
    request: Request<Incoming>,
) -> Result<Response<Body>, h2::Error> {
    if let Err(refusal) = check_grpc(&request) {
        collector.turned_away(Protocol::Grpc, "other", &refusal);
        return Ok(answer::grpc_other(&refusal));
    }
    let path = request.uri().path();
    if let Some((_, signal)) = EXPORTS.into_iter().find(|(export, _)| *export == path) {
        return export(&collector, signal, request).await;
    }
    if path.starts_with(HEALTH) {
        return Ok(health(&collector, request).await);
    }
    if is_of_reflection(path) {
        let Ok(response) = tonic::codegen::Service::call(&mut reflection, request).await;
        return Ok(response);
    }
    let (signal, refusal) = unserved(path);
    collector.turned_away(Protocol::Grpc, signal, &refusal);
    let refused = collector.refuse(&tenant_of(request.extensions()), refusal);
    Ok(answer::grpc(&Err(refused)))
}

fn is_of_reflection(path: &str) -> bool {
    let service = path
        .strip_prefix('/')
        .and_then(|path| path.split('/').next());
    service.is_some_and(|service| REFLECTION_SERVICES.contains(&service))
}

/// # Errors
/// When this is no gRPC call.
fn check_grpc<B>(request: &Request<B>) -> Result<(), Refusal> {
    let unsupported = |what, problem: &str| Refusal::Unsupported {
        what,
        problem: problem.to_owned(),
    };
    let content_type = header_of(request.headers(), header::CONTENT_TYPE.as_str());
    if !content_type.starts_with(b"application/grpc") {
        return Err(unsupported(
            Unsupported::ContentType,
            "this port speaks gRPC; OTLP over HTTP has its own port (4318 by default)",
        ));
    }
    if request.method() != Method::POST {
        return Err(unsupported(
            Unsupported::Verb("POST"),
            "gRPC calls are POST requests",
        ));
    }
    Ok(())
}

fn unserved(path: &str) -> (&'static str, Refusal) {
    let unread = UNREAD
        .into_iter()
        .find(|(service, _)| path.starts_with(service));
    let (signal, problem) = match unread {
        Some((_, signal)) => (
            signal,
            format!("{signal} are not taken yet: nothing here would read them"),
        ),
        None => ("other", format!("unknown method {}", quoted(path))),
    };
    let what = Unsupported::Path;
    (signal, Refusal::Unsupported { what, problem })
}

async fn health<L: Log>(collector: &Collector<L>, request: Request<Incoming>) -> Response<Body> {
    let mut server = HealthServer::new(GrpcHealth::of(collector.standing(), &SERVICES));
    match tonic::codegen::Service::call(&mut server, request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn export<L: Log>(
    collector: &Collector<L>,
    signal: Signal,
    request: Request<Incoming>,
) -> Result<Response<Body>, h2::Error> {
    let under_way = collector.under_way(Protocol::Grpc, signal);
    let tenant = tenant_of(request.extensions());
    let outcome = match read(collector, signal, request).await {
        Ok(arrival) => collector.receive(arrival).await,
        Err(refusal) => Err(collector.refuse(&tenant, refusal)),
    };
    under_way.answered(&outcome);
    match &outcome {
        Err(refused) if matches!(refused.refusal, Refusal::Slow(_)) => {
            Err(h2::Error::from(h2::Reason::CANCEL))
        }
        outcome => Ok(answer::grpc(outcome)),
    }
}

/// Reads the one message of an Export call.
async fn read<L: Log>(
    collector: &Collector<L>,
    signal: Signal,
    request: Request<Incoming>,
) -> Result<Arrival, Refusal> {
    let started = Instant::now();
    collector.check_open()?;
    let (head, body) = request.into_parts();
    check_format(&head.headers)?;
    let encoding = encoding_of(&head.headers)?;
    let asked = asked_deadline(&head.headers, started);
    let mut reserved = collector.reserve().answered_by(asked);
    let (is_compressed, message) =
        read_message(body, encoding, collector.body_limits(), &mut reserved).await?;
    let encoding = match (is_compressed, encoding) {
        (false, _) => Encoding::Identity,
        (true, Encoding::Identity) => {
            return Err(Refusal::malformed(
                "grpc-encoding",
                "the message is flagged as compressed, but no encoding is named",
            ));
        }
        (true, encoding) => encoding,
    };
    Ok(Arrival {
        tenant: tenant_of(&head.extensions),
        signal,
        format: Format::Protobuf,
        encoding,
        body_hash: xxh3_128(&message),
        body: message,
        reserved,
        is_historic: false,
        answer_by: collector.answer_by(asked),
    })
}

/// # Errors
/// When the messages are not protobuf.
fn check_format(headers: &HeaderMap) -> Result<(), Refusal> {
    let content_type = header_of(headers, header::CONTENT_TYPE.as_str());
    let name = content_type
        .split(|&b| b == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if name == b"application/grpc" || name == b"application/grpc+proto" {
        return Ok(());
    }
    Err(Refusal::Unsupported {
        what: Unsupported::ContentType,
        problem: format!(
            "content type {} is not read, application/grpc is",
            quoted(&String::from_utf8_lossy(name))
        ),
    })
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let Some(name) = headers.get("grpc-encoding") else {
        return Ok(Encoding::Identity);
    };
    Encoding::named(name.as_bytes())
        .ok_or_else(|| unknown_encoding("grpc-encoding", name.as_bytes()))
}

/// The refusal of an encoding that we do not read.
pub(crate) fn unknown_encoding(field: &str, name: &[u8]) -> Refusal {
    let name = quoted(&String::from_utf8_lossy(name));
    Refusal::Unsupported {
        what: Unsupported::Encoding,
        problem: format!("{field} {name} is not read; identity, gzip and zstd are"),
    }
}

/// Text of a stranger, escaped and short enough to be repeated in an answer.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    format!("{short:?}")
}

/// When a caller that named its deadline in `grpc-timeout` has to have its answer: within 80 % of it, from the start of the call.
fn asked_deadline(headers: &HeaderMap, started: Instant) -> Option<Instant> {
    let asked = timeout_of(headers.get("grpc-timeout")?.as_bytes())?;
    started.checked_add(asked * DEADLINE_SHARE_PERCENT / 100)
}

/// A `grpc-timeout`: at most 8 digits and a unit.
fn timeout_of(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(n * 3600),
        b'M' => Duration::from_secs(n * 60),
        b'S' => Duration::from_secs(n),
        b'm' => Duration::from_millis(n),
        b'u' => Duration::from_micros(n),
        b'n' => Duration::from_nanos(n),
        _ => return None,
    })
}

/// Reads the only message of a call: whether it is compressed, and its bytes as sent. Its announced length is refused or reserved before the rest
/// is read.
async fn read_message<B>(
    body: B,
    encoding: Encoding,
    limits: BodyLimits,
    reserved: &mut Reserved,
) -> Result<(bool, Bytes), Refusal>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut frames = Frames::new(body, limits);
    let mut head = Gathered::default();
    while head.len() < PREFIX_BYTES {
        let Some(bytes) = frames.next().await? else {
            return Err(cut_short(PREFIX_BYTES, head.len()));
        };
        head.push(bytes, PREFIX_BYTES);
    }
    let mut head = head.finish();
    let (is_compressed, len) = prefix_of(&head.split_to(PREFIX_BYTES))?;
    limits.check(len as u64)?;
    let encoding = if is_compressed {
        encoding
    } else {
        Encoding::Identity
    };
    reserved
        .begin(len as u64, encoding.expected(len as u64))
        .await?;
    let mut message = Gathered::default();
    message.push(head, len);
    while message.len() < len {
        match frames.next().await? {
            Some(bytes) => message.push(bytes, len),
            None => return Err(cut_short(len, message.len())),
        }
    }
    if message.len() > len || frames.next().await?.is_some() {
        return Err(Refusal::malformed(
            "body",
            format!("more than the one message of {len} bytes that it announces"),
        ));
    }
    Ok((is_compressed, message.finish()))
}

fn prefix_of(prefix: &[u8]) -> Result<(bool, usize), Refusal> {
    match *prefix {
        [flag @ (0 | 1), a, b, c, d] => Ok((flag == 1, u32::from_be_bytes([a, b, c, d]) as usize)),
        _ => Err(Refusal::malformed(
            "body",
            "the compressed flag of a message is neither 0 nor 1",
        )),
    }
}

fn cut_short(announced: usize, came: usize) -> Refusal {
    Refusal::malformed(
        "body",
        format!("{announced} bytes are announced, {came} came"),
    )
}

fn header_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    headers.get(name).map_or(&[], |value| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::Budget;
    use http_body::Frame;
    use http_body_util::StreamBody;

    async fn message(chunks: &[&'static [u8]]) -> Result<(bool, Bytes), String> {
        let limits = BodyLimits {
            bytes_max: 20,
            idle: Duration::from_secs(1),
            total: Duration::from_secs(1),
        };
        let frames: Vec<Result<Frame<Bytes>, std::io::Error>> = chunks
            .iter()
            .map(|chunk| Ok(Frame::data(Bytes::from_static(chunk))))
            .collect();
        let body = StreamBody::new(futures::stream::iter(frames));
        let budget = Budget::new(100);
        let mut reserved = budget.open();
        let read = read_message(body, Encoding::Identity, limits, &mut reserved).await;
        if let Ok((_, bytes)) = &read {
            assert_eq!(reserved.bytes(), bytes.len() as u64);
        }
        read.map_err(|refusal| refusal.to_string())
    }

    #[tokio::test]
    async fn a_message_is_read_however_it_is_split() {
        let abc = Bytes::from_static(b"abc");
        for chunks in [
            &[&b"\0\0\0\0\x03abc"[..]][..],
            &[b"\0\0", b"\0\0\x03a", b"bc"],
            &[b"\0\0\0\0\x03", b"abc"],
        ] {
            assert_eq!(message(chunks).await, Ok((false, abc.clone())));
        }
        assert_eq!(message(&[b"\x01\0\0\0\x03abc"]).await, Ok((true, abc)));
        assert_eq!(message(&[b"\0\0\0\0\0"]).await, Ok((false, Bytes::new())));
    }

    #[tokio::test]
    async fn a_lying_prefix_is_refused() {
        for (chunks, told) in [
            (&[][..], "body: 5 bytes are announced, 0 came"),
            (&[&b"\0\0\0"[..]], "body: 5 bytes are announced, 3 came"),
            (&[b"\0\0\0\0\x04abc"], "body: 4 bytes are announced, 3 came"),
            (
                &[b"\0\0\0\0\x02abc"],
                "body: more than the one message of 2 bytes that it announces",
            ),
            (
                &[b"\0\0\0\0\x03abc", b"\0\0\0\0\0"],
                "body: more than the one message of 3 bytes that it announces",
            ),
            (
                &[b"\x02\0\0\0\x03abc"],
                "body: the compressed flag of a message is neither 0 nor 1",
            ),
            (
                &[b"\0\xff\xff\xff\xffabc"],
                "body as sent in bytes: 4294967295 is over the limit limits.body_max of 20",
            ),
        ] {
            assert_eq!(message(chunks).await, Err(told.to_owned()));
        }
    }

    #[test]
    fn timeouts_of_grpc_are_read_and_nonsense_is_none() {
        for (text, expected) in [
            (&b"5S"[..], Some(Duration::from_secs(5))),
            (b"100m", Some(Duration::from_millis(100))),
            (b"1H", Some(Duration::from_secs(3600))),
            (b"2M", Some(Duration::from_secs(120))),
            (b"99999999u", Some(Duration::from_micros(99_999_999))),
            (b"7n", Some(Duration::from_nanos(7))),
            (b"999999999S", None),
            (b"S", None),
            (b"", None),
            (b"-1S", None),
            (b"1x", None),
        ] {
            assert_eq!(timeout_of(text), expected);
        }
    }
}
