//! The whole path in the real binary: OTLP in → durable → assembled → stored, every trace kept. Its CPU time, memory and files.

use std::time::Duration;

use anyhow::Context;
use telemetry::Clock;

use super::{NO_SERVER, Settings, absent};
use crate::load::{Encoding, Generator, Outcome, Plan, Protocol};
use crate::product::Product;
use crate::table::Table;

/// Spans sent in a row of the table.
const N_SPANS: u64 = 2_000_000;
/// Longest wait until all is stored: the decision wait (30 s), two epochs, and as much again.
const STORED_WAIT_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(250);
/// Keeps every trace, so that every span goes all the way.
pub(super) const KEEP_ALL: &str =
    "[[sampler.rules]]\nname = \"all\"\nsampler = { type = \"keep\" }\n";

/// One row: how spans are sent.
struct Way {
    name: &'static str,
    protocol: Protocol,
    encoding: Encoding,
    request_spans: usize,
}

const WAYS: [Way; 4] = [
    Way {
        name: "gRPC, 512 spans",
        protocol: Protocol::Grpc,
        encoding: Encoding::Identity,
        request_spans: 512,
    },
    Way {
        name: "gRPC, gzip, 512 spans",
        protocol: Protocol::Grpc,
        encoding: Encoding::Gzip,
        request_spans: 512,
    },
    Way {
        name: "HTTP, gzip, 512 spans",
        protocol: Protocol::Http,
        encoding: Encoding::Gzip,
        request_spans: 512,
    },
    Way {
        name: "gRPC, 16 spans",
        protocol: Protocol::Grpc,
        encoding: Encoding::Identity,
        request_spans: 16,
    },
];

struct Measured {
    outcome: Outcome,
    stored: u64,
    cpu: Duration,
    peak_bytes: u64,
    log_bytes: u64,
    block_bytes: u64,
}

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(binary) = settings.server_binary() else {
        return absent("whole", NO_SERVER);
    };
    let mut table = Table::new(
        "whole: the binary, OTLP in, fsync, assembled, stored; all kept; traces of 49 spans",
        &[
            "",
            "CPU µs/span",
            "acked spans/s",
            "acked",
            "stored",
            "peak MiB",
            "log B/span",
            "blocks B/span",
            "generator µs/span",
        ],
    );
    for way in WAYS {
        let measured = measure(&binary, &way, settings.scaled(N_SPANS))
            .with_context(|| format!("measuring {}", way.name))?;
        table.row(cells(way.name, &measured));
    }
    table.note("CPU: user and system of all threads of the server, from the first request until the last span was stored, ticks and idle waiting among it");
    table.note("stored: by the server's own conservation counters; blocks: every file of the store, indexes included, before compaction has ended");
    table.print()?;
    Ok(())
}

fn measure(binary: &std::path::Path, way: &Way, n_spans: u64) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let product = Product::start(binary, folder.path(), KEEP_ALL)?;
    let target = match way.protocol {
        Protocol::Grpc => product.grpc(),
        Protocol::Http => product.http(),
    };
    let generator = Generator::start(&Plan {
        encoding: way.encoding,
        request_spans: way.request_spans,
        spans: n_spans,
        renew: true,
        retry: true,
        ..Plan::to(target, way.protocol)
    })?;
    let before = product.cpu()?;
    let outcome = generator.run()?;
    let stored = wait_until_in(&["stored"], &product, outcome.acked)?;
    Ok(Measured {
        cpu: product.cpu()? - before,
        stored,
        peak_bytes: product.memory()?.peak_bytes,
        log_bytes: product.bytes_of("log")?,
        block_bytes: product.bytes_of("blocks")?,
        outcome,
    })
}

/// Waits until `n_spans` are in one of `states` by the server's own count, or too long. Says how many are.
pub(super) fn wait_until_in(
    states: &[&str],
    product: &Product,
    n_spans: u64,
) -> anyhow::Result<u64> {
    let clock = Clock::host();
    let begun = clock.monotonic();
    loop {
        let mut found = 0;
        for state in states {
            found += spans_in(state, product)?;
        }
        if found >= n_spans || clock.monotonic() - begun > STORED_WAIT_MAX {
            return Ok(found);
        }
        std::thread::sleep(POLL);
    }
}

/// Spans that are in one state of the conservation counters.
pub(super) fn spans_in(state: &str, product: &Product) -> anyhow::Result<u64> {
    let label = format!("state=\"{state}\"");
    Ok(product.metric("tracewell_spans_total", &[&label])? as u64)
}

fn cells(name: &str, measured: &Measured) -> [String; 9] {
    let Measured {
        outcome,
        stored,
        cpu,
        peak_bytes,
        log_bytes,
        block_bytes,
    } = measured;
    let a_span = |amount: f64| amount / outcome.acked.max(1) as f64;
    [
        name.to_owned(),
        format!("{:.2}", a_span(cpu.as_secs_f64() * 1e6)),
        format!(
            "{:.0}",
            outcome.acked as f64 * 1e3 / outcome.wall_ms.max(1) as f64
        ),
        outcome.acked.to_string(),
        stored.to_string(),
        format!("{}", peak_bytes >> 20),
        format!("{:.0}", a_span(*log_bytes as f64)),
        format!("{:.1}", a_span(*block_bytes as f64)),
        format!("{:.2}", a_span(outcome.cpu_ms as f64 * 1e3)),
    ]
}
