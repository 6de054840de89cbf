//! The effects of sealed heads, in order: blocks to the store, dead letters to their topic, the ledger entry last.

use std::sync::Arc;

use bus::log::BoxError;
use bus::machine::{
    CaughtUp, Durable, EffectError, Effects, LedgerStore, Seals, Write, put_dead_letters,
};
use bus::{Draft, Log, TopicPartition};

use super::ledger::Ledgers;
use crate::control::Limits;
use crate::live::{LivePartition, SharedMachine};
use crate::machine::SealedHead;
use crate::{Metrics, MetricsStore};

/// Metrics beyond a cap that are told of a head.
const TOLD_MAX: usize = 3;

/// The loop's end of the writer.
pub(super) struct SealEffects {
    pub(super) of: TopicPartition,
    pub(super) seals: Seals<Arc<SealedHead>>,
    pub(super) ledgers: Ledgers,
    pub(super) caught_up: CaughtUp,
    /// Limits that the log has not taken yet. They are said once: two owners that want others must not answer each other for ever.
    pub(super) wanted: Option<Limits>,
    #[cfg(feature = "testing")]
    pub(super) mutant: bus::machine::mutant::Mutant,
}

impl Effects<SharedMachine> for SealEffects {
    async fn write(&mut self, seal: Arc<SealedHead>) -> Result<(), EffectError> {
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

    fn control(&mut self, machine: &SharedMachine) -> Option<Draft> {
        let wanted = self.wanted?;
        let in_force = machine.0.look(|state| state.machine.limits());
        (wanted != in_force).then(|| wanted.draft(self.of))
    }

    fn said(&mut self) {
        self.wanted = None;
    }

    #[cfg(feature = "testing")]
    fn mutant(&self) -> bus::machine::mutant::Mutant {
        self.mutant
    }
}

/// Does the effects of one partition's seals.
pub(super) struct HeadWriter<L> {
    pub(super) log: L,
    pub(super) store: MetricsStore,
    pub(super) ledgers: Ledgers,
    pub(super) live: Arc<LivePartition>,
    pub(super) metrics: Metrics,
    pub(super) of: TopicPartition,
    #[cfg(feature = "testing")]
    pub(super) mutant: bus::machine::mutant::Mutant,
}

impl<L: Log> Write<Arc<SealedHead>> for HeadWriter<L> {
    async fn write(&self, sealed: &Arc<SealedHead>) -> Result<(), BoxError> {
        self.store.write(sealed, &self.live).await?;
        self.write_dead_letters(sealed).await?;
        self.put_entry(sealed).await
    }

    fn failed(&self, sealed: &Arc<SealedHead>, error: &BoxError) {
        tracing::warn!(code = "TW6013", partition = self.of.partition.0, end_offset = sealed.end_offset.0, %error, "a head could not be stored; it is tried again");
    }

    fn written(&self, sealed: &Arc<SealedHead>) {
        self.metrics.sealed(self.of.partition, sealed);
        for (tenant, head) in sealed.head.tenants() {
            let mut beyond: Vec<(&str, u64)> = head.beyond().collect();
            beyond.sort_by_key(|(_, n_points)| std::cmp::Reverse(*n_points));
            for (metric, n_points) in beyond.into_iter().take(TOLD_MAX) {
                tracing::warn!(code = "TW6015", partition = self.of.partition.0, %tenant, metric, n_points, "a metric has more series than metrics.series_max or metrics.metric_series_max allow: deltas count in its overflow series, other samples of new series are refused");
            }
        }
    }

    fn durable(&self, sealed: &Arc<SealedHead>) -> Durable {
        let oldest = sealed.entry.chain.first();
        Durable {
            commit: sealed.commit(),
            chain_from: oldest.map_or(sealed.end_offset, |link| link.end_offset),
        }
    }

    #[cfg(feature = "testing")]
    async fn told_too_early(&self, sealed: &Arc<SealedHead>) -> bool {
        self.mutant == bus::machine::mutant::Mutant::CommitBeforeEffects
            && self.put_entry(sealed).await.is_ok()
    }
}

impl<L: Log> HeadWriter<L> {
    async fn put_entry(&self, sealed: &SealedHead) -> Result<(), BoxError> {
        let entry = sealed.entry.encode();
        self.ledgers.put(self.of, sealed.end_offset, entry).await
    }

    async fn write_dead_letters(&self, sealed: &SealedHead) -> Result<(), BoxError> {
        let letters = &sealed.dead_letters;
        let offsets = letters.iter().map(|letter| letter.offset).collect();
        put_dead_letters(&self.log, self.of, offsets).await?;
        for letter in letters {
            tracing::warn!(
                code = "TW6014",
                partition = self.of.partition.0,
                offset = letter.offset.0,
                n_points = letter.n_points,
                reason = letter.reason,
                "a record of points could not be read and is a dead letter"
            );
        }
        Ok(())
    }
}
