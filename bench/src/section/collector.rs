//! The collector over real sockets: CPU time a span from the request to its answer, beside a plain tonic service that decodes with prost.
//!
//! The receivers run in this process, the generator in another one, so that this process's CPU time is theirs alone.

mod receiver;

use anyhow::ensure;

use super::Settings;
use crate::cost::{Samples, process_cpu};
use crate::load::{Encoding, Generator, Plan, Protocol};
use crate::table::Table;
use receiver::{Kind, Receivers};

const N_SPANS: u64 = 600_000;
const CONNECTIONS: usize = 4;

/// One row: who receives, and how spans are sent.
#[derive(Debug, Clone, Copy)]
struct Way {
    kind: Kind,
    protocol: Protocol,
    encoding: Encoding,
}

const fn way(kind: Kind, protocol: Protocol, encoding: Encoding) -> Way {
    Way {
        kind,
        protocol,
        encoding,
    }
}

const WAYS: [Way; 8] = [
    way(Kind::NullLog, Protocol::Grpc, Encoding::Identity),
    way(Kind::NullLog, Protocol::Grpc, Encoding::Gzip),
    way(Kind::NullLog, Protocol::Http, Encoding::Identity),
    way(Kind::NullLog, Protocol::Http, Encoding::Gzip),
    way(Kind::DurableLog, Protocol::Grpc, Encoding::Identity),
    way(Kind::DurableLog, Protocol::Grpc, Encoding::Gzip),
    way(Kind::Tonic, Protocol::Grpc, Encoding::Identity),
    way(Kind::Tonic, Protocol::Grpc, Encoding::Gzip),
];

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    for request_spans in [512, 16] {
        let mut samples = vec![Samples::default(); WAYS.len()];
        for _ in 0..settings.rounds.max(1) {
            for (way, samples) in WAYS.iter().zip(&mut samples) {
                samples.push(runtime.block_on(measure(
                    *way,
                    request_spans,
                    settings.scaled(N_SPANS),
                ))?);
            }
        }
        table(request_spans, &samples).print()?;
    }
    Ok(())
}

/// CPU µs a span of one run.
async fn measure(way: Way, request_spans: usize, n_spans: u64) -> anyhow::Result<f64> {
    let receivers = Receivers::bind(way.kind, way.protocol).await?;
    let plan = Plan {
        encoding: way.encoding,
        request_spans,
        spans: n_spans,
        connections: CONNECTIONS,
        corpus_spans: 50_000,
        ..Plan::to(receivers.address()?, way.protocol)
    };
    let generator = tokio::task::spawn_blocking(move || Generator::start(&plan)).await??;
    let before = process_cpu();
    let sent = tokio::task::spawn_blocking(move || generator.run());
    let outcome = receivers.serve_until(sent).await???;
    let cpu = process_cpu() - before;
    ensure!(
        outcome.acked == outcome.offered(),
        "not everything was acknowledged: {outcome}"
    );
    Ok(cpu.as_secs_f64() * 1e6 / outcome.acked as f64)
}

fn table(request_spans: usize, samples: &[Samples]) -> Table {
    let mut table = Table::new(
        format!("collector: {request_spans} spans a request, {CONNECTIONS} connections, loopback"),
        &[
            "",
            "CPU µs/span, median / worst",
            "spans/s and core",
            "tonic costs so many times more",
        ],
    );
    for (way, of) in WAYS.iter().zip(samples) {
        let reference = WAYS
            .iter()
            .position(|other| other.kind == Kind::Tonic && other.encoding == way.encoding)
            .expect("both are there");
        let compressed = way.encoding.named().unwrap_or("plain");
        let protocol = match way.protocol {
            Protocol::Grpc => "gRPC",
            Protocol::Http => "HTTP",
        };
        table.row([
            format!("{protocol} {compressed}, {}", way.kind.told()),
            of.told(2),
            format!("{:.0}", 1e6 / of.median()),
            format!("{:.1}x", samples[reference].median() / of.median()),
        ]);
    }
    table.note("CPU: user and system of this process, kernel's side of the sockets included; the generator is another process");
    table
}
