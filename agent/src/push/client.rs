//! One OTLP export over gRPC. In: a compressed body. Out: whether it was taken, may be later, or never will be.
//!
//! The call is made of plain HTTP/2 parts: a body is compressed once, when it is made, while tonic's own client would do it at each try.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// Compressed flag and length before a message.
const PREFIX_BYTES: usize = 5;
const ANSWER_BYTES_MAX: usize = 64 << 10;
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of a collector's words that are repeated in a log line.
const PROBLEM_CHARS_MAX: usize = 300;

/// Why an endpoint cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("agent.endpoint {endpoint:?} is no address such as http://127.0.0.1:4317")]
    NoAddress { endpoint: String },
    #[error("agent.endpoint {endpoint:?} has scheme {scheme:?}; only http is supported")]
    Scheme { endpoint: String, scheme: String },
    #[error("agent.endpoint {endpoint:?} has a path; OTLP over gRPC has its own")]
    Path { endpoint: String },
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Taken, but for these points.
    Taken { n_rejected: u64, problem: String },
    /// Not now; it may be tried again, after this time where the collector names one.
    Later {
        after: Option<Duration>,
        problem: String,
    },
    /// Never: trying again would be refused again.
    Refused { problem: String },
}

/// A connection to a collector, made when it is needed and again when it is lost.
#[derive(Debug)]
pub(crate) struct Client {
    channel: Channel,
    timeout: Duration,
}

/// Checks an endpoint before anything is started.
pub(crate) fn check(endpoint: &str) -> Result<Uri, EndpointError> {
    let no_address = || EndpointError::NoAddress {
        endpoint: endpoint.to_owned(),
    };
    let uri: Uri = endpoint.parse().map_err(|_| no_address())?;
    let scheme = uri.scheme_str().ok_or_else(no_address)?;
    if scheme != "http" {
        return Err(EndpointError::Scheme {
            endpoint: endpoint.to_owned(),
            scheme: scheme.to_owned(),
        });
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(EndpointError::Path {
            endpoint: endpoint.to_owned(),
        });
    }
    Ok(uri)
}

impl Client {
    /// Connects at the first request. Must be called within a runtime.
    pub(crate) fn new(endpoint: Uri, timeout: Duration) -> Self {
        let channel = Endpoint::from(endpoint)
            .connect_timeout(CONNECT)
            .connect_lazy();
        Self { channel, timeout }
    }

    /// Sends a body that is compressed with gzip.
    pub(super) async fn send(&mut self, body: Bytes) -> Answer {
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, self.exchange(body)).await {
            Ok(answer) => answer,
            Err(_) => later(format!("no answer within {} ms", timeout.as_millis())),
        }
    }

    async fn exchange(&mut self, body: Bytes) -> Answer {
        let channel = &mut self.channel;
        if let Err(error) = std::future::poll_fn(|cx| channel.poll_ready(cx)).await {
            return later(chain(&error));
        }
        let response = match channel.call(request(body, self.timeout)).await {
            Ok(response) => response,
            Err(error) => return later(chain(&error)),
        };
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return of_http(head.status);
        }
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => {
                let trailers = body.trailers().cloned().unwrap_or_default();
                of_grpc(&head.headers, &trailers, &body.to_bytes())
            }
            Err(error) => later(chain(error.as_ref())),
        }
    }
}

fn request(body: Bytes, timeout: Duration) -> Request<Body> {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + body.len());
    framed.put_u8(1);
    framed.put_u32(u32::try_from(body.len()).expect("requests are bounded to 1 MiB or one sheet"));
    framed.put(body);
    let mut request = Request::new(Body::new(Full::new(framed.freeze())));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = Uri::from_static(EXPORT);
    *request.version_mut() = http::Version::HTTP_2;
    let headers = request.headers_mut();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-encoding", "gzip"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = format!("{}m", timeout.as_millis().min(99_999_999)).parse() {
        headers.insert("grpc-timeout", value);
    }
    request
}

/// Answers of a proxy that is no gRPC server, as the gRPC documents map them.
fn of_http(status: StatusCode) -> Answer {
    let problem = format!("answer is HTTP {status}, not gRPC");
    match status.as_u16() {
        429 | 502 | 503 | 504 => later(problem),
        _ => Answer::Refused { problem },
    }
}

fn of_grpc(headers: &HeaderMap, trailers: &HeaderMap, body: &[u8]) -> Answer {
    let status = Status::from_header_map(trailers).or_else(|| Status::from_header_map(headers));
    let Some(status) = status else {
        return later("answer ended without a status".to_owned());
    };
    if status.code() == Code::Ok {
        return taken(body);
    }
    let after = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    let problem = cut(&format!("{:?}: {}", status.code(), status.message()));
    // The list of the OTLP specification. Exhausted means "later" only where the collector says when.
    let may_be_later = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => after.is_some(),
        _ => false,
    };
    if may_be_later {
        Answer::Later { after, problem }
    } else {
        Answer::Refused { problem }
    }
}

/// A success may name points that were not taken. What cannot be read of it changes nothing: the points were taken.
fn taken(body: &[u8]) -> Answer {
    let message = body.get(PREFIX_BYTES..).unwrap_or_default();
    let partial = ExportMetricsServiceResponse::decode(message)
        .ok()
        .and_then(|response| response.partial_success);
    let partial = partial.unwrap_or_default();
    Answer::Taken {
        n_rejected: u64::try_from(partial.rejected_data_points).unwrap_or(0),
        problem: cut(&partial.error_message),
    }
}

fn later(problem: String) -> Answer {
    Answer::Later {
        after: None,
        problem,
    }
}

/// An error with its causes: tonic's own text is "transport error" alone.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    cut(&texts.join(": "))
}

fn cut(text: &str) -> String {
    text.chars().take(PROBLEM_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_checked_before_anything_starts() {
        assert!(check("http://127.0.0.1:4317").is_ok());
        assert!(check("http://collector:4317/").is_ok());
        for (endpoint, expected) in [
            ("", "is no address"),
            ("127.0.0.1:4317", "is no address"),
            ("collector", "is no address"),
            ("https://collector:4317", "only http"),
            ("grpc://collector:4317", "only http"),
            ("http://collector:4318/v1/metrics", "has a path"),
        ] {
            let told = check(endpoint).expect_err(endpoint).to_string();
            assert!(told.contains(expected), "{told}");
        }
    }

    fn status(code: Code) -> Answer {
        let mut trailers = HeaderMap::new();
        let code = i32::from(code).to_string();
        trailers.insert("grpc-status", code.parse().expect("digits"));
        of_grpc(&HeaderMap::new(), &trailers, &[])
    }

    #[test]
    fn codes_mean_what_the_otlp_specification_says() {
        for code in [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ] {
            assert!(matches!(status(code), Answer::Later { .. }), "{code:?}");
        }
        for code in [
            Code::ResourceExhausted,
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::Unimplemented,
            Code::Internal,
            Code::Unknown,
        ] {
            assert!(matches!(status(code), Answer::Refused { .. }), "{code:?}");
        }
        assert!(matches!(
            status(Code::Ok),
            Answer::Taken { n_rejected: 0, .. }
        ));
    }

    #[test]
    fn an_answer_without_status_is_none() {
        let answer = of_grpc(&HeaderMap::new(), &HeaderMap::new(), &[0; 5]);
        assert!(matches!(answer, Answer::Later { .. }));
        assert!(matches!(
            of_http(StatusCode::BAD_GATEWAY),
            Answer::Later { .. }
        ));
        assert!(matches!(
            of_http(StatusCode::NOT_FOUND),
            Answer::Refused { .. }
        ));
    }

    #[test]
    fn garbage_in_a_success_changes_nothing() {
        for body in [&[][..], &[0, 0], &[0, 0, 0, 0, 3, 0xff, 0xff, 0xff]] {
            assert!(matches!(taken(body), Answer::Taken { n_rejected: 0, .. }));
        }
    }
}
