//! Sends requests over HTTP/1.1, one after the other on a connection. What is refused for now is sent again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// Times that a refused request is sent again.
const RETRIES_MAX: usize = 2_000;
const PAUSE: Duration = Duration::from_millis(10);
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// How metrics are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// OTLP over HTTP, protobuf.
    Otlp,
    /// Prometheus' remote write 1.0.
    RemoteWrite,
}

impl Form {
    fn head(self) -> &'static str {
        match self {
            Self::Otlp => "POST /v1/metrics HTTP/1.1\r\ncontent-type: application/x-protobuf\r\n",
            Self::RemoteWrite => {
                "POST /api/v1/write HTTP/1.1\r\ncontent-type: application/x-protobuf\r\ncontent-encoding: snappy\r\nx-prometheus-remote-write-version: 0.1.0\r\n"
            }
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Sender {
    stream: BufReader<TcpStream>,
    form: Form,
}

impl Sender {
    pub(super) fn connect(to: SocketAddr, form: Form) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        let stream = BufReader::new(stream);
        Ok(Self { stream, form })
    }

    /// Sends until it is acknowledged. Says how often it was refused before.
    pub(super) fn deliver(&mut self, body: &[u8]) -> anyhow::Result<usize> {
        for n_refused in 0..RETRIES_MAX {
            match self.send(body)? {
                (200..300, _) => return Ok(n_refused),
                (429 | 503, _) => std::thread::sleep(PAUSE),
                (status, answer) => bail!("metrics were answered with {status}: {answer}"),
            }
        }
        bail!("metrics were refused {RETRIES_MAX} times")
    }

    fn send(&mut self, body: &[u8]) -> anyhow::Result<(u16, String)> {
        let head = self.form.head();
        let stream = self.stream.get_mut();
        let length = body.len();
        stream.write_all(
            format!("{head}host: bench\r\ncontent-length: {length}\r\n\r\n").as_bytes(),
        )?;
        stream.write_all(body)?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<(u16, String)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).context("an answer has a status")?;
        let status = status.parse()?;
        let mut n_bytes = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                n_bytes = value.trim().parse()?;
            }
        }
        let mut answer = Vec::new();
        self.stream
            .by_ref()
            .take(n_bytes.min(ANSWER_BYTES_MAX))
            .read_to_end(&mut answer)?;
        Ok((status, String::from_utf8_lossy(&answer).into_owned()))
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        // `Take` of a buffered reader reads through its buffer.
        let mut limited = self.stream.by_ref().take(ANSWER_BYTES_MAX);
        if limited.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(line.trim_end().to_owned())
    }
}
