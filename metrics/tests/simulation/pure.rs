//! The machine alone: a take-over at every seal goes on as if nothing had happened.

use std::sync::Arc;

use bus::machine::mutant::Mutant;
use bus::machine::{LedgerEntry, Machine};
use bus::testing::Seeded;
use bus::{Draft, Kind, Offset, Partition, Record, Topic, TopicPartition};
use metrics::machine::{PointsMachine, SealedHead};
use telemetry::RecordTime;
use telemetry::derived::{DeltaValue, DerivedRecord, SeriesDelta, TenantDelta, WindowDelta};
use telemetry::histogram::ExpHistogram;

use crate::traffic::{Source, draft, tenant};
use crate::{for_each_seed, is_noticed};

const OF: TopicPartition = TopicPartition {
    topic: Topic::Points,
    partition: Partition(0),
};

/// A partition's records over about an hour of shard time, with repeats, ticks, and clocks that jump.
fn records(seed: u64) -> Vec<Record> {
    let mut seeded = Seeded::new(seed);
    let mut sources = [Source::new(0, 1), Source::new(1, 1)];
    let mut records = Vec::new();
    let mut unix_ms = 1_700_000_000_000;
    let mut offset = 0;
    for _ in 0..500 {
        unix_ms += seeded.below(14_000) as i64;
        if seeded.chance(0.01) {
            unix_ms -= seeded.below(100_000) as i64;
        }
        let source = &mut sources[seeded.below(2) as usize];
        let drafts: Vec<Draft> = match seeded.below(10) {
            0..5 => source.epoch(&mut seeded, unix_ms),
            5..7 => source.again(&mut seeded),
            _ => {
                let mut tick = bus::machine::tick(OF);
                tick.header.kind = Kind::Tick;
                push(&mut records, &mut offset, unix_ms, tick);
                continue;
            }
        }
        .iter()
        .map(|(partition, record)| draft(*partition, record))
        .collect();
        for draft in drafts {
            push(&mut records, &mut offset, unix_ms, draft);
        }
    }
    records
}

fn push(records: &mut Vec<Record>, offset: &mut u64, unix_ms: i64, draft: Draft) {
    *offset += 1;
    records.push(Record {
        of: OF,
        offset: Offset(*offset),
        appended_at: RecordTime { unix_ms },
        header: draft.header,
        payload: draft.payload,
    });
}

fn seals(machine: &mut PointsMachine, records: &[Record]) -> Result<Vec<Arc<SealedHead>>, String> {
    let mut seals = Vec::new();
    for record in records {
        seals.extend(machine.apply(record).map_err(|error| error.to_string())?);
    }
    Ok(seals)
}

/// What a seal is, so that two can be compared: all that the effects see of it.
fn content(sealed: &SealedHead) -> String {
    let mut text = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        sealed.first_offset, sealed.end_offset, sealed.applied, sealed.totals, sealed.entry
    );
    for (tenant, head) in sealed.head.tenants() {
        for id in head.series().sorted() {
            let labels = head.series().owned_labels(id);
            let row = head.row(id, i64::MIN, i64::MAX);
            text.push_str(&format!("\n{tenant} {labels:?} {row:?}"));
        }
    }
    text
}

fn takes_over_at_every_seal(seed: u64, mutant: Mutant) -> Result<(), String> {
    let records = records(seed);
    let n_seals = seals(&mut PointsMachine::new(OF, 1), &records)?.len();
    if n_seals < 5 {
        return Err(format!("{n_seals} seals are too few to show anything"));
    }
    takes_over(&records, mutant)
}

fn takes_over(records: &[Record], mutant: Mutant) -> Result<(), String> {
    let machine = || PointsMachine::new(OF, 1).mutated(mutant);
    let all = seals(&mut machine(), records)?;
    for (n, at) in all.iter().enumerate() {
        let chain: Vec<LedgerEntry> = at
            .entry
            .chain
            .iter()
            .filter_map(|link| all.iter().find(|s| s.end_offset == link.end_offset))
            .map(|sealed| sealed.entry.clone())
            .collect();
        let mut taker = machine();
        taker.restore(&chain).map_err(|error| error.to_string())?;
        let from = records.partition_point(|record| record.offset < at.end_offset);
        let first = records.partition_point(|record| record.offset < at.entry.first_offset);
        for record in records.get(first..from).unwrap_or_default() {
            taker.refold(record);
        }
        taker.resume();
        let after = seals(&mut taker, records.get(from..).unwrap_or_default())?;
        let expected: Vec<String> = all.iter().skip(n + 1).map(|s| content(s)).collect();
        let got: Vec<String> = after.iter().map(|sealed| content(sealed)).collect();
        if got != expected {
            return Err(format!(
                "a take-over at {:?} seals other blocks",
                at.end_offset
            ));
        }
    }
    Ok(())
}

#[test]
fn a_take_over_at_every_seal_seals_what_follows_alike() {
    for_each_seed(
        "a_take_over_at_every_seal_seals_what_follows_alike",
        20,
        |seed| takes_over_at_every_seal(seed, Mutant::None),
    );
}

/// Epochs so large that heads are full of points before five minutes have passed: distributions of a hundred buckets and more.
fn large_records() -> Vec<Record> {
    let mut wide = ExpHistogram::new();
    wide.observe_weighted(1e-6, 1.5); // what is not whole takes its full width in a head
    wide.observe(1e6);
    let mut records = Vec::new();
    let mut offset = 0;
    for n in 0..34u64 {
        let series = (0..5_000).map(|s| SeriesDelta {
            name: format!("calls_{n}"),
            labels: vec![("series".to_owned(), format!("{n}-{s}"))],
            windows: vec![WindowDelta {
                start_unix_ms: 0,
                end_unix_ms: 10_000,
                value: DeltaValue::Histogram(wide.clone()),
            }],
            exemplars: Vec::new(),
        });
        let record = DerivedRecord {
            source_partition: 0,
            previous_end: n,
            end: n + 1,
            part: 0,
            is_last: true,
            complete_to: RecordTime::default(),
            tenants: vec![TenantDelta {
                tenant: tenant("a"),
                series: series.collect(),
            }],
        };
        let draft = draft(OF.partition, &record);
        push(&mut records, &mut offset, n as i64 * 2_500, draft);
    }
    records
}

#[test]
fn a_full_head_is_sealed_and_taken_over_like_any_other() {
    let records = large_records();
    let all = seals(&mut PointsMachine::new(OF, 1), &records).expect("it goes on");
    assert!(all.len() >= 2, "{} seals", all.len());
    takes_over(&records, Mutant::None).expect("alike");
}

#[test]
fn a_ledger_that_is_not_loaded_is_noticed() {
    let check = |seed| takes_over_at_every_seal(seed, Mutant::NoLedger);
    assert!(is_noticed(1, check), "it is not");
}
