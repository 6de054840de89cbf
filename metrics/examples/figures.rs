//! What a sample costs in the store alone: ns to fold, bytes in blocks of five minutes and merged, memory of a series. `cargo run --release -p
//! tracewell-metrics --example figures`. The corpus is a host's: counters, gauges, shares and constants, a scrape each 10 s, times with a jitter per host.

use std::time::Instant;

use bus::testing::Seeded;
use metrics::block::BlockBuilder;
use metrics::chunk::Effort;
use metrics::fold::{Fold, Totals};
use metrics::head::{Caps, TenantHead};
use metrics::row::Row;
use metrics::series::SeriesId;

const HOSTS: usize = 40;
const SERIES_A_HOST: usize = 250;
const SCRAPES: usize = 360;
const BEGIN_MS: i64 = 1_700_000_000_000;

struct Source {
    labels: Vec<(String, String)>,
    host: usize,
    kind: usize,
    value: f64,
}

fn sources() -> Vec<Source> {
    let mut all = Vec::new();
    for host in 0..HOSTS {
        for n in 0..SERIES_A_HOST {
            let pairs = [
                ("__name__", format!("node_metric_{}_total", n / 8)),
                ("cluster", "production-eu-1".to_owned()),
                ("device", format!("dev{}", n % 8)),
                ("environment", "production".to_owned()),
                ("host_id", format!("{:032x}", host * 7_919)),
                ("host_name", format!("node-{host:04}.example.internal")),
                (
                    "instance",
                    format!("10.0.{}.{}:9100", host / 250, host % 250),
                ),
                ("job", "node".to_owned()),
                ("mode", ["user", "system", "idle"][n % 3].to_owned()),
                ("zone", ["a", "b", "c"][host % 3].to_owned()),
            ];
            let labels = pairs.map(|(name, value)| (name.to_owned(), value)).to_vec();
            all.push(Source {
                labels,
                host,
                kind: n % 10,
                value: (n * 1_000) as f64,
            });
        }
    }
    all
}

/// Counters of bytes and of events, seconds with two places, gauges of pages, shares of all digits, constants.
fn next(source: &mut Source, seeded: &mut Seeded) -> f64 {
    let below = |seeded: &mut Seeded, n: u64| seeded.below(n) as f64;
    source.value = match source.kind {
        0 | 1 => source.value + below(seeded, 1_000_000),
        2 | 3 => source.value + below(seeded, 50),
        4 => source.value + below(seeded, 1_000) / 100.0,
        5 | 6 => {
            (source.value / 4_096.0 + below(seeded, 65) - 32.0)
                .max(0.0)
                .round()
                * 4_096.0
        }
        7 => below(seeded, 1 << 53) / (1u64 << 53) as f64,
        _ => source.value,
    };
    source.value
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]
fn main() {
    let mut seeded = Seeded::new(7);
    let mut sources = sources();
    let caps = Caps {
        series_max: usize::MAX,
        metric_series_max: usize::MAX,
    };
    let resident_before = resident_bytes();
    let mut heads: Vec<TenantHead> = Vec::new();
    let (mut totals, mut fold_ns, mut n_samples) = (Totals::default(), 0u128, 0u64);
    for scrape in 0..SCRAPES {
        if scrape % 30 == 0 {
            heads.push(TenantHead::default());
        }
        let head = heads.last_mut().expect("pushed");
        let values: Vec<f64> = sources.iter_mut().map(|s| next(s, &mut seeded)).collect();
        let jitter: Vec<i64> = (0..HOSTS).map(|_| seeded.below(20) as i64).collect();
        let mut fold = Fold {
            head,
            totals: &mut totals,
            caps,
            oldest_unix_ms: None,
        };
        let mut labels: Vec<(&str, &str)> = Vec::new();
        let begun = Instant::now();
        for (source, value) in sources.iter().zip(values) {
            labels.clear();
            labels.extend(source.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let unix_ms = BEGIN_MS + scrape as i64 * 10_000 + jitter[source.host];
            fold.float(&labels, unix_ms, value);
            n_samples += 1;
        }
        fold_ns += begun.elapsed().as_nanos();
    }
    let resident = resident_bytes().saturating_sub(resident_before);
    let n_series = sources.len();
    println!("{n_series} series, {n_samples} samples");
    println!("fold: {} ns a sample", fold_ns / u128::from(n_samples));
    let formula = heads.last().map_or(0, TenantHead::bytes);
    println!(
        "head of 5 min: {} B a series by formula; {} heads take {} B a series each",
        formula / n_series as u64,
        heads.len(),
        resident / heads.len() as u64 / n_series as u64
    );
    let begun = Instant::now();
    let sealed: usize = heads.iter().map(|head| seal(head).len()).sum();
    println!(
        "sealed: {:.2} B a sample, {} ns a sample",
        sealed as f64 / n_samples as f64,
        begun.elapsed().as_nanos() / u128::from(n_samples)
    );
    for effort in [Effort::Quick, Effort::Thorough] {
        let begun = Instant::now();
        let body = merge(&heads, effort);
        println!(
            "an hour in one block, {effort:?}: {:.2} B a sample, {} ns a sample",
            body.len() as f64 / n_samples as f64,
            begun.elapsed().as_nanos() / u128::from(n_samples)
        );
    }
}

fn seal(head: &TenantHead) -> bytes::Bytes {
    let mut builder = BlockBuilder::new(Effort::Quick);
    for id in head.series().sorted() {
        builder.push(head.series().labels(id), &head.row(id, i64::MIN, i64::MAX));
    }
    builder.finish().expect("within limits").body
}

/// All heads have the same series in the same order.
fn merge(heads: &[TenantHead], effort: Effort) -> bytes::Bytes {
    let mut builder = BlockBuilder::new(effort);
    let first = &heads[0];
    for id in first.series().sorted() {
        let mut row = Row::new(first.series().kind(id));
        for head in heads {
            row.append(head.row(SeriesId(id.0), i64::MIN, i64::MAX));
        }
        builder.push(first.series().labels(id), &row);
    }
    builder.finish().expect("within limits").body
}

/// Resident memory of this process; 0 where it cannot be told.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
