//! Series that live for minutes, as those of a cluster that starts pods all the time: what they hold while they live, and when a head is sealed. The same
//! number of series that stay is beside it, each in a process of its own.

use std::time::Duration;

use bus::machine::Machine;
use bus::{Header, Kind, Offset, Partition, Record, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use metrics::block::BlockBuilder;
use metrics::chunk::Effort;
use metrics::head::TenantHead;
use metrics::machine::{PointsMachine, SEAL_EVERY_MS, SealedHead};
use metrics::{MatchOp, Matcher};
use telemetry::{RecordTime, Tenant};

use super::super::{Settings, in_own_process};
use super::verdict;
use crate::corpus::hosts::{N_POD_SERIES, RemoteWrite, STEP_MS, pod};
use crate::cost::{memory, thread_cpu};
use crate::rng::Rng;
use crate::table::Table;

/// Pods that live at a time: 100,000 series.
const N_PODS: u64 = 1_000;
/// Pods of a record.
const RECORD_PODS: usize = 20;
/// Half an hour.
const N_SCRAPES: u64 = 180;
/// A life of 6 minutes: a million new series an hour.
const LIFE_SCRAPES: u64 = 36;
/// Selections of a pod's series after a scrape.
const N_ASKED: usize = 10;
const BEGIN_MS: i64 = 1_700_000_000_000;
/// As `series` has it.
const SERIES_KIB_MAX: f64 = 3.2;

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let n_scrapes = settings.scaled(N_SCRAPES);
    for life_scrapes in [LIFE_SCRAPES, u64::MAX] {
        let arguments = [n_scrapes.to_string(), life_scrapes.to_string()];
        let [n_scrapes, life_scrapes] = &arguments;
        in_own_process(&["short-lived-series", n_scrapes, life_scrapes])?;
    }
    Ok(())
}

/// What was found out while pods came and went.
struct Found {
    n_pods_seen: u64,
    n_samples: u64,
    cpu: Duration,
    /// The most that was held, without the corpus.
    held_bytes: u64,
    formula_bytes: u64,
    n_by_time: u64,
    n_early: u64,
    sealed_samples: u64,
    sealed_bytes: u64,
    asked: Vec<Duration>,
}

/// Prints what series hold that live for so many scrapes: the body of the process of its own.
///
/// # Errors
/// When memory cannot be read, a block cannot be built, or stdout is closed.
pub fn live(n_scrapes: u64, life_scrapes: u64) -> anyhow::Result<()> {
    let mut found = measure(n_scrapes, life_scrapes)?;
    let n_active = (N_PODS * N_POD_SERIES as u64) as f64;
    let hours = (n_scrapes * STEP_MS as u64) as f64 / 3_600_000.0;
    let n_new = (found.n_pods_seen - N_PODS) as f64 * N_POD_SERIES as f64;
    let mut table = Table::new(
        format!(
            "series: {n_active} active ones, {:.0} new ones an hour, {n_scrapes} scrapes of 10 s",
            n_new / hours
        ),
        &["", "", "goal"],
    );
    let held = found.held_bytes as f64 / n_active;
    table.row([
        "resident, B an active series at most".to_owned(),
        format!("{held:.0}"),
        verdict(held / 1_024.0, SERIES_KIB_MAX, "KiB"),
    ]);
    let of_samples = found.n_samples as f64;
    let sealed_samples = found.sealed_samples.max(1) as f64;
    let rows = [
        (
            "by formula at most, MiB",
            format!("{:.0}", found.formula_bytes as f64 / f64::from(1 << 20)),
        ),
        (
            "heads sealed by time, early",
            format!("{}, {}", found.n_by_time, found.n_early),
        ),
        (
            "CPU of a sample with its seal, ns",
            format!("{:.0}", found.cpu.as_nanos() as f64 / of_samples),
        ),
        (
            "sealed, B a sample",
            format!("{:.2}", found.sealed_bytes as f64 / sealed_samples),
        ),
        (
            "a series of a pod from the open head, p50 and p99 in µs of CPU",
            quantiles(&mut found.asked),
        ),
    ];
    for (told, value) in rows {
        table.row([told, &value, ""]);
    }
    table.note("resident: the open head, its seal in the making, and what the machine remembers; a process of its own");
    table.print()?;
    Ok(())
}

fn quantiles(asked: &mut [Duration]) -> String {
    asked.sort_unstable();
    let at = |percent: usize| asked.get(asked.len() * percent / 100).copied();
    let us = |took: Option<Duration>| took.unwrap_or_default().as_secs_f64() * 1e6;
    format!("{:.0}, {:.0}", us(at(50)), us(at(99)))
}

fn measure(n_scrapes: u64, life_scrapes: u64) -> anyhow::Result<Found> {
    let of = TopicPartition {
        topic: Topic::Points,
        partition: Partition(0),
    };
    let mut machine = PointsMachine::new(of, 1);
    let mut pods: Vec<(u64, RemoteWrite)> = (0..N_PODS).map(|n| (n, new_pod(n))).collect();
    let mut found = Found {
        n_pods_seen: N_PODS,
        n_samples: 0,
        cpu: Duration::ZERO,
        held_bytes: 0,
        formula_bytes: 0,
        n_by_time: 0,
        n_early: 0,
        sealed_samples: 0,
        sealed_bytes: 0,
        asked: Vec::new(),
    };
    let (mut rng, mut offset) = (Rng::new(5), 0);
    let before = memory()?.resident_bytes;
    for nth in 0..n_scrapes {
        for (place, (n, body)) in (0..).zip(&mut pods) {
            // lives end one after the other, not all at once
            if (nth + place * life_scrapes.min(n_scrapes) / N_PODS + 1).is_multiple_of(life_scrapes)
            {
                *n = found.n_pods_seen;
                *body = new_pod(*n);
                found.n_pods_seen += 1;
            }
        }
        let unix_ms = BEGIN_MS + nth as i64 * STEP_MS;
        for pods in pods.chunks_mut(RECORD_PODS) {
            let mut payload = Vec::new();
            for (_, body) in pods.iter_mut() {
                payload.extend_from_slice(body.plain_scrape(unix_ms));
            }
            let record = record(of, offset, unix_ms, payload);
            offset += 1;
            found.n_samples += (pods.len() * N_POD_SERIES) as u64;
            let begun = thread_cpu();
            if let Some(sealed) = machine.apply(&record)? {
                found.count_seal(&sealed)?;
            }
            found.cpu += thread_cpu() - begun;
        }
        found.formula_bytes = found.formula_bytes.max(machine.head().held().all());
        let resident = memory()?.resident_bytes;
        found.held_bytes = found.held_bytes.max(resident.saturating_sub(before));
        if let Some(head) = machine.head().get(&Tenant::default_tenant()) {
            let pods: Vec<u64> = pods.iter().map(|(n, _)| *n).collect();
            (0..N_ASKED).for_each(|_| found.asked.push(ask(head, *rng.pick(&pods))));
        }
    }
    Ok(found)
}

impl Found {
    fn count_seal(&mut self, sealed: &SealedHead) -> anyhow::Result<()> {
        let second = sealed.entry.sealed_at.ms;
        let is_by_time = second.is_multiple_of(SEAL_EVERY_MS);
        self.n_by_time += u64::from(is_by_time);
        self.n_early += u64::from(!is_by_time);
        for (_, head) in sealed.head.tenants() {
            let mut builder = BlockBuilder::new(Effort::Quick);
            for (id, row) in head.rows() {
                builder.push(head.series().labels(id), &row);
            }
            let built = builder.finish()?;
            self.sealed_bytes += built.body.len() as u64;
            self.sealed_samples += built.meta.n_points;
        }
        Ok(())
    }
}

fn new_pod(n: u64) -> RemoteWrite {
    RemoteWrite::new(&pod(n), n)
}

fn record(of: TopicPartition, offset: u64, unix_ms: i64, payload: Vec<u8>) -> Record {
    let at = RecordTime { unix_ms };
    Record {
        of,
        offset: Offset(offset),
        appended_at: at,
        header: Header {
            tenant: Tenant::default_tenant(),
            kind: Kind::RemoteWrite1,
            accepted_at: at,
            n_items: (RECORD_PODS * N_POD_SERIES) as u32,
            request_hash: RequestHash(offset.into()),
            part: 0,
            historic: false,
        },
        payload: Bytes::from(payload),
    }
}

/// How long one series of a pod takes to be found and read.
fn ask(head: &TenantHead, n: u64) -> Duration {
    let equal = |name: &str, value: String| Matcher {
        name: name.into(),
        op: MatchOp::Equal,
        value,
    };
    let matchers = [
        equal("__name__", "container_03_memory_bytes".to_owned()),
        equal("pod", format!("pod-{n:09}")),
    ];
    let begun = thread_cpu();
    for id in head.select(&matchers) {
        std::hint::black_box(head.row(id, i64::MIN, i64::MAX));
    }
    thread_cpu() - begun
}
