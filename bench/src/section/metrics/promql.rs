//! PromQL over the HTTP API of the real binary: latencies over an hour of host metrics, histograms and very wide metrics.

use std::time::Duration;

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use telemetry::Clock;

use super::super::{NO_SERVER, Settings, absent};
use super::pods::Pods;
use super::sender::{Form, Sender};
use super::{OLD_SAMPLES, wait_until_idle};
use crate::corpus::hosts::{Fleet, Line, RemoteWrite, STEP_MS, classics, natives, wide};
use crate::product::Product;
use crate::table::Table;

/// Hosts of the corpus: 10,125 series, and 1,000 of a metric of 8 devices.
const N_HOSTS: usize = 125;
const HOST_SERIES: usize = 81;
/// Series of the widest metric: 100,000; it is there for the last minutes only, as `topk` asks at one instant.
const WIDE_SERIES: u64 = 100_000;
const WIDE_SCRAPES: u64 = 36;
const HISTOGRAM_SERIES: u64 = 10_000;
/// Scrapes of an hour.
const SCRAPES: u64 = 366;
/// A native histogram comes each minute.
const NATIVE_EVERY: u64 = 6;
/// Samples of a request.
const REQUEST_SERIES: usize = 2_000;
/// Questions of a kind: at least as many as a p99 needs, unless they take too long.
const N_ASKED: usize = 101;
const ASKED_MAX: Duration = Duration::from_secs(8);
const N_ASKED_MIN: usize = 11;
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// A question: its text, whether it is asked over an hour or at one instant, and the best peer's p50 in ms.
struct Question {
    told: &'static str,
    query: &'static str,
    range_s: i64,
    step_s: i64,
    /// p50 of the best peer with a like question (ms).
    peer_ms: Option<f64>,
}

const QUESTIONS: [Question; 10] = [
    Question {
        told: "rate of 1,000 series, 1 h",
        query: "rate(node_00_io_bytes_total[5m])",
        range_s: 3_600,
        step_s: 60,
        peer_ms: Some(61.0),
    },
    Question {
        told: "sum of that",
        query: "sum(rate(node_00_io_bytes_total[5m]))",
        range_s: 3_600,
        step_s: 60,
        peer_ms: Some(13.0),
    },
    Question {
        told: "sum by (zone) of 1,000 series, 1 h, step 15 s",
        query: "sum by (zone) (rate(node_00_io_bytes_total[5m]))",
        range_s: 3_600,
        step_s: 15,
        peer_ms: None,
    },
    Question {
        told: "one series, 1 h, step 15 s",
        query: "rate(node_00_io_bytes_total{instance=\"10.0.7.7:9100\",device=\"sda\"}[5m])",
        range_s: 3_600,
        step_s: 15,
        peer_ms: None,
    },
    Question {
        told: "topk of all 10,125 series, 1 h",
        query: "topk(10, {__name__=~\"node_.*\"})",
        range_s: 3_600,
        step_s: 60,
        peer_ms: Some(134.0),
    },
    Question {
        told: "topk over 100,000 series",
        query: "topk(10, wide_bytes_total)",
        range_s: 0,
        step_s: 0,
        peer_ms: None,
    },
    Question {
        told: "topk of their rates",
        query: "topk(10, rate(wide_bytes_total[5m]))",
        range_s: 0,
        step_s: 0,
        peer_ms: None,
    },
    Question {
        told: "histogram_quantile over 10,000 classic series",
        query: "histogram_quantile(0.99, sum by (le) (rate(request_duration_seconds_bucket[5m])))",
        range_s: 0,
        step_s: 0,
        peer_ms: None,
    },
    Question {
        told: "the same, 30 min",
        query: "histogram_quantile(0.99, sum by (le) (rate(request_duration_seconds_bucket[5m])))",
        range_s: 1_800,
        step_s: 60,
        peer_ms: None,
    },
    Question {
        told: "histogram_quantile over 10,000 native series",
        query: "histogram_quantile(0.99, sum(rate(native_duration_seconds[5m])))",
        range_s: 0,
        step_s: 0,
        peer_ms: None,
    },
];

pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(binary) = settings.server_binary() else {
        return absent("promql", NO_SERVER);
    };
    let folder = tempfile::tempdir()?;
    let product = Product::start(&binary, folder.path(), OLD_SAMPLES)?;
    let end_unix_ms = Clock::host().wall().unix_ms;
    let n_samples = fill(&product, settings, end_unix_ms)?;
    wait_until_idle(&product)?;
    let sealed = product.metric("tracewell_metrics_samples_total", &[])?;
    let ask_all = || -> anyhow::Result<Vec<Asked>> {
        let questions = QUESTIONS.iter();
        questions
            .map(|question| ask(&product, question, end_unix_ms))
            .collect()
    };
    let asked = ask_all()?;
    let pods = Pods::start(product.http())?;
    let beside_pods = ask_all()?;
    let n_new = pods.stop()?;
    let mut table = Table::new(
        format!(
            "promql: {n_samples} samples of an hour, {:.0} % of them in blocks, the rest in heads; over HTTP",
            100.0 * sealed / n_samples.max(1) as f64
        ),
        &[
            "",
            "p50 ms",
            "p99 ms",
            "first ms",
            "asked",
            "KiB",
            "best peer's p50",
            "p50 beside pods",
            "p99 beside pods",
        ],
    );
    for ((question, alone), beside) in QUESTIONS.iter().zip(&asked).zip(&beside_pods) {
        table.row(row(question, alone, beside));
    }
    table.note(format!("beside pods: asked again while 1,000 pods of 100 series each are scraped each 10 s and live 6 minutes, {n_new} new series an hour, on the same cores"));
    table.note("wall time of one client on one connection a question, answer read to its end; steps: 60 s over an hour of many series, else 15 s");
    table.note("peers: measured on another machine with like questions, so an order of magnitude only; none for what nobody measured");
    table.note(format!(
        "peak memory of the server: {} MiB",
        product.memory()?.peak_bytes >> 20
    ));
    table.print()?;
    Ok(())
}

/// Sends an hour that ends at `end_unix_ms`, in order of time.
fn fill(product: &Product, settings: &Settings, end_unix_ms: i64) -> anyhow::Result<u64> {
    let fleet = Fleet {
        seed: 7,
        n_hosts: N_HOSTS,
        host_series: HOST_SERIES,
    };
    let mut hosts = bodies(&fleet.lines(0..N_HOSTS));
    let mut classic = bodies(&classics(settings.scaled(HISTOGRAM_SERIES) as usize));
    let mut wide = bodies(&wide(settings.scaled(WIDE_SERIES) as usize));
    let n_natives = settings.scaled(HISTOGRAM_SERIES) as usize;
    let mut remote_write = Sender::connect(product.http(), Form::RemoteWrite)?;
    let mut otlp = Sender::connect(product.http(), Form::Otlp)?;
    let mut n_samples = 0;
    for nth in 0..SCRAPES {
        let unix_ms = end_unix_ms - (SCRAPES - nth) as i64 * STEP_MS;
        let is_wide = nth + WIDE_SCRAPES >= SCRAPES;
        let wide = wide.iter_mut().filter(|_| is_wide);
        for body in hosts.iter_mut().chain(&mut classic).chain(wide) {
            remote_write.deliver(body.scrape(unix_ms))?;
            n_samples += body.n_samples() as u64;
        }
        if nth % NATIVE_EVERY == 0 {
            for request in natives(n_natives, nth / NATIVE_EVERY, unix_ms) {
                otlp.deliver(&request)?;
            }
            n_samples += n_natives as u64;
        }
    }
    Ok(n_samples)
}

fn bodies(lines: &[Line]) -> Vec<RemoteWrite> {
    let requests = (0..).zip(lines.chunks(REQUEST_SERIES));
    requests
        .map(|(seed, lines)| RemoteWrite::new(lines, seed))
        .collect()
}

/// What asking a question again and again showed.
enum Asked {
    Answered {
        latency_ns: Histogram<u64>,
        first_ms: f64,
        n_bytes: usize,
    },
    /// Why it was not answered.
    Refused(String),
}

impl Asked {
    /// In ms.
    fn at(&self, quantile: f64) -> Option<f64> {
        match self {
            Self::Answered { latency_ns, .. } => {
                Some(latency_ns.value_at_quantile(quantile) as f64 / 1e6)
            }
            Self::Refused(_) => None,
        }
    }
}

fn ask(product: &Product, question: &Question, end_unix_ms: i64) -> anyhow::Result<Asked> {
    let clock = Clock::host();
    let begun = clock.monotonic();
    let mut latency_ns = Histogram::<u64>::new_with_bounds(1, LATENCY_NS_MAX, 3)?;
    let (mut first_ms, mut n_bytes) = (0.0, 0);
    for nth in 0..N_ASKED {
        if nth >= N_ASKED_MIN && clock.monotonic() - begun > ASKED_MAX {
            break;
        }
        // each a second earlier, so that no answer is one of before
        let end_s = end_unix_ms / 1_000 - 10 - nth as i64 % 20;
        let path = path(question, end_s);
        let asked_at = clock.monotonic();
        let (status, answer) = product.get(&path)?;
        let took = clock.monotonic() - asked_at;
        if status != 200 {
            let why = answer.split("\"error\":\"").nth(1).unwrap_or(&answer);
            return Ok(Asked::Refused(why.chars().take(60).collect()));
        }
        ensure!(
            answer.contains("\"value") || answer.contains("\"histogram"),
            "{} found nothing: {}",
            question.query,
            answer.get(..400).unwrap_or(&answer)
        );
        if nth == 0 {
            first_ms = took.as_secs_f64() * 1e3;
        } else {
            latency_ns
                .record(took.as_nanos() as u64)
                .context("a latency within bounds")?;
        }
        n_bytes = answer.len();
    }
    Ok(Asked::Answered {
        latency_ns,
        first_ms,
        n_bytes,
    })
}

fn row(question: &Question, alone: &Asked, beside: &Asked) -> [String; 9] {
    let none = || "–".to_owned();
    let ms = |asked: &Asked, quantile| {
        asked
            .at(quantile)
            .map_or_else(none, |ms| format!("{ms:.1}"))
    };
    let (told, first_ms, n_asked, kib) = match alone {
        Asked::Answered {
            latency_ns,
            first_ms,
            n_bytes,
        } => (
            question.told.to_owned(),
            format!("{first_ms:.1}"),
            latency_ns.len().to_string(),
            format!("{:.0}", *n_bytes as f64 / 1_024.0),
        ),
        Asked::Refused(why) => (
            format!("{}: refused, {why}…", question.told),
            none(),
            none(),
            none(),
        ),
    };
    let peer = question.peer_ms.zip(alone.at(0.5));
    let peer = peer.map_or(String::new(), |(peer_ms, p50_ms)| {
        let told = if p50_ms <= peer_ms { "met" } else { "MISSED" };
        format!("{peer_ms} ms: {told}")
    });
    [
        told,
        ms(alone, 0.5),
        ms(alone, 0.99),
        first_ms,
        n_asked,
        kib,
        peer,
        ms(beside, 0.5),
        ms(beside, 0.99),
    ]
}

fn path(question: &Question, end_s: i64) -> String {
    let query: String = question.query.bytes().map(escaped).collect();
    if question.range_s == 0 {
        return format!("/api/v1/query?query={query}&time={end_s}");
    }
    let begin_s = end_s - question.range_s;
    let step_s = question.step_s;
    format!("/api/v1/query_range?query={query}&start={begin_s}&end={end_s}&step={step_s}")
}

pub(in crate::section) fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
