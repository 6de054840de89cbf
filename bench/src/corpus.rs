//! The corpus: what the simulated shop sends. In: a seed and sizes. Out: encoded OTLP requests, the same on every machine.
//!
//! A request holds spans of one instance of one service, mixed from many traces, as exporters send them.
//! This is not random data: sizes, keys and repetition follow what instrumented web services send (about 505 B and 12 attributes a span).

mod attributes;
pub mod hosts;
mod shop;
mod tree;

use std::collections::VecDeque;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use xxhash_rust::xxh3::Xxh3;

use crate::rng::{Rng, mix};

/// Sizes of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    pub seed: u64,
    /// Spans in a request; fewer in what is left at the end.
    pub request_spans: usize,
    /// Spans in a trace.
    pub trace_spans: TraceSpans,
    /// Traces that begin in a second of the shop's time.
    pub traces_per_s: u64,
}

/// How large traces are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceSpans {
    /// All of this size.
    Exactly(usize),
    /// 20 to 78, 49 on average.
    About49,
}

impl Spec {
    /// The shop's usual traffic in requests of `request_spans`.
    #[must_use]
    pub fn shop(request_spans: usize) -> Self {
        Self {
            seed: 7,
            request_spans,
            trace_spans: TraceSpans::About49,
            traces_per_s: 400,
        }
    }
}

/// An encoded `ExportTraceServiceRequest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub n_spans: u32,
    pub bytes: Vec<u8>,
    /// Where the trace id of each span lies in `bytes`.
    trace_ids_at: Vec<u32>,
    /// Round whose ids it has: see [`Request::renew`].
    round: u64,
}

impl Request {
    /// Trace id of the first span: that of all in [`Shop::whole_trace`].
    #[must_use]
    pub fn first_trace_id(&self) -> [u8; 16] {
        let at = self.trace_ids_at[0] as usize;
        self.bytes[at..at + 16]
            .try_into()
            .expect("a trace id has 16 bytes")
    }

    /// Gives every trace the id that it has in `round`: within a round traces stay together, between rounds none has the same id.
    /// Round 0 is the corpus as generated.
    pub fn renew(&mut self, round: u64) {
        let change = (round_bits(self.round) ^ round_bits(round)).to_be_bytes();
        for &at in &self.trace_ids_at {
            let id = &mut self.bytes[at as usize..][..8];
            id.iter_mut()
                .zip(change)
                .for_each(|(byte, bits)| *byte ^= bits);
        }
        self.round = round;
    }
}

fn round_bits(round: u64) -> u64 {
    if round == 0 { 0 } else { mix(round) }
}

/// The shop at work: an endless source of requests.
#[derive(Debug)]
pub struct Shop {
    spec: Spec,
    rng: Rng,
    now_unix_ns: u64,
    resources: Vec<Resource>,
    /// Spans that each instance has not sent yet.
    unsent: Vec<Vec<Span>>,
    ready: VecDeque<Request>,
    n_traces: u64,
}

/// Beginning of the shop's time: 2026-01-01T00:00:00Z.
pub const EPOCH_UNIX_NS: u64 = 1_767_225_600_000_000_000;

impl Shop {
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        Self::starting_at(spec, EPOCH_UNIX_NS)
    }

    /// A shop whose first trace begins at `start_unix_ns`.
    #[must_use]
    pub fn starting_at(spec: Spec, start_unix_ns: u64) -> Self {
        let reporters = shop::SERVICES.len() * shop::INSTANCES;
        let resource = |reporter| {
            attributes::resource(
                reporter / shop::INSTANCES,
                reporter % shop::INSTANCES,
                spec.seed,
            )
        };
        Self {
            spec,
            rng: Rng::new(spec.seed),
            now_unix_ns: start_unix_ns,
            resources: (0..reporters).map(resource).collect(),
            unsent: vec![Vec::new(); reporters],
            ready: VecDeque::new(),
            n_traces: 0,
        }
    }

    /// Names of the shop's services.
    #[must_use]
    pub fn services() -> Vec<&'static str> {
        shop::SERVICES.iter().map(|service| service.name).collect()
    }

    /// Traces begun so far.
    #[must_use]
    pub fn n_traces(&self) -> u64 {
        self.n_traces
    }

    /// The next full request.
    pub fn next_request(&mut self) -> Request {
        loop {
            if let Some(request) = self.ready.pop_front() {
                return request;
            }
            self.begin_trace();
        }
    }

    /// Begins no more traces; sends what the instances still hold.
    #[must_use]
    pub fn close(mut self) -> Vec<Request> {
        for reporter in 0..self.unsent.len() {
            if !self.unsent[reporter].is_empty() {
                self.send(reporter);
            }
        }
        self.ready.into()
    }

    /// One whole trace, for those who need no requests: its spans by instance, encoded as one request.
    pub fn whole_trace(&mut self) -> Request {
        let spans = self.next_trace();
        let mut of: Vec<Vec<Span>> = vec![Vec::new(); self.resources.len()];
        for reported in spans {
            of[reported.reporter].push(reported.span);
        }
        let groups = of
            .into_iter()
            .enumerate()
            .filter(|(_, spans)| !spans.is_empty());
        let groups = groups
            .map(|(reporter, spans)| self.group(reporter, spans))
            .collect();
        encode(ExportTraceServiceRequest {
            resource_spans: groups,
        })
    }

    fn next_trace(&mut self) -> Vec<tree::Reported> {
        let n_spans = match self.spec.trace_spans {
            TraceSpans::Exactly(n) => n,
            TraceSpans::About49 => 20 + self.rng.index(59),
        };
        self.now_unix_ns += self.rng.below(2_000_000_000 / self.spec.traces_per_s);
        self.n_traces += 1;
        tree::grow(&mut self.rng, self.now_unix_ns, n_spans)
    }

    fn begin_trace(&mut self) {
        for reported in self.next_trace() {
            self.unsent[reported.reporter].push(reported.span);
            if self.unsent[reported.reporter].len() == self.spec.request_spans {
                self.send(reported.reporter);
            }
        }
    }

    fn send(&mut self, reporter: usize) {
        let spans = std::mem::take(&mut self.unsent[reporter]);
        let group = self.group(reporter, spans);
        self.ready.push_back(encode(ExportTraceServiceRequest {
            resource_spans: vec![group],
        }));
    }

    fn group(&self, reporter: usize, spans: Vec<Span>) -> ResourceSpans {
        let scope = InstrumentationScope {
            name: "shop.instrumentation.http".to_owned(),
            version: "0.58.0".to_owned(),
            ..InstrumentationScope::default()
        };
        ResourceSpans {
            resource: Some(self.resources[reporter].clone()),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans,
                schema_url: String::new(),
            }],
            schema_url: "https://opentelemetry.io/schemas/1.37.0".to_owned(),
        }
    }
}

fn encode(request: ExportTraceServiceRequest) -> Request {
    let bytes = request.encode_to_vec();
    let groups = request
        .resource_spans
        .iter()
        .flat_map(|group| &group.scope_spans);
    let mut trace_ids_at = Vec::new();
    let mut from = 0;
    for span in groups.flat_map(|group| &group.spans) {
        let found = memchr::memmem::find(&bytes[from..], &span.trace_id)
            .expect("an encoded span has its trace id");
        trace_ids_at.push((from + found) as u32);
        from += found + span.trace_id.len();
    }
    Request {
        n_spans: trace_ids_at.len() as u32,
        bytes,
        trace_ids_at,
        round: 0,
    }
}

/// Encoded requests, held in memory.
#[derive(Debug, Clone)]
pub struct Corpus {
    pub requests: Vec<Request>,
    pub n_spans: u64,
    pub n_bytes: u64,
}

impl Corpus {
    /// Full requests until at least `n_spans` are there. Traces at its end are cut.
    #[must_use]
    pub fn of_spans(spec: Spec, n_spans: u64) -> Self {
        let mut shop = Shop::new(spec);
        let mut requests = Vec::new();
        let mut n_made = 0;
        while n_made < n_spans {
            let request = shop.next_request();
            n_made += u64::from(request.n_spans);
            requests.push(request);
        }
        Self::from_requests(requests)
    }

    /// Whole traces until at least `n_spans` are there; the last requests may be small.
    #[must_use]
    pub fn of_whole_traces(spec: Spec, n_spans: u64) -> Self {
        let mut shop = Shop::new(spec);
        let mut requests = Vec::new();
        let mut n_made = 0;
        while n_made < n_spans {
            let request = shop.next_request();
            n_made += u64::from(request.n_spans);
            requests.push(request);
        }
        requests.extend(shop.close());
        Self::from_requests(requests)
    }

    fn from_requests(requests: Vec<Request>) -> Self {
        let n_spans = requests
            .iter()
            .map(|request| u64::from(request.n_spans))
            .sum();
        let n_bytes = requests
            .iter()
            .map(|request| request.bytes.len() as u64)
            .sum();
        Self {
            requests,
            n_spans,
            n_bytes,
        }
    }

    /// xxh3-64 over the bytes of every request: two runs with the same hash measured the same input.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        self.requests
            .iter()
            .for_each(|request| hash.update(&request.bytes));
        hash.digest()
    }

    /// One line that says what was measured.
    #[must_use]
    pub fn told(&self) -> String {
        format!(
            "{} spans in {} requests, {:.0} B/span, xxh3 {:016x}",
            self.n_spans,
            self.requests.len(),
            self.n_bytes as f64 / self.n_spans as f64,
            self.hash()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn decode(request: &Request) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(request.bytes.as_slice()).expect("the corpus is OTLP")
    }

    fn spans(request: &Request) -> Vec<Span> {
        let groups = decode(request)
            .resource_spans
            .into_iter()
            .flat_map(|group| group.scope_spans);
        groups.flat_map(|group| group.spans).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let make = || Corpus::of_spans(Spec::shop(512), 20_000);
        assert_eq!(make().hash(), make().hash());
        let other = Spec {
            seed: 8,
            ..Spec::shop(512)
        };
        assert_ne!(make().hash(), Corpus::of_spans(other, 20_000).hash());
    }

    #[test]
    fn a_span_has_about_505_bytes_and_12_attributes() {
        let corpus = Corpus::of_spans(Spec::shop(512), 20_000);
        let bytes = corpus.n_bytes as f64 / corpus.n_spans as f64;
        assert!((495.0..515.0).contains(&bytes), "{bytes} B/span");
        let all: Vec<Span> = corpus.requests.iter().flat_map(spans).collect();
        let attributes: usize = all.iter().map(|span| span.attributes.len()).sum();
        let attributes = attributes as f64 / all.len() as f64;
        assert!(
            (11.5..12.9).contains(&attributes),
            "{attributes} attributes/span"
        );
    }

    #[test]
    fn requests_mix_many_traces_of_one_service() {
        let corpus = Corpus::of_spans(Spec::shop(512), 20_000);
        for request in &corpus.requests {
            assert_eq!(decode(request).resource_spans.len(), 1);
            let mut ids: Vec<_> = spans(request)
                .into_iter()
                .map(|span| span.trace_id)
                .collect();
            ids.sort();
            ids.dedup();
            assert!(ids.len() > 20, "{} traces", ids.len());
        }
    }

    #[test]
    fn whole_traces_have_their_size_one_root_and_known_parents() {
        let spec = Spec {
            trace_spans: TraceSpans::Exactly(12),
            ..Spec::shop(16)
        };
        let corpus = Corpus::of_whole_traces(spec, 5_000);
        let mut traces: BTreeMap<Vec<u8>, Vec<Span>> = BTreeMap::new();
        for span in corpus.requests.iter().flat_map(spans) {
            traces.entry(span.trace_id.clone()).or_default().push(span);
        }
        for spans in traces.values() {
            assert_eq!(spans.len(), 12);
            let roots = spans
                .iter()
                .filter(|span| span.parent_span_id.is_empty())
                .count();
            assert_eq!(roots, 1);
            for span in spans {
                assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
                let known = |other: &Span| other.span_id == span.parent_span_id;
                assert!(span.parent_span_id.is_empty() || spans.iter().any(known));
            }
        }
    }

    #[test]
    fn a_new_round_gives_new_ids_and_keeps_traces_together() {
        let mut request = Shop::new(Spec::shop(512)).next_request();
        let first = spans(&request);
        request.renew(3);
        let third = spans(&request);
        for (a, b) in first.iter().zip(&third) {
            assert_ne!(a.trace_id, b.trace_id);
            assert_eq!(a.span_id, b.span_id);
        }
        let together = |spans: &[Span]| -> Vec<bool> {
            spans
                .windows(2)
                .map(|pair| pair[0].trace_id == pair[1].trace_id)
                .collect()
        };
        assert_eq!(together(&first), together(&third));
        request.renew(0);
        assert_eq!(spans(&request), first);
    }
}
