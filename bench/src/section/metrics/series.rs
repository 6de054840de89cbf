//! The store alone, in a process of its own: memory of an active series, and what a sample costs to fold, to seal and to merge.

mod breakdown;

use std::time::Duration;

use bytes::Bytes;
use metrics::block::BlockBuilder;
use metrics::chunk::Effort;
use metrics::fold::{Fold, Totals};
use metrics::head::{Caps, TenantHead};
use metrics::row::Row;
use metrics::series::SeriesId;

use super::super::{Settings, in_own_process};
use super::{churn, verdict};
use crate::corpus::hosts::{Fleet, Line, STEP_MS};
use crate::cost::{memory, thread_cpu};
use crate::rng::Rng;
use crate::table::Table;

/// Active series of the memory table.
const N_SERIES: u64 = 1_000_000;
/// Samples of each: what a series has in a minute and a half, where its labels are still most of it.
const HELD_SCRAPES: usize = 9;
/// The hour of the cost table: as many hosts as the peers were measured with.
const HOUR_HOSTS: usize = 81;
const HOUR_SCRAPES: usize = 360;
/// Scrapes of a head: 5 minutes.
const HEAD_SCRAPES: usize = 30;
const HOST_SERIES: usize = 125;
const BEGIN_MS: i64 = 1_700_000_000_000;
/// A fifth of Prometheus' 16 KiB a series, which is less than half of VictoriaMetrics' 8 to 10.
const SERIES_KIB_MAX: f64 = 3.2;
const BYTES_MAX: f64 = 1.04;

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let n_series = settings.scaled(N_SERIES);
    in_own_process(&["active-series", &n_series.to_string()])?;
    churn::run(settings)?;
    let n_scrapes = (settings.scaled(HOUR_SCRAPES as u64) as usize).max(HEAD_SCRAPES);
    hour(n_scrapes)
}

fn fleet(n_hosts: usize) -> Fleet {
    Fleet {
        seed: 7,
        n_hosts,
        host_series: HOST_SERIES,
    }
}

/// Fills one head with so many series and prints what they hold: the body of the process of its own.
///
/// # Errors
/// When memory cannot be read or stdout is closed.
pub fn hold(n_series: u64) -> anyhow::Result<()> {
    let n_hosts = (n_series as usize).div_ceil(HOST_SERIES);
    let mut head = TenantHead::default();
    let mut totals = Totals::default();
    let mut rng = Rng::new(7);
    let before = memory()?.resident_bytes;
    for host in 0..n_hosts {
        // one host at a time, so that the corpus itself is not what is measured
        let mut lines = fleet(n_hosts).lines(host..host + 1);
        for nth in 0..HELD_SCRAPES {
            fold(&mut head, &mut totals, &mut lines, nth, &mut rng);
        }
    }
    let held = memory()?.resident_bytes.saturating_sub(before);
    let n_series = head.n_series() as f64;
    let kib = held as f64 / n_series / 1_024.0;
    let mut table = Table::new(
        format!(
            "series: {n_series} active ones of host metrics, {HELD_SCRAPES} samples each, in one head"
        ),
        &["", "B a series", "goal"],
    );
    table.row([
        "resident".to_owned(),
        format!("{:.0}", held as f64 / n_series),
        verdict(kib, SERIES_KIB_MAX, "KiB"),
    ]);
    table.row([
        "by formula".to_owned(),
        format!("{:.0}", head.bytes() as f64 / n_series),
        String::new(),
    ]);
    table.note("labels, index and samples; each further sample of a head takes about 13 B until it is sealed; a process of its own");
    table.print()?;
    Ok(())
}

fn fold(
    head: &mut TenantHead,
    totals: &mut Totals,
    lines: &mut [Line],
    nth: usize,
    rng: &mut Rng,
) -> Duration {
    let caps = Caps {
        series_max: usize::MAX,
        metric_series_max: usize::MAX,
    };
    let mut fold = Fold::new(head, totals, caps, None);
    let values: Vec<f64> = lines.iter_mut().map(|line| line.source.next(rng)).collect();
    let jitter_ms = rng.below(20) as i64;
    let unix_ms = BEGIN_MS + nth as i64 * STEP_MS + jitter_ms;
    let mut labels: Vec<(&str, &str)> = Vec::new();
    let before = thread_cpu();
    for (line, value) in lines.iter().zip(values) {
        labels.clear();
        let pairs = line.labels.iter();
        labels.extend(pairs.map(|(name, value)| (name.as_str(), value.as_str())));
        fold.float(&labels, unix_ms, value);
    }
    thread_cpu() - before
}

/// An hour of the peers' hosts: heads of 5 minutes, sealed, then merged.
fn hour(n_scrapes: usize) -> anyhow::Result<()> {
    let mut hosts: Vec<Vec<Line>> = (0..HOUR_HOSTS)
        .map(|host| fleet(HOUR_HOSTS).lines(host..host + 1))
        .collect();
    let (mut totals, mut rng) = (Totals::default(), Rng::new(7));
    let mut heads: Vec<TenantHead> = Vec::new();
    let mut folding = Duration::ZERO;
    for nth in 0..n_scrapes {
        if nth % HEAD_SCRAPES == 0 {
            heads.push(TenantHead::default());
        }
        let Some(head) = heads.last_mut() else {
            continue;
        };
        for lines in &mut hosts {
            folding += fold(head, &mut totals, lines, nth, &mut rng);
        }
    }
    let n_samples = totals.stored as f64;
    let ns = |cpu: Duration| format!("{:.0}", cpu.as_nanos() as f64 / n_samples);
    let mut table = Table::new(
        format!(
            "series: the store alone, {} series × {n_scrapes} samples, heads of 5 min",
            HOUR_HOSTS * HOST_SERIES
        ),
        &["", "CPU ns/sample", "B/sample", "goal"],
    );
    let in_heads: u64 = heads.iter().map(|head| head.held().points).sum();
    let in_heads = format!("{:.1} in memory", in_heads as f64 / n_samples);
    table.row(["folded", &ns(folding), &in_heads, ""]);
    let before = thread_cpu();
    let mut n_bytes = 0;
    for head in &heads {
        n_bytes += sealed(head)?;
    }
    let bytes = n_bytes as f64 / n_samples;
    table.row([
        "sealed, a block each 5 min",
        &ns(thread_cpu() - before),
        &format!("{bytes:.2}"),
        "",
    ]);
    let mut thorough = Bytes::new();
    for (effort, told) in [
        (Effort::Quick, "merged into one, quick"),
        (
            Effort::Thorough,
            "merged into one, thorough, as compaction does",
        ),
    ] {
        let before = thread_cpu();
        let body = merged(&heads, effort)?;
        let bytes = body.len() as f64 / n_samples;
        let goal = verdict(bytes, BYTES_MAX, "B");
        let cpu = ns(thread_cpu() - before);
        let is_final = effort == Effort::Thorough;
        let goal = if is_final { goal } else { String::new() };
        thorough = body;
        table.row([told.to_owned(), cpu, format!("{bytes:.2}"), goal]);
    }
    table.note("bytes: whole blocks, labels and index included; CPU of one thread");
    table.print()?;
    let courses = hosts.iter().flatten().map(|line| line.source.course());
    breakdown::print(&thorough, &heads, &courses.collect::<Vec<_>>())
}

fn sealed(head: &TenantHead) -> anyhow::Result<usize> {
    let mut builder = BlockBuilder::new(Effort::Quick);
    for (id, row) in head.rows() {
        builder.push(head.series().labels(id), &row);
    }
    Ok(builder.finish()?.body.len())
}

/// All heads have the same series in the same order.
fn merged(heads: &[TenantHead], effort: Effort) -> anyhow::Result<Bytes> {
    let mut builder = BlockBuilder::new(effort);
    let Some(first) = heads.first() else {
        return Ok(Bytes::new());
    };
    for id in first.series().sorted() {
        let mut row = Row::new(first.series().kind(id));
        for head in heads {
            row.append(head.row(SeriesId(id.0), i64::MIN, i64::MAX));
        }
        builder.push(first.series().labels(id), &row);
    }
    Ok(builder.finish()?.body)
}
