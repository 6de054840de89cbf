//! The effects of sealed epochs, in order: kept traces to the store, dead letters to their topic, what it adds to the metrics to theirs, the ledger entry last.

use std::sync::Arc;

use bus::log::BoxError;
use bus::machine::{
    CaughtUp, Durable, EffectError, Effects, LedgerStore, Seals, Write, put_dead_letters,
};
use bus::{Draft, Log, Topic, TopicPartition};
use bytes::Bytes;
use telemetry::Tenant;
use trace_store::{EpochName, KeptTrace, TraceStore};

use super::assemble::assemble;
use super::derive::drafts;
use super::ledger::Ledgers;
use super::live::{LivePartition, SharedShard};
use super::policy::WantedPolicy;
use crate::Metrics;
use crate::red::Exemplars;
use crate::shard::{KeptRefs, SealedEpoch};

/// Bytes of spans in one block; an epoch with more has several.
const PART_BYTES_MAX: u64 = 8 << 20;

/// The loop's end of the writer.
pub(crate) struct EpochEffects {
    pub(crate) of: TopicPartition,
    pub(crate) seals: Seals<Arc<SealedEpoch>>,
    pub(crate) ledgers: Ledgers,
    pub(crate) policy: Arc<WantedPolicy>,
    pub(crate) caught_up: CaughtUp,
    #[cfg(feature = "testing")]
    pub(crate) mutant: bus::machine::mutant::Mutant,
}

impl Effects<SharedShard> for EpochEffects {
    async fn write(&mut self, seal: Arc<SealedEpoch>) -> Result<(), EffectError> {
        self.seals.write(seal).await
    }

    async fn durable(&mut self) -> Result<Durable, EffectError> {
        self.seals.durable().await
    }

    async fn committed(&mut self, durable: Durable) -> Result<(), EffectError> {
        self.ledgers
            .forget_before(self.of, durable.chain_from)
            .await
            .map_err(EffectError)
    }

    fn caught_up(&mut self) {
        self.caught_up.insert(self.of.partition);
    }

    fn control(&mut self, machine: &SharedShard) -> Option<Draft> {
        self.policy.draft_if_newer(self.of, machine.revision())
    }

    #[cfg(feature = "testing")]
    fn mutant(&self) -> bus::machine::mutant::Mutant {
        self.mutant
    }
}

/// Does the effects of one partition's epochs.
pub(crate) struct EpochWriter<L> {
    pub(crate) log: L,
    pub(crate) store: TraceStore,
    pub(crate) ledgers: Ledgers,
    pub(crate) live: Arc<LivePartition>,
    pub(crate) metrics: Metrics,
    pub(crate) of: TopicPartition,
    #[cfg(feature = "testing")]
    pub(crate) mutant: bus::machine::mutant::Mutant,
}

impl<L: Log> Write<Arc<SealedEpoch>> for EpochWriter<L> {
    async fn write(&self, epoch: &Arc<SealedEpoch>) -> Result<(), BoxError> {
        let exemplars = self.write_kept(epoch).await?;
        self.write_dead_letters(epoch).await?;
        let exemplars = exemplars.join(
            &epoch.red.tenants,
            epoch.entry.clock.last.unwrap_or_default(),
        );
        let derived = drafts(epoch, &exemplars, self.log.n_partitions(Topic::Points));
        self.log.append(derived).await?;
        self.put_entry(epoch).await?;
        self.metrics
            .exemplars
            .inc_by(exemplars.n_exemplars() as u64);
        Ok(())
    }

    fn failed(&self, epoch: &Arc<SealedEpoch>, error: &BoxError) {
        tracing::warn!(code = "TW4003", partition = self.of.partition.0, end_offset = epoch.end_offset.0, %error, "an epoch could not be stored; it is tried again");
    }

    fn written(&self, epoch: &Arc<SealedEpoch>) {
        let (n_open, open_bytes) = self.live.stored(epoch);
        self.metrics.open(self.of.partition, n_open, open_bytes);
        self.metrics.sealed(self.of.partition, epoch);
    }

    fn durable(&self, epoch: &Arc<SealedEpoch>) -> Durable {
        let oldest = epoch.entry.chain.first();
        Durable {
            commit: epoch.commit(),
            chain_from: oldest.map_or(epoch.end_offset, |link| link.end_offset),
        }
    }

    #[cfg(feature = "testing")]
    async fn told_too_early(&self, epoch: &Arc<SealedEpoch>) -> bool {
        self.mutant == bus::machine::mutant::Mutant::CommitBeforeEffects
            && self.put_entry(epoch).await.is_ok()
    }
}

impl<L: Log> EpochWriter<L> {
    async fn put_entry(&self, epoch: &SealedEpoch) -> Result<(), BoxError> {
        let entry = epoch.entry.encode();
        self.ledgers.put(self.of, epoch.end_offset, entry).await
    }

    /// A block for each tenant and each 8 MiB of its spans, cut in the order of decisions, so that everybody cuts alike. Chooses exemplars on the way.
    async fn write_kept(&self, epoch: &SealedEpoch) -> Result<Exemplars, BoxError> {
        let mut exemplars = Exemplars::by(epoch.red.dimensions.clone());
        for (tenant, part, kept) in parts(&epoch.kept) {
            let spans: Vec<_> = kept.iter().map(|trace| &trace.spans).collect();
            let bytes = assemble(&self.log, self.of, &spans).await?;
            let trace = |(kept, traces_data): (&&KeptRefs, _)| KeptTrace {
                id: kept.id,
                traces_data,
                sampling: kept.sampling.clone(),
                late: kept.late,
            };
            let there = |(_, traces_data): &(&&KeptRefs, Bytes)| !traces_data.is_empty();
            let traces = kept.iter().zip(bytes).filter(there).map(trace).collect();
            let name = EpochName {
                partition: self.of.partition.0,
                end_offset: epoch.end_offset.0,
                part,
                sealed_at: epoch.sealed_at,
            };
            let seer = (exemplars, tenant.clone());
            let written = self
                .store
                .write_epoch_seen(&tenant, name, traces, seer, |(exemplars, tenant), trace| {
                    exemplars.see(tenant, trace);
                })
                .await?;
            let put = written.0;
            (exemplars, _) = written.1;
            if let blocks::Put::Beside(beside) = put {
                self.metrics.determinism_violations.inc();
                tracing::error!(
                    code = "TW4004",
                    partition = self.of.partition.0,
                    end_offset = epoch.end_offset.0,
                    ?beside,
                    "two owners sealed different epochs under one name; both are kept"
                );
            }
        }
        Ok(exemplars)
    }

    async fn write_dead_letters(&self, epoch: &SealedEpoch) -> Result<(), BoxError> {
        let letters = &epoch.dead_letters;
        let offsets = letters.iter().map(|letter| letter.offset).collect();
        put_dead_letters(&self.log, self.of, offsets).await?;
        for letter in letters {
            tracing::warn!(
                code = "TW4005",
                partition = self.of.partition.0,
                offset = letter.offset.0,
                n_spans = letter.n_spans,
                reason = letter.reason,
                "a record could not be read and is a dead letter"
            );
        }
        Ok(())
    }
}

/// Cuts what an epoch kept into blocks: (tenant, part, traces), tenants in order of name.
fn parts(kept: &[KeptRefs]) -> Vec<(Tenant, u32, Vec<&KeptRefs>)> {
    let mut by_tenant: Vec<&KeptRefs> = kept.iter().collect();
    by_tenant.sort_by(|a, b| a.tenant.cmp(&b.tenant)); // stable: the order of decisions stays
    let mut parts: Vec<(Tenant, u32, Vec<&KeptRefs>)> = Vec::new();
    let mut part_bytes = 0;
    for trace in by_tenant {
        let trace_bytes: u64 = trace
            .spans
            .iter()
            .map(|span| u64::from(span.place.len))
            .sum();
        let number = match parts.last() {
            Some((tenant, _, _)) if *tenant != trace.tenant => Some(0),
            Some((_, part, _)) if part_bytes + trace_bytes > PART_BYTES_MAX => Some(part + 1),
            Some(_) => None,
            None => Some(0),
        };
        if let Some(number) = number {
            parts.push((trace.tenant.clone(), number, Vec::new()));
            part_bytes = 0;
        }
        part_bytes += trace_bytes;
        parts
            .last_mut()
            .expect("pushed when there was none")
            .2
            .push(trace);
    }
    parts
}
