//! What RED and the map cost us a span, in this process, as the server has no switch for them: each step beside the same step without.

use std::hint::black_box;

use bus::machine::Machine;
use bus::{Header, Kind, Offset, Partition, Record, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use metrics::machine::PointsMachine;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use sampler::{SealedEpoch, Shard};
use telemetry::derived::DerivedRecord;
use telemetry::{RecordTime, Tenant};

use super::super::Settings;
use super::super::shard::{Maker, N_SPANS, OF, WITHIN_S, counts, fold};
use crate::corpus::{Corpus, Spec};
use crate::cost::{Side, interleave};

/// ns a span of each step.
pub(super) struct Steps {
    pub(super) red: f64,
    pub(super) edges: f64,
    pub(super) sealed: f64,
    pub(super) folded: f64,
    /// Spans of an epoch that the last two steps are shared by.
    pub(super) epoch_spans: u64,
}

impl Steps {
    pub(super) fn all(&self) -> f64 {
        self.red + self.edges + self.sealed + self.folded
    }
}

pub(super) fn measure(settings: &Settings) -> anyhow::Result<Steps> {
    let corpus = Corpus::of_whole_traces(Spec::shop(512), settings.scaled(N_SPANS));
    let corpus_without = without_calls(corpus.clone())?;
    let red_of = |corpus: &Corpus| -> f64 {
        let [walker, observed, ..] = counts::measure(corpus, settings.rounds);
        observed.median() - walker.median()
    };
    // spans of servers count by instance too, which is no part of edges
    let (red_with, red_without) = (red_of(&corpus), red_of(&corpus_without));
    let red = counts::red(&corpus);
    let spans_per_s = (corpus.n_spans / WITHIN_S).max(1);
    let records = |corpus: &Corpus| -> Vec<Record> {
        let mut maker = Maker::new(spans_per_s);
        let requests = corpus.requests.iter();
        requests.map(|request| maker.record(request)).collect()
    };
    let with_calls = records(&corpus);
    let without = records(&corpus_without);
    let epochs = epochs(&with_calls)?;
    let mut sides = [
        Side::new("with edges", || {
            black_box(fold(&with_calls).expect("the corpus stops no shard"));
        }),
        Side::new("without", || {
            black_box(fold(&without).expect("the corpus stops no shard"));
        }),
        Side::new("ended", || {
            black_box(red.deltas());
        }),
        Side::new("encoded", || {
            for epoch in &epochs {
                black_box(derived(epoch).encode());
            }
        }),
        Side::new("folded", || {
            let mut machine = PointsMachine::new(POINTS, 1);
            for epoch in &epochs {
                let sealed = machine.apply(&points(epoch.end_offset.0, derived(epoch).encode()));
                black_box(sealed.expect("a derived record stops no machine"));
            }
        }),
    ];
    let samples = interleave(&mut sides, settings.rounds, corpus.n_spans);
    let ns: Vec<f64> = samples.iter().map(|side| side.median()).collect();
    let [with_calls, without, ended, encoded, folded] =
        ns.try_into().expect("there are as many samples as sides");
    Ok(Steps {
        red: red_with,
        edges: (with_calls - without) - (red_with - red_without),
        sealed: ended + encoded,
        folded: folded - encoded,
        epoch_spans: spans_per_s * 10,
    })
}

/// The same spans, none of which is an end of a call.
pub(super) fn without_calls(mut corpus: Corpus) -> anyhow::Result<Corpus> {
    for request in &mut corpus.requests {
        let mut decoded = ExportTraceServiceRequest::decode(request.bytes.as_slice())?;
        let of_resources = decoded.resource_spans.iter_mut();
        let of_scopes = of_resources.flat_map(|of| &mut of.scope_spans);
        of_scopes
            .flat_map(|of| &mut of.spans)
            .for_each(|span| span.set_kind(SpanKind::Internal));
        // as long as before, so that trace ids stay where they are
        let bytes = decoded.encode_to_vec();
        anyhow::ensure!(bytes.len() == request.bytes.len(), "a kind is one byte");
        request.bytes = bytes;
    }
    Ok(corpus)
}

fn epochs(records: &[Record]) -> anyhow::Result<Vec<SealedEpoch>> {
    let mut shard = Shard::new(OF, 1);
    let mut epochs = Vec::new();
    for record in records {
        epochs.extend(shard.apply(record)?);
    }
    Ok(epochs)
}

fn derived(epoch: &SealedEpoch) -> DerivedRecord {
    DerivedRecord {
        source_partition: epoch.partition.0,
        previous_end: epoch.previous_end.0,
        end: epoch.end_offset.0,
        part: 0,
        is_last: true,
        complete_to: epoch.entry.clock.last.unwrap_or_default(),
        tenants: epoch.red.tenants.clone(),
    }
}

pub(super) const POINTS: TopicPartition = TopicPartition {
    topic: Topic::Points,
    partition: Partition(0),
};

/// A record of `points` with an epoch's counts.
pub(super) fn points(offset: u64, payload: Vec<u8>) -> Record {
    let at = RecordTime::default();
    Record {
        of: POINTS,
        offset: Offset(offset),
        appended_at: at,
        header: Header {
            tenant: Tenant::default_tenant(),
            kind: Kind::Derived,
            accepted_at: at,
            n_items: 1,
            request_hash: RequestHash(offset.into()),
            part: 0,
            historic: false,
        },
        payload: Bytes::from(payload),
    }
}
