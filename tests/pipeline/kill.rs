//! SIGKILL during ingest at random times, traces sent in halves and whole: nothing acknowledged is lost, split or counted twice, as a span, in a duration
//! or in an edge.

mod numbers;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;

use numbers::Ledger;

const KILLS: u64 = 20;
/// When spans began, in ns.
const START: u64 = 1_700_000_000_000_000_000;
/// Spans of a trace that is sent in halves, often with a kill between. The third calls the fourth.
const SPANS: u64 = 6;
/// Spans of a trace that is sent whole, and whose edges are all there therefore: who sends it, and what it is to a call.
const WHOLE: [(&str, SpanKind); 4] = [
    ("front", SpanKind::Server),
    ("front", SpanKind::Client),
    ("back", SpanKind::Server),
    ("back", SpanKind::Client),
];
/// Traces whose halves are sent in one request.
const TRACES_A_REQUEST: u128 = 4;
/// Within which a start is over: the usual one, since a machine that tests may be busy with something else for a while.
const READY_MAX: Duration = Duration::from_secs(3);
/// Traces settle 2 s after their root and are sealed with the next epoch, 10 s long; the rest is slack for a slow machine.
const REST_MAX: Duration = Duration::from_secs(30);

/// One request of the same spans of some traces, re-sent until it is acknowledged.
struct Pending {
    body: Vec<u8>,
    traces: std::ops::Range<u128>,
    /// Service and number of each span.
    spans: Vec<(&'static str, u64)>,
}

impl Pending {
    fn of(traces: std::ops::Range<u128>, spans: Vec<(&'static str, u64)>) -> Self {
        let one = |trace: u128, (service, id): &(&'static str, u64)| {
            let span = span(service, trace, *id);
            otlp::request(service, vec![span]).resource_spans
        };
        let of_trace = |trace: u128| spans.iter().flat_map(move |span| one(trace, span));
        let resource_spans = traces.clone().flat_map(of_trace).collect();
        Self {
            body: ExportTraceServiceRequest { resource_spans }.encode_to_vec(),
            traces,
            spans,
        }
    }

    fn half(traces: std::ops::Range<u128>, ids: std::ops::RangeInclusive<u64>) -> Self {
        Self::of(traces, ids.map(|id| ("kill", id)).collect())
    }

    fn whole(traces: std::ops::Range<u128>) -> Self {
        let spans = WHOLE.iter().zip(1..);
        Self::of(
            traces,
            spans.map(|((service, _), id)| (*service, id)).collect(),
        )
    }
}

/// Each span is the child of the one before it.
fn span(service: &str, trace: u128, id: u64) -> Span {
    let of_whole = usize::try_from(id - 1)
        .ok()
        .and_then(|place| WHOLE.get(place));
    let kind = match (service, id) {
        ("kill", 3) => Some(SpanKind::Client),
        ("kill", 4) => Some(SpanKind::Server),
        ("kill", _) => None,
        _ => of_whole.map(|(_, kind)| *kind),
    };
    let mut span = otlp::span(trace, id, id - 1, START);
    span.kind = kind.map_or(span.kind, i32::from);
    if (service, id) == ("back", 4) {
        let outside = [
            ("server.address", "api.example.com"),
            ("server.port", "443"),
        ];
        let outside = outside.map(|(key, value)| otlp::text(key, value));
        span.attributes.extend(outside);
    }
    span
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
    sender.ledger.is_in_red(&server).await?;
    sender.ledger.is_in_edges(&server).await
}

/// A client that keeps OTLP's rules: what is not acknowledged is sent again, byte for byte.
struct Sender {
    state: u64,
    next_trace: u128,
    pending: Vec<Pending>,
    /// Spans acknowledged, by trace.
    acknowledged: HashMap<u128, u64>,
    /// The same, by service and operation.
    ledger: Ledger,
}

impl Sender {
    fn new() -> Self {
        Self {
            state: 0x9e37_79b9_7f4a_7c15,
            next_trace: 1,
            pending: Vec::new(),
            acknowledged: HashMap::new(),
            ledger: Ledger::default(),
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
        let traces = self.next_traces(TRACES_A_REQUEST);
        for ids in [1..=SPANS / 2, SPANS / 2 + 1..=SPANS] {
            self.pending.push(Pending::half(traces.clone(), ids));
        }
        let whole = Pending::whole(self.next_traces(1));
        self.pending.push(whole);
    }

    fn next_traces(&mut self, n: u128) -> std::ops::Range<u128> {
        let traces = self.next_trace..self.next_trace + n;
        self.next_trace = traces.end;
        traces
    }

    async fn send_one(&mut self, server: &Tracewell) {
        let Some(index) =
            (!self.pending.is_empty()).then(|| self.random() as usize % self.pending.len())
        else {
            return;
        };
        if server.export(self.pending[index].body.clone()).await {
            let request = self.pending.swap_remove(index);
            for trace in request.traces {
                *self.acknowledged.entry(trace).or_default() += request.spans.len() as u64;
                for (service, id) in &request.spans {
                    self.ledger.add(service, *id);
                }
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
    let sent = sender.ledger.n_spans();
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
