//! Sealing: what an epoch hands out at its end, and what is remembered of it.

use std::sync::Arc;

use bus::Offset;
use bus::machine::Sealing;
use telemetry::{ShardTime, Tenant};

use super::Shard;
use super::epoch::{KeptRefs, SealedEpoch, Totals};
use super::span_refs::SpanRefs;
use super::state::{Begun, StageEntry};
use super::trace::collapse;

impl Shard {
    /// Ends an epoch. No trace is settled and undecided here.
    pub(super) fn seal(&mut self, sealed_at: ShardTime, end_offset: Offset) -> SealedEpoch {
        let n_late = std::mem::take(&mut self.epoch.n_late);
        self.seal_late();
        let oldest_open = self.open.oldest();
        self.open
            .refs
            .forget_before(oldest_open.map_or(end_offset, |(offset, _)| offset));
        self.forget_policies(sealed_at);
        let dimensions = self.policy().dimensions.clone();
        let red = self.red.take(dimensions);
        let totals = self.sorted_totals();
        let stage = self.stage_entry(totals.clone()).encode();
        let previous_end = self.ledger.last_end();
        let entry = self.ledger.seal(Sealing {
            sealed_at,
            end_offset,
            oldest_open,
            stage,
        });
        SealedEpoch {
            partition: self.of.partition,
            previous_end,
            end_offset,
            sealed_at,
            kept: self.epoch.take_kept(),
            dead_letters: std::mem::take(&mut self.epoch.dead_letters),
            totals,
            decided: self.epoch.take_decided(),
            n_late,
            red,
            entry,
        }
    }

    pub(super) fn seal_late(&mut self) {
        for mut part in self.epoch.take_late() {
            let n_duplicates = collapse(&mut part.spans);
            let totals = self.totals(part.tenant);
            totals.duplicates += u64::from(n_duplicates);
            totals.stored += part.spans.len() as u64;
            let spans = SpanRefs::new(part.spans.iter().map(|(at, _)| *at));
            let tenant = self.tenant(part.tenant).clone();
            self.epoch.keep(KeptRefs {
                tenant,
                id: part.id,
                sampling: part.sampling,
                late: true,
                spans,
            });
        }
    }

    /// Of every tenant ever seen, in order of name, since the log began.
    #[must_use]
    pub fn sorted_totals(&self) -> Vec<(Tenant, Totals)> {
        let all = self.tenant_numbers.iter();
        all.filter_map(|(tenant, number)| {
            Some((tenant.clone(), self.tenants.get(*number as usize)?.totals))
        })
        .collect()
    }

    pub(super) fn stage_entry(&mut self, totals: Vec<(Tenant, Totals)>) -> StageEntry {
        let mut policies: Vec<(u64, Arc<str>)> = self
            .policies
            .iter()
            .flatten()
            .map(|policy| (policy.revision, policy.text.clone()))
            .collect();
        policies.sort_unstable();
        let begun = self.open.take_begun();
        let begun = begun.into_iter().map(|(slot, first_offset)| {
            let trace = self.open.get(slot);
            Begun {
                tenant: self.tenant(trace.tenant).clone(),
                id: trace.id,
                first_offset,
                first_at: ShardTime { ms: trace.first_ms },
                revision: self.policy_at(trace.policy).revision,
            }
        });
        StageEntry {
            policies,
            begun: begun.collect(),
            decided: std::mem::take(&mut self.decided_new),
            buckets: self
                .buckets
                .iter()
                .map(|(key, bucket)| (key.clone(), *bucket))
                .collect(),
            totals,
        }
    }
}
