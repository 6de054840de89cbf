//! Metrics beside peers in the same run: the same remote write to each server in turn, then the same questions. Peers are found by their binaries.

mod asked;
mod side;

use std::sync::Barrier;

use anyhow::Context;
use telemetry::Clock;

use super::super::{NO_SERVER, Settings, absent};
use super::idle;
use super::ingest::requests;
use super::sender::{Form, Sender};
use crate::corpus::hosts::{Fleet, RemoteWrite, STEP_MS, classics};
use crate::table::Table;
use asked::QUESTIONS;
use side::{Kind, Side};

/// Three hours of 10,125 series, and as many series of histograms as the question about them wants.
const FLEET: Fleet = Fleet {
    seed: 7,
    n_hosts: 125,
    host_series: 81,
};
const HISTOGRAM_SERIES: usize = 1_500;
const N_SCRAPES: u64 = 1_080;
const CONNECTIONS: usize = 4;
/// Scrapes after which connections wait for each other: half an hour, as no server need take what is much older than what it has.
const IN_STEP: u64 = 180;
const ROUNDS_MAX: usize = 5;

/// Many series for 5 minutes, for what each holds: the process itself is a small part of it.
const MANY: Fleet = Fleet {
    seed: 8,
    n_hosts: 1_250,
    host_series: 80,
};
const MANY_SCRAPES: u64 = 30;

/// What a server did in one round.
struct Measured {
    cpu_us: f64,
    /// On disk, as the server leaves it when it is asked to finish (B a sample).
    bytes: f64,
    /// Resident after the last sample, all of the process (KiB a series).
    memory_kib: f64,
    /// The same of a process that had [`MANY`] series for 5 minutes.
    many_kib: f64,
    /// p50 of each question (ms); None if it was refused.
    answered_ms: Vec<Option<f64>>,
    /// The values of the question that answers are compared by.
    values: Vec<f64>,
}

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(server) = settings.server_binary() else {
        return absent("peers", NO_SERVER);
    };
    let mut kinds = vec![Kind::Tracewell(server)];
    kinds.extend(settings.victoria_metrics.clone().map(Kind::VictoriaMetrics));
    kinds.extend(settings.prometheus.clone().map(Kind::Prometheus));
    if kinds.len() == 1 {
        let why = "no peer: PEER_VICTORIA_METRICS and PEER_PROMETHEUS name their binaries";
        return absent("peers", why);
    }
    let n_scrapes = settings.scaled(N_SCRAPES);
    let mut rounds: Vec<Vec<Measured>> = kinds.iter().map(|_| Vec::new()).collect();
    for _ in 0..settings.rounds.min(ROUNDS_MAX) {
        for (kind, of_kind) in kinds.iter().zip(&mut rounds) {
            let measured = measure(kind, n_scrapes);
            of_kind.push(measured.with_context(|| format!("measuring {}", kind.name()))?);
        }
    }
    print(&kinds, &rounds, n_scrapes)
}

/// What a series holds among many, in KiB.
fn many_kib(kind: &Kind) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let side = Side::start(kind, folder.path())?;
    let end_unix_ms = Clock::host().wall().unix_ms;
    let begin_unix_ms = end_unix_ms - MANY_SCRAPES as i64 * STEP_MS;
    fill(&side, bodies(MANY), begin_unix_ms, MANY_SCRAPES)?;
    idle(side.process())?;
    let resident = side.process().memory()?.resident_bytes;
    Ok(resident as f64 / 1_024.0 / (MANY.n_hosts * MANY.host_series) as f64)
}

fn measure(kind: &Kind, n_scrapes: u64) -> anyhow::Result<Measured> {
    let many_kib = many_kib(kind)?;
    let folder = tempfile::tempdir()?;
    let side = Side::start(kind, folder.path())?;
    let end_unix_ms = Clock::host().wall().unix_ms;
    let before = side.process().cpu()?;
    let mut all = bodies(FLEET);
    all.push(RemoteWrite::new(&classics(HISTOGRAM_SERIES), u64::MAX));
    let begin_unix_ms = end_unix_ms - n_scrapes as i64 * STEP_MS;
    let n_samples = fill(&side, all, begin_unix_ms, n_scrapes)?;
    idle(side.process())?;
    let cpu = side.process().cpu()? - before;
    let memory = side.process().memory()?.resident_bytes;
    let cpu = cpu + side.seal(n_samples)?;
    let n_series = FLEET.n_hosts * FLEET.host_series + HISTOGRAM_SERIES;
    let mut answered_ms = Vec::new();
    for question in &QUESTIONS {
        answered_ms.push(question.p50_ms(side.process(), end_unix_ms)?);
    }
    Ok(Measured {
        cpu_us: cpu.as_secs_f64() * 1e6 / n_samples as f64,
        memory_kib: memory as f64 / 1_024.0 / n_series as f64,
        many_kib,
        values: asked::compared(side.process(), end_unix_ms)?,
        answered_ms,
        bytes: side.bytes_a_sample(n_samples)?,
    })
}

/// The requests of a scrape of all hosts.
fn bodies(fleet: Fleet) -> Vec<RemoteWrite> {
    let hosts = requests(fleet).into_iter();
    hosts
        .map(|hosts| RemoteWrite::new(&fleet.lines(hosts.clone()), hosts.start as u64))
        .collect()
}

/// Sends all scrapes, over connections that stay about in step.
fn fill(
    side: &Side,
    bodies: Vec<RemoteWrite>,
    begin_unix_ms: i64,
    n_scrapes: u64,
) -> anyhow::Result<u64> {
    let barrier = Barrier::new(CONNECTIONS);
    let mut shares: Vec<Vec<_>> = (0..CONNECTIONS).map(|_| Vec::new()).collect();
    for (nth, body) in bodies.into_iter().enumerate() {
        shares[nth % CONNECTIONS].push(body);
    }
    std::thread::scope(|scope| {
        let senders: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(|| send(side, share, begin_unix_ms, n_scrapes, &barrier)))
            .collect();
        let sent = senders.into_iter();
        sent.map(|sender| sender.join().expect("a sender returns its errors"))
            .sum()
    })
}

/// Sends the requests of one connection. It goes on waiting for the others after an error, so that they end too.
fn send(
    side: &Side,
    mut bodies: Vec<RemoteWrite>,
    begin_unix_ms: i64,
    n_scrapes: u64,
    in_step: &Barrier,
) -> anyhow::Result<u64> {
    let mut sender = Sender::connect(side.write(), Form::RemoteWrite)?;
    let mut sent = Ok(0);
    for nth in 0..n_scrapes {
        if nth % IN_STEP == 0 {
            in_step.wait();
        }
        for body in &mut bodies {
            let unix_ms = begin_unix_ms + nth as i64 * STEP_MS;
            sent = sent.and_then(|n_samples: u64| {
                sender.deliver(body.scrape(unix_ms))?;
                Ok(n_samples + body.n_samples() as u64)
            });
        }
    }
    sent
}

fn print(kinds: &[Kind], rounds: &[Vec<Measured>], n_scrapes: u64) -> anyhow::Result<()> {
    let mut headings = vec!["", "CPU µs/sample", "B/sample", "KiB/series", "of 100,000"];
    headings.extend(QUESTIONS.iter().map(|question| question.told));
    headings.push("answers differ by");
    let n_series = FLEET.n_hosts * FLEET.host_series + HISTOGRAM_SERIES;
    let title = format!(
        "peers: {n_series} series × {n_scrapes} at 10 s by remote write, 2,000 samples a request; median of {} rounds, one server after the other; p50 in ms",
        rounds.first().map_or(0, Vec::len)
    );
    let mut table = Table::new(title, &headings);
    let ours = rounds.first().map(Vec::as_slice).unwrap_or_default();
    for (kind, of_kind) in kinds.iter().zip(rounds) {
        table.row(cells(kind, of_kind, ours));
    }
    for (kind, of_kind) in kinds.iter().zip(rounds).skip(1) {
        table.row(ratios(kind, of_kind, ours));
    }
    table.note("CPU: all threads of the server until it is idle, our seal 5 minutes later included; ours is durable before each answer, the peers' are not");
    table.note("B/sample: blocks of ours as first sealed, index included, without its log; the peers' files after a merge or as a block, without a log");
    table.note("KiB/series: resident memory of the whole process after the last sample; then the same of another process with 100,000 series for 5 minutes, as long as a head of ours lasts");
    table.note("answers: the sum of rates over an hour, median relative difference of its steps to ours; Prometheus 2 counts the sample at a window's begin, 3 and we do not; VictoriaMetrics does not extrapolate");
    table.print()?;
    Ok(())
}

fn cells(kind: &Kind, of_kind: &[Measured], ours: &[Measured]) -> Vec<String> {
    let mut cells = vec![
        kind.name(),
        format!(
            "{:.2}",
            median(of_kind, |round| Some(round.cpu_us)).unwrap_or(f64::NAN)
        ),
        format!(
            "{:.2}",
            median(of_kind, |round| Some(round.bytes)).unwrap_or(f64::NAN)
        ),
        format!(
            "{:.1}",
            median(of_kind, |round| Some(round.memory_kib)).unwrap_or(f64::NAN)
        ),
        format!(
            "{:.2}",
            median(of_kind, |round| Some(round.many_kib)).unwrap_or(f64::NAN)
        ),
    ];
    for nth in 0..QUESTIONS.len() {
        let p50 = median(of_kind, |round| round.answered_ms[nth]);
        cells.push(p50.map_or("refused".to_owned(), |ms| format!("{ms:.1}")));
    }
    let difference = of_kind
        .iter()
        .zip(ours)
        .map(|(a, b)| asked::difference(&a.values, &b.values));
    cells.push(format!("{:.1e}", difference.fold(0.0, f64::max)));
    cells
}

/// Ours over a peer's: below 1 is better.
fn ratios(kind: &Kind, of_kind: &[Measured], ours: &[Measured]) -> Vec<String> {
    let ratio = |of: &dyn Fn(&Measured) -> Option<f64>| {
        let told = median(ours, of).zip(median(of_kind, of));
        told.map_or("–".to_owned(), |(ours, theirs)| {
            format!("{:.2}×", ours / theirs)
        })
    };
    let mut cells = vec![
        format!("ours over {}", kind.name()),
        ratio(&|round| Some(round.cpu_us)),
        ratio(&|round| Some(round.bytes)),
        ratio(&|round| Some(round.memory_kib)),
        ratio(&|round| Some(round.many_kib)),
    ];
    cells.extend((0..QUESTIONS.len()).map(|nth| ratio(&|round| round.answered_ms[nth])));
    cells
}

/// Median over the rounds; None if one has no value.
fn median(rounds: &[Measured], of: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = rounds.iter().map(of).collect::<Option<_>>()?;
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
