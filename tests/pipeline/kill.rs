//! SIGKILL during ingest at random times, traces sent in halves: nothing acknowledged is lost, split or counted twice.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};

const KILLS: u64 = 20;
/// Spans a trace; the first half is sent before the second, often with a kill between.
const SPANS: u64 = 6;
const TRACES_A_REQUEST: u128 = 4;
/// Within which a start is over: the usual one, since a machine that tests may be busy with something else for a while.
const READY_MAX: Duration = Duration::from_secs(3);
/// Traces settle 2 s after their root and are sealed with the next epoch, 10 s long; the rest is slack for a slow machine.
const REST_MAX: Duration = Duration::from_secs(30);

/// One request of half the spans of some traces, re-sent until it is acknowledged.
struct Half {
    body: Vec<u8>,
    traces: std::ops::Range<u128>,
}

#[tokio::test]
async fn twenty_kills_lose_split_and_repeat_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keep_all = r#"sampler.rules=[{ name = "all", sampler = { type = "keep" } }]"#;
    let mut server = Tracewell::new(folder.path(), &[keep_all])?;
    let mut sender = Sender::new();
    let mut starts = Vec::new();
    for _ in 0..KILLS {
        starts.push(server.start().await?);
        let lives = Duration::from_millis(200 + sender.random() % 1_500);
        tokio::select! {
            () = tokio::time::sleep(lives) => {}
            never = sender.send_for_ever(&server) => never?,
        }
        server.kill()?;
    }
    starts.push(server.start().await?);
    starts.sort_unstable();
    let usual = starts.get(starts.len() / 2);
    ensure!(usual <= Some(&READY_MAX), "starts took {starts:?}");
    sender.drain(&server).await?;
    every_span_is_found_once(&server, &sender).await?;
    conservation_is_exact(&server, &sender).await?;
    counts_are_exact(&server, &sender).await
}

/// A client that keeps OTLP's rules: what is not acknowledged is sent again, byte for byte.
struct Sender {
    state: u64,
    next_trace: u128,
    pending: Vec<Half>,
    /// Spans acknowledged, by trace.
    acknowledged: HashMap<u128, u64>,
}

impl Sender {
    fn new() -> Self {
        Self {
            state: 0x9e37_79b9_7f4a_7c15,
            next_trace: 1,
            pending: Vec::new(),
            acknowledged: HashMap::new(),
        }
    }

    /// Seeded, so that a failure can be repeated as far as real kills can be.
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    async fn send_for_ever(&mut self, server: &Tracewell) -> Result<()> {
        loop {
            self.make_traces();
            self.send_one(server).await;
        }
    }

    /// Sends all that is still pending.
    async fn drain(&mut self, server: &Tracewell) -> Result<()> {
        for _ in 0..self.pending.len() * 3 {
            self.send_one(server).await;
        }
        ensure!(
            self.pending.is_empty(),
            "{} requests are still refused",
            self.pending.len()
        );
        Ok(())
    }

    fn make_traces(&mut self) {
        if self.pending.len() > 8 {
            return;
        }
        let traces = self.next_trace..self.next_trace + TRACES_A_REQUEST;
        self.next_trace = traces.end;
        for half in [1..=SPANS / 2, SPANS / 2 + 1..=SPANS] {
            let spans = traces.clone().flat_map(|trace| {
                half.clone()
                    .map(move |id| otlp::span(trace, id, id - 1, 1_700_000_000_000_000_000))
            });
            self.pending.push(Half {
                body: otlp::body("kill", spans.collect()),
                traces: traces.clone(),
            });
        }
    }

    async fn send_one(&mut self, server: &Tracewell) {
        let Some(index) =
            (!self.pending.is_empty()).then(|| self.random() as usize % self.pending.len())
        else {
            return;
        };
        if server.export(self.pending[index].body.clone()).await {
            let half = self.pending.swap_remove(index);
            for trace in half.traces {
                *self.acknowledged.entry(trace).or_default() += SPANS / 2;
            }
        }
    }
}

async fn every_span_is_found_once(server: &Tracewell, sender: &Sender) -> Result<()> {
    for (trace, spans) in &sender.acknowledged {
        let found = server
            .jaeger_trace(&otlp::trace_hex(*trace))
            .await?
            .with_context(|| format!("trace {trace} is lost"))?;
        let mut ids: Vec<&str> = found
            .iter()
            .filter_map(|span| span["spanID"].as_str())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ensure!(
            ids.len() == found.len(),
            "trace {trace} has a span twice: {} spans, {} ids",
            found.len(),
            ids.len()
        );
        ensure!(
            found.len() as u64 == *spans,
            "trace {trace} has {} of {spans} spans",
            found.len()
        );
    }
    Ok(())
}

/// accepted = stored + sampled out + dead-lettered + duplicates, with nothing in flight, and stored is what was sent.
async fn conservation_is_exact(server: &Tracewell, sender: &Sender) -> Result<()> {
    let sent: u64 = sender.acknowledged.values().sum();
    let mut last = String::new();
    for _ in 0..REST_MAX.as_millis() / 100 {
        let state = async |name: &str| {
            server
                .metric("tracewell_spans_total", &[&format!("state=\"{name}\"")])
                .await
        };
        let (accepted, stored, sampled_out) = (
            state("accepted").await?,
            state("stored").await?,
            state("sampled_out").await?,
        );
        let (dead, duplicates, in_flight) = (
            state("dead_lettered").await?,
            state("duplicates").await?,
            state("in_flight").await?,
        );
        last = format!(
            "accepted {accepted} = stored {stored} + sampled out {sampled_out} + dead {dead} + duplicates {duplicates} + in flight {in_flight}; sent {sent}"
        );
        ensure!(
            accepted == stored + sampled_out + dead + duplicates + in_flight,
            "{last}"
        );
        if in_flight == 0.0 && stored == sent as f64 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("not at rest after {REST_MAX:?}: {last}")
}

/// Requests by RED are the spans that were acknowledged, to the last one.
async fn counts_are_exact(server: &Tracewell, sender: &Sender) -> Result<()> {
    let sent: u64 = sender.acknowledged.values().sum();
    let query = "/api/v1/query?query=sum(traces_spanmetrics_calls_total%7Bservice%3D%22kill%22%7D)";
    let mut last = serde_json::Value::Null;
    for _ in 0..REST_MAX.as_millis() / 100 {
        let (status, body) = server.get(query).await?;
        ensure!(status == 200, "{status}: {body}");
        last = body["data"]["result"][0]["value"][1].clone();
        let counted = last.as_str().and_then(|text| text.parse::<f64>().ok());
        if counted == Some(sent as f64) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{sent} spans were acknowledged, {last} are counted")
}
