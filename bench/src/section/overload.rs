//! More load than the binary can take: its memory, and what became of every span.

use std::time::Duration;

use super::whole::{KEEP_ALL, spans_in, wait_until_in};
use super::{NO_SERVER, Settings, absent};
use crate::load::{Generator, Outcome, Plan, Protocol};
use crate::product::Product;
use crate::table::Table;

/// How many times what it sustains is offered.
const FACTOR: u64 = 10;
const OVERLOAD_S: u64 = 60;
const SUSTAINED_S: u64 = 15;
/// Spans made before each start. Bodies are compressed once, so the generator costs far less a span than the server. Past these they
/// repeat: what was refused before is new, what was taken is a re-send.
const DISTINCT_SPANS: u64 = 8_000_000;
const CONNECTIONS: usize = 64;
/// Requests under way on each of them.
const STREAMS: usize = 6;
/// Where an acknowledged span may end, as every trace is kept.
const SETTLED: [&str; 2] = ["stored", "duplicates"];

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(binary) = settings.server_binary() else {
        return absent("overload", NO_SERVER);
    };
    let folder = tempfile::tempdir()?;
    let product = Product::start(&binary, folder.path(), KEEP_ALL)?;

    let sustained = load(&product, settings, 1, SUSTAINED_S, (4, 1), 0)?;
    let sustained_rate = rate(sustained.acked, &sustained);
    let overload = load(
        &product,
        settings,
        2,
        OVERLOAD_S,
        (CONNECTIONS, STREAMS),
        sustained_rate * FACTOR,
    )?;

    let acked = sustained.acked + overload.acked;
    let accepted = product.metric("tracewell_collector_spans_accepted_total", &[])? as u64;
    let mut table = Table::new(
        format!(
            "overload: {FACTOR}x of what it sustains is asked for, {CONNECTIONS} connections of {STREAMS} requests, gRPC gzip, 512 spans a request"
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
        ],
    );
    table.row(cells("sustained, 4 connections", &sustained));
    table.row(cells("overload", &overload));
    let under_load = product.memory()?.peak_bytes;
    let settled = wait_until_in(&SETTLED, &product, acked)?;
    let peak = product.memory()?.peak_bytes;
    table.note(format!(
        "offered: {:.1}x of what was sustained; more the senders cannot offer, which share the machine with the server and wait for each answer",
        rate(overload.offered(), &overload) as f64 / sustained_rate.max(1) as f64
    ));
    table.note(format!(
        "peak memory of the server: {} MiB under load, {} MiB until all was stored",
        under_load >> 20,
        peak >> 20
    ));
    table.note(format!(
        "acked {acked}, accepted by the server's own count {accepted}: {}",
        verdict(acked == accepted)
    ));
    let silent = overload.failed + overload.unknown + sustained.failed + sustained.unknown;
    table.note(format!(
        "every span acked or refused retryably: {}",
        verdict(silent == 0)
    ));
    table.note(format!(
        "every acked span stored, or known as sent before (the corpus repeats): {}; {} stored, {} sent before",
        verdict(settled == acked),
        spans_in("stored", &product)?,
        spans_in("duplicates", &product)?
    ));
    table.print()?;
    Ok(())
}

fn load(
    product: &Product,
    settings: &Settings,
    seed: u64,
    seconds: u64,
    (connections, streams): (usize, usize),
    rate: u64,
) -> anyhow::Result<Outcome> {
    let plan = Plan {
        gzip: true,
        seed,
        distinct_spans: settings.scaled(DISTINCT_SPANS),
        spans: u64::MAX / 2_000_000_000,
        seconds: settings.scaled(seconds),
        connections,
        streams,
        rate,
        ..Plan::to(product.grpc(), Protocol::Grpc)
    };
    Generator::start(&plan)?.run()
}

fn rate(n_spans: u64, outcome: &Outcome) -> u64 {
    (Duration::from_millis(outcome.wall_ms).as_secs_f64().recip() * n_spans as f64) as u64
}

fn verdict(holds: bool) -> &'static str {
    if holds { "yes" } else { "NO" }
}

fn cells(name: &str, outcome: &Outcome) -> [String; 8] {
    [
        name.to_owned(),
        rate(outcome.offered(), outcome).to_string(),
        outcome.acked.to_string(),
        outcome.refused.to_string(),
        outcome.failed.to_string(),
        outcome.unknown.to_string(),
        format!("{:.1}", outcome.p50_us as f64 / 1e3),
        format!("{:.1}", outcome.p99_us as f64 / 1e3),
    ]
}
