//! The local log in a real folder: what comes back after it was closed, killed or damaged.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use telemetry::RecordTime;
use tempfile::TempDir;

mod crash;
mod damage;
mod kept;

use super::*;
use crate::{Consumer, Fetched, Header, Kind, Partition, RequestHash};

fn config() -> Config {
    Config {
        segment_bytes_max: 64 << 10,
        disk_reserve: 0,
        ..Config::default()
    }
}

fn clock() -> Clock {
    Clock::manual(1_000)
}

fn open(path: &Path) -> Local {
    open_as(path, &config()).expect("opens")
}

fn open_as(path: &Path, config: &Config) -> Result<Local, OpenError> {
    Local::open(path, config, 2, clock(), Metrics::default())
}

fn spans(partition: u32) -> TopicPartition {
    TopicPartition {
        topic: Topic::Spans,
        partition: Partition(partition),
    }
}

fn draft(partition: u32, payload: &[u8]) -> Draft {
    Draft {
        to: spans(partition),
        header: Header {
            tenant: telemetry::Tenant::default_tenant(),
            kind: Kind::Otlp,
            accepted_at: RecordTime { unix_ms: 7 },
            n_items: 3,
            request_hash: RequestHash(u128::from(partition)),
            part: 1,
            historic: false,
        },
        payload: Bytes::copy_from_slice(payload),
    }
}

async fn append(log: &Local, partition: u32, payload: &[u8]) -> Offset {
    log.append(vec![draft(partition, payload)])
        .await
        .expect("appended")[0]
        .offset
}

/// Every payload of a partition from `start` up to the end.
async fn read(log: &Local, partition: u32, start: Start) -> Vec<Bytes> {
    let mut consumer = log
        .consume(spans(partition), start)
        .await
        .expect("consumes");
    let mut payloads = Vec::new();
    while let Fetched::Records(records) = consumer.next().await.expect("reads") {
        payloads.extend(records.into_iter().map(|record| record.payload));
    }
    payloads
}

fn segment_files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(path)
        .expect("lists")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "seg"))
        .collect();
    files.sort();
    files
}

/// The `i`-th payload: of every length, none like another.
fn payload(i: u32) -> Vec<u8> {
    i.to_le_bytes().repeat(i as usize % 700 + 1)
}

#[tokio::test]
async fn what_was_appended_is_read_in_order_of_its_partition() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    for i in 0..100 {
        append(&log, i % 2, &payload(i)).await;
    }
    for partition in 0..2 {
        let expected: Vec<_> = (0..100)
            .filter(|i| i % 2 == partition)
            .map(payload)
            .collect();
        assert_eq!(read(&log, partition, Start::Earliest).await, expected);
    }
}

#[tokio::test]
async fn a_restart_finds_everything_and_goes_on_at_new_addresses() {
    let dir = TempDir::new().expect("dir");
    let mut last = Offset(0);
    for run in 0..5 {
        let log = open(dir.path());
        assert_eq!(read(&log, 0, Start::Earliest).await.len(), run * 40);
        for i in 0..40 {
            let offset = append(&log, 0, &payload(i)).await;
            assert!(offset > last);
            last = offset;
        }
        assert_eq!(log.damage(), []);
    }
}

#[tokio::test]
async fn a_record_is_fetched_by_its_offset() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    let mut offsets = Vec::new();
    for i in 0..200 {
        offsets.push(append(&log, 1, &payload(i)).await);
    }
    let fetched = log.fetch(spans(1), &offsets).await.expect("all there");
    for (i, record) in fetched.iter().enumerate() {
        assert_eq!(record.payload, payload(i as u32));
        assert_eq!((record.offset, record.of), (offsets[i], spans(1)));
    }
    let between = Offset(offsets[3].0 + 8);
    let error = log
        .fetch(spans(1), &[offsets[0], between])
        .await
        .expect_err("none there");
    assert!(matches!(error, LogError::NoRecord { offset, .. } if offset == between));
    assert!(
        log.fetch(spans(0), &offsets[..1]).await.is_err(),
        "of another partition"
    );
}

#[tokio::test]
async fn reading_starts_at_an_offset_or_the_next_record() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    let mut offsets = Vec::new();
    for i in 0..300 {
        offsets.push(append(&log, 0, &payload(i)).await);
    }
    for from in [0, 1, 150, 299] {
        let left = read(&log, 0, Start::At(offsets[from])).await;
        assert_eq!(left.len(), 300 - from);
    }
    assert_eq!(read(&log, 0, Start::At(Offset(0))).await.len(), 300);
}

#[tokio::test]
async fn a_waiting_consumer_hears_of_the_next_record() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    let mut consumer = log
        .consume(spans(0), Start::Earliest)
        .await
        .expect("consumes");
    assert_eq!(consumer.next().await.expect("reads"), Fetched::End);
    let (next, _) = tokio::join!(consumer.next(), async {
        append(&log, 1, b"of another partition").await;
        append(&log, 0, b"hello").await
    });
    let Fetched::Records(records) = next.expect("reads") else {
        panic!("the end was told before")
    };
    assert_eq!(records[0].payload, b"hello"[..]);
}

/// The next record of a consumer that has more to read.
async fn next(consumer: &mut LocalConsumer) -> Record {
    loop {
        if let Fetched::Records(records) = consumer.next().await.expect("reads") {
            assert_eq!(records.len(), 1);
            return records[0].clone();
        }
    }
}

#[tokio::test]
async fn a_record_from_memory_is_the_one_in_the_file() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    let mut first = log
        .consume(spans(0), Start::Earliest)
        .await
        .expect("consumes");
    for i in 0..10 {
        append(&log, 1, b"of another partition").await;
        let offset = append(&log, 0, &payload(i)).await;
        let record = next(&mut first).await;
        if i > 0 {
            // the first is read from the file, as the log knows nothing of what was there before
            let recent = log.0.segments.recent.take(spans(0), offset.0);
            assert!(recent.is_none(), "it was taken");
        }
        let from_file = log.fetch(spans(0), &[offset]).await.expect("it is there");
        assert_eq!(vec![record], from_file);
    }
    assert_eq!(
        read(&log, 0, Start::Earliest).await.len(),
        10,
        "who comes later"
    );
}

#[tokio::test]
async fn commits_are_there_after_a_restart() {
    let dir = TempDir::new().expect("dir");
    let commit = |n| Commit {
        offset: Offset(n),
        end_offset: Offset(n + 5),
    };
    let log = open(dir.path());
    assert_eq!(log.committed(spans(0)).await.expect("reads"), None);
    for n in 0..7 {
        log.commit(spans(0), commit(n)).await.expect("commits");
        log.commit(spans(1), commit(100 + n))
            .await
            .expect("commits");
    }
    drop(log);
    let log = open(dir.path());
    assert_eq!(
        log.committed(spans(0)).await.expect("reads"),
        Some(commit(6))
    );
    assert_eq!(
        log.committed(spans(1)).await.expect("reads"),
        Some(commit(106))
    );
    let past = append(&log, 0, b"x").await;
    assert!(
        past > Offset(111),
        "an address below a commit would be read as done"
    );
}

#[tokio::test]
async fn the_number_of_partitions_is_pinned() {
    let dir = TempDir::new().expect("dir");
    let fixed = |n| Config {
        partitions: crate::config::Partitions::Fixed(n),
        ..config()
    };
    drop(open_as(dir.path(), &fixed(3)).expect("made"));
    assert_eq!(open(dir.path()).n_partitions(Topic::Spans), 3);
    let error = open_as(dir.path(), &fixed(4)).expect_err("other number");
    assert_eq!(
        error.to_string(),
        "the log has 3 partitions for life, bus.partitions says 4"
    );
}

#[tokio::test]
async fn two_processes_cannot_have_one_log() {
    let dir = TempDir::new().expect("dir");
    let _log = open(dir.path());
    assert!(matches!(
        open_as(dir.path(), &config()),
        Err(OpenError::InUse { .. })
    ));
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().expect("dir");
    let path = dir.path().join("log");
    let log = open(&path);
    append(&log, 0, b"secret").await;
    log.commit(
        spans(0),
        Commit {
            offset: Offset(0),
            end_offset: Offset(0),
        },
    )
    .await
    .expect("commits");
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o777,
        0o700
    );
    for entry in fs::read_dir(&path).expect("lists") {
        let mode = entry
            .expect("entry")
            .metadata()
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_told_as_no_damage() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    for i in 0..20 {
        append(&log, 0, &payload(i)).await;
    }
    drop(log);
    let file = segment_files(dir.path()).pop().expect("a segment");
    let mut bytes = fs::read(&file).expect("reads");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("records") + 1;
    for keep in [used - 1, used - 30, used - 60] {
        bytes.truncate(keep);
        fs::write(&file, &bytes).expect("writes");
        let log = open(dir.path());
        assert_eq!(read(&log, 0, Start::Earliest).await.len(), 19);
        assert_eq!(log.damage(), []);
    }
}

#[tokio::test]
async fn damage_amid_the_log_is_told_and_stepped_over() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    let mut offsets = Vec::new();
    for i in 0..400 {
        offsets.push(append(&log, 0, &payload(i)).await);
    }
    drop(log);
    let files = segment_files(dir.path());
    assert!(files.len() > 3, "several segments");
    for (file, what) in [(&files[1], 100), (&files[files.len() - 1], 200)] {
        let mut bytes = fs::read(file).expect("reads");
        bytes[what] ^= 4;
        fs::write(file, bytes).expect("writes");
    }
    let log = open(dir.path());
    assert_eq!(read(&log, 0, Start::Earliest).await.len(), 398);
    assert_eq!(log.damage().len(), 2);
    let told: Vec<_> = log.damage().into_iter().map(|damage| damage.file).collect();
    assert_eq!(
        told,
        [
            files[1].display().to_string(),
            files[files.len() - 1].display().to_string()
        ]
    );
}

#[tokio::test]
async fn a_missing_segment_is_told_and_served_around() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    for i in 0..400 {
        append(&log, 0, &payload(i)).await;
    }
    drop(log);
    fs::remove_file(&segment_files(dir.path())[1]).expect("removed");
    let log = open(dir.path());
    let n_read = read(&log, 0, Start::Earliest).await.len();
    assert!((200..400).contains(&n_read), "{n_read}");
    assert_eq!(log.damage().len(), 1);
    assert_eq!(log.damage()[0].what, "a segment before this one is missing");
}

#[tokio::test]
async fn a_large_record_gets_a_segment_that_holds_it() {
    let dir = TempDir::new().expect("dir");
    let log = open(dir.path());
    let large = vec![7; PAYLOAD_BYTES_MAX];
    append(&log, 0, b"before").await;
    append(&log, 0, &large).await;
    append(&log, 0, b"after").await;
    let sizes: Vec<_> = read(&log, 0, Start::Earliest)
        .await
        .iter()
        .map(Bytes::len)
        .collect();
    assert_eq!(sizes, [6, PAYLOAD_BYTES_MAX, 5]);
    let error = log
        .append(vec![draft(0, &vec![7; PAYLOAD_BYTES_MAX + 1])])
        .await
        .expect_err("too large");
    assert!(matches!(error, PublishError::TooLarge { .. }));
}

#[tokio::test]
async fn stamps_follow_a_clock_that_is_set_back() {
    let dir = TempDir::new().expect("dir");
    let clock = Clock::manual(50_000);
    let open =
        || Local::open(dir.path(), &config(), 1, clock.clone(), Metrics::default()).expect("opens");
    let log = open();
    append(&log, 0, b"first").await;
    clock.advance(-20_000);
    append(&log, 0, b"second").await;
    drop(log);
    let log = open();
    append(&log, 0, b"third").await;
    clock.advance(30_000);
    append(&log, 0, b"fourth").await;
    let mut consumer = log
        .consume(spans(0), Start::Earliest)
        .await
        .expect("consumes");
    let mut stamps = Vec::new();
    while let Fetched::Records(records) = consumer.next().await.expect("reads") {
        stamps.extend(records.iter().map(|record| record.appended_at.unix_ms));
    }
    assert_eq!(stamps, [50_000, 30_000, 30_000, 60_000]);
}

/// Senders wait in a queue that is full; what an owner says gets in beside them all the same, and everything is written.
#[tokio::test]
async fn a_queue_that_senders_keep_full_has_room_for_what_owners_say() {
    let folder = TempDir::new().expect("a folder");
    let config = Config {
        queue_bytes_max: 1 << 10,
        ..config()
    };
    let log = open_as(folder.path(), &config).expect("opens");
    let payload = [7; 900];
    let own = Draft {
        header: Header {
            kind: Kind::Derived,
            ..draft(0, &[]).header
        },
        ..draft(0, &payload)
    };
    let senders = futures::future::join_all((0..200).map(|_| log.append(vec![draft(0, &payload)])));
    let owners = futures::future::join_all((0..200).map(|_| log.append(vec![own.clone()])));
    let (sent, said) = tokio::join!(senders, owners);
    assert!(sent.iter().any(Result::is_err), "the queue was never full");
    assert!(said.iter().all(Result::is_ok));
}
