//! The effects of sealed heads, in order: blocks to the store, dead letters to their topic, the ledger entry last. A writer of its own does them while the
//! machine goes on; what fails is tried again until it succeeds, since a partition that waits loses nothing.

use std::sync::Arc;
use std::time::Duration;

use bus::log::BoxError;
use bus::machine::{Durable, EffectError, Effects, LedgerStore};
use bus::{Draft, Log, LogError, Offset, Partition, Record, Topic, TopicPartition};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ledger::Ledgers;
use crate::control::Limits;
use crate::live::{LivePartition, SharedMachine};
use crate::machine::SealedHead;
use crate::{Metrics, MetricsStore};

/// Sealed heads that wait for the writer; the machine waits when there are more.
pub(super) const HEADS_WAITING_MAX: usize = 1;
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The loop's end of the writer.
pub(super) struct SealEffects {
    pub(super) of: TopicPartition,
    pub(super) seals: mpsc::Sender<Arc<SealedHead>>,
    pub(super) durable: mpsc::Receiver<Durable>,
    pub(super) ledgers: Ledgers,
    /// Limits that are not said yet. They are said once: two owners that want others must not answer each other for ever.
    pub(super) wanted: Option<Limits>,
    #[cfg(feature = "testing")]
    pub(super) mutant: bus::machine::mutant::Mutant,
}

/// The writer ended before the loop did.
#[derive(Debug, thiserror::Error)]
#[error("the writer of heads stopped")]
struct WriterGone;

impl Effects<SharedMachine> for SealEffects {
    async fn write(&mut self, seal: Arc<SealedHead>) -> Result<(), EffectError> {
        let sent = self.seals.send(seal).await;
        sent.map_err(|_| EffectError(Box::new(WriterGone)))
    }

    async fn durable(&mut self) -> Result<Durable, EffectError> {
        let durable = self.durable.recv().await;
        durable.ok_or_else(|| EffectError(Box::new(WriterGone)))
    }

    async fn committed(&mut self, durable: Durable) -> Result<(), EffectError> {
        self.ledgers
            .forget_before(self.of, durable.chain_from)
            .await
            .map_err(EffectError)
    }

    fn control(&mut self, machine: &SharedMachine) -> Option<Draft> {
        let wanted = self.wanted.take()?;
        let in_force = machine.0.look(|state| state.machine.limits());
        (wanted != in_force).then(|| wanted.draft(self.of))
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

impl<L: Log> HeadWriter<L> {
    /// Runs until no more seals come or `stop` fires; a head that is cut off is sealed again by whoever takes over.
    pub(super) async fn run(
        self,
        mut seals: mpsc::Receiver<Arc<SealedHead>>,
        durable: mpsc::Sender<Durable>,
        stop: CancellationToken,
    ) {
        while let Some(sealed) =
            tokio::select! { sealed = seals.recv() => sealed, () = stop.cancelled() => None }
        {
            #[cfg(feature = "testing")]
            if self.mutant == bus::machine::mutant::Mutant::CommitBeforeEffects
                && self.put_entry(&sealed).await.is_ok()
                && durable.send(durable_of(&sealed)).await.is_err()
            {
                return;
            }
            let written = tokio::select! { () = self.until_written(&sealed) => true, () = stop.cancelled() => false };
            if !written {
                return;
            }
            self.metrics.sealed(self.of.partition, &sealed);
            if durable.send(durable_of(&sealed)).await.is_err() {
                return;
            }
        }
    }

    /// Tries for ever: the store is down, or the disk is full, until it is not.
    async fn until_written(&self, sealed: &Arc<SealedHead>) {
        let mut wait = RETRY_FIRST;
        while let Err(error) = self.write(sealed).await {
            tracing::warn!(code = "TW6013", partition = self.of.partition.0, end_offset = sealed.end_offset.0, %error, "a head could not be stored; it is tried again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    async fn write(&self, sealed: &Arc<SealedHead>) -> Result<(), BoxError> {
        self.store.write(sealed, &self.live).await?;
        self.write_dead_letters(sealed).await?;
        self.put_entry(sealed).await
    }

    async fn put_entry(&self, sealed: &SealedHead) -> Result<(), BoxError> {
        let entry = sealed.entry.encode();
        self.ledgers.put(self.of, sealed.end_offset, entry).await
    }

    /// Records that the log still has; one that is gone is told, and waited for no longer.
    async fn fetch(&self, offsets: &[Offset]) -> Result<Vec<Record>, LogError> {
        let mut found = Vec::new();
        for offset in offsets {
            match self.log.fetch(self.of, &[*offset]).await {
                Ok(records) => found.extend(records),
                Err(error @ (LogError::OffsetLost { .. } | LogError::NoRecord { .. })) => {
                    tracing::error!(code = "TW6015", of = %self.of, %offset, %error, "a dead letter is lost: the log no longer has its record");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn write_dead_letters(&self, sealed: &SealedHead) -> Result<(), BoxError> {
        let letters = &sealed.dead_letters;
        let mut offsets: Vec<Offset> = letters.iter().map(|letter| letter.offset).collect();
        offsets.dedup();
        if offsets.is_empty() {
            return Ok(());
        }
        let to = TopicPartition {
            topic: Topic::DeadLetters,
            partition: Partition(0),
        };
        let records = self.fetch(&offsets).await?;
        let drafts = records.into_iter().map(|record| Draft {
            to,
            header: record.header,
            payload: record.payload,
        });
        self.log.append(drafts.collect()).await?;
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

fn durable_of(sealed: &SealedHead) -> Durable {
    let oldest = sealed.entry.chain.first();
    Durable {
        commit: sealed.commit(),
        chain_from: oldest.map_or(sealed.end_offset, |link| link.end_offset),
    }
}
