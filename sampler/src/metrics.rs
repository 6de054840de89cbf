//! What the sampler tells about itself. Counts of spans come from sealed epochs, so replays count once.

use bus::Partition;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use telemetry::Tenant;

use crate::shard::{SealedEpoch, Totals};

/// Counters of one process. Clones count into the same place.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// `spans_total`: where accepted spans are, since the log began. A gauge inside, since it is set from the ledger.
    spans: Family<SpansLabels, Gauge>,
    traces_decided: Family<DecidedLabels, Counter>,
    spans_decided: Family<DecidedLabels, Counter>,
    settled: Family<SettledLabels, Counter>,
    late_spans: Family<LateLabels, Counter>,
    epochs_sealed: Counter,
    replayed_records: Counter,
    watermark_seconds: Family<PartitionLabels, Gauge>,
    open_traces: Family<PartitionLabels, Gauge>,
    open_bytes: Family<PartitionLabels, Gauge>,
    dead_letters: Counter,
    red_skewed: Counter,
    red_overflowed: Counter,
    edges_overflowed: Counter,
    edges_late: Counter,
    /// Exemplars of stored epochs.
    pub(crate) exemplars: Counter,
    /// Epochs whose name already had other content.
    pub(crate) determinism_violations: Counter,
    /// Take-overs from a log that was cut behind what was open.
    pub(crate) offsets_lost: Counter,
    /// Take-overs without a ledger that should have been there.
    pub(crate) ledgers_lost: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpansLabels {
    tenant: String,
    partition: u32,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecidedLabels {
    rule: String,
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SettledLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LateLabels {
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    partition: u32,
}

fn decision(keep: bool) -> &'static str {
    if keep { "kept" } else { "dropped" }
}

impl Metrics {
    /// Makes these numbers part of what `registry` exposes.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "spans_total",
            "Spans by what became of them, from sealed epochs; accepted is the sum of the others",
            self.spans.clone(),
        );
        registry.register(
            "sampler_traces_decided",
            "Traces decided",
            self.traces_decided.clone(),
        );
        registry.register(
            "sampler_spans_decided",
            "Spans of decided traces",
            self.spans_decided.clone(),
        );
        registry.register("sampler_settled", "Traces settled", self.settled.clone());
        registry.register(
            "sampler_late_spans",
            "Spans that came after the decision",
            self.late_spans.clone(),
        );
        registry.register(
            "sampler_epochs_sealed",
            "Epochs stored",
            self.epochs_sealed.clone(),
        );
        registry.register(
            "sampler_replayed_records",
            "Records read again by take-overs",
            self.replayed_records.clone(),
        );
        registry.register(
            "sampler_open_traces",
            "Traces that are not decided, at the last stored epoch",
            self.open_traces.clone(),
        );
        registry.register(
            "sampler_open_bytes",
            "Memory of open traces by the shard's formula, at the last stored epoch",
            self.open_bytes.clone(),
        );
        registry.register(
            "sampler_watermark_seconds",
            "Record time up to which every trace that was decided is stored",
            self.watermark_seconds.clone(),
        );
        registry.register(
            "sampler_dead_letters",
            "Records that could not be read",
            self.dead_letters.clone(),
        );
        registry.register(
            "sampler_red_skewed",
            "Spans whose end lies too far from the time of their record, counted at that time",
            self.red_skewed.clone(),
        );
        registry.register(
            "sampler_red_overflowed",
            "Spans counted under __overflow__, since their own series is one too many",
            self.red_overflowed.clone(),
        );
        registry.register(
            "sampler_exemplars",
            "Kept spans that stand for values of a series",
            self.exemplars.clone(),
        );
        registry.register(
            "sampler_edges_overflowed",
            "Requests and unpaired ends of calls counted under __overflow__, since their own edge is one too many",
            self.edges_overflowed.clone(),
        );
        registry.register(
            "sampler_edges_late",
            "Ends of calls that came after the decision and count in no edge",
            self.edges_late.clone(),
        );
        registry.register(
            "sampler_determinism_violations",
            "Epochs sealed with other content than before",
            self.determinism_violations.clone(),
        );
        registry.register(
            "sampler_offsets_lost",
            "Take-overs from a log that was cut behind what was open",
            self.offsets_lost.clone(),
        );
        registry.register(
            "sampler_ledgers_lost",
            "Take-overs without the ledger that should be there",
            self.ledgers_lost.clone(),
        );
    }

    pub(crate) fn taken_over(
        &self,
        partition: Partition,
        n_refolded: u64,
        totals: &[(Tenant, Totals)],
    ) {
        self.replayed_records.inc_by(n_refolded);
        self.set_totals(partition, totals);
    }

    /// What a shard holds in memory.
    pub(crate) fn open(&self, partition: Partition, n_traces: usize, bytes: u64) {
        let label = PartitionLabels {
            partition: partition.0,
        };
        let as_gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.open_traces
            .get_or_create(&label)
            .set(as_gauge(n_traces as u64));
        self.open_bytes.get_or_create(&label).set(as_gauge(bytes));
    }

    /// An epoch and all its effects are durable.
    pub(crate) fn sealed(&self, partition: Partition, epoch: &SealedEpoch) {
        self.epochs_sealed.inc();
        self.dead_letters.inc_by(epoch.dead_letters.len() as u64);
        self.red_skewed.inc_by(epoch.red.n_skewed);
        self.red_overflowed.inc_by(epoch.red.n_overflowed);
        self.edges_overflowed.inc_by(epoch.red.n_edges_overflowed);
        self.edges_late.inc_by(epoch.n_late.ends);
        if let Some(t) = epoch.entry.clock.last {
            let label = PartitionLabels {
                partition: partition.0,
            };
            self.watermark_seconds
                .get_or_create(&label)
                .set(t.unix_ms / 1_000);
        }
        for decided in &epoch.decided {
            let labels = DecidedLabels {
                rule: decided.rule.to_string(),
                decision: decision(decided.keep),
            };
            self.traces_decided
                .get_or_create(&labels)
                .inc_by(decided.n_traces);
            self.spans_decided
                .get_or_create(&labels)
                .inc_by(decided.n_spans);
            self.settled
                .get_or_create(&SettledLabels {
                    reason: decided.settled.name(),
                })
                .inc_by(decided.n_traces);
        }
        for (keep, n_spans) in [(true, epoch.n_late.kept), (false, epoch.n_late.dropped)] {
            self.late_spans
                .get_or_create(&LateLabels {
                    decision: decision(keep),
                })
                .inc_by(n_spans);
        }
        self.set_totals(partition, &epoch.totals);
    }

    fn set_totals(&self, partition: Partition, totals: &[(Tenant, Totals)]) {
        for (tenant, t) in totals {
            let states = [
                ("accepted", t.accepted),
                ("stored", t.stored),
                ("sampled_out", t.sampled_out),
                ("dead_lettered", t.dead_lettered),
                ("duplicates", t.duplicates),
                ("lost", t.lost),
                ("in_flight", t.in_flight()),
            ];
            for (state, n_spans) in states {
                let labels = SpansLabels {
                    tenant: tenant.to_string(),
                    partition: partition.0,
                    state,
                };
                self.spans
                    .get_or_create(&labels)
                    .set(i64::try_from(n_spans).unwrap_or(i64::MAX));
            }
        }
    }
}
