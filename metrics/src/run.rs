//! The shell around the machines: joins the topic `points`, takes partitions over, runs their machines, and does the effects of what they seal.
//!
//! In: the log. Out: blocks, ledger entries, commits, dead letters; the heads answer queries through [`MetricsStore`].

mod effects;
mod ledger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use blocks::{Blocks, BlocksError};
use bus::log::BoxError;
use bus::machine::{OwnError, Owner, RunError, TakenOver, own, run, seals, take_over, write_all};
use bus::{Log, LogError, Offset, Partition, Start, Topic, TopicPartition};
use telemetry::Clock;
use tokio_util::sync::CancellationToken;

use crate::compact::ComeTo;
use crate::control::Limits;
use crate::live::{LivePartition, SharedMachine, State};
use crate::machine::PointsMachine;
use crate::maintenance::{Maintained, Maintenance};
use crate::{Config, Metrics, MetricsStore};

use effects::{HeadWriter, SealEffects};
use ledger::Ledgers;

/// Runs every partition of `points` that this process owns.
pub struct MetricsRunner<L: Log> {
    parts: Arc<Parts<L>>,
}

struct Parts<L: Log> {
    #[cfg(feature = "testing")]
    mutant: bus::machine::mutant::Mutant,
    #[cfg(feature = "testing")]
    point_bytes_max: u64,
    log: L,
    store: MetricsStore,
    ledgers: Ledgers,
    limits: Limits,
    maintenance_interval: Duration,
    metrics: Metrics,
}

impl<L: Log> MetricsRunner<L> {
    /// Prepares everything; nothing runs yet.
    ///
    /// # Errors
    /// When the block store cannot list its blocks.
    pub async fn new(
        config: &Config,
        log: L,
        blocks: Blocks,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, BlocksError> {
        let n_partitions = (
            log.n_partitions(Topic::Points),
            log.n_partitions(Topic::Spans),
        );
        let store = MetricsStore::open(
            blocks.clone(),
            config.clone(),
            clock,
            n_partitions,
            metrics.clone(),
        )
        .await?;
        Ok(Self {
            parts: Arc::new(Parts {
                #[cfg(feature = "testing")]
                mutant: bus::machine::mutant::Mutant::None,
                #[cfg(feature = "testing")]
                point_bytes_max: crate::machine::POINT_BYTES_MAX,
                log,
                store,
                ledgers: Ledgers::new(blocks),
                limits: config.limits(),
                maintenance_interval: config.maintenance_interval,
                metrics,
            }),
        })
    }

    /// Breaks a rule of the loop on purpose.
    ///
    /// # Panics
    /// When it runs already.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn mutate(mut self, mutant: bus::machine::mutant::Mutant) -> Self {
        Arc::get_mut(&mut self.parts)
            .expect("nothing runs yet")
            .mutant = mutant;
        self
    }

    /// Seals heads when their points take so many bytes, as another release might.
    ///
    /// # Panics
    /// When it runs already.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn holding(mut self, point_bytes_max: u64) -> Self {
        Arc::get_mut(&mut self.parts)
            .expect("nothing runs yet")
            .point_bytes_max = point_bytes_max;
        self
    }

    /// What queries read.
    #[must_use]
    pub fn store(&self) -> MetricsStore {
        self.parts.store.clone()
    }

    /// Runs until `stop` fires. Partitions come and go as the log assigns them.
    ///
    /// # Errors
    /// When the log lets nobody join, or a machine cannot go on without guessing.
    pub async fn run(self, stop: CancellationToken) -> Result<(), OwnError> {
        let Self { parts } = self;
        let owned = async {
            let ended = own(&parts.log, parts.clone(), &stop).await;
            stop.cancel(); // for the maintenance, if the loops failed
            ended
        };
        let (ended, ()) = tokio::join!(owned, parts.maintain(&stop));
        ended
    }
}

impl<L: Log> Owner for Parts<L> {
    const TOPIC: Topic = Topic::Points;

    async fn run(&self, of: TopicPartition, stop: &CancellationToken) -> Result<(), RunError> {
        let (mut machine, taken) = self.take(of).await?;
        self.store.add(of.partition, machine.0.clone());
        let (seals, sealed) = seals();
        let writer = HeadWriter {
            log: self.log.clone(),
            store: self.store.clone(),
            ledgers: self.ledgers.clone(),
            live: machine.0.clone(),
            metrics: self.metrics.clone(),
            of,
            #[cfg(feature = "testing")]
            mutant: self.mutant,
        };
        let mut effects = SealEffects {
            of,
            seals,
            ledgers: self.ledgers.clone(),
            caught_up: self.store.caught_up().clone(),
            wanted: Some(self.limits),
            #[cfg(feature = "testing")]
            mutant: self.mutant,
        };
        let cut_off = stop.child_token();
        let looped = async {
            let ended = run(&self.log, of, taken, &mut machine, &mut effects, stop).await;
            cut_off.cancel();
            ended
        };
        let (ended, ()) = tokio::join!(looped, write_all(writer, sealed, cut_off.clone()));
        ended
    }

    fn failed(&self, of: TopicPartition, error: &RunError) {
        tracing::error!(code = "TW6010", partition = of.partition.0, %error, "the loop of a partition of points failed; it is taken over again");
    }

    fn released(&self, partition: Partition) {
        self.store.remove(partition);
    }
}

impl<L: Log> Parts<L> {
    /// Does a round of maintenance each `maintenance_interval` until `stop`. A round that fails is told and tried again.
    async fn maintain(&self, stop: &CancellationToken) {
        let mut maintenance = Maintenance::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.maintenance_interval) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                done = self.maintain_once(&mut maintenance) => match done {
                    Ok(done) if done == Maintained::default() => {}
                    Ok(done) => tracing::info!(code = "TW6022", ?done, "blocks of metrics maintained"),
                    Err(error) => tracing::error!(code = "TW6023", %error, "maintenance of blocks of metrics failed; it is tried again"),
                },
            }
        }
    }

    async fn maintain_once(&self, maintenance: &mut Maintenance) -> Result<Maintained, BoxError> {
        let mut come_to = BTreeMap::new();
        for (partition, sealed_to) in self.store.owned() {
            let of = TopicPartition {
                topic: Topic::Points,
                partition,
            };
            if let Some(commit) = self.log.committed(of).await? {
                let end_offset = commit.end_offset.0;
                come_to.insert(
                    partition.0,
                    ComeTo {
                        end_offset,
                        sealed_to,
                    },
                );
            }
        }
        Ok(self.store.maintain(maintenance, &come_to).await?)
    }

    /// Takes a partition over. Where the ledger is lost or damaged, the newest block says where to go on: what is in blocks is not added again.
    async fn take(
        &self,
        of: TopicPartition,
    ) -> Result<(SharedMachine, TakenOver<L::Consumer>), RunError> {
        let n_partitions = self.log.n_partitions(of.topic);
        let mut machine = self.machine(PointsMachine::new(of, n_partitions));
        match take_over(&self.log, of, &self.ledgers, &mut machine).await {
            Ok(taken) => {
                if taken.lossy {
                    self.metrics.offsets_lost.inc();
                    tracing::error!(
                        code = "TW6011",
                        partition = of.partition.0,
                        "the log was cut behind what is in blocks: what is gone is lost"
                    );
                }
                self.seal_as_stored(&machine, of).await?;
                Ok((machine, taken))
            }
            Err(error @ (RunError::LedgerMissing(_) | RunError::LedgerDamaged { .. })) => {
                self.metrics.ledgers_lost.inc();
                tracing::error!(code = "TW6012", partition = of.partition.0, %error, "the ledger is lost; the partition goes on behind its newest block");
                let (machine, taken) = self.resume(of, n_partitions).await?;
                self.seal_as_stored(&machine, of).await?;
                Ok((machine, taken))
            }
            Err(error) => Err(error),
        }
    }

    /// Heads that were stored before the partition changed hands, and not committed, are sealed again as they were.
    async fn seal_as_stored(
        &self,
        machine: &SharedMachine,
        of: TopicPartition,
    ) -> Result<(), RunError> {
        #[cfg(feature = "testing")]
        if self.mutant == bus::machine::mutant::Mutant::StoredEndsIgnored {
            return Ok(());
        }
        let begin = machine.0.look(State::begin).unwrap_or(Offset(0));
        let stored = self.store.stored_behind(of.partition.0, begin).await;
        let stored = stored.map_err(|error| RunError::Stored(error.into()))?;
        machine.0.seal_as(stored);
        Ok(())
    }

    async fn resume(
        &self,
        of: TopicPartition,
        n_partitions: u32,
    ) -> Result<(SharedMachine, TakenOver<L::Consumer>), RunError> {
        let newest = self.store.newest_of(of.partition.0);
        let (machine, start) = match newest {
            Some(meta) => {
                let end = Offset(meta.end_offset);
                let machine = PointsMachine::resumed(of, n_partitions, end, &meta.applied);
                (machine, Start::At(end))
            }
            None => (PointsMachine::new(of, n_partitions), Start::Earliest),
        };
        let consumer = match self.log.consume(of, start).await {
            Err(LogError::OffsetLost { .. }) => self.log.consume(of, Start::Earliest).await?,
            consumer => consumer?,
        };
        let taken = TakenOver {
            consumer,
            pending: Vec::new(),
            at_end: false,
            n_refolded: 0,
            lossy: true,
        };
        Ok((self.machine(machine), taken))
    }

    fn machine(&self, machine: PointsMachine) -> SharedMachine {
        #[cfg(feature = "testing")]
        let machine = machine.holding(self.point_bytes_max).mutated(self.mutant);
        SharedMachine(LivePartition::new(machine))
    }
}
