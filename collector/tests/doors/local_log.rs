//! The same over the real local log: what was answered with OK is there to be read.

use bus::{Bus, Consumer, Fetched, Log, Partition, Start, Topic, TopicPartition};
use telemetry::Clock;

use crate::corpus::{body, spans, spans_of};
use crate::server::Server;
use crate::wire::{PROTOBUF, call, framed, post};

/// Spans of every record of every partition, read back from the log.
async fn read_back(log: &Bus) -> Vec<bus::Draft> {
    let mut drafts = Vec::new();
    for partition in 0..log.n_partitions(Topic::Spans) {
        let of = TopicPartition {
            topic: Topic::Spans,
            partition: Partition(partition),
        };
        let mut consumer = log.consume(of, Start::Earliest).await.expect("it is open");
        while let Fetched::Records(records) = consumer.next().await.expect("it is open") {
            drafts.extend(records.into_iter().map(|record| bus::Draft {
                to: record.of,
                header: record.header,
                payload: record.payload,
            }));
        }
    }
    drafts
}

fn open(folder: &tempfile::TempDir) -> Bus {
    let (config, metrics) = (bus::Config::default(), bus::Metrics::default());
    Bus::open(&config, folder.path(), 3, Clock::host(), metrics).expect("an empty folder")
}

#[tokio::test]
async fn what_was_answered_with_ok_is_in_the_log_after_it_was_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::on(open(&folder), |_| {}).await;
    assert!(
        call(server.grpc, &[], &framed(false, &body(64)))
            .await
            .is_ok()
    );
    assert_eq!(spans_of(&read_back(&server.log).await), spans(64));
    assert_eq!(post(server.http, &[PROTOBUF], &body(64)).await.status, 200);
    server.stop().await;

    let again = open(&folder);
    let drafts = read_back(&again).await;
    assert_eq!(spans_of(&drafts).len(), 128);
    let hash = drafts[0].header.request_hash;
    assert!(drafts.iter().all(|draft| draft.header.request_hash == hash));
}
