//! The shell around the shards: joins the topic `spans`, takes partitions over, runs their machines, and does the effects of what they seal.
//!
//! In: the log. Out: kept traces in the store, ledger entries, commits, dead letters, and [`LiveShards`] for queries.

mod assemble;
mod derive;
mod effects;
mod ledger;
mod live;
mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use blocks::Blocks;
use bus::machine::{RunError, TakenOver, run, take_over};
use bus::{Assignment, Log, LogError, Member, Partition, Start, Topic, TopicPartition};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trace_store::TraceStore;

use crate::shard::Shard;
use crate::{Config, Metrics};

use effects::{EPOCHS_WAITING_MAX, EpochEffects, EpochWriter};
use ledger::Ledgers;
use live::{LivePartition, SharedShard};
use policy::WantedPolicy;

pub use assemble::AssembleError;
pub use live::{LiveLook, LivePart, LiveShards, TRACES_A_LOOK_MAX};
pub use policy::WantedPolicyError;

/// Wait before a partition is taken over again after its loop failed.
const RETAKE_AFTER: Duration = Duration::from_secs(1);

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

/// Why the sampler of a process ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    #[error("joining the consumers of spans failed: {0}")]
    Join(#[source] LogError),
    #[error("the machine of partition {partition} stopped: {cause}")]
    Stopped {
        partition: Partition,
        cause: RunError,
    },
    #[error("the task of a partition ended: {0}")]
    Task(#[from] tokio::task::JoinError),
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
    pub async fn run(self, stop: CancellationToken) -> Result<(), SamplerError> {
        let mut member = self
            .parts
            .log
            .join(Topic::Spans)
            .await
            .map_err(SamplerError::Join)?;
        let mut owned: BTreeMap<Partition, CancellationToken> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = tasks.join_next() => ended??,
                assignment = member.next() => match assignment.map_err(SamplerError::Join)? {
                    Assignment::Assigned(partition) => {
                        let token = stop.child_token();
                        owned.insert(partition, token.clone());
                        tasks.spawn(self.parts.clone().own(partition, token));
                    }
                    Assignment::Revoked(partition) => {
                        if let Some(token) = owned.remove(&partition) {
                            token.cancel();
                        }
                    }
                },
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

impl<L: Log> Parts<L> {
    /// Owns a partition until `stop`: a loop that failed is taken over anew, as another process would.
    async fn own(
        self: Arc<Self>,
        partition: Partition,
        stop: CancellationToken,
    ) -> Result<(), SamplerError> {
        while !stop.is_cancelled() {
            match self.run_once(partition, &stop).await {
                Ok(()) => {}
                Err(cause @ RunError::Stopped(_)) => {
                    return Err(SamplerError::Stopped { partition, cause });
                }
                Err(_) if stop.is_cancelled() => {} // the writer may end before the loop
                Err(error) => {
                    tracing::error!(code = "TW4002", partition = partition.0, %error, "the loop of a partition failed; it is taken over again");
                    tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(RETAKE_AFTER) => {} }
                }
            }
        }
        self.live.remove(partition);
        Ok(())
    }

    async fn run_once(
        &self,
        partition: Partition,
        stop: &CancellationToken,
    ) -> Result<(), RunError> {
        let of = TopicPartition {
            topic: Topic::Spans,
            partition,
        };
        let (mut machine, taken) = self.take(of).await?;
        self.metrics.taken_over(
            partition,
            taken.n_refolded,
            &machine.look(Shard::sorted_totals),
        );
        self.live.add(partition, machine.0.clone());
        let (seals, sealed) = mpsc::channel(EPOCHS_WAITING_MAX);
        let (durable, acked) = mpsc::channel(EPOCHS_WAITING_MAX);
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
            durable: acked,
            ledgers: self.ledgers.clone(),
            policy: self.policy.clone(),
            #[cfg(feature = "testing")]
            mutant: self.mutants.0,
        };
        let cut_off = stop.child_token();
        let looped = async {
            let ended = run(&self.log, of, taken, &mut machine, &mut effects, stop).await;
            cut_off.cancel();
            ended
        };
        let (ended, ()) = tokio::join!(looped, writer.run(sealed, durable, cut_off.clone()));
        ended
    }

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
