//! Processes that die of records, one after the other, over a disk that outlives them: which records are condemned, after how many deaths, and what is
//! applied of all others.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use telemetry::{RecordTime, Tenant};

use super::*;
use crate::testing::SimDisk;
use crate::{Header, Kind, Partition, RequestHash, Topic};

const OF: TopicPartition = TopicPartition {
    topic: Topic::Spans,
    partition: Partition(3),
};

/// What a record does to who applies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Panics,
    Aborts,
}

/// Deaths after which one record is condemned at the latest: found among many, found alone, and condemned.
const DEATHS_MAX: usize = 3;

fn record(offset: u64) -> Record {
    let header = Header {
        tenant: Tenant::default_tenant(),
        kind: Kind::Otlp,
        accepted_at: RecordTime::default(),
        n_items: 7,
        request_hash: RequestHash(u128::from(offset)),
        part: 0,
        historic: false,
    };
    Record {
        of: OF,
        offset: Offset(offset),
        appended_at: RecordTime::default(),
        header,
        payload: Bytes::from_static(b"spans"),
    }
}

/// One life: applies batch after batch until something kills it. Returns the records that it was shown whole, and whether it came to the end.
fn live(disk: &SimDisk, batches: &[Vec<Record>], poison: &BTreeMap<u64, Does>) -> (Vec<u64>, bool) {
    let attempts = Attempts::on(Disk::Sim(disk.clone()));
    let mut attempt = attempts.begin(OF).expect("the disk is well");
    let mut whole = Vec::new();
    for batch in batches {
        let mut left = batch.as_slice();
        while let Some((record, later)) = left.split_first() {
            attempt.enter(left);
            let seen = attempt.skips().seen(record).into_owned();
            assert_eq!(seen.header, record.header);
            if seen.payload == record.payload {
                match poison.get(&record.offset.0) {
                    Some(Does::Panics) => {
                        attempt.died(record.offset);
                        return (whole, false);
                    }
                    Some(Does::Aborts) => {
                        std::mem::forget(attempt);
                        return (whole, false);
                    }
                    None => whole.push(record.offset.0),
                }
            }
            left = later;
        }
        attempt.leave();
    }
    (whole, true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_kills_is_condemned_and_nothing_else(
        sizes in vec(1..20_u64, 1..20),
        poison in btree_map(0..200_u64, prop_oneof![Just(Does::Panics), Just(Does::Aborts)], 0..6),
    ) {
        let disk = SimDisk::new(1);
        let mut next = 0;
        let batches: Vec<Vec<Record>> = sizes.iter().map(|n| {
            let batch = (next..next + n).map(record).collect();
            next += n;
            batch
        }).collect();
        let poison: BTreeMap<u64, Does> = poison.into_iter().filter(|(at, _)| *at < next).collect();
        let mut n_deaths = 0;
        let whole = loop {
            let (whole, ended) = live(&disk, &batches, &poison);
            if ended {
                break whole;
            }
            n_deaths += 1;
            prop_assert!(n_deaths <= DEATHS_MAX * poison.len(), "it dies on");
        };
        let expected: Vec<u64> = (0..next).filter(|at| !poison.contains_key(at)).collect();
        prop_assert_eq!(whole, expected);
        let skips = Attempts::on(Disk::Sim(disk)).skips(OF).expect("reads");
        let seen = |at: &u64| skips.seen(&record(*at)).payload == record(*at).payload;
        prop_assert!((0..next).all(|at| seen(&at) != poison.contains_key(&at)));
    }
}

#[test]
fn a_process_that_is_killed_while_nothing_is_applied_leaves_no_suspicion() {
    let disk = SimDisk::new(1);
    let attempts = Attempts::on(Disk::Sim(disk));
    for _ in 0..5 {
        let mut attempt = attempts.begin(OF).expect("the disk is well");
        assert_eq!(attempt.mark, Mark::default());
        attempt.enter(&[record(8)]);
        attempt.leave();
        std::mem::forget(attempt);
    }
    assert_eq!(attempts.skips(OF).expect("reads"), Skips::default());
}

#[test]
fn two_kills_from_outside_in_one_batch_condemn_nothing() {
    let disk = SimDisk::new(1);
    let attempts = Attempts::on(Disk::Sim(disk));
    let batch: Vec<Record> = (0..10).map(record).collect();
    for at in [2, 5] {
        let mut attempt = attempts.begin(OF).expect("the disk is well");
        for from in 0..=at {
            attempt.enter(&batch[from..]);
        }
        std::mem::forget(attempt);
    }
    drop(attempts.begin(OF).expect("the disk is well"));
    assert_eq!(attempts.skips(OF).expect("reads"), Skips::default());
}

#[test]
fn without_a_place_for_notes_nothing_is_noted() {
    let mut attempt = Attempts::default().begin(OF).expect("nothing to read");
    attempt.enter(&[record(8)]);
    attempt.died(Offset(8));
    drop(attempt);
    let attempt = Attempts::default().begin(OF).expect("nothing to read");
    assert_eq!(attempt.skips(), &Skips::default());
}
