//! The whole way by seed: the real local log on a disk whose power is cut, the real loop, the real block store that fails, one owner or two at once,
//! epochs written twice. In the end every total is what was sent, in memory, in blocks and in merged blocks.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use blocks::Blocks;
use blocks::testing::FaultRates;
use bus::local::disk::Disk;
use bus::machine::mutant::Mutant;
use bus::testing::{Faults, Faulty, Seeded, SimDisk};
use bus::{
    Appended, Assignment, Commit, Draft, Local, Log, LogError, Member, Offset, Partition,
    PublishError, Record, Start, Topic, TopicPartition,
};
use metrics::{MetricsRunner, MetricsStore, SelectOptions};
use telemetry::Clock;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::traffic::{Source, Truth, deltas, draft, joined, tenant, told};
use crate::{for_each_seed, is_noticed};

const N_PARTITIONS: u32 = 2;
const STEP_MS: i64 = 4_000;
/// Steps in which nothing new comes: two seals of each partition.
const REST_STEPS: u64 = 170;
/// Steps until every window of the traffic is past and merged.
const OLD_STEPS: u64 = 1_300;

/// Each life is a release of its own: its heads are full at 4 KiB to 2 MiB.
const HEAD_BITS_MIN: u64 = 12;
const HEAD_BITS_MORE: u64 = 10;

/// A log on which everyone who joins owns every partition: zombies and their successors at once.
#[derive(Clone)]
struct Everyone<L>(L);

struct Owner(VecDeque<Partition>);

impl Member for Owner {
    async fn next(&mut self) -> Result<Assignment, LogError> {
        match self.0.pop_front() {
            Some(partition) => Ok(Assignment::Assigned(partition)),
            None => pending().await,
        }
    }
}

impl<L: Log> Log for Everyone<L> {
    type Member = Owner;
    type Consumer = L::Consumer;

    fn n_partitions(&self, topic: Topic) -> u32 {
        self.0.n_partitions(topic)
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Appended>, PublishError> {
        self.0.append(drafts).await
    }

    async fn join(&self, topic: Topic) -> Result<Owner, LogError> {
        let all = 0..self.n_partitions(topic);
        Ok(Owner(all.map(Partition).collect()))
    }

    async fn consume(&self, of: TopicPartition, start: Start) -> Result<L::Consumer, LogError> {
        self.0.consume(of, start).await
    }

    async fn fetch(&self, of: TopicPartition, offsets: &[Offset]) -> Result<Vec<Record>, LogError> {
        self.0.fetch(of, offsets).await
    }

    async fn committed(&self, of: TopicPartition) -> Result<Option<Commit>, LogError> {
        self.0.committed(of).await
    }

    async fn commit(&self, of: TopicPartition, commit: Commit) -> Result<(), LogError> {
        self.0.commit(of, commit).await
    }
}

/// What outlives a crash.
struct World {
    seeded: Seeded,
    clock: Clock,
    disk: SimDisk,
    folder: tempfile::TempDir,
    mutant: Mutant,
    sources: Vec<Source>,
    /// What was sent by OTLP.
    sent: Truth,
    /// Blocks that the last life merged.
    n_merged: u64,
}

/// A process: everything that a crash takes away.
struct Life {
    log: Faulty<Local>,
    stores: Vec<MetricsStore>,
    _tasks: JoinSet<()>,
}

impl World {
    fn new(seed: u64, mutant: Mutant) -> Self {
        let shm = std::path::Path::new("/dev/shm");
        let folder = if shm.is_dir() {
            tempfile::tempdir_in(shm)
        } else {
            tempfile::tempdir()
        };
        let source = |partition| Source::new(partition, N_PARTITIONS);
        Self {
            seeded: Seeded::new(seed),
            clock: Clock::manual(1_700_000_000_000),
            disk: SimDisk::new(seed),
            folder: folder.expect("a temporary folder"),
            mutant,
            sources: (0..N_PARTITIONS).map(source).collect(),
            sent: Truth::new(),
            n_merged: 0,
        }
    }

    async fn begin(
        &mut self,
        n_owners: u64,
        faults: Faults,
        rates: FaultRates,
    ) -> Result<Life, String> {
        let config = bus::Config {
            segment_bytes_max: 64 << 10,
            ..bus::Config::default()
        };
        let log = Local::open_inline(
            Disk::Sim(self.disk.clone()),
            &config,
            N_PARTITIONS,
            self.clock.clone(),
            bus::Metrics::default(),
        );
        let log = log.map_err(|error| error.to_string())?;
        let log = Faulty::new(log, faults, self.seeded.next_u64());
        let (config, metrics) = (blocks::Config::default(), blocks::Metrics::default());
        let folder = self.folder.path().join("blocks");
        let local = blocks::Local::open(folder, config, self.clock.clone(), metrics).await;
        let local = local.map_err(|error| error.to_string())?;
        let faulty = blocks::testing::Faulty::new(local, self.seeded.next_u64(), rates);
        let blocks = Blocks::Faulty(faulty);
        let (mut stores, mut tasks) = (Vec::new(), JoinSet::new());
        let head_bytes_max = 1 << (HEAD_BITS_MIN + self.seeded.below(HEAD_BITS_MORE));
        for _ in 0..n_owners {
            let runner = self.runner(&log, &blocks).await.mutate(self.mutant);
            let runner = runner.holding(head_bytes_max);
            stores.push(runner.store());
            tasks.spawn(async move {
                // an owner ends by its crash alone
                let ended = runner.run(CancellationToken::new()).await;
                assert!(ended.is_ok(), "{:?}", ended.err());
            });
        }
        Ok(Life {
            log,
            stores,
            _tasks: tasks,
        })
    }

    async fn runner(
        &self,
        log: &Faulty<Local>,
        blocks: &Blocks,
    ) -> MetricsRunner<Everyone<Faulty<Local>>> {
        let config = metrics::Config::default();
        loop {
            let made = MetricsRunner::new(
                &config,
                Everyone(log.clone()),
                blocks.clone(),
                self.clock.clone(),
                metrics::Metrics::default(),
            );
            match made.await {
                Ok(runner) => return runner,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// A life with traffic, until it is cut off.
    async fn live(&mut self, n_steps: u64) -> Result<(), String> {
        let p = 0.02;
        let faults = Faults {
            append_refused: p,
            append_unanswered: p,
            consume: p / 10.0,
            fetch: p,
            commit_refused: p,
            commit_unanswered: p,
            n_turns_max: self.seeded.below(4) as u32,
        };
        let rates = FaultRates {
            before: 16,
            after: 16,
            torn: 16,
        };
        let n_owners = 1 + u64::from(self.seeded.chance(0.4));
        let life = self.begin(n_owners, faults, rates).await?;
        for _ in 0..n_steps {
            self.step().await;
            if self.seeded.chance(0.6) {
                self.send(&life.log).await;
            }
        }
        life.violations()
    }

    async fn step(&mut self) {
        sleep(Duration::from_millis(STEP_MS as u64)).await;
        let jump_ms = if self.seeded.chance(0.002) {
            self.seeded.below(40_000) as i64 - 20_000
        } else {
            0
        };
        self.clock.advance(STEP_MS + jump_ms);
    }

    /// Writes an epoch of each source, in order and again until it is acknowledged, and now and then one that was written before.
    async fn send(&mut self, log: &Faulty<Local>) {
        let now_ms = self.clock.wall().unix_ms;
        let deltas = deltas(&mut self.seeded, now_ms, N_PARTITIONS, &mut self.sent);
        let n_sends = 1 + u32::from(self.seeded.chance(0.3));
        for _ in 0..n_sends {
            // an answer that was lost: the same request again
            while log.append(vec![deltas.clone()]).await.is_err() {
                sleep(Duration::from_millis(200)).await;
            }
        }
        for idx in 0..self.sources.len() {
            let source = &mut self.sources[idx];
            let mut epoch = source.epoch(&mut self.seeded, now_ms);
            if self.seeded.chance(0.3) {
                epoch.extend(source.again(&mut self.seeded));
            }
            for (partition, record) in epoch {
                while log.append(vec![draft(partition, &record)]).await.is_err() {
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// The last life: nothing new comes. Totals are exact from memory, then from blocks, then from merged ones.
    async fn rest(&mut self) -> Result<(), String> {
        let truth = joined(self.sources.iter(), &self.sent);
        let life = self.sound_life().await?;
        life.check("at once", &truth).await?;
        self.pass(REST_STEPS).await;
        life.check("sealed", &truth).await?;
        self.pass(OLD_STEPS).await;
        life.check("merged", &truth).await?;
        let merged = life.stores.iter();
        self.n_merged = merged.map(|s| s.metrics().compacted_blocks.get()).sum();
        Ok(())
    }

    /// The same again, from blocks alone.
    async fn restart(&mut self) -> Result<(), String> {
        let truth = joined(self.sources.iter(), &self.sent);
        let life = self.sound_life().await?;
        life.check("restarted", &truth).await
    }

    /// One owner, nothing fails.
    async fn sound_life(&mut self) -> Result<Life, String> {
        let life = self.begin(1, Faults::default(), FaultRates::default());
        let life = life.await?;
        sleep(Duration::from_secs(5)).await;
        Ok(life)
    }

    async fn pass(&self, n_steps: u64) {
        for _ in 0..n_steps {
            sleep(Duration::from_millis(STEP_MS as u64)).await;
            self.clock.advance(STEP_MS);
        }
    }
}

impl Life {
    /// Two owners must never seal different blocks under one name.
    fn violations(&self) -> Result<(), String> {
        let counts = self
            .stores
            .iter()
            .map(|s| s.metrics().determinism_violations.get());
        match counts.sum::<u64>() {
            0 => Ok(()),
            n => Err(format!("{n} blocks have two contents")),
        }
    }
}

impl Life {
    async fn check(&self, when: &str, truth: &Truth) -> Result<(), String> {
        self.violations()?;
        let store = self.stores.first().ok_or("no owner")?;
        let checked = check(store, truth).await;
        checked.map_err(|told| format!("{when}: {told}"))
    }
}

async fn check(store: &MetricsStore, truth: &Truth) -> Result<(), String> {
    let mut found = Truth::new();
    for name in ["a", "b"] {
        let (of, options) = (tenant(name), SelectOptions::default());
        let all = store.select(&of, &[], i64::MIN, i64::MAX, options);
        let all = all.await.map_err(|error| error.to_string())?;
        told(name, &all, &mut found);
    }
    if found == *truth {
        return Ok(());
    }
    let wrong = truth.iter().find(|(key, sum)| found.get(key) != Some(sum));
    Err(match wrong {
        Some((key, sum)) => format!("{key:?} is {:?} and not {sum:?}", found.get(key)),
        None => "there is something that was never sent".to_owned(),
    })
}

/// Returns how many blocks were merged in the end.
fn whole_way(seed: u64, mutant: Mutant) -> Result<u64, String> {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    let mut world = World::new(seed, mutant);
    let n_lives = 2 + world.seeded.below(3);
    for _ in 0..n_lives {
        let n_steps = 1 + world.seeded.below(220);
        // the runtime goes with the process: whatever it was about to do is not done
        runtime().block_on(world.live(n_steps))?;
        world.disk = world.disk.cut_power();
    }
    runtime().block_on(world.rest())?;
    runtime().block_on(world.restart())?;
    Ok(world.n_merged)
}

#[test]
fn totals_are_exact_whatever_crashes() {
    let n_merged = std::cell::Cell::new(0);
    for_each_seed("totals_are_exact_whatever_crashes", 12, |seed| {
        n_merged.set(n_merged.get() + whole_way(seed, Mutant::None)?);
        Ok(())
    });
    assert!(
        n_merged.get() > 0,
        "no seed merged anything in its last life"
    );
}

#[test]
fn a_commit_before_its_blocks_is_noticed() {
    let noticed = is_noticed(40, |seed| {
        whole_way(seed, Mutant::CommitBeforeEffects).map(drop)
    });
    assert!(noticed, "no seed noticed it");
}

#[test]
fn a_release_that_ends_blocks_elsewhere_is_noticed_without_the_ends_of_what_is_stored() {
    // one seed in forty does
    let noticed = |seed| whole_way(seed, Mutant::StoredEndsIgnored).is_err();
    assert!((60..180).any(noticed), "no seed noticed it");
}

#[test]
fn a_re_sent_request_that_counts_again_is_noticed() {
    let noticed = is_noticed(40, |seed| whole_way(seed, Mutant::HashesIgnored).map(drop));
    assert!(noticed, "no seed noticed it");
}

#[test]
fn a_ledger_that_is_not_written_is_noticed() {
    let noticed = is_noticed(40, |seed| whole_way(seed, Mutant::NoLedger).map(drop));
    assert!(noticed, "no seed noticed it");
}
