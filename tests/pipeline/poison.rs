//! Records that cannot be read, one that applying panics at and one that ends the process: dead letters with their span counts, and all others are taken.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use bus::machine::mutant::{ABORTS, PANICS};
use bus::{Draft, Header, Kind, Local, Log, Partition, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use harness::{Tracewell, otlp};
use telemetry::{Clock, RecordTime, Tenant};

const RECORDS: u32 = 100_000;
/// Every so many records one is garbage.
const POISON_EVERY: u32 = 1_000;
const PANICS_AT: u32 = 33_333;
const ABORTS_AT: u32 = 66_666;
/// Spans that a record says it has: a readable one 1, and those that cannot be read another number each.
const GARBAGE_SPANS: u32 = 3;
const PANICS_SPANS: u32 = 5;
const ABORTS_SPANS: u32 = 11;
const DEAD_SPANS: u32 = RECORDS / POISON_EVERY * GARBAGE_SPANS + PANICS_SPANS + ABORTS_SPANS;
const READABLE_SPANS: u32 = RECORDS - RECORDS / POISON_EVERY - 2;
/// Found among many, found alone, condemned.
const DEATHS_MAX: u32 = 3;
/// Spans settle 2 s after their root and epochs are 10 s long; the rest is slack for a slow machine.
const REST_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn f22_poison_becomes_dead_letters_and_kills_twice_at_most() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?
        .with_binary(Path::new(env!("CARGO_BIN_EXE_tracewell-poisoned")));
    write(&server.data_dir().join("log")).await?;

    let mut n_deaths = 0;
    while let Err(error) = server.start().await {
        ensure!(error.to_string().contains("ended with"), "{error:#}");
        n_deaths += 1;
        ensure!(n_deaths <= DEATHS_MAX, "it dies on: {}", server.log());
    }
    ensure!(n_deaths >= 2, "{n_deaths} deaths: the record did not abort");

    let spans = async |state: &str| {
        let label = format!("state=\"{state}\"");
        server.metric("tracewell_spans_total", &[&label]).await
    };
    // The records lie before the first policy, so the defaults of the release decide: they keep some and count the rest.
    let decided = async || anyhow::Ok(spans("stored").await? + spans("sampled_out").await?);
    let all_decided = async {
        while decided().await? < f64::from(READABLE_SPANS) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(REST_MAX, all_decided).await??;
    ensure!(decided().await? == f64::from(READABLE_SPANS));
    ensure!(spans("dead_lettered").await? == f64::from(DEAD_SPANS));
    ensure!(spans("accepted").await? == f64::from(READABLE_SPANS + DEAD_SPANS));
    ensure!(server.log().contains("TW4009"), "who condemned it says so");
    Ok(())
}

/// The log as a process left it: one partition, one span a record.
async fn write(path: &Path) -> Result<()> {
    let (config, metrics) = (bus::Config::default(), bus::Metrics::default());
    let log = Local::open(path, &config, 1, Clock::host(), metrics)?;
    let all: Vec<u32> = (0..RECORDS).collect();
    for some in all.chunks(1_000) {
        log.append(some.iter().map(|at| draft(*at)).collect())
            .await?;
    }
    Ok(())
}

fn draft(at: u32) -> Draft {
    let (n_items, payload) = match at {
        PANICS_AT => (PANICS_SPANS, Bytes::from_static(PANICS)),
        ABORTS_AT => (ABORTS_SPANS, Bytes::from_static(ABORTS)),
        _ if at % POISON_EVERY == POISON_EVERY / 2 => {
            (GARBAGE_SPANS, Bytes::from_static(b"\xffpoison"))
        }
        _ => {
            let span = otlp::span(u128::from(at) + 1, 1, 0, 1_700_000_000_000_000_000);
            (1, Bytes::from(otlp::body("poison", vec![span])))
        }
    };
    let of = TopicPartition {
        topic: Topic::Spans,
        partition: Partition(0),
    };
    let header = Header {
        tenant: Tenant::default_tenant(),
        kind: Kind::Otlp,
        accepted_at: RecordTime::default(),
        n_items,
        request_hash: RequestHash(u128::from(at)),
        part: 0,
        historic: false,
    };
    Draft {
        to: of,
        header,
        payload,
    }
}
