//! What queries cost over an hour of 10 000 counters: parsing, and the whole way. `cargo run --release -p tracewell-metrics --example promql`.

use std::time::Instant;

use blocks::{BlockKind, BlockName, BlockStore, Blocks};
use bus::testing::Seeded;
use metrics::block::{BlockBuilder, Built, Meta};
use metrics::chunk::Effort;
use metrics::promql::{Engine, EngineConfig, Features, QueryOptions, QueryRange, parse};
use metrics::row::Row;
use metrics::series::Kind;
use metrics::{Config, Metrics, MetricsStore};
use telemetry::{Clock, Tenant};

const BEGIN_MS: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;
const STEP_MS: i64 = 10_000;
const SERIES: usize = 10_000;

/// 100 services on 100 instances, a point each 10 s.
fn build() -> Built {
    let mut builder = BlockBuilder::new(Effort::Thorough);
    let mut seeded = Seeded::new(1);
    for n in 0..SERIES {
        let (instance, service) = (format!("i-{}", n / 100), format!("service-{:02}", n % 100));
        let labels = [
            ("__name__", "http_requests_total"),
            ("instance", instance.as_str()),
            ("service", service.as_str()),
        ];
        let mut row = Row::new(Kind::Samples);
        let mut value = 0.0;
        for unix_ms in (BEGIN_MS..BEGIN_MS + HOUR_MS).step_by(STEP_MS as usize) {
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
    let folder = tempfile::tempdir().expect("a folder");
    let (config, metrics) = (blocks::Config::default(), blocks::Metrics::default());
    let local = blocks::Local::open(folder.path().into(), config, Clock::host(), metrics).await;
    let blocks = Blocks::Local(local.expect("a store"));
    let built = build();
    let name = BlockName {
        kind: BlockKind::Metrics,
        tenant: Tenant::default_tenant(),
        id: format!("s.00000.{:020}", 0),
    };
    let meta = Meta {
        first_offset: 0,
        end_offset: 1,
        ..built.meta
    };
    let put = blocks.put(&name, built.content, meta.encode(), built.body);
    put.await.expect("stored");
    let (config, metrics) = (Config::default(), Metrics::default());
    let store = MetricsStore::open(blocks, config, Clock::host(), (1, 1), metrics).await;
    let config = EngineConfig {
        memory_bytes_max: 1 << 30,
        ..EngineConfig::default()
    };
    let engine = Engine::new(store.expect("a store"), config);
    println!("{SERIES} counters, an hour at 10 s");
    let service = "http_requests_total{service=\"service-07\"}";
    for query in [
        service.to_owned(),
        format!("rate({service}[5m])"),
        "sum by (service) (rate(http_requests_total[5m]))".to_owned(),
        format!(
            "rate({service}[5m]) / on(instance) group_left rate(http_requests_total{{service=\"service-08\"}}[5m])"
        ),
        format!("max_over_time(rate({service}[5m])[10m:1m])"),
        "topk(5, rate(http_requests_total[5m]))".to_owned(),
    ] {
        let begun = Instant::now();
        for _ in 0..100 {
            parse(&query, Features::default()).expect("a query");
        }
        let parse_us = begun.elapsed().as_micros() / 100;
        let mut all_ms = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            let range = QueryRange {
                start_unix_ms: BEGIN_MS,
                end_unix_ms: BEGIN_MS + HOUR_MS,
                step_ms: 15_000,
            };
            let tenant = Tenant::default_tenant();
            let answer = engine
                .range(&tenant, &query, range, QueryOptions::default())
                .await;
            let n_samples = answer.expect("an answer").n_samples;
            all_ms.push((begun.elapsed().as_millis(), n_samples));
        }
        println!("  {query}\n    parsed in {parse_us} µs; {all_ms:?} (ms, samples)");
    }
}
