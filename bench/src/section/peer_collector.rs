//! RED and edges of spans beside the OpenTelemetry Collector in the same run: the same requests to each server in turn, CPU and memory of its process, and
//! whether it counted what was sent. The peer is found by its binary.

mod calls;
mod counting;
mod held;
mod side;

use std::time::Duration;

use anyhow::{Context, ensure};
use telemetry::Clock;

use super::{NO_SERVER, Settings, absent, in_own_process};
use crate::cost::Samples;
use crate::load::{Encoding, Generator, Plan, Protocol};
use crate::table::Table;
use calls::Counted;
use side::{Kind, Side};

pub use held::hold;

/// Spans sent to a server in a round, at least; the corpus is sent whole.
const N_SPANS: u64 = 2_000_000;
const ROUNDS_MAX: usize = 5;
/// Longest wait until all is counted: three flushes of the peer.
const COUNTED_WAIT_MAX: Duration = Duration::from_secs(50);
const POLL: Duration = Duration::from_secs(2);
/// How many times less ours is to cost: with edges durable, and of what counting adds.
const GOAL: f64 = 3.0;
const COUNTING_GOAL: f64 = 10.0;

/// How spans are sent.
struct Load {
    name: &'static str,
    encoding: Encoding,
    request_spans: usize,
}

const LOADS: [Load; 4] = [
    Load {
        name: "gRPC, 512 spans",
        encoding: Encoding::Identity,
        request_spans: 512,
    },
    Load {
        name: "gRPC, gzip, 512 spans",
        encoding: Encoding::Gzip,
        request_spans: 512,
    },
    Load {
        name: "gRPC, zstd, 512 spans",
        encoding: Encoding::Zstd,
        request_spans: 512,
    },
    Load {
        name: "gRPC, 16 spans",
        encoding: Encoding::Identity,
        request_spans: 16,
    },
];

/// What a server did with a load, over the rounds.
#[derive(Default)]
struct Measured {
    cpu_us: Samples,
    peak_mib: Samples,
    after_mib: Samples,
    spans_per_s: Samples,
    /// What it counted last; None if it counts nothing.
    counted: Option<Counted>,
}

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(peer) = settings.otelcol.clone() else {
        absent(
            "peer-collector",
            "no peer: PEER_OTELCOL names its binary, bench/peers/otelcol builds it",
        )?;
        return print_counting(settings, &[]);
    };
    let Some(server) = settings.server_binary() else {
        return absent("peer-collector", NO_SERVER);
    };
    let kinds = [
        Kind::PassThrough(peer.clone()),
        Kind::Connectors(peer),
        Kind::Tracewell(server),
    ];
    let mut of_loads = Vec::new();
    for load in &LOADS {
        let plan = plan(load, ([127, 0, 0, 1], 0).into());
        let corpus = plan.corpus();
        let n_times = settings.scaled(N_SPANS).div_ceil(corpus.n_spans);
        let sent = Counted::sent(&corpus, n_times)?;
        let told = corpus.told();
        drop(corpus);
        let mut of_kinds: [Measured; 3] = Default::default();
        for _ in 0..settings.rounds.clamp(1, ROUNDS_MAX) {
            for (kind, measured) in kinds.iter().zip(&mut of_kinds) {
                measure(kind, load, &sent, measured)
                    .with_context(|| format!("measuring {}, {}", kind.told(), load.name))?;
            }
        }
        table(load, &told, &kinds, &of_kinds, &sent).print()?;
        of_loads.push(of_kinds);
    }
    print_counting(settings, &of_loads)
}

fn plan(load: &Load, target: std::net::SocketAddr) -> Plan {
    Plan {
        encoding: load.encoding,
        request_spans: load.request_spans,
        renew: true,
        retry: true,
        ..Plan::to(target, Protocol::Grpc)
    }
}

/// One server, one load, once.
fn measure(kind: &Kind, load: &Load, sent: &Counted, into: &mut Measured) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let side = Side::start(kind, folder.path())?;
    let generator = Generator::start(&Plan {
        spans: sent.n_spans,
        ..plan(load, side.grpc())
    })?;
    let before = side.process().cpu()?;
    let outcome = generator.run()?;
    ensure!(
        outcome.acked == sent.n_spans && outcome.unknown == 0,
        "not every span was acknowledged, once: {outcome}"
    );
    let (cpu, counted) = wait_until_counted(&side, sent)?;
    let memory = side.process().memory()?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    into.cpu_us
        .push((cpu - before).as_secs_f64() * 1e6 / sent.n_spans as f64);
    into.peak_mib.push(mib(memory.peak_bytes));
    into.after_mib.push(mib(memory.resident_bytes));
    into.spans_per_s
        .push(outcome.acked as f64 * 1e3 / outcome.wall_ms.max(1) as f64);
    into.counted = counted;
    Ok(())
}

/// Asks now and then until all that was sent is counted, or too long. CPU time before the last question.
fn wait_until_counted(side: &Side, sent: &Counted) -> anyhow::Result<(Duration, Option<Counted>)> {
    let clock = Clock::host();
    let begun = clock.monotonic();
    loop {
        let cpu = side.process().cpu()?;
        let counted = side.counted()?;
        let is_all = counted.as_ref().is_none_or(|counted| counted == sent);
        if is_all || clock.monotonic() - begun > COUNTED_WAIT_MAX {
            return Ok((cpu, counted));
        }
        std::thread::sleep(POLL);
    }
}

fn table(
    load: &Load,
    corpus: &str,
    kinds: &[Kind; 3],
    of_kinds: &[Measured; 3],
    sent: &Counted,
) -> Table {
    let mut table = Table::new(
        format!(
            "peer-collector: {}; {} spans; corpus {corpus}",
            load.name, sent.n_spans
        ),
        &[
            "",
            "CPU µs/span, median / worst",
            "peak MiB, median / worst",
            "after MiB",
            "acked spans/s",
            "spans counted",
            "calls counted",
            "of edges right",
        ],
    );
    for (kind, measured) in kinds.iter().zip(of_kinds) {
        let mut cells = vec![
            kind.told(),
            measured.cpu_us.told(2),
            measured.peak_mib.told(0),
            format!("{:.0}", measured.after_mib.median()),
            format!("{:.0}", measured.spans_per_s.median()),
        ];
        if let Some(counted) = &measured.counted {
            cells.push(share(counted.n_spans, sent.n_spans));
            cells.push(share(counted.n_calls(), sent.n_calls()));
            cells.push(format!("{}/{}", counted.n_equal(sent), sent.calls.len()));
        }
        table.row(cells);
    }
    let [_, connectors, ours] = of_kinds;
    let ratio = connectors.cpu_us.median() / ours.cpu_us.median();
    let goal = match load.request_spans {
        512 => format!("goal ≥ {GOAL}x: {}", verdict(ratio >= GOAL)),
        _ => "goals are set for 512 spans a request".to_owned(),
    };
    table.note(format!(
        "ours costs {ratio:.2}x less CPU than the connectors; {goal}"
    ));
    table.note("CPU: user and system of all threads of the server from the first request until everything was counted and could be asked for");
    table.note("ours: durable before each answer, traces assembled and decided, all dropped; the peer: in memory, neither batch nor queue before its connectors");
    table.note("the peer's dimensions are its defaults (service, span name, kind, status), flush each 15 s (60 s by default; ours 10 s), explicit buckets; its store has room for a million calls (1,000 by default)");
    table
}

/// What counting adds to each side's plain pass-through; to ours alone if nothing was sent to a peer.
fn print_counting(settings: &Settings, of_loads: &[[Measured; 3]]) -> anyhow::Result<()> {
    let steps = counting::measure(settings)?;
    let mut table = Table::new(
        "peer-collector: what map and RED add to a plain pass-through",
        &["", "CPU ns/span, median"],
    );
    for (load, [pass_through, connectors, _]) in LOADS.iter().zip(of_loads) {
        let added = (connectors.cpu_us.median() - pass_through.cpu_us.median()) * 1e3;
        table.row([
            format!("the peer: connectors less nop, {}", load.name),
            format!("{added:.0}"),
        ]);
        table.note(format!(
            "{}: ours costs {:.1}x less; goal ≥ {COUNTING_GOAL}x: {}",
            load.name,
            added / steps.all(),
            verdict(added / steps.all() >= COUNTING_GOAL)
        ));
    }
    for (told, ns) in [
        ("ours: RED of every span", steps.red),
        (
            "ours: ends of calls read, held, paired, counted as edges",
            steps.edges,
        ),
        ("ours: written as derived records", steps.sealed),
        ("ours: read and folded into series", steps.folded),
        ("ours, all", steps.all()),
    ] {
        table.row([told.to_owned(), format!("{ns:.0}")]);
    }
    table.note(format!(
        "ours from memory, one thread: the server has no switch for them; edges are the shard less the shard with the same spans as internal ones, RED by instance taken off both; the last two steps at {} spans an epoch of 10 s",
        steps.epoch_spans
    ));
    table.print()?;
    let Some([pass_through, connectors, _]) = of_loads.first() else {
        return Ok(());
    };
    let peers_mib = connectors.peak_mib.median() - pass_through.peak_mib.median();
    let peers_bytes = (peers_mib.max(0.0) * f64::from(1 << 20)) as u64;
    let arguments = [steps.epoch_spans.to_string(), peers_bytes.to_string()];
    let [epoch_spans, peers_bytes] = &arguments;
    in_own_process(&["counted-memory", epoch_spans, peers_bytes])
}

fn share(n: u64, of: u64) -> String {
    format!("{:.2} %", n as f64 * 100.0 / of.max(1) as f64)
}

fn verdict(holds: bool) -> &'static str {
    if holds { "met" } else { "MISSED" }
}
