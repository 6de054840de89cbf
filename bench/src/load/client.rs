//! One request under way after the other: OTLP over gRPC, on an HTTP/2 connection that several may share, or HTTP/1.1.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use telemetry::Clock;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::outcome::{Answer, Outcome};
use super::replay::{Body, Replay};
use super::{Plan, Protocol};

/// Times that a refused request is sent again.
const RETRIES_MAX: u32 = 100;
/// Pause before a refused request is sent again, and after a broken connection.
const PAUSE: Duration = Duration::from_millis(50);
/// Failures to connect in a row after which the receiver counts as gone.
const CONNECT_FAILURES_MAX: u32 = 20;

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The HTTP/2 connection of several workers.
pub(crate) type Shared = Arc<tokio::sync::Mutex<Connection>>;

#[derive(Default)]
pub(crate) struct Connection {
    sender: Option<http2::SendRequest<Full<Bytes>>>,
    /// Drives it for as long as one of the workers is there.
    driver: JoinSet<()>,
}

/// Sends what the replay hands out, one request after the other.
pub(crate) struct Worker {
    plan: Plan,
    replay: Arc<Replay>,
    clock: Clock,
    begun: Instant,
    deadline: Instant,
    sender: Option<Sender>,
    shared: Shared,
    /// Tasks that drive connections.
    drivers: JoinSet<()>,
    outcome: Outcome,
}

impl Worker {
    pub(crate) fn new(
        plan: Plan,
        replay: Arc<Replay>,
        shared: Shared,
        clock: Clock,
        begun: Instant,
        deadline: Instant,
    ) -> Self {
        Self {
            plan,
            replay,
            clock,
            begun,
            deadline,
            sender: None,
            shared,
            drivers: JoinSet::new(),
            outcome: Outcome::default(),
        }
    }

    /// Sends until nothing is left or the time is over.
    ///
    /// # Errors
    /// When the receiver is gone.
    pub(crate) async fn run(mut self) -> anyhow::Result<Outcome> {
        while self.clock.monotonic() < self.deadline {
            let Some(body) = self.replay.next() else {
                break;
            };
            if self.plan.rate > 0 {
                tokio::time::sleep_until((self.begun + body.due).into()).await;
            }
            self.deliver(&body).await?;
        }
        Ok(self.outcome)
    }

    async fn deliver(&mut self, body: &Body) -> anyhow::Result<()> {
        for _ in 0..=RETRIES_MAX {
            let sent_at = self.clock.monotonic();
            let answer = self.send(body).await?;
            self.outcome
                .count(body.n_spans, answer, self.clock.monotonic() - sent_at);
            if !(self.plan.retry && answer == Answer::Refused) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn send(&mut self, body: &Body) -> anyhow::Result<Answer> {
        let answered = match self.connected().await? {
            Sender::Http1(_) => self.send_http(body.bytes.clone()).await,
            Sender::Http2(_) => self.send_grpc(body.bytes.clone()).await,
        };
        if let Ok(answer) = answered {
            return Ok(answer);
        }
        self.sender = None;
        tokio::time::sleep(PAUSE).await;
        Ok(Answer::Unknown)
    }

    async fn connected(&mut self) -> anyhow::Result<&Sender> {
        let mut n_failures = 0;
        while self.sender.is_none() {
            match self.connect().await {
                Ok(sender) => self.sender = Some(sender),
                Err(error) if n_failures == CONNECT_FAILURES_MAX => return Err(error),
                Err(_) => n_failures += 1,
            }
            if self.sender.is_none() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(self.sender.as_ref().expect("the loop ends with a sender"))
    }

    async fn connect(&mut self) -> anyhow::Result<Sender> {
        let mut shared = self.shared.lock().await;
        if let Some(sender) = shared.sender.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(Sender::Http2(sender.clone()));
        }
        let stream = TcpStream::connect(self.plan.target).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        match self.plan.protocol {
            Protocol::Http => {
                let (sender, connection) = http1::handshake(io).await?;
                // How a connection ends shows in the requests on it.
                self.drivers.spawn(async move { drop(connection.await) });
                Ok(Sender::Http1(sender))
            }
            Protocol::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                // How a connection ends shows in the requests on it.
                shared.driver.spawn(async move { drop(connection.await) });
                shared.sender = Some(sender.clone());
                Ok(Sender::Http2(sender))
            }
        }
    }

    async fn send_http(&mut self, body: Bytes) -> anyhow::Result<Answer> {
        let mut request = Request::post("/v1/traces")
            .header("host", self.plan.target.to_string())
            .header("content-type", "application/x-protobuf");
        if let Some(name) = self.plan.encoding.named() {
            request = request.header("content-encoding", name);
        }
        let request = request.body(Full::new(body))?;
        let Some(Sender::Http1(sender)) = &mut self.sender else {
            anyhow::bail!("no HTTP/1.1 connection")
        };
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(http_answer(status, &body))
    }

    async fn send_grpc(&mut self, body: Bytes) -> anyhow::Result<Answer> {
        let uri = format!(
            "http://{}/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            self.plan.target
        );
        let mut request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let encoding = self.plan.encoding.named();
        if let Some(name) = encoding {
            request = request.header("grpc-encoding", name);
        }
        let request = request.body(Full::new(framed(&body, encoding.is_some())))?;
        let Some(Sender::Http2(sender)) = &mut self.sender else {
            anyhow::bail!("no HTTP/2 connection")
        };
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        grpc_answer(response).await
    }
}

/// A gRPC message: compressed or not, length, bytes.
fn framed(message: &[u8], compressed: bool) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(u8::from(compressed));
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

fn http_answer(status: StatusCode, body: &[u8]) -> Answer {
    match status.as_u16() {
        200 => acked(body),
        429 | 502 | 503 | 504 => Answer::Refused,
        _ => Answer::Failed,
    }
}

async fn grpc_answer(response: Response<Incoming>) -> anyhow::Result<Answer> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let message = body.to_bytes();
    let status = grpc_status(&trailers).or_else(|| grpc_status(&head.headers));
    Ok(match status {
        Some(0) => acked(message.get(5..).unwrap_or_default()),
        // RESOURCE_EXHAUSTED may be sent again only when the server says so (OTLP: RetryInfo).
        Some(8)
            if trailers.contains_key("grpc-status-details-bin")
                || head.headers.contains_key("grpc-status-details-bin") =>
        {
            Answer::Refused
        }
        Some(1 | 4 | 10 | 11 | 14 | 15) => Answer::Refused,
        Some(_) => Answer::Failed,
        None => Answer::Unknown,
    })
}

fn grpc_status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn acked(message: &[u8]) -> Answer {
    let partial = ExportTraceServiceResponse::decode(message)
        .ok()
        .and_then(|response| response.partial_success);
    let n_rejected = partial.map_or(0, |partial| partial.rejected_spans);
    Answer::Acked {
        n_rejected: u32::try_from(n_rejected).unwrap_or(0),
    }
}
