//! The sampler's shard from memory: CPU time a span beside the walker alone and prost's decode of the same bytes, and what open traces hold.

pub(super) mod counts;

use std::hint::black_box;
use std::time::Duration;

use anyhow::ensure;
use bus::machine::Machine;
use bus::{Header, Kind, Offset, Partition, Record, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use sampler::control::Control;
use sampler::{PartitionMemory, Shard};
use telemetry::wire::{TraceWalker, WalkLimits};
use telemetry::{RecordTime, Tenant};
use xxhash_rust::xxh3::xxh3_128;

use super::Settings;
use crate::corpus::{Corpus, Request, Spec, TraceSpans};
use crate::cost::{Samples, Side, interleave, memory, thread_cpu};
use crate::table::Table;

/// Spans of the comparison.
pub(super) const N_SPANS: u64 = 400_000;
/// Shard time in which they come, so that most traces are decided and epochs are sealed, however few they are.
pub(super) const WITHIN_S: u64 = 20;
/// Open traces of the memory table, and spans of each.
const OPEN_TRACES: u64 = 1_000_000;
const OPEN_TRACE_SPANS: u64 = 12;
/// A small corpus of small requests, repeated with new ids: making it leaves little free memory behind.
const OPEN_CORPUS_SPANS: u64 = 60_000;
const OPEN_REQUEST_SPANS: usize = 64;
/// Shard time in which they arrive: less than the quiet after a root, so none is settled.
const OPEN_WITHIN_MS: u64 = 1_500;
const PARTITION_MEMORY_BYTES: u64 = 8 << 30;
const BEGIN_UNIX_MS: u64 = 1_767_225_600_000;
pub(super) const OF: TopicPartition = TopicPartition {
    topic: Topic::Spans,
    partition: Partition(0),
};

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut table = Table::new(
        format!(
            "shard: from memory, one partition, {} spans in {WITHIN_S} s of shard time",
            settings.scaled(N_SPANS)
        ),
        &[
            "",
            "shard ns/span, median / worst",
            "walker alone",
            "prost decode alone",
            "prost alone is so many times slower",
        ],
    );
    for (trace_spans, told) in [(TraceSpans::About49, "49"), (TraceSpans::Exactly(12), "12")] {
        for request_spans in [512, 16] {
            let spec = Spec {
                trace_spans,
                ..Spec::shop(request_spans)
            };
            let corpus = Corpus::of_whole_traces(spec, settings.scaled(N_SPANS));
            let [shard, walker, prost] = compare(&corpus, settings.rounds)?;
            table.row([
                format!("traces of {told}, records of {request_spans}"),
                shard.told(0),
                walker.told(0),
                prost.told(0),
                format!("{:.1}x", prost.median() / shard.median()),
            ]);
        }
    }
    table.note("shard: dedupe, walk, fold, settle, decide, seal; the release's default rules; without the shell that reads the log and writes blocks");
    table.print()?;
    counts::run(settings)?;
    super::in_own_process(&["open-traces", &settings.scaled(OPEN_TRACES).to_string()])
}

fn compare(corpus: &Corpus, rounds: usize) -> anyhow::Result<[Samples; 3]> {
    let mut maker = Maker::new((corpus.n_spans / WITHIN_S).max(1));
    let records: Vec<Record> = corpus
        .requests
        .iter()
        .map(|request| maker.record(request))
        .collect();
    ensure!(
        fold(&records)? > 0,
        "no epoch was sealed: the comparison would leave out what deciding costs"
    );
    let limits = WalkLimits::trusted();
    let mut walker = TraceWalker::new();
    let mut sides = [
        Side::new("shard", || {
            black_box(fold(&records).expect("the corpus stops no shard"));
        }),
        Side::new("walker", || {
            for record in &records {
                black_box(
                    walker
                        .walk(&record.payload, &limits)
                        .expect("the corpus is OTLP")
                        .n_spans(),
                );
            }
        }),
        Side::new("prost", || {
            for record in &records {
                drop(black_box(
                    TracesData::decode(record.payload.as_ref()).expect("the corpus is OTLP"),
                ));
            }
        }),
    ];
    let samples = interleave(&mut sides, rounds, corpus.n_spans);
    Ok(samples
        .try_into()
        .expect("there are as many samples as sides"))
}

/// A new shard reads all records. Number of epochs that it sealed.
pub(super) fn fold(records: &[Record]) -> anyhow::Result<usize> {
    let mut shard = Shard::new(OF, 1);
    let mut n_epochs = 0;
    for record in records {
        n_epochs += usize::from(shard.apply(record)?.is_some());
    }
    Ok(n_epochs)
}

/// Fills a shard with open traces and prints what they hold. For a process of its own: what was freed before would be used again and not be seen.
///
/// # Errors
/// When the shard stops or stdout is closed.
pub fn open_traces(n_traces: u64) -> anyhow::Result<()> {
    let n_spans = n_traces * OPEN_TRACE_SPANS;
    let spec = Spec {
        trace_spans: TraceSpans::Exactly(OPEN_TRACE_SPANS as usize),
        ..Spec::shop(OPEN_REQUEST_SPANS)
    };
    let mut corpus = Corpus::of_whole_traces(spec, n_spans.min(OPEN_CORPUS_SPANS));
    let mut maker = Maker::new(n_spans * 1_000 / OPEN_WITHIN_MS);
    let mut shard = Shard::new(OF, 1);
    shard.apply(&maker.roomy_policy())?;
    let before = memory()?.resident_bytes;
    let mut cpu = Duration::ZERO;
    let mut n_sent = 0;
    for round in 0.. {
        if n_sent >= n_spans {
            break;
        }
        for request in &mut corpus.requests {
            request.renew(round);
            let record = maker.record(request);
            let begun = thread_cpu();
            let sealed = shard.apply(&record)?;
            cpu += thread_cpu() - begun;
            ensure!(
                sealed.is_none(),
                "an epoch ended while traces were to stay open"
            );
            n_sent += u64::from(request.n_spans);
        }
    }
    let resident_bytes = memory()?.resident_bytes.saturating_sub(before);
    print_open(&shard, n_sent, resident_bytes, cpu)
}

fn print_open(
    shard: &Shard,
    n_spans: u64,
    resident_bytes: u64,
    cpu: Duration,
) -> anyhow::Result<()> {
    let n_traces = shard.n_open() as u64;
    let mut table = Table::new(
        format!("shard: {n_traces} open traces of {OPEN_TRACE_SPANS} spans"),
        &["", "MB", "B/trace with its spans", "B/span"],
    );
    for (name, bytes) in [
        ("resident, by the system", resident_bytes),
        ("by the formula of the memory limit", shard.open_bytes()),
    ] {
        table.row([
            name.to_owned(),
            format!("{}", bytes / 1_000_000),
            format!("{:.0}", bytes as f64 / n_traces as f64),
            format!("{:.1}", bytes as f64 / n_spans as f64),
        ]);
    }
    table.note(format!(
        "{} ns of CPU a span while they were folded in, walker and page faults included; beside the log, which holds the bytes of the spans",
        cpu.as_nanos() / u128::from(n_spans)
    ));
    table.print()?;
    Ok(())
}

/// Makes records as the collector and the log do, at a steady rate of shard time.
pub(super) struct Maker {
    tenant: Tenant,
    offset: u64,
    n_spans: u64,
    spans_per_s: u64,
}

impl Maker {
    pub(super) fn new(spans_per_s: u64) -> Self {
        Self {
            tenant: Tenant::default_tenant(),
            offset: 0,
            n_spans: 0,
            spans_per_s,
        }
    }

    pub(super) fn record(&mut self, request: &Request) -> Record {
        let record = self.record_of(
            Kind::Otlp,
            request.n_spans,
            Bytes::copy_from_slice(&request.bytes),
        );
        self.n_spans += u64::from(request.n_spans);
        record
    }

    /// A policy under which no memory pressure settles anything, and traces wait as they do by default.
    pub(super) fn roomy_policy(&mut self) -> Record {
        let config = sampler::Config {
            partition_memory: PartitionMemory::Bytes(PARTITION_MEMORY_BYTES),
            ..sampler::Config::default()
        };
        let text = config.policy_text(PARTITION_MEMORY_BYTES, 1);
        let payload = Control::Policy {
            revision: 1,
            text: &text,
        }
        .encode();
        self.record_of(Kind::Control, 0, payload)
    }

    fn record_of(&mut self, kind: Kind, n_items: u32, payload: Bytes) -> Record {
        let unix_ms = BEGIN_UNIX_MS + self.n_spans * 1_000 / self.spans_per_s;
        let time = RecordTime {
            unix_ms: unix_ms as i64,
        };
        let header = Header {
            tenant: self.tenant.clone(),
            kind,
            accepted_at: time,
            n_items,
            request_hash: RequestHash(xxh3_128(&payload)),
            part: 0,
            historic: false,
        };
        let offset = Offset(self.offset);
        self.offset += payload.len() as u64;
        Record {
            of: OF,
            offset,
            appended_at: time,
            header,
            payload,
        }
    }
}
