//! Take-over of a shard: the ledger says what was open, the log is read again for where its spans are.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::machine::{LedgerEntry, Stopped};
use bus::{Kind, Offset, Record};
use telemetry::{ShardTime, TraceId};

use super::Shard;
use super::read::read;
use super::state::StageEntry;
use crate::policy::Policy;
use crate::red::Red;

/// Traces that were open at the ledger's end, by tenant and id.
pub(super) type Awaited = BTreeMap<(u32, TraceId), Header>;

/// How an open trace began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    first_offset: Offset,
    first_at: ShardTime,
    /// Slot of its policy.
    policy: u16,
}

const NO_POLICY: u16 = u16::MAX;

impl Shard {
    pub(super) fn restore_from(&mut self, chain: &[LedgerEntry]) -> Result<(), Stopped> {
        let decoded = chain.iter().map(|entry| StageEntry::decode(&entry.stage));
        let stages = decoded
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Stopped(Box::new(error)))?;
        let Some(newest) = stages.last() else {
            return Ok(());
        };
        self.restore_policies(&newest.policies)?;
        self.buckets = newest.buckets.iter().cloned().collect();
        for (tenant, totals) in &newest.totals {
            let number = self.tenant_number(tenant);
            *self.totals(number) = *totals;
        }
        self.ledger.restore(chain);
        for stage in &stages {
            self.restore_stage(stage)?;
        }
        self.decisions.forget_before(self.ledger.horizon());
        if self
            .awaited
            .values()
            .any(|header| header.policy == NO_POLICY)
        {
            return Err(Stopped(
                "the ledger does not have the policy of an open trace".into(),
            ));
        }
        Ok(())
    }

    fn restore_policies(&mut self, policies: &[(u64, Arc<str>)]) -> Result<(), Stopped> {
        self.policies.clear();
        for (revision, text) in policies {
            let policy = Policy::parse(*revision, text, self.n_partitions)
                .map_err(|error| Stopped(Box::new(error)))?;
            self.in_force = self.slot_for(Arc::new(policy));
        }
        if policies.is_empty() {
            return Err(Stopped("the ledger names no policy".into()));
        }
        // the epoch that begins where the ledger ends: what was in force there is the newest
        self.red = Red::by(self.policy().dimensions.clone());
        Ok(())
    }

    fn restore_stage(&mut self, stage: &StageEntry) -> Result<(), Stopped> {
        for begun in &stage.begun {
            let tenant = self.tenant_number(&begun.tenant);
            // one that was decided since needs no policy, and its policy may be gone
            let slot = self
                .policies
                .iter()
                .position(|p| p.as_ref().is_some_and(|p| p.revision == begun.revision));
            let policy = slot
                .and_then(|slot| u16::try_from(slot).ok())
                .unwrap_or(NO_POLICY);
            let header = Header {
                first_offset: begun.first_offset,
                first_at: begun.first_at,
                policy,
            };
            self.awaited.insert((tenant, begun.id), header);
        }
        for decided in &stage.decided {
            let tenant = self.tenant_number(&decided.tenant);
            // a decision ends the incarnation that began before it
            if self
                .awaited
                .get(&(tenant, decided.id))
                .is_some_and(|header| header.first_at <= decided.at)
            {
                self.awaited.remove(&(tenant, decided.id));
            }
            self.decisions
                .push(tenant, decided.id, decided.at, decided.kept.clone());
        }
        Ok(())
    }

    pub(super) fn refold_record(&mut self, record: &Record) {
        if record.header.kind != Kind::Otlp {
            return;
        }
        let Some(at) = self.ledger.folded_at(record.offset) else {
            return;
        };
        let tenant = self.tenant_number(&record.header.tenant);
        let mut walker = self.walker.take().unwrap_or_default();
        if let Ok(view) = read(&mut walker, &record.payload) {
            for span in view.spans() {
                let id = span.trace_id();
                let Some(header) = self
                    .awaited
                    .get(&(tenant, id))
                    .copied()
                    .filter(|h| record.offset >= h.first_offset)
                else {
                    continue;
                };
                let slot = self.open.find(tenant, id);
                let slot = slot
                    .unwrap_or_else(|| self.open.begin(tenant, id, header.first_at, header.policy));
                self.add_folded(slot, &span, record, at);
            }
        }
        self.walker = Some(walker);
    }

    pub(super) fn resume_here(&mut self) {
        self.awaited.clear();
        self.ledger.resume();
        self.open.forget_begun();
        let in_flight = self.open.spans_by_tenant(self.tenants.len());
        for (state, found) in self.tenants.iter_mut().zip(in_flight) {
            state.totals.lost += state.totals.in_flight().saturating_sub(found);
        }
    }
}
