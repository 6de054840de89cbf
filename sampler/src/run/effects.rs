//! The effects of sealed epochs, in order: kept traces to the store, dead letters to their topic, what it adds to the metrics to theirs, the ledger entry last. A writer of its own does
//! them while the shard goes on; what fails is tried again until it succeeds, since a partition that waits loses nothing.

use std::sync::Arc;
use std::time::Duration;

use bus::log::BoxError;
use bus::machine::{Durable, EffectError, Effects, LedgerStore};
use bus::{Draft, Log, Offset, Partition, Topic, TopicPartition};
use telemetry::Tenant;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use trace_store::{EpochName, KeptTrace, TraceStore};

use super::assemble::{assemble, fetch};
use super::derive::drafts;
use super::ledger::Ledgers;
use super::live::{LivePartition, SharedShard};
use super::policy::WantedPolicy;
use crate::Metrics;
use crate::shard::{KeptRefs, SealedEpoch};

/// Bytes of spans in one block; an epoch with more has several.
const PART_BYTES_MAX: u64 = 8 << 20;
/// Sealed epochs that wait for the writer; the shard waits when there are more.
pub(crate) const EPOCHS_WAITING_MAX: usize = 1;
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The loop's end of the writer.
pub(crate) struct EpochEffects {
    pub(crate) of: TopicPartition,
    pub(crate) seals: mpsc::Sender<Arc<SealedEpoch>>,
    pub(crate) durable: mpsc::Receiver<Durable>,
    pub(crate) ledgers: Ledgers,
    pub(crate) policy: Arc<WantedPolicy>,
    #[cfg(feature = "testing")]
    pub(crate) mutant: bus::machine::mutant::Mutant,
}

impl Effects<SharedShard> for EpochEffects {
    async fn write(&mut self, seal: Arc<SealedEpoch>) -> Result<(), EffectError> {
        self.seals
            .send(seal)
            .await
            .map_err(|_| EffectError(Box::new(WriterGone)))
    }

    async fn durable(&mut self) -> Result<Durable, EffectError> {
        self.durable
            .recv()
            .await
            .ok_or_else(|| EffectError(Box::new(WriterGone)))
    }

    async fn committed(&mut self, durable: Durable) -> Result<(), EffectError> {
        self.ledgers
            .forget_before(self.of, durable.chain_from)
            .await
            .map_err(EffectError)
    }

    fn control(&mut self, machine: &SharedShard) -> Option<Draft> {
        self.policy.draft_if_newer(self.of, machine.revision())
    }

    #[cfg(feature = "testing")]
    fn mutant(&self) -> bus::machine::mutant::Mutant {
        self.mutant
    }
}

/// The writer ended before the loop did.
#[derive(Debug, thiserror::Error)]
#[error("the writer of epochs stopped")]
struct WriterGone;

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

impl<L: Log> EpochWriter<L> {
    /// Runs until no more seals come or `stop` fires; an epoch that is cut off is sealed again by whoever takes over.
    pub(crate) async fn run(
        self,
        mut seals: mpsc::Receiver<Arc<SealedEpoch>>,
        durable: mpsc::Sender<Durable>,
        stop: CancellationToken,
    ) {
        while let Some(epoch) =
            tokio::select! { epoch = seals.recv() => epoch, () = stop.cancelled() => None }
        {
            #[cfg(feature = "testing")]
            if self.mutant == bus::machine::mutant::Mutant::CommitBeforeEffects
                && self
                    .ledgers
                    .put(self.of, epoch.end_offset, epoch.entry.encode())
                    .await
                    .is_ok()
                && durable.send(durable_of(&epoch)).await.is_err()
            {
                return;
            }
            let written = tokio::select! { () = self.until_written(&epoch) => true, () = stop.cancelled() => false };
            if !written {
                return;
            }
            let (n_open, open_bytes) = self.live.stored(&epoch);
            self.metrics.open(self.of.partition, n_open, open_bytes);
            self.metrics.sealed(self.of.partition, &epoch);
            if durable.send(durable_of(&epoch)).await.is_err() {
                return;
            }
        }
    }

    /// Tries for ever: the store is down, or the disk is full, until it is not.
    async fn until_written(&self, epoch: &SealedEpoch) {
        let mut wait = RETRY_FIRST;
        while let Err(error) = self.write(epoch).await {
            tracing::warn!(code = "TW4003", partition = self.of.partition.0, end_offset = epoch.end_offset.0, %error, "an epoch could not be stored; it is tried again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    async fn write(&self, epoch: &SealedEpoch) -> Result<(), BoxError> {
        self.write_kept(epoch).await?;
        self.write_dead_letters(epoch).await?;
        let derived = drafts(epoch, self.log.n_partitions(Topic::Points));
        self.log.append(derived).await?;
        self.ledgers
            .put(self.of, epoch.end_offset, epoch.entry.encode())
            .await
    }

    /// A block for each tenant and each 8 MiB of its spans, cut in the order of decisions, so that everybody cuts alike.
    async fn write_kept(&self, epoch: &SealedEpoch) -> Result<(), BoxError> {
        for (tenant, part, kept) in parts(&epoch.kept) {
            let spans: Vec<_> = kept.iter().map(|trace| trace.spans.as_slice()).collect();
            let bytes = assemble(&self.log, self.of, &spans).await?;
            let trace = |(kept, traces_data): (&&KeptRefs, _)| KeptTrace {
                id: kept.id,
                traces_data,
                sampling: kept.sampling.clone(),
                late: kept.late,
            };
            let there = |(_, traces_data): &(&&KeptRefs, bytes::Bytes)| !traces_data.is_empty();
            let traces = kept.iter().zip(bytes).filter(there).map(trace).collect();
            let name = EpochName {
                partition: self.of.partition.0,
                end_offset: epoch.end_offset.0,
                part,
                sealed_at: epoch.sealed_at,
            };
            let put = self.store.write_epoch(&tenant, name, traces).await?;
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
        Ok(())
    }

    async fn write_dead_letters(&self, epoch: &SealedEpoch) -> Result<(), BoxError> {
        let mut offsets: Vec<Offset> = epoch
            .dead_letters
            .iter()
            .map(|letter| letter.offset)
            .collect();
        offsets.dedup();
        if offsets.is_empty() {
            return Ok(());
        }
        let to = TopicPartition {
            topic: Topic::DeadLetters,
            partition: Partition(0),
        };
        let records = fetch(&self.log, self.of, &offsets).await?;
        self.log
            .append(
                records
                    .into_iter()
                    .map(|record| Draft {
                        to,
                        header: record.header,
                        payload: record.payload,
                    })
                    .collect(),
            )
            .await?;
        for letter in &epoch.dead_letters {
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

fn durable_of(epoch: &SealedEpoch) -> Durable {
    let chain_from = epoch
        .entry
        .chain
        .first()
        .map_or(epoch.end_offset, |link| link.end_offset);
    Durable {
        commit: epoch.commit(),
        chain_from,
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
