//! What must be counted in the end: every span that was taken, once, and exemplars that lead to spans of stored traces.

use std::collections::BTreeMap;

use blocks::Blocks;
use bus::testing::Faulty;
use bus::{Consumer, Fetched, Kind, Local, Log, Partition, Start, Topic, TopicPartition};
use sampler::red::SPAN_DURATION;
use telemetry::derived::{DeltaValue, DerivedRecord, SeriesDelta, WindowDelta};
use telemetry::wire::{TraceWalker, WalkLimits};

use super::found::read;
use super::world::{Life, World};

impl World {
    /// Derived records, applied once each, and what is in none yet count every span that was taken, once; and every exemplar is a span of a stored trace.
    pub(super) async fn check_counted(&self, life: &Life, blocks: &Blocks) -> Result<(), String> {
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
