//! What retention deletes, and what it never does.

use super::*;
use crate::testing::SimDisk;

const MINUTE_MS: i64 = 60_000;

struct Kept {
    disk: SimDisk,
    clock: Clock,
    config: Config,
    offsets: Vec<Offset>,
}

impl Kept {
    /// Keeps 30 min, and 10 min behind a commit.
    fn new() -> Self {
        let minutes = |n: u64| std::time::Duration::from_secs(60 * n);
        let config = Config {
            segment_bytes_max: 16 << 10,
            retention: minutes(30),
            keep_read: minutes(10),
            ..config()
        };
        Self {
            disk: SimDisk::new(1),
            clock: clock(),
            config,
            offsets: Vec::new(),
        }
    }

    fn open(&self) -> Local {
        let disk = Disk::Sim(self.disk.clone());
        Local::open_inline(
            disk,
            &self.config,
            2,
            self.clock.clone(),
            Metrics::default(),
        )
        .expect("opens")
    }

    /// A record of 4 KB a minute.
    async fn append(&mut self, log: &Local, n_minutes: u32) {
        for _ in 0..n_minutes {
            self.clock.advance(MINUTE_MS);
            log.enforce_retention(); // It sees the clock go on; only what it did not see is a jump.
            self.offsets.push(append(log, 0, &[7; 4_000]).await);
        }
    }

    async fn commit(&self, log: &Local, partition: u32, offset: Offset) {
        let commit = Commit {
            offset,
            end_offset: offset,
        };
        for topic in Topic::READ {
            let of = TopicPartition {
                topic,
                partition: Partition(partition),
            };
            log.commit(of, commit).await.expect("commits");
        }
    }

    /// How many records are left, all of them the newest.
    async fn n_left(&self, log: &Local) -> usize {
        log.enforce_retention();
        let n_left = read(log, 0, Start::Earliest).await.len();
        let lost = self.offsets.len() - n_left;
        log.fetch(spans(0), &self.offsets[lost..])
            .await
            .expect("the newest are all there");
        if let Some(oldest_lost) = lost.checked_sub(1).map(|idx| self.offsets[idx]) {
            let fetched = log.fetch(spans(0), &[oldest_lost]).await;
            assert!(
                matches!(fetched, Err(LogError::OffsetLost { .. })),
                "{fetched:?}"
            );
            let consumed = log.consume(spans(0), Start::At(oldest_lost)).await;
            assert!(matches!(consumed, Err(LogError::OffsetLost { .. })));
        }
        n_left
    }
}

#[tokio::test]
async fn what_is_read_goes_by_age_and_a_restart_knows_that_it_went() {
    let mut kept = Kept::new();
    let log = kept.open();
    kept.append(&log, 100).await;
    for partition in 0..2 {
        kept.commit(&log, partition, kept.offsets[99]).await;
    }
    let n_left = kept.n_left(&log).await;
    assert!(
        (30..36).contains(&n_left),
        "30 min and a started segment: {n_left}"
    );
    drop(log);
    assert_eq!(kept.n_left(&kept.open()).await, n_left);
}

#[tokio::test]
async fn what_is_unread_or_may_be_read_again_stays() {
    let mut kept = Kept::new();
    kept.config.bytes_max = 0;
    let log = kept.open();
    kept.append(&log, 100).await;
    assert_eq!(kept.n_left(&log).await, 100, "nobody has read anything");
    kept.commit(&log, 0, kept.offsets[99]).await;
    assert_eq!(kept.n_left(&log).await, 100, "one partition was never read");
    kept.commit(&log, 1, kept.offsets[40]).await;
    let n_left = kept.n_left(&log).await;
    assert!(
        (70..78).contains(&n_left),
        "60 min unread and 10 min behind them: {n_left}"
    );
    kept.commit(&log, 1, kept.offsets[99]).await;
    let n_left = kept.n_left(&log).await;
    assert!(
        (10..18).contains(&n_left),
        "over the size, 10 min behind the commit stay: {n_left}"
    );
}

#[tokio::test]
async fn a_clock_that_was_wrong_for_a_while_makes_nothing_older() {
    for wrong_ms in [400 * 24 * 60 * MINUTE_MS, -400 * 24 * 60 * MINUTE_MS] {
        let mut kept = Kept::new();
        let log = kept.open();
        kept.append(&log, 20).await;
        kept.clock.advance(wrong_ms);
        kept.append(&log, 5).await;
        kept.clock.advance(-wrong_ms);
        kept.append(&log, 2).await;
        for partition in 0..2 {
            kept.commit(&log, partition, kept.offsets[26]).await;
        }
        assert_eq!(kept.n_left(&log).await, 27, "{wrong_ms} ms");
        kept.append(&log, 100).await;
        for partition in 0..2 {
            kept.commit(&log, partition, kept.offsets[126]).await;
        }
        let n_left = kept.n_left(&log).await;
        assert!(n_left < 110, "it is deleted in the end: {n_left}");
    }
}

#[tokio::test]
async fn a_jump_of_the_clock_deletes_nothing() {
    let mut kept = Kept::new();
    let log = kept.open();
    kept.append(&log, 20).await;
    kept.clock.advance(400 * 24 * 60 * MINUTE_MS);
    for partition in 0..2 {
        kept.commit(&log, partition, kept.offsets[19]).await;
    }
    assert_eq!(kept.n_left(&log).await, 20);
}
