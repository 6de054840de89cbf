//! The shell around the shards: joins the topic `spans`, takes partitions over, runs their machines, and does the effects of what they seal.
//!
//! In: the log. Out: kept traces in the store, ledger entries, commits, dead letters, and [`LiveShards`] for queries.

mod assemble;
mod derive;
mod effects;
mod ledger;
mod live;
mod policy;

use std::sync::Arc;

use blocks::Blocks;
use bus::machine::{OwnError, Owner, RunError, TakenOver, own, run, seals, take_over, write_all};
use bus::{Log, Partition, Start, Topic, TopicPartition};
use tokio_util::sync::CancellationToken;
use trace_store::TraceStore;

use crate::shard::Shard;
use crate::{Config, Metrics};

use effects::{EpochEffects, EpochWriter};
use ledger::Ledgers;
use live::{LivePartition, SharedShard};
use policy::WantedPolicy;

pub use assemble::AssembleError;
pub use live::{LiveCounted, LiveCounts, LiveLook, LivePart, LiveShards, TRACES_A_LOOK_MAX};
pub use policy::WantedPolicyError;

/// Runs every partition that this process owns.
pub struct Sampler<L: Log> {
    parts: Arc<Parts<L>>,
}

struct Parts<L: Log> {
    #[cfg(feature = "testing")]
    mutants: (bus::machine::mutant::Mutant, crate::shard::mutant::Mutant),
    log: L,
    store: TraceStore,
    ledgers: Ledgers,
    policy: Arc<WantedPolicy>,
    live: LiveShards<L>,
    metrics: Metrics,
}

impl<L: Log> Sampler<L> {
    /// Prepares everything; nothing runs yet. `memory_bytes` is what the process may use in all.
    ///
    /// # Errors
    /// When the wanted policy cannot be read or stored.
    pub async fn new(
        config: &Config,
        log: L,
        store: TraceStore,
        blocks: Blocks,
        memory_bytes: u64,
        metrics: Metrics,
    ) -> Result<Self, WantedPolicyError> {
        let text = config.policy_text(memory_bytes, log.n_partitions(Topic::Spans));
        let policy = Arc::new(WantedPolicy::load(&blocks, text).await?);
        let live = LiveShards::new(log.clone());
        Ok(Self {
            parts: Arc::new(Parts {
                #[cfg(feature = "testing")]
                mutants: Default::default(),
                log,
                store,
                ledgers: Ledgers::new(blocks),
                policy,
                live,
                metrics,
            }),
        })
    }

    /// Breaks rules on purpose.
    ///
    /// # Panics
    /// When it runs already.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn mutate(
        mut self,
        of_the_loop: bus::machine::mutant::Mutant,
        of_the_shard: crate::shard::mutant::Mutant,
    ) -> Self {
        let parts = Arc::get_mut(&mut self.parts).expect("nothing runs yet");
        parts.mutants = (of_the_loop, of_the_shard);
        self
    }

    /// What queries see of the traces that are in no block.
    #[must_use]
    pub fn live(&self) -> LiveShards<L> {
        self.parts.live.clone()
    }

    /// Runs until `stop` fires. Partitions come and go as the log assigns them.
    ///
    /// # Errors
    /// When the log lets nobody join, or a machine cannot go on without guessing.
    pub async fn run(self, stop: CancellationToken) -> Result<(), OwnError> {
        let log = self.parts.log.clone();
        own(&log, self.parts, &stop).await
    }
}

impl<L: Log> Owner for Parts<L> {
    const TOPIC: Topic = Topic::Spans;

    async fn run(&self, of: TopicPartition, stop: &CancellationToken) -> Result<(), RunError> {
        let (mut machine, taken) = self.take(of).await?;
        self.metrics.taken_over(
            of.partition,
            taken.n_refolded,
            &machine.look(Shard::sorted_totals),
        );
        self.live.add(of.partition, machine.0.clone());
        let (seals, sealed) = seals();
        let writer = EpochWriter {
            log: self.log.clone(),
            store: self.store.clone(),
            ledgers: self.ledgers.clone(),
            live: machine.0.clone(),
            metrics: self.metrics.clone(),
            of,
            #[cfg(feature = "testing")]
            mutant: self.mutants.0,
        };
        let mut effects = EpochEffects {
            of,
            seals,
            ledgers: self.ledgers.clone(),
            policy: self.policy.clone(),
            caught_up: self.live.caught_up().clone(),
            #[cfg(feature = "testing")]
            mutant: self.mutants.0,
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
        tracing::error!(code = "TW4002", partition = of.partition.0, %error, "the loop of a partition failed; it is taken over again");
    }

    fn released(&self, partition: Partition) {
        self.live.remove(partition);
    }
}

impl<L: Log> Parts<L> {
    /// Takes a partition over. Where the ledger is lost or damaged, the log itself is the truth: the partition begins at the oldest record there is.
    async fn take(
        &self,
        of: TopicPartition,
    ) -> Result<(SharedShard, TakenOver<L::Consumer>), RunError> {
        let mut machine = self.machine(of);
        match take_over(&self.log, of, &self.ledgers, &mut machine).await {
            Ok(taken) => {
                if taken.lossy {
                    self.metrics.offsets_lost.inc();
                    tracing::error!(
                        code = "TW4006",
                        partition = of.partition.0,
                        "the log was cut behind what is open: what is gone is counted as lost"
                    );
                }
                Ok((machine, taken))
            }
            Err(error @ (RunError::LedgerMissing(_) | RunError::LedgerDamaged { .. })) => {
                self.metrics.ledgers_lost.inc();
                tracing::error!(code = "TW4007", partition = of.partition.0, %error, "the ledger is lost; everything the log still has is sampled again, and its counts begin anew");
                let machine = self.machine(of);
                let consumer = self.log.consume(of, Start::Earliest).await?;
                Ok((
                    machine,
                    TakenOver {
                        consumer,
                        pending: Vec::new(),
                        at_end: false,
                        n_refolded: 0,
                        lossy: true,
                    },
                ))
            }
            Err(error) => Err(error),
        }
    }

    fn machine(&self, of: TopicPartition) -> SharedShard {
        let shard = Shard::new(of, self.log.n_partitions(of.topic));
        #[cfg(feature = "testing")]
        let shard = shard.mutated(self.mutants.1.clone(), self.mutants.0);
        SharedShard(LivePartition::new(shard))
    }
}
