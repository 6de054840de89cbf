//! Clients that can be rude: HTTP/1.1 by hand, gRPC by single frames.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::Status;

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// Sends `request` as it stands and reads until the server closes.
pub(crate) async fn raw(to: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.expect("it listens");
    stream.write_all(request).await.expect("it reads");
    read_answer(&mut stream).await
}

/// Reads an answer up to the end of the connection.
pub(crate) async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    // A reset after the answer is an end like any other.
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        bytes.extend_from_slice(&chunk[..n]);
    }
    let split = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer in {} bytes", bytes.len()));
    let head = String::from_utf8(bytes[..split].to_vec()).expect("a text head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("a status");
    let body = bytes[split + 4..].to_vec();
    Answer { status, head, body }
}

/// `POST /v1/traces` with these headers.
pub(crate) async fn post(to: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    send(to, "POST", "/v1/traces", headers, body).await
}

pub(crate) async fn send(
    to: SocketAddr,
    verb: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = format!(
        "{verb} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    raw(to, &[request.as_bytes(), body].concat()).await
}

pub(crate) const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A message with its prefix.
pub(crate) fn framed(is_compressed: bool, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(is_compressed)];
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend_from_slice(message);
    bytes
}

/// What a gRPC call came to: the message of the answer, or the status. A reset stream is told by its reason.
pub(crate) type Called = Result<Bytes, Refused>;

#[derive(Debug)]
pub(crate) enum Refused {
    Status(Box<Status>),
    Reset(h2::Reason),
    /// The connection ended.
    Cut,
}

impl Refused {
    #[track_caller]
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Status(status) => *status,
            Self::Reset(reason) => panic!("the stream was reset: {reason}"),
            Self::Cut => panic!("the connection ended"),
        }
    }
}

/// One call on a connection of its own. `chunks` are sent one DATA frame each; without `ends` the stream stays open.
pub(crate) async fn call_in_chunks(
    to: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    chunks: &[&[u8]],
    ends: bool,
) -> Called {
    let stream = TcpStream::connect(to).await.expect("it listens");
    let (client, connection) = h2::client::handshake(stream).await.expect("it speaks h2");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // How it ends is seen by the call.
        let _ended = connection.await;
    });
    let mut request = Request::post(format!("http://test{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut client = client.ready().await.expect("a stream is free");
    let (response, mut sender) = client
        .send_request(request.body(()).expect("valid headers"), false)
        .expect("the connection is open");
    for (i, chunk) in chunks.iter().enumerate() {
        let is_last = i + 1 == chunks.len();
        // An answer may come before all is sent.
        let _sent = sender.send_data(Bytes::copy_from_slice(chunk), is_last && ends);
    }
    if chunks.is_empty() && ends {
        let _sent = sender.send_data(Bytes::new(), true);
    }
    answer_of(response).await
}

async fn answer_of(response: h2::client::ResponseFuture) -> Called {
    let reset = |error: h2::Error| error.reason().map_or(Refused::Cut, Refused::Reset);
    let response = response.await.map_err(reset)?;
    assert_eq!(response.status(), 200, "gRPC answers are 200");
    let (head, mut body) = response.into_parts();
    let mut message = Vec::new();
    while let Some(bytes) = body.data().await {
        message.extend_from_slice(&bytes.map_err(reset)?);
    }
    let trailers: HeaderMap = match body.trailers().await.map_err(reset)? {
        Some(trailers) => trailers,
        None => head.headers,
    };
    let status = Status::from_header_map(&trailers).expect("a status");
    if status.code() == tonic::Code::Ok {
        return Ok(Bytes::from(message).slice(5..));
    }
    Err(Refused::Status(Box::new(status)))
}

/// One call, sent whole.
pub(crate) async fn call(to: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> Called {
    call_in_chunks(to, EXPORT, headers, &[body], true).await
}

/// An HTTP/2 connection that is open and has one request under way, of which no byte of the body was sent.
pub(crate) struct Connection {
    sender: h2::SendStream<Bytes>,
    _response: h2::client::ResponseFuture,
    _driver: JoinSet<()>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.expect("it listens");
        // What we would buffer ourselves is to bound nothing.
        let (client, connection) = h2::client::Builder::new()
            .max_send_buffer_size(1 << 30)
            .handshake::<_, Bytes>(stream)
            .await
            .expect("it speaks h2");
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ends is seen by the requests.
            let _ended = connection.await;
        });
        let mut client = client.ready().await.expect("a stream is free");
        let health = Request::post("http://test/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .body(())
            .expect("valid headers");
        let (answer, mut whole) = client.send_request(health, false).expect("it is open");
        whole
            .send_data(Bytes::from_static(&[0; 5]), true)
            .expect("it is open");
        // What the server announced came before this answer.
        answer.await.expect("it is healthy");
        let export = Request::post(format!("http://test{EXPORT}"))
            .header("content-type", "application/grpc")
            .body(())
            .expect("valid headers");
        let (response, mut sender) = client.send_request(export, false).expect("it is open");
        sender.reserve_capacity(1 << 30);
        Self {
            sender,
            _response: response,
            _driver: driver,
        }
    }

    /// Bytes that may be sent now. The first stream of a connection has the smaller of its window and the connection's.
    pub(crate) fn window_bytes(&self) -> usize {
        self.sender.capacity()
    }
}
