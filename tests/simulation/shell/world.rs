//! What outlives a crash, and the processes that live in it one after the other: the real loop on a log and a block store that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use blocks::Blocks;
use blocks::testing::FaultRates;
use bus::Local;
use bus::local::disk::Disk;
use bus::machine::mutant::Mutant;
use bus::testing::{DiskFaults, Faults, Faulty, Seeded, SimDisk};
use sampler::policy::text::Unmatched;
use sampler::{LiveShards, Sampler};
use telemetry::{Clock, Tenant, TraceId};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trace_store::TraceStore;

use super::sent::Sending;
use crate::everyone::Everyone;

pub(super) const N_PARTITIONS: u32 = 2;
const STEP_MS: i64 = 100;
const DECISION_WAIT_S: u64 = 4;
/// Steps of the last life, in which nothing new comes: until everything is decided, sealed and stored.
const REST_STEPS: u64 = 350;

/// What is broken on purpose.
#[derive(Clone, Copy, Default)]
pub(super) struct Broken {
    pub(super) rule: Mutant,
    /// The disk says that it has written what it has not.
    pub(super) lying_disk: bool,
}

/// What outlives a crash.
pub(super) struct World {
    pub(super) seeded: Seeded,
    pub(super) clock: Clock,
    pub(super) disk: SimDisk,
    pub(super) folder: tempfile::TempDir,
    pub(super) broken: Broken,
    pub(super) tenant: Tenant,
    /// Traces that are being sent, newest last.
    pub(super) traces: Vec<Sending>,
    /// Names of acknowledged spans, which are all different, by trace.
    pub(super) acked: BTreeMap<TraceId, BTreeSet<String>>,
    /// Names of all spans that were ever sent.
    pub(super) sent: BTreeSet<String>,
}

/// A process: everything that a crash takes away.
pub(super) struct Life {
    pub(super) log: Faulty<Local>,
    pub(super) metrics: Vec<sampler::Metrics>,
    pub(super) live: Vec<LiveShards<Everyone<Faulty<Local>>>>,
    pub(super) tasks: JoinSet<()>,
}

impl World {
    pub(super) fn new(seed: u64, broken: Broken) -> Self {
        let shm = Path::new("/dev/shm");
        let folder = if shm.is_dir() {
            tempfile::tempdir_in(shm)
        } else {
            tempfile::tempdir()
        };
        Self {
            seeded: Seeded::new(seed),
            clock: Clock::manual(1_700_000_000_000),
            disk: SimDisk::new(seed),
            folder: folder.expect("a temporary folder"),
            broken,
            tenant: Tenant::default_tenant(),
            traces: Vec::new(),
            acked: BTreeMap::new(),
            sent: BTreeSet::new(),
        }
    }

    fn config() -> sampler::Config {
        sampler::Config {
            decision_wait: Duration::from_secs(DECISION_WAIT_S),
            root_quiet: Duration::from_secs(1),
            late_window: Duration::from_secs(120),
            unmatched: Unmatched::Keep,
            rules: Vec::new(),
            ..sampler::Config::default()
        }
    }

    fn open_log(&mut self, faults: Faults) -> Result<Faulty<Local>, String> {
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
        Ok(Faulty::new(
            log.map_err(|error| error.to_string())?,
            faults,
            self.seeded.next_u64(),
        ))
    }

    async fn open_blocks(&mut self, rates: FaultRates) -> Result<Blocks, String> {
        let (config, metrics) = (blocks::Config::default(), blocks::Metrics::default());
        let folder = self.folder.path().join("blocks");
        let local = blocks::Local::open(folder, config, self.clock.clone(), metrics)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Blocks::Faulty(blocks::testing::Faulty::new(
            local,
            self.seeded.next_u64(),
            rates,
        )))
    }

    pub(super) async fn open_store(&self, blocks: &Blocks) -> TraceStore {
        loop {
            match TraceStore::open(
                blocks.clone(),
                trace_store::Config::default(),
                self.clock.clone(),
            )
            .await
            {
                Ok(store) => return store,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn begin(
        &mut self,
        n_owners: u64,
        faults: Faults,
        rates: FaultRates,
    ) -> Result<(Life, Blocks), String> {
        let log = self.open_log(faults)?;
        let blocks = self.open_blocks(rates).await?;
        let mut life = Life {
            log: log.clone(),
            metrics: Vec::new(),
            live: Vec::new(),
            tasks: JoinSet::new(),
        };
        for _ in 0..n_owners {
            let metrics = sampler::Metrics::default();
            life.metrics.push(metrics.clone());
            let (store, log) = (self.open_store(&blocks).await, Everyone(log.clone()));
            let sampler = loop {
                let (store, log, metrics) = (store.clone(), log.clone(), metrics.clone());
                match Sampler::new(
                    &Self::config(),
                    log,
                    store,
                    blocks.clone(),
                    1 << 30,
                    metrics,
                )
                .await
                {
                    Ok(sampler) => break sampler.mutate(self.broken.rule, Default::default()),
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
            };
            life.live.push(sampler.live());
            life.tasks.spawn(async move {
                // an owner ends by its crash alone; an error shows as spans that are not found
                let ended = sampler.run(CancellationToken::new()).await;
                assert!(ended.is_ok(), "{:?}", ended.err());
            });
        }
        Ok((life, blocks))
    }

    /// A life with traffic, until it is cut off.
    pub(super) async fn live(&mut self, n_steps: u64) -> Result<(), String> {
        let turns = self.seeded.below(4) as u32;
        let p = 0.02;
        let faults = Faults {
            append_refused: p,
            append_unanswered: p,
            consume: p / 10.0,
            fetch: p,
            commit_refused: p,
            commit_unanswered: p,
            n_turns_max: turns,
        };
        let n_owners = 1 + u64::from(self.seeded.chance(0.4));
        let (life, _) = self
            .begin(
                n_owners,
                faults,
                FaultRates {
                    before: 16,
                    after: 16,
                    torn: 16,
                },
            )
            .await?;
        if self.broken.lying_disk {
            self.disk.set_faults(DiskFaults {
                sync_lies: 0.3,
                ..DiskFaults::default()
            });
        }
        for _ in 0..n_steps {
            self.step().await;
            if self.seeded.chance(0.5) {
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

    /// The last life: nothing new comes, everything is decided. Then everything acknowledged must be there.
    pub(super) async fn rest(&mut self) -> Result<(), String> {
        self.disk.set_faults(DiskFaults::default());
        let (life, blocks) = self
            .begin(1, Faults::default(), FaultRates::default())
            .await?;
        for _ in 0..REST_STEPS {
            sleep(Duration::from_millis(STEP_MS as u64)).await;
            self.clock.advance(STEP_MS);
        }
        life.violations()?;
        self.check_found(&blocks).await?;
        self.check_accounts(&life.metrics)?;
        self.check_counted(&life, &blocks).await?;
        self.check_ledgers(&blocks).await
    }
}
