//! What `bus::Log` promises, run on every implementation. A test takes two handles of one log, as two processes would have them.

use std::collections::BTreeSet;

use bus::{
    Assignment, Commit, Config, Consumer, Draft, Fetched, Header, Kind, Local, Log, LogError,
    Member, Metrics, Offset, Partition, PublishError, Record, RequestHash, Start, Topic,
    TopicPartition,
};
use bytes::Bytes;
use futures::FutureExt;
use telemetry::{Clock, RecordTime, Tenant};

mod faults;
mod kafka;
mod local;

/// Partitions of `spans` in every log that is tested.
const N_PARTITIONS: u32 = 4;

fn spans(partition: u32) -> TopicPartition {
    TopicPartition {
        topic: Topic::Spans,
        partition: Partition(partition),
    }
}

fn header() -> Header {
    Header {
        tenant: Tenant::default_tenant(),
        kind: Kind::Otlp,
        accepted_at: RecordTime {
            unix_ms: 1_700_000_000_000,
        },
        n_items: 5,
        request_hash: RequestHash(u128::MAX / 3),
        part: 2,
        historic: false,
    }
}

fn draft(partition: u32, payload: impl Into<Bytes>) -> Draft {
    Draft {
        to: spans(partition),
        header: header(),
        payload: payload.into(),
    }
}

/// Appends one record after the other and returns their offsets.
async fn append<L: Log>(
    log: &L,
    partition: u32,
    payloads: impl IntoIterator<Item = String>,
) -> Vec<Offset> {
    let mut offsets = Vec::new();
    for payload in payloads {
        let appended = log
            .append(vec![draft(partition, payload)])
            .await
            .expect("appended");
        offsets.extend(appended.into_iter().map(|one| one.offset));
    }
    offsets
}

fn numbered(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|i| format!("payload {i}"))
}

/// Everything from `start` to the end.
async fn read<L: Log>(log: &L, partition: u32, start: Start) -> Vec<Record> {
    let mut consumer = log
        .consume(spans(partition), start)
        .await
        .expect("consumes");
    read_to_end(&mut consumer).await
}

async fn read_to_end<C: Consumer>(consumer: &mut C) -> Vec<Record> {
    let mut records = Vec::new();
    while let Fetched::Records(batch) = consumer.next().await.expect("reads") {
        assert!(!batch.is_empty(), "a batch has records");
        records.extend(batch);
    }
    records
}

fn payloads(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(&record.payload).into_owned();
    records.iter().map(text).collect()
}

pub(crate) async fn records_come_back_in_order_of_their_partition<L: Log>(a: L, b: L) {
    assert_eq!(a.n_partitions(Topic::Spans), N_PARTITIONS);
    assert_eq!(a.n_partitions(Topic::DeadLetters), 1);
    for i in 0..20 {
        let drafts = (0..N_PARTITIONS).flat_map(|p| {
            [
                draft(p, format!("{p} {i} first")),
                draft(p, format!("{p} {i} second")),
            ]
        });
        let drafts: Vec<_> = drafts.collect();
        let appended = a.append(drafts.clone()).await.expect("appended");
        let places: Vec<_> = appended.iter().map(|one| one.of).collect();
        assert_eq!(
            places,
            drafts.iter().map(|draft| draft.to).collect::<Vec<_>>(),
            "answers in order of the drafts"
        );
    }
    for p in 0..N_PARTITIONS {
        let expected: Vec<_> = (0..20)
            .flat_map(|i| [format!("{p} {i} first"), format!("{p} {i} second")])
            .collect();
        let records = read(&b, p, Start::Earliest).await;
        assert_eq!(payloads(&records), expected);
        assert!(
            records.is_sorted_by(|x, y| x.offset < y.offset),
            "offsets grow"
        );
        assert!(records.iter().all(|record| record.of == spans(p)));
    }
}

pub(crate) async fn headers_and_payloads_come_back_exactly<L: Log>(a: L, b: L) {
    let mut drafts = Vec::new();
    for kind in [Kind::Otlp, Kind::Tick, Kind::Control] {
        for tenant in ["a".to_owned(), "x".repeat(150)] {
            let tenant = tenant.parse().expect("a tenant");
            let header = Header {
                tenant,
                kind,
                historic: kind == Kind::Otlp,
                part: u16::MAX,
                ..header()
            };
            for payload in [&b""[..], b"\0\xff", &[7; 300_000]] {
                drafts.push(Draft {
                    to: spans(1),
                    header: header.clone(),
                    payload: Bytes::copy_from_slice(payload),
                });
            }
        }
    }
    a.append(drafts.clone()).await.expect("appended");
    let records = read(&b, 1, Start::Earliest).await;
    assert_eq!(records.len(), drafts.len());
    for (record, draft) in records.iter().zip(&drafts) {
        assert_eq!(
            (&record.header, &record.payload),
            (&draft.header, &draft.payload)
        );
        assert!(record.appended_at.unix_ms > 0, "stamped");
    }
}

pub(crate) async fn what_is_acknowledged_has_its_offset<L: Log>(a: L, b: L) {
    let offsets = append(&a, 2, numbered(0..30)).await;
    let records = read(&b, 2, Start::Earliest).await;
    assert_eq!(
        records
            .iter()
            .map(|record| record.offset)
            .collect::<Vec<_>>(),
        offsets
    );
    assert_eq!(a.append(Vec::new()).await.expect("nothing to do"), []);
}

pub(crate) async fn reading_starts_where_it_is_told<L: Log>(a: L, b: L) {
    let offsets = append(&a, 0, numbered(0..30)).await;
    for from in [0, 1, 17, 29] {
        let records = read(&b, 0, Start::At(offsets[from])).await;
        assert_eq!(
            payloads(&records),
            numbered(from as u32..30).collect::<Vec<_>>()
        );
    }
    let past_last = Offset(offsets[29].0 + 1);
    let mut consumer = b
        .consume(spans(0), Start::At(past_last))
        .await
        .expect("consumes");
    assert_eq!(consumer.next().await.expect("reads"), Fetched::End);
    append(&a, 0, numbered(30..31)).await;
    assert_eq!(payloads(&read_to_end(&mut consumer).await), ["payload 30"]);
}

pub(crate) async fn the_end_is_told_once_and_then_waited_at<L: Log>(a: L, b: L) {
    let mut consumer = b
        .consume(spans(3), Start::Earliest)
        .await
        .expect("consumes");
    assert_eq!(consumer.next().await.expect("reads"), Fetched::End);
    for i in 0..5 {
        assert!(
            consumer.next().now_or_never().is_none(),
            "it waits for the next record"
        );
        append(&a, 2, numbered(0..1)).await;
        append(&a, 3, numbered(i..i + 1)).await;
        assert_eq!(
            payloads(&read_to_end(&mut consumer).await),
            [format!("payload {i}")]
        );
    }
}

pub(crate) async fn a_read_that_is_cancelled_loses_nothing<L: Log>(a: L, b: L) {
    append(&a, 0, numbered(0..50)).await;
    let mut consumer = b
        .consume(spans(0), Start::Earliest)
        .await
        .expect("consumes");
    let mut records = Vec::new();
    loop {
        match consumer.next().now_or_never() {
            Some(Ok(Fetched::Records(batch))) => records.extend(batch),
            Some(Ok(Fetched::End)) => break,
            Some(Err(error)) => panic!("{error}"),
            None => tokio::task::yield_now().await,
        }
    }
    assert_eq!(payloads(&records), numbered(0..50).collect::<Vec<_>>());
}

pub(crate) async fn consumers_have_cursors_of_their_own<L: Log>(a: L, b: L) {
    append(&a, 1, numbered(0..10)).await;
    let mut first = a
        .consume(spans(1), Start::Earliest)
        .await
        .expect("consumes");
    let mut second = b
        .consume(spans(1), Start::Earliest)
        .await
        .expect("consumes");
    assert_eq!(
        read_to_end(&mut first).await,
        read_to_end(&mut second).await
    );
    append(&b, 1, numbered(10..12)).await;
    assert_eq!(
        payloads(&read_to_end(&mut second).await),
        ["payload 10", "payload 11"]
    );
    assert_eq!(
        payloads(&read_to_end(&mut first).await),
        ["payload 10", "payload 11"]
    );
}

pub(crate) async fn single_records_are_fetched_again<L: Log>(a: L, b: L) {
    let offsets = append(&a, 2, numbered(0..20)).await;
    append(&a, 1, numbered(0..20)).await;
    let wanted = [offsets[0], offsets[3], offsets[4], offsets[19]];
    let records = b.fetch(spans(2), &wanted).await.expect("all are there");
    assert_eq!(
        payloads(&records),
        ["payload 0", "payload 3", "payload 4", "payload 19"]
    );
    assert_eq!(
        records
            .iter()
            .map(|record| record.offset)
            .collect::<Vec<_>>(),
        wanted
    );
    assert_eq!(b.fetch(spans(2), &[]).await.expect("nothing to do"), []);
    let past = Offset(offsets[19].0 + 1_000_000);
    let refused = b
        .fetch(spans(2), &[offsets[0], past])
        .await
        .expect_err("one is not there");
    assert!(
        matches!(refused, LogError::NoRecord { offset, .. } if offset == past),
        "{refused}"
    );
}

pub(crate) async fn the_last_commit_is_found<L: Log>(a: L, b: L) {
    assert_eq!(b.committed(spans(0)).await.expect("reads"), None);
    let offsets = append(&a, 0, numbered(0..10)).await;
    for (from, end) in [(0, 0), (0, 5), (4, 9)] {
        let commit = Commit {
            offset: offsets[from],
            end_offset: offsets[end],
        };
        a.commit(spans(0), commit).await.expect("commits");
        assert_eq!(b.committed(spans(0)).await.expect("reads"), Some(commit));
    }
    assert_eq!(
        b.committed(spans(1)).await.expect("reads"),
        None,
        "of its partition only"
    );
}

pub(crate) async fn a_record_that_is_too_large_is_refused<L: Log>(a: L, b: L) {
    let large = draft(0, vec![b'x'; 5 << 20]);
    let refused = a.append(vec![large]).await.expect_err("too large");
    assert!(
        matches!(refused, PublishError::TooLarge { .. }),
        "{refused}"
    );
    append(&a, 0, numbered(0..1)).await;
    assert_eq!(payloads(&read(&b, 0, Start::Earliest).await), ["payload 0"]);
}

pub(crate) async fn a_partition_that_does_not_exist_is_refused<L: Log>(a: L, _: L) {
    assert!(a.append(vec![draft(N_PARTITIONS, "x")]).await.is_err());
}

pub(crate) async fn senders_at_the_same_time_are_all_answered<L: Log>(a: L, b: L) {
    let senders = (0..40).map(|i| {
        let log = if i % 2 == 0 { a.clone() } else { b.clone() };
        async move { append(&log, 0, numbered(i * 5..i * 5 + 5)).await }
    });
    let mut offsets = futures::future::join_all(senders).await.concat();
    offsets.sort();
    let records = read(&a, 0, Start::Earliest).await;
    assert_eq!(
        records
            .iter()
            .map(|record| record.offset)
            .collect::<Vec<_>>(),
        offsets
    );
    let distinct: BTreeSet<_> = payloads(&records).into_iter().collect();
    assert_eq!(distinct, numbered(0..200).collect());
}

/// What a member owns after the next change.
async fn change<M: Member>(member: &mut M, owned: &mut BTreeSet<Partition>) {
    match member.next().await.expect("a change") {
        Assignment::Assigned(partition) => assert!(owned.insert(partition), "assigned twice"),
        Assignment::Revoked(partition) => {
            assert!(owned.remove(&partition), "revoked and not owned")
        }
    }
}

pub(crate) async fn partitions_are_shared_among_members<L: Log>(a: L, b: L) {
    let all: BTreeSet<_> = (0..N_PARTITIONS).map(Partition).collect();
    let (mut of_first, mut of_second) = (BTreeSet::new(), BTreeSet::new());
    let mut first = a.join(Topic::Spans).await.expect("joins");
    while of_first != all {
        change(&mut first, &mut of_first).await;
    }
    let mut second = b.join(Topic::Spans).await.expect("joins");
    // On the way there both may own nothing, or one of them everything.
    while !(of_first.len() == 2
        && of_first.is_disjoint(&of_second)
        && &of_first | &of_second == all)
    {
        tokio::select! {
            () = change(&mut first, &mut of_first) => {}
            () = change(&mut second, &mut of_second) => {}
        }
    }
}

/// Runs every promise on logs made by `$pair`, which gives two handles of a new log and whatever keeps it alive.
macro_rules! suite {
    ($pair:path: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (a, b, _alive) = $pair();
                super::$promise(a, b).await;
            }
        )*
    };
    ($pair:path) => {
        super::suite! { $pair:
            records_come_back_in_order_of_their_partition
            headers_and_payloads_come_back_exactly
            what_is_acknowledged_has_its_offset
            reading_starts_where_it_is_told
            the_end_is_told_once_and_then_waited_at
            a_read_that_is_cancelled_loses_nothing
            consumers_have_cursors_of_their_own
            single_records_are_fetched_again
            the_last_commit_is_found
            a_record_that_is_too_large_is_refused
            a_partition_that_does_not_exist_is_refused
            senders_at_the_same_time_are_all_answered
            partitions_are_shared_among_members
        }
    };
}
use suite;
