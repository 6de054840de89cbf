//! Damaged files of every kind: opening never panics, nothing wrong is read, and what is undamaged is all there.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testing::{Seeded, SimDisk};

/// A disk with a log of several segments, and what is in it: offset → (partition, payload).
fn filled(seed: u64) -> (SimDisk, BTreeMap<u64, (u32, Vec<u8>)>) {
    let disk = SimDisk::new(seed);
    let mut seeded = Seeded::new(seed);
    let mut records = BTreeMap::new();
    block_on(async {
        for _ in 0..2 {
            let log = open_on(&disk).expect("opens");
            for i in 0..60 {
                let bytes = vec![i; seeded.below(1_000) as usize];
                let partition = seeded.below(2) as u32;
                let offset = append(&log, partition, &bytes).await;
                records.insert(offset.0, (partition, bytes));
            }
            for n in 1..3 {
                let commit = Commit {
                    offset: Offset(n),
                    end_offset: Offset(n),
                };
                log.commit(spans(0), commit).await.expect("commits");
            }
        }
    });
    (disk, records)
}

fn open_on(disk: &SimDisk) -> Result<Local, OpenError> {
    let config = Config {
        segment_bytes_max: 16 << 10,
        ..config()
    };
    Local::open_inline(
        Disk::Sim(disk.clone()),
        &config,
        2,
        clock(),
        Metrics::default(),
    )
}

fn block_on<T>(run: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(run)
}

/// Reads everything; each record must be one of `records`. Returns those that are missing.
fn missing(log: &Local, records: &BTreeMap<u64, (u32, Vec<u8>)>) -> Vec<u64> {
    let mut missing = records.clone();
    block_on(async {
        for partition in 0..log.n_partitions(Topic::Spans) {
            let mut consumer = log
                .consume(spans(partition), Start::Earliest)
                .await
                .expect("consumes");
            while let Fetched::Records(found) = consumer.next().await.expect("reads") {
                for record in found {
                    let expected = missing
                        .remove(&record.offset.0)
                        .expect("a record that was written");
                    assert_eq!(expected, (partition, record.payload.to_vec()));
                }
            }
        }
    });
    missing.into_keys().collect()
}

#[test]
fn a_flipped_bit_costs_one_record_at_most() {
    let (disk, records) = filled(3);
    let files = disk.files();
    let mut seeded = Seeded::new(9);
    for name in files.iter().cycle().take(600) {
        let mut whole = Vec::new();
        disk.damage(name, |bytes| whole.clone_from(bytes));
        let bit = seeded.below(whole.len() as u64 * 8) as usize;
        disk.damage(name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let log = open_on(&disk).expect("opens");
        let lost = missing(&log, &records);
        let in_header = bit / 8 < segment::SEGMENT_HEAD_BYTES as usize;
        let lost_max = usize::from(name.ends_with(".seg") && !in_header);
        assert!(lost.len() <= lost_max, "{name} bit {bit}: {lost:?} lost");
        assert!(
            lost.is_empty() || is_last(name, &files) || !log.damage().is_empty(),
            "{name} bit {bit}: not told"
        );
        let commit = block_on(log.committed(spans(0)))
            .expect("reads")
            .expect("one of two files is whole");
        assert!((1..3).contains(&commit.offset.0));
        drop(log);
        disk.put(name, whole);
    }
}

/// In the last segment damage to the last record is as a torn write.
fn is_last(name: &str, files: &[String]) -> bool {
    files
        .iter()
        .rfind(|file| file.ends_with(".seg"))
        .is_some_and(|last| last == name)
}

#[test]
fn a_zeroed_tail_costs_what_was_in_it() {
    let (disk, records) = filled(4);
    for name in disk.files().iter().filter(|name| name.ends_with(".seg")) {
        let mut whole = Vec::new();
        disk.damage(name, |bytes| {
            whole.clone_from(bytes);
            let middle = bytes.len() / 2;
            bytes[middle..].fill(0);
        });
        let base = segment::base_of(name).expect("a segment");
        let zeroed = base + whole.len() as u64 / 2..base + whole.len() as u64;
        let log = open_on(&disk).expect("opens");
        for lost in missing(&log, &records) {
            assert!(
                (zeroed.start - 1_200..zeroed.end).contains(&lost),
                "{name}: {lost}"
            );
        }
        drop(log);
        disk.put(name, whole);
    }
}

#[test]
fn a_segment_of_another_time_or_log_is_never_read_as_this_one() {
    let (disk, records) = filled(5);
    let (other, _) = filled(6);
    let names: Vec<_> = disk
        .files()
        .into_iter()
        .filter(|name| name.ends_with(".seg"))
        .collect();
    let swapped_in = [
        other.take(&names[1]).expect("there"),
        disk.take(&names[2]).expect("there"),
    ];
    for bytes in swapped_in {
        disk.put(&names[1], bytes);
        let log = open_on(&disk).expect("opens");
        let range = segment::base_of(&names[1]).expect("a segment")
            ..segment::base_of(&names[3]).expect("a segment");
        for lost in missing(&log, &records) {
            assert!(range.contains(&lost));
        }
        assert!(!log.damage().is_empty(), "told");
    }
}

#[test]
fn an_old_copy_of_a_segment_gives_what_it_has() {
    let disk = SimDisk::new(1);
    let old = block_on(async {
        let log = open_on(&disk).expect("opens");
        append(&log, 0, b"first").await;
        let name = disk
            .files()
            .into_iter()
            .find(|name| name.ends_with(".seg"))
            .expect("a segment");
        let mut old = Vec::new();
        disk.damage(&name, |bytes| old.clone_from(bytes));
        append(&log, 0, b"second").await;
        drop(log);
        append(&open_on(&disk).expect("opens"), 0, b"third").await;
        disk.put(&name, old);
        open_on(&disk).expect("opens")
    });
    assert_eq!(
        block_on(read(&old, 0, Start::Earliest)),
        [&b"first"[..], b"third"]
    );
    assert_eq!(old.damage().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_as_files_open_without_a_panic_or_an_invented_record(
        segment in prop::collection::vec(any::<u8>(), 0..3_000),
        meta in prop::collection::vec(any::<u8>(), 0..64),
        offsets in prop::collection::vec(any::<u8>(), 0..200),
        base in prop::sample::select(vec![0u64, 8, 1 << 20, u64::MAX - 7]),
    ) {
        let disk = SimDisk::new(1);
        disk.put(&segment::file_name(base), segment);
        disk.put("meta", meta);
        disk.put("offsets-a", offsets);
        let log = open_on(&disk).expect("opens");
        prop_assert_eq!(missing(&log, &BTreeMap::new()), Vec::<u64>::new());
    }
}
