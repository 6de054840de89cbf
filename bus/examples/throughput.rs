//! Measures the local log on this disk: appends with fsync at two record sizes, and one pass over what was written.
//!
//! `cargo run --release -p tracewell-bus --example throughput -- DIR`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bus::{
    Config, Consumer, Draft, Fetched, Header, Kind, Local, Log, Metrics, Partition, RequestHash,
    Start, Topic, TopicPartition,
};
use bytes::Bytes;
use telemetry::{Clock, RecordTime, Tenant};

const N_PARTITIONS: u32 = 4;

fn draft(partition: u32, payload: &Bytes) -> Draft {
    Draft {
        to: spans(partition),
        header: Header {
            tenant: Tenant::default_tenant(),
            kind: Kind::Otlp,
            accepted_at: RecordTime { unix_ms: 0 },
            n_items: 1,
            request_hash: RequestHash(0),
            part: 0,
            historic: false,
        },
        payload: payload.clone(),
    }
}

fn spans(partition: u32) -> TopicPartition {
    TopicPartition {
        topic: Topic::Spans,
        partition: Partition(partition),
    }
}

/// Appends `n_records` of `payload`, with `n_senders` at a time, and returns how long each took.
async fn append(
    log: &Local,
    clock: &Clock,
    payload: &Bytes,
    n_records: u32,
    n_senders: u32,
) -> Vec<Duration> {
    let senders = (0..n_senders).map(|sender| async move {
        let mut took = Vec::new();
        for i in 0..n_records / n_senders {
            let began = clock.monotonic();
            let drafts = vec![draft((sender + i) % N_PARTITIONS, payload)];
            log.append(drafts).await.expect("appends");
            took.push(clock.monotonic() - began);
        }
        took
    });
    futures::future::join_all(senders).await.concat()
}

async fn read_all(log: &Local) -> (usize, usize) {
    let mut total = (0, 0);
    for partition in 0..N_PARTITIONS {
        let mut consumer = log
            .consume(spans(partition), Start::Earliest)
            .await
            .expect("consumes");
        while let Fetched::Records(records) = consumer.next().await.expect("reads") {
            total.0 += records.len();
            total.1 += records
                .iter()
                .map(|record| record.payload.len())
                .sum::<usize>();
        }
    }
    total
}

#[expect(clippy::print_stdout, reason = "its output is the figures")]
#[tokio::main]
async fn main() {
    let dir = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from("throughput-log"), PathBuf::from);
    let clock = Clock::host();
    for (payload_bytes, n_records, n_senders) in [
        (256 << 10, 4_000, 1),
        (256 << 10, 4_000, 8),
        (4 << 10, 4_000, 1),
        (4 << 10, 200_000, 256),
    ] {
        let open = || {
            Local::open(
                &dir,
                &Config::default(),
                N_PARTITIONS,
                Clock::host(),
                Metrics::default(),
            )
        };
        let log = open().expect("opens");
        let payload = Bytes::from(vec![7; payload_bytes]);
        let began = clock.monotonic();
        let mut took = append(&log, &clock, &payload, n_records, n_senders).await;
        let wall = (clock.monotonic() - began).as_secs_f64();
        took.sort();
        let quantile = |q: f64| took[((took.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
        let mb = took.len() as f64 * payload_bytes as f64 / 1e6;
        println!(
            "append {payload_bytes:>7} B x {n_senders:>3}: {:>8.0} records/s {:>6.0} MB/s  p50 {:.2} ms  p99 {:.2} ms  max {:.1} ms",
            took.len() as f64 / wall,
            mb / wall,
            quantile(0.5),
            quantile(0.99),
            quantile(1.0),
        );
        drop(log);
        let began: Instant = clock.monotonic();
        let log = open().expect("opens");
        let opened = (clock.monotonic() - began).as_secs_f64() * 1e3;
        let began = clock.monotonic();
        let (n_read, n_bytes) = read_all(&log).await;
        let wall = (clock.monotonic() - began).as_secs_f64();
        println!(
            "open {opened:.0} ms; read {n_read} records in {N_PARTITIONS} passes: {:.0} records/s, {:.0} MB/s of payload",
            n_read as f64 / wall,
            n_bytes as f64 / 1e6 / wall,
        );
        drop(log);
        std::fs::remove_dir_all(&dir).expect("removes");
    }
}
