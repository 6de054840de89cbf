//! More load than the binary can take: its memory, what became of every span, and how long it takes to store what it took.

use std::time::Duration;

use telemetry::Clock;

use super::whole::{KEEP_ALL, spans_in, wait_until_in};
use super::{NO_SERVER, Settings, absent};
use crate::load::{Encoding, Generator, Outcome, Plan, Protocol};
use crate::product::Product;
use crate::table::Table;

/// How many times what it sustains is offered.
const FACTOR: u64 = 10;
/// Spans made before each start. Bodies are compressed once, so the generator costs far less a span than the server. Past these they
/// repeat: what was refused before is new, what was taken is a re-send.
const DISTINCT_SPANS: u64 = 8_000_000;
/// Where an acknowledged span may end, as every trace is kept.
const SETTLED: [&str; 2] = ["stored", "duplicates"];

/// A load that the server meets.
struct Phase {
    name: &'static str,
    seed: u64,
    seconds: u64,
    connections: usize,
    /// Requests under way on each of them.
    streams: usize,
    /// Of what was sustained, or as fast as it answers.
    factor: Option<u64>,
    encoding: Encoding,
}

const SUSTAINED: Phase = Phase {
    name: "sustained, 4 connections",
    seed: 1,
    seconds: 15,
    connections: 4,
    streams: 1,
    factor: None,
    encoding: Encoding::Gzip,
};
/// First many requests, then so many that their bodies alone are as large as all that requests may hold, then many bodies as large as they are without compression.
const OVERLOADS: [Phase; 3] = [
    Phase {
        name: "overload, 64 x 6 requests",
        seed: 2,
        seconds: 60,
        connections: 64,
        streams: 6,
        factor: Some(FACTOR),
        encoding: Encoding::Gzip,
    },
    Phase {
        name: "crowd, 64 x 32 requests",
        seed: 3,
        seconds: 15,
        connections: 64,
        streams: 32,
        factor: Some(FACTOR),
        encoding: Encoding::Gzip,
    },
    Phase {
        name: "without gzip, 64 x 6 requests",
        seed: 4,
        seconds: 60,
        connections: 64,
        streams: 6,
        factor: Some(FACTOR),
        encoding: Encoding::Identity,
    },
];

/// What a phase came to.
struct Met {
    outcome: Outcome,
    /// Memory at most up to its end, and until all of it was stored.
    peak_bytes: [u64; 2],
    /// Until all was stored, after its end.
    stored_in: Option<Duration>,
}

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(binary) = settings.server_binary() else {
        return absent("overload", NO_SERVER);
    };
    let folder = tempfile::tempdir()?;
    let product = Product::start(&binary, folder.path(), KEEP_ALL)?;

    let sustained = meet(&product, settings, &SUSTAINED, 0, 0)?;
    let sustained_rate = rate(sustained.outcome.acked, &sustained.outcome);
    let mut acked = sustained.outcome.acked;
    let mut met = vec![(SUSTAINED.name, sustained)];
    for phase in &OVERLOADS {
        let phase_met = meet(&product, settings, phase, sustained_rate, acked)?;
        acked += phase_met.outcome.acked;
        met.push((phase.name, phase_met));
    }
    table(&product, &met, acked, sustained_rate)?.print()?;
    Ok(())
}

fn table(
    product: &Product,
    met: &[(&str, Met)],
    acked: u64,
    sustained_rate: u64,
) -> anyhow::Result<Table> {
    let mut table = Table::new(
        format!(
            "overload: {FACTOR}x of what it sustains is asked for, gRPC gzip but in the last row, 512 spans a request"
        ),
        &[
            "",
            "offered spans/s",
            "acked",
            "refused, may be sent again",
            "failed",
            "no answer",
            "p50 ms",
            "p99 ms",
            "peak MiB so far",
            "until stored MiB",
            "all stored after s",
        ],
    );
    for (name, met) in met {
        table.row(cells(name, met));
    }
    let offered = met
        .iter()
        .map(|(_, met)| rate(met.outcome.offered(), &met.outcome));
    table.note(format!(
        "offered: up to {:.1}x of what was sustained; more the senders cannot offer, which share the machine with the server and wait for each answer",
        offered.max().unwrap_or(0) as f64 / sustained_rate.max(1) as f64
    ));
    let accepted = product.metric("tracewell_collector_spans_accepted_total", &[])? as u64;
    table.note(format!(
        "acked {acked}, accepted by the server's own count {accepted}: {}",
        verdict(acked == accepted)
    ));
    let silent = met
        .iter()
        .map(|(_, met)| met.outcome.failed + met.outcome.unknown);
    table.note(format!(
        "every span acked or refused retryably: {}",
        verdict(silent.sum::<u64>() == 0)
    ));
    table.note(format!(
        "every acked span stored, or known as sent before (the corpus repeats): {}; {} stored, {} sent before",
        verdict(met.iter().all(|(_, met)| met.stored_in.is_some())),
        spans_in("stored", product)?,
        spans_in("duplicates", product)?
    ));
    Ok(table)
}

/// Sends a load of which `acked_before` spans are there already, and waits until all is stored.
fn meet(
    product: &Product,
    settings: &Settings,
    phase: &Phase,
    sustained_rate: u64,
    acked_before: u64,
) -> anyhow::Result<Met> {
    let plan = Plan {
        encoding: phase.encoding,
        seed: phase.seed,
        distinct_spans: settings.scaled(DISTINCT_SPANS),
        spans: u64::MAX / 2_000_000_000,
        seconds: settings.scaled(phase.seconds),
        connections: phase.connections,
        streams: phase.streams,
        rate: phase.factor.unwrap_or(0) * sustained_rate,
        ..Plan::to(product.grpc(), Protocol::Grpc)
    };
    let outcome = Generator::start(&plan)?.run()?;
    let under_load = product.memory()?.peak_bytes;
    let clock = Clock::host();
    let ended = clock.monotonic();
    let wanted = acked_before + outcome.acked;
    let settled = wait_until_in(&SETTLED, product, wanted)?;
    Ok(Met {
        outcome,
        peak_bytes: [under_load, product.memory()?.peak_bytes],
        stored_in: (settled >= wanted).then(|| clock.monotonic() - ended),
    })
}

fn rate(n_spans: u64, outcome: &Outcome) -> u64 {
    (Duration::from_millis(outcome.wall_ms).as_secs_f64().recip() * n_spans as f64) as u64
}

fn verdict(holds: bool) -> &'static str {
    if holds { "yes" } else { "NO" }
}

fn cells(name: &str, met: &Met) -> [String; 11] {
    let Met {
        outcome,
        peak_bytes: [under_load, until_stored],
        stored_in,
    } = met;
    [
        name.to_owned(),
        rate(outcome.offered(), outcome).to_string(),
        outcome.acked.to_string(),
        outcome.refused.to_string(),
        outcome.failed.to_string(),
        outcome.unknown.to_string(),
        format!("{:.1}", outcome.p50_us as f64 / 1e3),
        format!("{:.1}", outcome.p99_us as f64 / 1e3),
        (under_load >> 20).to_string(),
        (until_stored >> 20).to_string(),
        stored_in.map_or_else(
            || "not all".to_owned(),
            |waited| format!("{:.0}", waited.as_secs_f64()),
        ),
    ]
}
