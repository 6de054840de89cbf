//! What a selection costs over an hour of blocks as they were sealed, and merged. `cargo run --release -p tracewell-metrics --example select`.

use std::time::Instant;

use blocks::{BlockKind, BlockName, BlockStore, Blocks};
use bus::testing::Seeded;
use metrics::block::{BlockBuilder, Built, Meta};
use metrics::chunk::Effort;
use metrics::row::Row;
use metrics::series::Kind;
use metrics::{Config, MatchOp, Matcher, Metrics, MetricsStore, SelectOptions};
use telemetry::{Clock, Tenant};

const BEGIN_MS: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;
const STEP_MS: i64 = 10_000;

/// Series of a metric, each with a name and a rank, and points of (from, to].
fn build(n_series: usize, (from, to): (i64, i64), effort: Effort) -> Built {
    let mut builder = BlockBuilder::new(effort);
    let mut seeded = Seeded::new(1);
    for n in 0..n_series {
        let (instance, number) = (
            format!("10.0.{}.{}:9100", n / 250, n % 250),
            format!("{n:06}"),
        );
        let few = (n % 100).to_string();
        let labels = [
            ("__name__", "http_requests_total"),
            ("env", "production"),
            ("instance", instance.as_str()),
            ("job", "node"),
            ("number", number.as_str()),
            ("shard", few.as_str()),
        ];
        let mut row = Row::new(Kind::Samples);
        let mut value = 0.0;
        for unix_ms in (from..to).step_by(STEP_MS as usize) {
            value += seeded.below(1_000) as f64;
            row.floats.push((unix_ms + STEP_MS, value));
        }
        builder.push(labels.into_iter(), &row);
    }
    builder.finish().expect("within limits")
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    for (n_series, n_blocks) in [(100_000, 12), (100_000, 1)] {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, metrics) = (blocks::Config::default(), blocks::Metrics::default());
        let local = blocks::Local::open(folder.path().into(), config, Clock::host(), metrics).await;
        let blocks = Blocks::Local(local.expect("a store"));
        let length = HOUR_MS / n_blocks;
        for n in 0..n_blocks {
            let range = (BEGIN_MS + n * length, BEGIN_MS + (n + 1) * length);
            let effort = if n_blocks == 1 {
                Effort::Thorough
            } else {
                Effort::Quick
            };
            put(&blocks, n as u64, build(n_series, range, effort)).await;
        }
        let opened = MetricsStore::open(
            blocks,
            Config::default(),
            Clock::host(),
            (1, 1),
            Metrics::default(),
        );
        let store = opened.await.expect("a store");
        println!("{n_series} series, an hour at 10 s, blocks: {n_blocks}");
        for (what, label, value) in [
            ("1 series", "number", "000777"),
            ("1 000 series", "shard", "7"),
            ("all series", "job", "node"),
        ] {
            let matchers = [
                equal("__name__", "http_requests_total"),
                equal(label, value),
            ];
            let mut all_ms = Vec::new();
            for _ in 0..5 {
                let begun = Instant::now();
                let tenant = Tenant::default_tenant();
                let (from, to) = (BEGIN_MS, BEGIN_MS + HOUR_MS);
                let found = store.select(&tenant, &matchers, from, to, SelectOptions::default());
                let n = found.await.expect("an answer").len();
                all_ms.push((begun.elapsed().as_millis(), n));
            }
            println!("  {what}: {all_ms:?} (ms, series)");
        }
    }
}

async fn put(blocks: &Blocks, n: u64, built: Built) {
    let name = BlockName {
        kind: BlockKind::Metrics,
        tenant: Tenant::default_tenant(),
        id: format!("s.00000.{n:020}"),
    };
    let meta = Meta {
        first_offset: n,
        end_offset: n + 1,
        ..built.meta
    };
    let put = blocks.put(&name, built.content, meta.encode(), built.body);
    put.await.expect("stored");
}

fn equal(name: &str, value: &str) -> Matcher {
    Matcher {
        name: name.to_owned(),
        op: MatchOp::Equal,
        value: value.to_owned(),
    }
}
