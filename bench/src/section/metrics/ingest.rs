//! A sample from a request to a block, in the real binary: CPU time of the server, bytes in blocks, memory.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use telemetry::Clock;

use super::super::{NO_SERVER, Settings, absent};
use super::sealing::Sealing;
use super::sender::{Form, Sender};
use super::{OLD_SAMPLES, verdict, wait_until_idle};
use crate::corpus::hosts::{Fleet, Otlp, RemoteWrite, STEP_MS};
use crate::product::Product;
use crate::table::Table;

/// Series of a host.
const HOST_SERIES: usize = 125;
/// Hosts of a request: 2,000 samples, as Prometheus sends them.
const REQUEST_HOSTS: usize = 16;
const CONNECTIONS: usize = 4;
/// CPU of VictoriaMetrics over 1.5: what a sample may cost, in µs.
const CPU_US_MAX: f64 = 0.82;
/// 0.75 of VictoriaMetrics' files: what a sample may take, in bytes.
const BYTES_MAX: f64 = 1.04;

/// Host metrics of as many series as the peers were measured with, and of ten times as many.
const ROWS: [(Form, usize, u64, &str); 3] = [
    (Form::Otlp, 81, 720, "OTLP over HTTP"),
    (Form::RemoteWrite, 81, 720, "remote write 1.0"),
    (Form::RemoteWrite, 800, 60, "remote write 1.0"),
];

struct Measured {
    n_samples: u64,
    wall: Duration,
    cpu: Duration,
    peak_bytes: u64,
    log_bytes: u64,
    /// Samples in blocks, and bytes of these.
    sealed: f64,
    sealed_bytes: f64,
}

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(binary) = settings.server_binary() else {
        return absent("metrics", NO_SERVER);
    };
    let mut table = Table::new(
        "metrics: the binary, samples in, fsync, folded, sealed into blocks; host metrics, a scrape each 10 s, 2,000 samples a request",
        &[
            "",
            "CPU µs/sample",
            "goal",
            "samples/s",
            "block B/sample",
            "goal",
            "of it sealed",
            "log B/sample",
            "peak MiB",
        ],
    );
    let mut all = Vec::new();
    for (form, n_hosts, n_scrapes, name) in ROWS {
        let fleet = Fleet {
            seed: 7,
            n_hosts,
            host_series: HOST_SERIES,
        };
        let n_scrapes = settings.scaled(n_scrapes);
        let told = format!("{name}, {} series × {n_scrapes}", n_hosts * HOST_SERIES);
        let loaded =
            load(&binary, form, fleet, n_scrapes).with_context(|| format!("measuring {told}"))?;
        all.push((told, loaded));
    }
    // each server was alone with its load; they wait for their seals together
    for (told, loaded) in all {
        let measured = loaded
            .finish()
            .with_context(|| format!("measuring {told}"))?;
        table.row(cells(told, &measured));
    }
    table.note("CPU: user and system of all threads of the server, from the first request until all is in blocks, idling left out: requests, fsync, log read back, fold, seal");
    table.note("blocks: every byte of a block as it is sealed, index included, before merges; here a block has hours of each series, in life 5 minutes: `series` has both");
    table.print()?;
    Ok(())
}

/// A server that has all its samples.
struct Loaded {
    product: Product,
    _folder: tempfile::TempDir,
    sealing: Sealing,
    n_samples: u64,
    wall: Duration,
    cpu: Duration,
}

fn load(binary: &Path, form: Form, fleet: Fleet, n_scrapes: u64) -> anyhow::Result<Loaded> {
    let folder = tempfile::tempdir()?;
    let product = Product::start(binary, folder.path(), OLD_SAMPLES)?;
    let requests = requests(fleet);
    let begin_unix_ms = Clock::host().wall().unix_ms - n_scrapes as i64 * STEP_MS;
    let before = product.cpu()?;
    let begun = Clock::host().monotonic();
    let sent: anyhow::Result<u64> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|nth| {
                let mine = requests.iter().skip(nth).step_by(CONNECTIONS).cloned();
                let mine: Vec<Range<usize>> = mine.collect();
                let to = product.http();
                scope.spawn(move || {
                    let mut bodies = Bodies::new(form, fleet, mine);
                    send(to, &mut bodies, form, begin_unix_ms, n_scrapes)
                })
            })
            .collect();
        let sent = senders.into_iter();
        sent.map(|sender| sender.join().expect("a sender returns its errors"))
            .sum()
    });
    let n_samples = sent?;
    let wall = begun.elapsed();
    wait_until_idle(&product)?;
    Ok(Loaded {
        n_samples,
        wall,
        cpu: product.cpu()? - before,
        sealing: Sealing::begin(&product)?,
        product,
        _folder: folder,
    })
}

impl Loaded {
    fn finish(self) -> anyhow::Result<Measured> {
        let Self {
            product,
            sealing,
            n_samples,
            wall,
            cpu,
            _folder,
        } = self;
        Ok(Measured {
            n_samples,
            wall,
            cpu: cpu + sealing.finish(&product, n_samples)?,
            peak_bytes: product.memory()?.peak_bytes,
            log_bytes: product.bytes_of("log")?,
            sealed: product.metric("tracewell_metrics_samples_total", &[])?,
            sealed_bytes: product.metric("tracewell_metrics_bytes_total", &[])?,
        })
    }
}

/// Hosts of each request.
pub(super) fn requests(fleet: Fleet) -> Vec<Range<usize>> {
    let firsts = (0..fleet.n_hosts).step_by(REQUEST_HOSTS);
    firsts
        .map(|first| first..fleet.n_hosts.min(first + REQUEST_HOSTS))
        .collect()
}

/// The requests of one connection.
enum Bodies {
    Otlp(Vec<Otlp>),
    RemoteWrite(Vec<RemoteWrite>),
}

impl Bodies {
    fn new(form: Form, fleet: Fleet, requests: Vec<Range<usize>>) -> Self {
        let requests = requests.into_iter();
        match form {
            Form::Otlp => Self::Otlp(requests.map(|hosts| Otlp::new(fleet, hosts)).collect()),
            Form::RemoteWrite => Self::RemoteWrite(
                requests
                    .map(|hosts| RemoteWrite::new(&fleet.lines(hosts.clone()), hosts.start as u64))
                    .collect(),
            ),
        }
    }

    /// Sends each with its next scrape; says how many samples there were.
    fn scrape(&mut self, sender: &mut Sender, unix_ms: i64) -> anyhow::Result<u64> {
        let mut n_samples = 0;
        match self {
            Self::Otlp(bodies) => {
                for body in bodies {
                    sender.deliver(body.scrape(unix_ms))?;
                    n_samples += body.n_samples();
                }
            }
            Self::RemoteWrite(bodies) => {
                for body in bodies {
                    sender.deliver(body.scrape(unix_ms))?;
                    n_samples += body.n_samples();
                }
            }
        }
        Ok(n_samples as u64)
    }
}

fn send(
    to: std::net::SocketAddr,
    bodies: &mut Bodies,
    form: Form,
    begin_unix_ms: i64,
    n_scrapes: u64,
) -> anyhow::Result<u64> {
    let mut sender = Sender::connect(to, form)?;
    let mut n_samples = 0;
    for nth in 0..n_scrapes {
        n_samples += bodies.scrape(&mut sender, begin_unix_ms + nth as i64 * STEP_MS)?;
    }
    Ok(n_samples)
}

fn cells(told: String, measured: &Measured) -> [String; 9] {
    let Measured {
        n_samples,
        wall,
        cpu,
        peak_bytes,
        log_bytes,
        sealed,
        sealed_bytes,
    } = measured;
    let n_samples = (*n_samples).max(1) as f64;
    let cpu_us = cpu.as_secs_f64() * 1e6 / n_samples;
    let bytes = sealed_bytes / sealed.max(1.0);
    [
        told,
        format!("{cpu_us:.2}"),
        verdict(cpu_us, CPU_US_MAX, "µs"),
        format!("{:.0}", n_samples / wall.as_secs_f64()),
        if *sealed > 0.0 {
            format!("{bytes:.2}")
        } else {
            "–".to_owned()
        },
        if *sealed > 0.0 {
            verdict(bytes, BYTES_MAX, "B")
        } else {
            "nothing was sealed".to_owned()
        },
        format!("{:.0} %", 100.0 * sealed / n_samples),
        format!("{:.1}", *log_bytes as f64 / n_samples),
        format!("{}", peak_bytes >> 20),
    ]
}
