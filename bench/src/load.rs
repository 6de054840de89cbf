//! The load generator: a process of its own that sends pre-encoded requests, so that its CPU time is not that of what is measured.
//!
//! In: a [`Plan`] as arguments. Out: one line with what became of every span ([`Outcome`]). It never measures the server.

mod client;
mod encoding;
mod outcome;
mod replay;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use tokio::task::JoinSet;

pub use encoding::Encoding;
pub use outcome::Outcome;

use crate::corpus::{Corpus, Spec};
use replay::Replay;

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    Grpc,
    Http,
}

/// What to send, and where.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Plan {
    /// Receiver.
    #[arg(long)]
    pub target: SocketAddr,
    #[arg(long, value_enum, default_value = "grpc")]
    pub protocol: Protocol,
    /// How bodies are compressed.
    #[arg(long, value_enum, default_value = "identity")]
    pub encoding: Encoding,
    /// Spans in a request.
    #[arg(long, default_value_t = 512)]
    pub request_spans: usize,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Spans of the corpus, whole traces.
    #[arg(long, default_value_t = 100_000)]
    pub corpus_spans: u64,
    /// Spans with ids of their own that are made before the start, unless `renew` makes them as they are sent; at least the corpus.
    #[arg(long, default_value_t = 0)]
    pub distinct_spans: u64,
    /// Spans to send in all.
    #[arg(long, default_value_t = 1_000_000)]
    pub spans: u64,
    /// Stop after so many seconds, however much was sent.
    #[arg(long, default_value_t = 600)]
    pub seconds: u64,
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    /// Requests under way on each connection at most; over HTTP/1.1 it is one.
    #[arg(long, default_value_t = 1)]
    pub streams: usize,
    /// Spans a second at most; 0 is as fast as they are taken.
    #[arg(long, default_value_t = 0)]
    pub rate: u64,
    /// Repetitions have new trace ids, so that none is a re-send.
    #[arg(long)]
    pub renew: bool,
    /// What was refused is sent again, at most 100 times.
    #[arg(long)]
    pub retry: bool,
}

impl Plan {
    /// A million spans as fast as they are taken.
    #[must_use]
    pub fn to(target: SocketAddr, protocol: Protocol) -> Self {
        Self {
            target,
            protocol,
            encoding: Encoding::Identity,
            request_spans: 512,
            seed: 7,
            corpus_spans: 100_000,
            distinct_spans: 0,
            spans: 1_000_000,
            seconds: 600,
            connections: 4,
            streams: 1,
            rate: 0,
            renew: false,
            retry: false,
        }
    }

    /// The corpus that it repeats.
    #[must_use]
    pub fn corpus(&self) -> Corpus {
        let spec = Spec {
            seed: self.seed,
            ..Spec::shop(self.request_spans)
        };
        Corpus::of_whole_traces(spec, self.corpus_spans)
    }

    fn arguments(&self) -> Vec<String> {
        let protocol = match self.protocol {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
        };
        let mut arguments = vec![
            "load".to_owned(),
            format!("--target={}", self.target),
            format!("--protocol={protocol}"),
            format!("--encoding={}", self.encoding.argument()),
            format!("--request-spans={}", self.request_spans),
            format!("--seed={}", self.seed),
            format!("--corpus-spans={}", self.corpus_spans),
            format!("--distinct-spans={}", self.distinct_spans),
            format!("--spans={}", self.spans),
            format!("--seconds={}", self.seconds),
            format!("--connections={}", self.connections),
            format!("--streams={}", self.streams),
            format!("--rate={}", self.rate),
        ];
        for (set, flag) in [(self.renew, "--renew"), (self.retry, "--retry")] {
            if set {
                arguments.push(flag.to_owned());
            }
        }
        arguments
    }
}

/// A generator that has made its corpus and waits for the word.
#[derive(Debug)]
pub struct Generator {
    child: Child,
    words: BufReader<std::process::ChildStdout>,
}

impl Generator {
    /// Starts this program again as a generator and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or ends before it is ready.
    pub fn start(plan: &Plan) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut child = Command::new(program)
            .args(plan.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the load generator")?;
        let words = BufReader::new(
            child
                .stdout
                .take()
                .context("the generator's stdout is a pipe")?,
        );
        let mut generator = Self { child, words };
        let ready = generator.line()?;
        if ready != "ready" {
            bail!("the load generator said {ready:?} instead of \"ready\"");
        }
        Ok(generator)
    }

    /// Lets it send. Blocks until all is answered.
    ///
    /// # Errors
    /// When it failed.
    pub fn run(mut self) -> anyhow::Result<Outcome> {
        let mut input = self
            .child
            .stdin
            .take()
            .context("the generator's stdin is a pipe")?;
        input
            .write_all(b"go\n")
            .context("telling the load generator to go")?;
        let line = self.line()?;
        self.child
            .wait()
            .context("waiting for the load generator")?;
        line.parse()
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let n_bytes = self
            .words
            .read_line(&mut line)
            .context("reading from the load generator")?;
        if n_bytes == 0 {
            bail!("the load generator ended early: {:?}", self.child.wait());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // Ended already, unless the caller gave up on it.
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// The generator's own main: makes the corpus, says "ready", waits for a line, sends, says what became of it.
///
/// # Errors
/// When the receiver cannot be reached at all.
pub fn generate(plan: Plan) -> anyhow::Result<()> {
    let replay = Arc::new(Replay::new(&plan));
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(send(plan, replay))?;
    writeln!(out, "{outcome}")?;
    Ok(())
}

async fn send(plan: Plan, replay: Arc<Replay>) -> anyhow::Result<Outcome> {
    let clock = telemetry::Clock::host();
    let begun = clock.monotonic();
    let deadline = begun + Duration::from_secs(plan.seconds);
    let mut workers = JoinSet::new();
    for _ in 0..plan.connections {
        let shared = client::Shared::default();
        for _ in 0..plan.streams {
            let worker = client::Worker::new(
                plan.clone(),
                Arc::clone(&replay),
                Arc::clone(&shared),
                clock.clone(),
                begun,
                deadline,
            );
            workers.spawn(worker.run());
        }
    }
    let mut total = Outcome::default();
    while let Some(outcome) = workers.join_next().await {
        total.add(&outcome??);
    }
    total.wall_ms = (clock.monotonic() - begun).as_millis() as u64;
    total.cpu_ms = crate::cost::process_cpu().as_millis() as u64;
    Ok(total)
}
