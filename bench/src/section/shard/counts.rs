//! What counting costs in the shard: RED of every span, the ends of calls, and the edges that decided traces make of them; CPU time a span beyond the walker.

use std::collections::BTreeMap;
use std::hint::black_box;

use sampler::red::Red;
use service_map::edge::{self, End, Pairing, PeerKind, Role};
use telemetry::wire::{SpanView, TraceWalker, TracesView, WalkLimits};
use telemetry::{RecordTime, SpanId, Tenant, TraceId};

use super::Settings;
use crate::corpus::{Corpus, EPOCH_UNIX_NS, Spec};
use crate::cost::{Samples, Side, interleave};
use crate::table::Table;

/// Spans of the comparison.
const N_SPANS: u64 = 100_000;
const T: RecordTime = RecordTime {
    unix_ms: (EPOCH_UNIX_NS / 1_000_000) as i64,
};

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let corpus = Corpus::of_whole_traces(Spec::shop(512), settings.scaled(N_SPANS));
    let [walker, red, ends, edges] = measure(&corpus, settings.rounds);
    let mut table = Table::new(
        format!("shard: what counting costs, {} spans", corpus.n_spans),
        &["", "ns/span, median"],
    );
    for (name, ns) in [
        ("RED of every span", red.median() - walker.median()),
        ("ends of calls, read", ends.median() - walker.median()),
        ("ends paired and counted as edges", edges.median()),
    ] {
        table.row([name.to_owned(), format!("{ns:.0}")]);
    }
    table.note("the walker is taken off; symbols and lists of ends are in the whole shard above");
    table.print()?;
    Ok(())
}

/// ns a span of the walker, of it with RED, of it with the ends of calls, and of edges from ends.
pub(in crate::section) fn measure(corpus: &Corpus, rounds: usize) -> [Samples; 4] {
    let tenant = Tenant::default_tenant();
    let traces = traces(corpus);
    let traces: Vec<Vec<End<'_>>> = traces
        .values()
        .map(|ends| ends.iter().map(Kept::end).collect())
        .collect();
    let mut name = String::new();
    let mut pairing = Pairing::default();
    let mut sides = [
        Side::new("walker", || {
            each(corpus, |view| {
                black_box(view.n_spans());
            });
        }),
        Side::new("RED", || {
            black_box(red(corpus).size());
        }),
        Side::new("ends", || {
            each(corpus, |view| {
                for span in view.spans() {
                    if let Some(role) = Role::of(span.kind()) {
                        black_box(edge::read(&span, role, &mut name));
                    }
                }
            });
        }),
        Side::new("edges", || {
            let mut red = Red::default();
            for ends in &traces {
                pairing.count(ends, |counted| red.count(&tenant, counted));
            }
            black_box(red.size());
        }),
    ];
    let samples = interleave(&mut sides, rounds, corpus.n_spans);
    samples
        .try_into()
        .expect("there are as many samples as sides")
}

/// An epoch that has all spans of a corpus.
pub(in crate::section) fn red(corpus: &Corpus) -> Red {
    let tenant = Tenant::default_tenant();
    let mut red = Red::default();
    each(corpus, |view| {
        red.begin_record();
        for span in view.spans() {
            red.observe(&tenant, &span, T, false);
        }
    });
    red
}

fn each(corpus: &Corpus, mut with: impl FnMut(&TracesView<'_>)) {
    let (mut walker, limits) = (TraceWalker::new(), WalkLimits::trusted());
    for request in &corpus.requests {
        let view = walker.walk(&request.bytes, &limits);
        with(&view.expect("the corpus is OTLP"));
    }
}

/// An end of a call that outlives its request.
pub(in crate::section) struct Kept {
    id: SpanId,
    parent: Option<SpanId>,
    role: Role,
    service: String,
    peer: Option<(PeerKind, String)>,
    failed: bool,
    duration_ns: u64,
    end_unix_ns: u64,
}

impl Kept {
    pub(in crate::section) fn new(span: &SpanView<'_>, role: Role) -> Self {
        let mut name = String::new();
        let said = edge::read(span, role, &mut name);
        Self {
            id: span.span_id(),
            parent: span.parent_span_id(),
            role,
            service: span
                .resource()
                .service_name()
                .unwrap_or_default()
                .to_owned(),
            peer: said.peer.map(|kind| (kind, name)),
            failed: said.failed,
            duration_ns: span.duration_ns(),
            end_unix_ns: span.end_unix_ns(),
        }
    }

    pub(in crate::section) fn end(&self) -> End<'_> {
        let number = |id: SpanId| u64::from_be_bytes(id.0);
        End {
            id: number(self.id),
            parent: self.parent.map(number),
            role: self.role,
            service: &self.service,
            peer: self
                .peer
                .as_ref()
                .map(|(kind, name)| (*kind, name.as_str())),
            failed: self.failed,
            weight: 1.0,
            duration_ns: self.duration_ns,
            end_unix_ns: self.end_unix_ns,
            window_ms: T.unix_ms,
        }
    }
}

fn traces(corpus: &Corpus) -> BTreeMap<TraceId, Vec<Kept>> {
    let mut traces: BTreeMap<TraceId, Vec<Kept>> = BTreeMap::new();
    each(corpus, |view| {
        for span in view.spans() {
            if let Some(role) = Role::of(span.kind()) {
                let ends = traces.entry(span.trace_id()).or_default();
                ends.push(Kept::new(&span, role));
            }
        }
    });
    traces
}
