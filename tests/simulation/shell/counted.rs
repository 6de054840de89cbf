//! What must be counted in the end: every span that was taken, once, in its series and in its edges, down to the bucket; in records of which none is
//! missing; and exemplars that lead to spans of stored traces.

use std::collections::BTreeMap;

use blocks::Blocks;
use bus::machine::Machine;
use bus::testing::Faulty;
use bus::{Consumer, Fetched, Kind, Local, Log, Partition, Record, Start, Topic, TopicPartition};
use sampler::red::SPAN_DURATION;
use sampler::{SealedEpoch, Shard};
use telemetry::Tenant;
use telemetry::derived::{DerivedRecord, Exemplar, SeriesDelta};
use telemetry::wire::{TraceWalker, WalkLimits};

use super::found::read;
use super::world::{Life, N_PARTITIONS, World};
use crate::check::taken;
use crate::edges::{self, is_edge};
use crate::red::{self, is_red};
use crate::told::{Said, Told};

impl World {
    /// Derived records, applied once each, and what is in none yet count what the records of spans say; every partition of `points` was told of every epoch;
    /// and every exemplar is a span of a stored trace.
    pub(super) async fn check_counted(&self, life: &Life, blocks: &Blocks) -> Result<(), String> {
        let reference = Reference::read(&life.log).await?;
        let mut counted = Counted::default();
        for partition in 0..life.log.n_partitions(Topic::Points) {
            let of_partition = counted.apply(&life.log, Partition(partition)).await?;
            reference.has_epochs(partition, &of_partition)?;
            counted.reaches.push(of_partition);
        }
        counted.add_live(&self.tenant, life)?;
        counted.told.of(is_red).is_what(&reference.red)?;
        counted.told.of(is_edge).is_what(&reference.edges)?;
        let of = |state: &str| read(&life.metrics, &format!("state=\"{state}\""));
        let taken = of("accepted") - of("duplicates");
        if reference.n_spans != taken {
            let n_spans = reference.n_spans;
            return Err(format!(
                "{n_spans} spans are in the log, {taken} were taken"
            ));
        }
        self.check_exemplars(&counted.exemplars, blocks).await
    }

    async fn check_exemplars(&self, exemplars: &[Exemplar], blocks: &Blocks) -> Result<(), String> {
        let store = self.open_store(blocks).await;
        for exemplar in exemplars {
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
}

/// What the records of spans say, and the epochs that someone seals who reads them all in peace.
#[derive(Default)]
struct Reference {
    red: Said,
    edges: Said,
    n_spans: u64,
    /// Where each epoch begins and ends, by partition of `spans`.
    epochs: BTreeMap<u32, Vec<(u64, u64)>>,
}

impl Reference {
    async fn read(log: &Faulty<Local>) -> Result<Self, String> {
        let mut all = Self::default();
        for partition in 0..N_PARTITIONS {
            let of = TopicPartition {
                topic: Topic::Spans,
                partition: Partition(partition),
            };
            all.add(of, &records(log, of).await?)?;
        }
        Ok(all)
    }

    fn add(&mut self, of: TopicPartition, log: &[Record]) -> Result<(), String> {
        self.n_spans += red::say(&taken(log), &mut self.red);
        let mut shard = Shard::new(of, N_PARTITIONS);
        let mut sealed = Vec::new();
        for record in log {
            sealed.extend(shard.apply(record).map_err(|error| error.to_string())?);
        }
        edges::say(log, &sealed, &mut self.edges)?;
        let ends = |epoch: &SealedEpoch| (epoch.previous_end.0, epoch.end_offset.0);
        let epochs = sealed.iter().map(ends).collect();
        self.epochs.insert(of.partition.0, epochs);
        Ok(())
    }

    /// A partition of `points` was told of every epoch, one after the other; of the newest perhaps not yet.
    fn has_epochs(&self, partition: u32, applied: &BTreeMap<u32, Applied>) -> Result<(), String> {
        for (source, expected) in &self.epochs {
            let found = applied.get(source).map_or(&[][..], |of| &of.epochs);
            if !expected.starts_with(found) || expected.len() > found.len() + 1 {
                return Err(format!(
                    "points/{partition} was told of epochs {found:?} of spans/{source}, which has {expected:?}"
                ));
            }
        }
        Ok(())
    }
}

/// What a reader of one partition of `points` has applied of one of `spans`.
#[derive(Debug, Default)]
struct Applied {
    /// Where each epoch begins and ends.
    epochs: Vec<(u64, u64)>,
    /// Of the newest epoch.
    next_part: u32,
    is_whole: bool,
}

impl Applied {
    /// Whether a record adds something; an error if one before it is missing.
    fn apply(&mut self, record: &DerivedRecord) -> Result<bool, String> {
        let reached = self.epochs.last().map_or(0, |(_, end)| *end);
        let is_next = record.end > reached;
        if record.end < reached || (!is_next && record.part < self.next_part) {
            return Ok(false);
        }
        let follows = if is_next {
            let is_whole = self.is_whole || self.epochs.is_empty();
            is_whole && (record.previous_end, record.part) == (reached, 0)
        } else {
            !self.is_whole && record.part == self.next_part
        };
        if !follows {
            return Err(format!(
                "part {} of the epoch {}..{} of spans/{} does not follow {self:?}",
                record.part, record.previous_end, record.end, record.source_partition
            ));
        }
        if is_next {
            self.epochs.push((record.previous_end, record.end));
        }
        (self.next_part, self.is_whole) = (record.part + 1, record.is_last);
        Ok(true)
    }
}

/// What is counted, in derived records and in none yet.
#[derive(Default)]
struct Counted {
    told: Told,
    exemplars: Vec<Exemplar>,
    /// By partition of `points`, then of `spans`.
    reaches: Vec<BTreeMap<u32, Applied>>,
}

impl Counted {
    fn add(&mut self, tenant: &Tenant, series: &SeriesDelta) {
        self.told.add(tenant, series);
        if series.name == SPAN_DURATION {
            self.exemplars.extend(series.exemplars.clone());
        }
    }

    /// Applies the records of a partition of `points`, each once.
    async fn apply(
        &mut self,
        log: &Faulty<Local>,
        partition: Partition,
    ) -> Result<BTreeMap<u32, Applied>, String> {
        let of = TopicPartition {
            topic: Topic::Points,
            partition,
        };
        let mut applied: BTreeMap<u32, Applied> = BTreeMap::new();
        for record in records(log, of).await? {
            if record.header.kind != Kind::Derived {
                continue;
            }
            let record =
                DerivedRecord::decode(&record.payload).map_err(|error| error.to_string())?;
            let of_source = applied.entry(record.source_partition).or_default();
            if !of_source.apply(&record)? {
                continue;
            }
            for delta in &record.tenants {
                let series = delta.series.iter();
                series.for_each(|series| self.add(&delta.tenant, series));
            }
        }
        Ok(applied)
    }

    /// Adds what is in no derived record yet.
    fn add_live(&mut self, tenant: &Tenant, life: &Life) -> Result<(), String> {
        let live = life.live.first().ok_or("nobody lives")?;
        for epoch in live.counts(tenant, &|_| true).epochs {
            let ends = self.reaches.iter().map(|applied| {
                let of_source = applied.get(&epoch.partition.0);
                of_source.and_then(|of| of.epochs.last().map(|(_, end)| *end))
            });
            if epoch
                .end
                .is_none_or(|end| ends.max().flatten() < Some(end.0))
            {
                let series = epoch.series.iter();
                series.for_each(|series| self.add(tenant, series));
            }
        }
        Ok(())
    }
}

/// The records of a partition, in order.
async fn records(log: &Faulty<Local>, of: TopicPartition) -> Result<Vec<Record>, String> {
    let consumer = log.consume(of, Start::Earliest).await;
    let mut consumer = consumer.map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    loop {
        match consumer.next().await.map_err(|error| error.to_string())? {
            Fetched::End => return Ok(all),
            Fetched::Records(records) => all.extend(records),
        }
    }
}
