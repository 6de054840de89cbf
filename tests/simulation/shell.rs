//! The whole way by seed: the real local log on a disk whose power is cut, the real loop, the real store behind a failing block store, one owner or two
//! at once. Whatever was acknowledged is found in the end, once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use blocks::testing::FaultRates;
use blocks::{BlockStore, Blocks};
use bus::local::disk::Disk;
use bus::machine::mutant::Mutant;
use bus::testing::{DiskFaults, Faults, Faulty, Seeded, SimDisk};
use bus::{
    Consumer, Draft, Fetched, Header, Kind, Local, Log, Partition, RequestHash, Start, Topic,
    TopicPartition,
};
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use sampler::policy::text::Unmatched;
use sampler::red::SPAN_DURATION;
use sampler::{LiveShards, Sampler};
use telemetry::derived::{DeltaValue, DerivedRecord, SeriesDelta, WindowDelta};
use telemetry::wire::{TraceWalker, WalkLimits};
use telemetry::{Clock, Tenant, TraceId, partition_of};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trace_store::TraceStore;

use crate::everyone::Everyone;
use crate::{for_each_seed, n_noticed};

const N_PARTITIONS: u32 = 2;
const STEP_MS: i64 = 100;
const DECISION_WAIT_S: u64 = 4;
/// Steps of the last life, in which nothing new comes: until everything is decided, sealed and stored.
const REST_STEPS: u64 = 350;

/// What is broken on purpose.
#[derive(Clone, Copy, Default)]
struct Broken {
    rule: Mutant,
    /// The disk says that it has written what it has not.
    lying_disk: bool,
}

/// What outlives a crash.
struct World {
    seeded: Seeded,
    clock: Clock,
    disk: SimDisk,
    folder: tempfile::TempDir,
    broken: Broken,
    tenant: Tenant,
    /// Traces that are being sent, newest last.
    traces: Vec<TraceId>,
    /// Names of acknowledged spans, which are all different, by trace.
    acked: BTreeMap<TraceId, BTreeSet<String>>,
    /// Names of all spans that were ever sent.
    sent: BTreeSet<String>,
}

/// A process: everything that a crash takes away.
struct Life {
    log: Faulty<Local>,
    metrics: Vec<sampler::Metrics>,
    live: Vec<LiveShards<Everyone<Faulty<Local>>>>,
    tasks: JoinSet<()>,
}

impl World {
    fn new(seed: u64, broken: Broken) -> Self {
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

    async fn open_store(&self, blocks: &Blocks) -> TraceStore {
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
    async fn live(&mut self, n_steps: u64) -> Result<(), String> {
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

    /// Sends spans of some traces in one request, again until it is acknowledged, and now and then once more.
    async fn send(&mut self, log: &Faulty<Local>) {
        if self.traces.len() < 3 || self.seeded.chance(0.3) {
            let id = [self.seeded.next_u64(), self.seeded.next_u64() | 1];
            self.traces.push(TraceId(
                (u128::from(id[0]) << 64 | u128::from(id[1])).to_be_bytes(),
            ));
        }
        let mut spans: BTreeMap<u32, Vec<(TraceId, String)>> = BTreeMap::new();
        for _ in 0..1 + self.seeded.below(4) {
            let back = self.seeded.below(self.traces.len().min(6) as u64) as usize;
            let id = self.traces[self.traces.len() - 1 - back];
            let name = format!("span-{}", self.sent.len());
            self.sent.insert(name.clone());
            spans
                .entry(partition_of(&self.tenant, id, N_PARTITIONS))
                .or_default()
                .push((id, name));
        }
        let hash = RequestHash(u128::from(self.seeded.next_u64()));
        let drafts: Vec<Draft> = spans
            .iter()
            .map(|(partition, spans)| self.draft(*partition, hash, spans))
            .collect();
        while log.append(drafts.clone()).await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
        for (id, name) in spans.into_values().flatten() {
            self.acked.entry(id).or_default().insert(name);
        }
        if self.seeded.chance(0.1) {
            // an answer that was lost; whether this one is taken matters to nobody
            log.append(drafts).await.map(|_| ()).unwrap_or_default();
        }
    }

    fn draft(&self, partition: u32, hash: RequestHash, spans: &[(TraceId, String)]) -> Draft {
        let span = |(id, name): &(TraceId, String)| Span {
            trace_id: id.0.to_vec(),
            span_id: name.bytes().rev().chain([1; 8]).take(8).collect(),
            parent_span_id: vec![9; 8],
            name: name.clone(),
            ..Default::default()
        };
        let scope = ScopeSpans {
            spans: spans.iter().map(span).collect(),
            ..Default::default()
        };
        let data = TracesData {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![scope],
                ..Default::default()
            }],
        };
        let header = Header {
            tenant: self.tenant.clone(),
            kind: Kind::Otlp,
            accepted_at: self.clock.wall(),
            n_items: spans.len() as u32,
            request_hash: hash,
            part: partition as u16,
            historic: false,
        };
        let to = TopicPartition {
            topic: Topic::Spans,
            partition: Partition(partition),
        };
        Draft {
            to,
            header,
            payload: Bytes::from(data.encode_to_vec()),
        }
    }

    /// The last life: nothing new comes, everything is decided. Then everything acknowledged must be there.
    async fn rest(&mut self) -> Result<(), String> {
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

    async fn check_found(&self, blocks: &Blocks) -> Result<(), String> {
        let store = self.open_store(blocks).await;
        let mut walker = TraceWalker::new();
        for (id, acked) in &self.acked {
            let trace = store
                .find(&self.tenant, *id)
                .await
                .map_err(|error| error.to_string())?;
            let Some(trace) = trace else {
                return Err(format!(
                    "trace {id} with {} acknowledged spans is not found",
                    acked.len()
                ));
            };
            let view = walker
                .walk(&trace.traces_data, &WalkLimits::trusted())
                .map_err(|error| error.to_string())?;
            let names: Vec<String> = view.spans().map(|span| span.name().to_owned()).collect();
            let found: BTreeSet<String> = names.iter().cloned().collect();
            if found.len() != names.len() {
                return Err(format!("trace {id} has a span twice"));
            }
            if let Some(lost) = acked.difference(&found).next() {
                return Err(format!(
                    "{lost} of trace {id} was acknowledged and is not found"
                ));
            }
            if let Some(invented) = found.difference(&self.sent).next() {
                return Err(format!("{invented} of trace {id} was never sent"));
            }
        }
        Ok(())
    }

    fn check_accounts(&self, metrics: &[sampler::Metrics]) -> Result<(), String> {
        let n_acked: u64 = self.acked.values().map(|spans| spans.len() as u64).sum();
        let of = |state: &str| read(metrics, &format!("state=\"{state}\""));
        let [accepted, in_flight, lost] = ["accepted", "in_flight", "lost"].map(of);
        let settled: u64 = ["stored", "sampled_out", "dead_lettered", "duplicates"]
            .map(of)
            .iter()
            .sum();
        if accepted < n_acked || in_flight != 0 || lost != 0 || settled != accepted {
            return Err(format!(
                "accepted {accepted} of {n_acked} acknowledged, settled {settled}, in flight {in_flight}, lost {lost}"
            ));
        }
        Ok(())
    }

    /// Derived records, applied once each, and what is in none yet count every span that was taken, once; and every exemplar is a span of a stored trace.
    async fn check_counted(&self, life: &Life, blocks: &Blocks) -> Result<(), String> {
        let mut counted = 0.0;
        let mut exemplars = Vec::new();
        let mut see = |series: &SeriesDelta| {
            if series.name == SPAN_DURATION {
                exemplars.extend(series.exemplars.clone());
                counted += series.windows.iter().map(n_observed).sum::<f64>();
            }
        };
        let mut reaches: BTreeMap<u32, u64> = BTreeMap::new();
        for partition in 0..life.log.n_partitions(Topic::Points) {
            let mut applied: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
            for record in derived(&life.log, Partition(partition)).await? {
                let place = (record.end, record.part + 1);
                if applied.get(&record.source_partition) >= Some(&place) {
                    continue;
                }
                applied.insert(record.source_partition, place);
                record
                    .tenants
                    .iter()
                    .flat_map(|delta| &delta.series)
                    .for_each(&mut see);
            }
            reaches.extend(applied.iter().map(|(source, (end, _))| (*source, *end)));
        }
        let live = life.live.first().ok_or("nobody lives")?;
        let open = live.counts(&self.tenant, &|_| true);
        for epoch in &open.epochs {
            let applied = reaches.get(&epoch.partition.0).copied();
            if epoch.end.is_none_or(|end| applied < Some(end.0)) {
                epoch.series.iter().for_each(&mut see);
            }
        }
        let of = |state: &str| read(&life.metrics, &format!("state=\"{state}\""));
        let taken = of("accepted") - of("duplicates");
        if counted != taken as f64 {
            return Err(format!("{counted} spans are counted, {taken} were taken"));
        }
        let store = self.open_store(blocks).await;
        for exemplar in &exemplars {
            let found = store.find(&self.tenant, exemplar.trace_id).await;
            let trace = found.map_err(|error| error.to_string())?;
            let trace = trace.ok_or("an exemplar leads to no trace")?;
            let mut walker = TraceWalker::new();
            let view = walker.walk(&trace.traces_data, &WalkLimits::trusted());
            let view = view.map_err(|error| error.to_string())?;
            if view.spans().all(|span| span.span_id() != exemplar.span_id) {
                return Err("an exemplar is no span of its trace".to_owned());
            }
        }
        match exemplars.is_empty() {
            true => Err("there is no exemplar".to_owned()),
            false => Ok(()),
        }
    }

    /// Ledger entries that no chain needs are deleted.
    async fn check_ledgers(&self, blocks: &Blocks) -> Result<(), String> {
        for partition in 0..N_PARTITIONS {
            let entries = blocks
                .kv_list(&format!("ledger/spans/{partition}"))
                .await
                .map_err(|error| error.to_string())?;
            // 120 s are remembered, an epoch has 10 s, and a zombie may have left some
            if entries.len() > 40 {
                return Err(format!(
                    "{} ledger entries are left in partition {partition}",
                    entries.len()
                ));
            }
        }
        Ok(())
    }
}

impl Life {
    /// Two owners must never seal different epochs under one name.
    fn violations(&self) -> Result<(), String> {
        match read(&self.metrics, "determinism_violations") {
            0 => Ok(()),
            n => Err(format!("{n} epochs have two contents")),
        }
    }
}

/// The derived records of a partition of `points`, in order.
async fn derived(log: &Faulty<Local>, partition: Partition) -> Result<Vec<DerivedRecord>, String> {
    let of = TopicPartition {
        topic: Topic::Points,
        partition,
    };
    let consumer = log.consume(of, Start::Earliest).await;
    let mut consumer = consumer.map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    loop {
        let records = match consumer.next().await.map_err(|error| error.to_string())? {
            Fetched::End => return Ok(all),
            Fetched::Records(records) => records,
        };
        for record in records
            .iter()
            .filter(|record| record.header.kind == Kind::Derived)
        {
            all.push(DerivedRecord::decode(&record.payload).map_err(|error| error.to_string())?);
        }
    }
}

fn n_observed(window: &WindowDelta) -> f64 {
    match &window.value {
        DeltaValue::Histogram(histogram) => histogram.count(),
        DeltaValue::Count(_) | DeltaValue::Seen => f64::NAN,
    }
}

/// The sum of a number over the samplers' metrics, by a part of its line.
fn read(metrics: &[sampler::Metrics], line_has: &str) -> u64 {
    let mut sum = 0;
    for metrics in metrics {
        let mut registry = prometheus_client::registry::Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)
            .expect("a String takes all text");
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && line.contains(line_has));
        sum += lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum::<u64>();
    }
    sum
}

/// Lives and crashes, then a rest.
fn check(seed: u64, broken: Broken) -> Result<(), String> {
    let mut world = World::new(seed, broken);
    for _ in 0..2 + world.seeded.below(3) {
        let n_steps = 20 + world.seeded.below(300);
        process(world.live(n_steps))?;
        world.disk = world.disk.cut_power();
    }
    process(world.rest())
}

/// Runs a life in a runtime of its own, with a clock that jumps to the next thing that happens. Dropping it is the crash: work that was begun on the
/// block store may still end.
fn process<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(life)
}

#[test]
fn whatever_was_acknowledged_is_found_once_after_any_number_of_crashes() {
    for_each_seed("whatever_was_acknowledged", 200, |seed| {
        check(seed, Broken::default())
    });
}

const MUTANT_SEEDS: u64 = 10;

#[track_caller]
fn must_be_noticed(broken: Broken) {
    assert!(
        n_noticed(MUTANT_SEEDS, |seed| check(seed, broken)) > 0,
        "nobody notices"
    );
}

#[test]
fn mutant_commit_before_the_effects_is_noticed() {
    must_be_noticed(Broken {
        rule: Mutant::CommitBeforeEffects,
        ..Broken::default()
    });
}

#[test]
fn mutant_auto_commit_is_noticed() {
    must_be_noticed(Broken {
        rule: Mutant::AutoCommit,
        ..Broken::default()
    });
}

#[test]
fn mutant_an_owner_without_ticks_is_noticed() {
    must_be_noticed(Broken {
        rule: Mutant::NoTicks,
        ..Broken::default()
    });
}

#[test]
fn mutant_acknowledging_before_the_fsync_is_noticed() {
    must_be_noticed(Broken {
        lying_disk: true,
        ..Broken::default()
    });
}
