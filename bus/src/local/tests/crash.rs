//! Power cuts and failing disks by seed: what was acknowledged is there, in order, and nothing is there that was never written.

use std::collections::BTreeMap;

use super::*;
use crate::testing::{DiskFaults, Seeded, SimDisk};

const SEEDS: u64 = 300;

/// A log on a simulated disk, and what it must still know.
struct Run {
    seeded: Seeded,
    clock: Clock,
    disk: SimDisk,
    durability: Durability,
    /// Acknowledged records by offset.
    acked: BTreeMap<u64, (u32, Vec<u8>)>,
    /// Payloads that were ever given to the log.
    given: Vec<Vec<u8>>,
    committed: Option<Commit>,
    /// Commits since then that were not acknowledged.
    attempted: Vec<Commit>,
    /// Highest offset that anybody has seen.
    seen_max: u64,
}

use crate::config::Durability;

impl Run {
    fn new(seed: u64, durability: Durability) -> Self {
        Self {
            seeded: Seeded::new(seed),
            clock: clock(),
            disk: SimDisk::new(seed),
            durability,
            acked: BTreeMap::new(),
            given: Vec::new(),
            committed: None,
            attempted: Vec::new(),
            seen_max: 0,
        }
    }

    fn open(&self) -> Result<Local, OpenError> {
        let config = Config {
            segment_bytes_max: 16 << 10,
            durability: self.durability,
            ..config()
        };
        Local::open_inline(
            Disk::Sim(self.disk.clone()),
            &config,
            2,
            self.clock.clone(),
            Metrics::default(),
        )
    }

    /// Appends and commits until the disk no longer answers or `n_steps` are done. Returns the last refusal.
    async fn live(&mut self, log: &Local, n_steps: u64) -> Option<PublishError> {
        let mut refused = None;
        for _ in 0..n_steps {
            if self.seeded.chance(0.2) {
                self.commit(log).await;
            }
            let drafts = self.drafts();
            match log.append(drafts.clone()).await {
                Ok(appended) => self.acknowledge(&appended, &drafts),
                Err(error) => refused = Some(error),
            }
        }
        refused
    }

    fn drafts(&mut self) -> Vec<Draft> {
        let n_drafts = 1 + self.seeded.below(4);
        let draft_of = |_| {
            let mut bytes = (self.given.len() as u64).to_le_bytes().to_vec();
            bytes.resize(
                8 + self.seeded.below(3_000) as usize,
                self.given.len() as u8,
            );
            self.given.push(bytes.clone());
            draft(self.seeded.below(2) as u32, &bytes)
        };
        (0..n_drafts).map(draft_of).collect()
    }

    fn acknowledge(&mut self, appended: &[Appended], drafts: &[Draft]) {
        for (one, draft) in appended.iter().zip(drafts) {
            assert!(one.offset.0 > self.seen_max, "an address came twice");
            self.seen_max = one.offset.0;
            self.acked
                .insert(one.offset.0, (one.of.partition.0, draft.payload.to_vec()));
        }
    }

    async fn commit(&mut self, log: &Local) {
        let commit = Commit {
            offset: Offset(self.seen_max),
            end_offset: Offset(self.seen_max + 1),
        };
        match log.commit(spans(0), commit).await {
            Ok(()) => {
                self.committed = Some(commit);
                self.attempted.clear();
            }
            Err(_) => self.attempted.push(commit),
        }
    }

    /// All that the log has: every acknowledged record, in order, and nothing that was never given to it.
    async fn check(&mut self, log: &Local) {
        let mut missing = self.acked.clone();
        for partition in 0..2 {
            let mut consumer = log
                .consume(spans(partition), Start::Earliest)
                .await
                .expect("consumes");
            let mut last = None;
            while let Fetched::Records(records) = consumer.next().await.expect("reads") {
                for record in records {
                    assert!(last < Some(record.offset), "out of order");
                    last = Some(record.offset);
                    assert!(
                        self.given.iter().any(|given| *given == record.payload),
                        "invented"
                    );
                    if let Some((of, payload)) = missing.remove(&record.offset.0) {
                        assert_eq!((of, payload), (partition, record.payload.to_vec()));
                    }
                    self.seen_max = self.seen_max.max(record.offset.0);
                }
            }
        }
        assert_eq!(
            missing.keys().collect::<Vec<_>>(),
            Vec::<&u64>::new(),
            "acknowledged and lost"
        );
        for damage in log.damage() {
            let hole = damage.address..damage.address + damage.n_bytes;
            assert_eq!(
                self.acked.range(hole).next(),
                None,
                "cut before the last acknowledgement: {damage:?}"
            );
            assert!(!damage.what.contains("segment"), "{damage:?}");
        }
        let found = log.committed(spans(0)).await.expect("reads");
        let was_attempted = found.is_some_and(|found| self.attempted.contains(&found));
        assert!(found == self.committed || was_attempted, "{found:?}");
        self.committed = found;
        self.attempted.clear();
    }
}

fn block_on(run: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(run);
}

#[test]
fn after_a_power_cut_every_acknowledged_record_is_there() {
    for seed in 0..SEEDS {
        block_on(async {
            let mut run = Run::new(seed, Durability::Fsync);
            for _ in 0..4 {
                let log = run.open().expect("opens");
                run.check(&log).await;
                run.disk.fail_after(run.seeded.below(200));
                run.live(&log, 20).await;
                run.disk = run.disk.cut_power();
            }
            let log = run.open().expect("opens");
            run.check(&log).await;
        });
    }
}

/// The mutant of the test above: it must be able to see an acknowledgement that no fsync stands behind.
#[test]
#[should_panic(expected = "acknowledged and lost")]
fn an_acknowledgement_without_an_fsync_is_seen() {
    for seed in 0..SEEDS {
        block_on(async {
            let mut run = Run::new(seed, Durability::Fsync);
            let log = run.open().expect("opens");
            run.live(&log, 5).await;
            run.disk.set_faults(DiskFaults {
                sync_lies: 1.0,
                ..DiskFaults::default()
            });
            run.live(&log, 5).await;
            run.disk = run.disk.cut_power();
            let log = run.open().expect("opens");
            run.check(&log).await;
        });
    }
}

#[test]
fn after_a_kill_nothing_is_lost_without_fsync_either() {
    for seed in 0..SEEDS / 3 {
        block_on(async {
            let mut run = Run::new(seed, Durability::Os);
            for _ in 0..3 {
                let log = run.open().expect("opens");
                run.check(&log).await;
                run.live(&log, 20).await;
            }
        });
    }
}

#[test]
fn nothing_is_acknowledged_on_a_failing_disk_that_a_power_cut_takes() {
    for seed in 0..SEEDS {
        block_on(async {
            let mut run = Run::new(seed, Durability::Fsync);
            for life in 0..4 {
                let log = run.open().expect("a disk without faults opens");
                run.check(&log).await;
                let probability = [0.02, 0.1, 0.5][life % 3];
                run.disk.set_faults(DiskFaults {
                    sync_eio: probability,
                    write_eio: probability / 2.0,
                    write_enospc: probability / 2.0,
                    name_eio: probability / 4.0,
                    ..DiskFaults::default()
                });
                for _ in 0..20 {
                    run.live(&log, 1).await;
                    run.clock.advance(run.seeded.below(80_000) as i64);
                }
                run.disk = run.disk.cut_power();
            }
            let log = run.open().expect("opens");
            run.check(&log).await;
        });
    }
}

#[test]
fn opening_on_a_failing_disk_is_an_error_and_no_panic() {
    for seed in 0..SEEDS {
        block_on(async {
            let mut run = Run::new(seed, Durability::Fsync);
            let log = run.open().expect("opens");
            run.live(&log, 10).await;
            for _ in 0..4 {
                run.disk = run.disk.cut_power();
                run.disk.set_faults(DiskFaults {
                    sync_eio: 0.3,
                    name_eio: 0.3,
                    ..DiskFaults::default()
                });
                drop(run.open());
            }
            run.disk = run.disk.cut_power();
            let log = run.open().expect("a disk without faults opens");
            run.check(&log).await;
        });
    }
}

#[test]
fn a_second_failure_within_a_minute_makes_the_log_read_only() {
    block_on(async {
        let mut run = Run::new(1, Durability::Fsync);
        let log = run.open().expect("opens");
        let all = DiskFaults {
            sync_eio: 1.0,
            ..DiskFaults::default()
        };
        assert!(run.live(&log, 5).await.is_none());
        for (faults, step_ms, expected) in [
            (all, 0, "the log is unavailable: simulated: fsync"),
            (DiskFaults::default(), 0, ""),
            (all, 61_000, "the log is unavailable: simulated: fsync"),
            (all, 59_000, "the log is unavailable: simulated: fsync"),
            (
                DiskFaults::default(),
                300_000,
                "the log is read-only after failed writes; restart once the disk is repaired",
            ),
        ] {
            run.clock.advance(step_ms);
            run.disk.set_faults(faults);
            let refused = run.live(&log, 1).await;
            assert_eq!(
                refused.map_or(String::new(), |error| error.to_string()),
                expected
            );
        }
        run.disk = run.disk.cut_power();
        let log = run.open().expect("opens");
        run.check(&log).await;
        assert!(run.live(&log, 1).await.is_none());
    });
}

#[test]
fn a_full_disk_refuses_and_resumes() {
    block_on(async {
        let mut run = Run::new(1, Durability::Fsync);
        let log = run.open().expect("opens");
        assert!(run.live(&log, 3).await.is_none());
        run.disk.set_free_bytes(1 << 20);
        assert!(matches!(
            run.live(&log, 3).await,
            Some(PublishError::DiskFull {
                free_bytes: 0x10_0000,
                ..
            })
        ));
        run.check(&log).await;
        run.disk.set_free_bytes(1 << 39);
        assert!(run.live(&log, 3).await.is_none());
        for _ in 0..5 {
            run.disk.set_faults(DiskFaults {
                write_enospc: 1.0,
                ..DiskFaults::default()
            });
            assert!(matches!(
                run.live(&log, 1).await,
                Some(PublishError::DiskFull { .. })
            ));
            run.disk.set_faults(DiskFaults::default());
            assert!(run.live(&log, 1).await.is_none());
        }
        run.check(&log).await;
    });
}
