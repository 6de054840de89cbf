//! What an open trace and a span cost a shard: `cargo run --release -p tracewell-sampler --example shard_cost [traces]`. Prints CPU ns a span, walker
//! included, and resident bytes an open trace of 12 spans.

use bus::machine::Machine;
use bus::{Header, Kind, Offset, Partition, Record, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use sampler::Shard;
use telemetry::{Clock, RecordTime, Tenant};

const SPANS: u64 = 12;
/// Spans of a trace come in as many records: the first half of them, then the other.
const HALVES: u64 = 2;
/// Traces in one record.
const TRACES_A_RECORD: u64 = 20;

#[expect(clippy::print_stdout, reason = "a program that prints figures")]
fn main() {
    let n_traces: u64 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000);
    let of = TopicPartition {
        topic: Topic::Spans,
        partition: Partition(0),
    };
    let mut shard = Shard::new(of, 1);
    let clock = Clock::host();
    let before = resident_bytes();
    let (mut offset, mut took_ns) = (0, 0);
    for half in 0..HALVES {
        for first in (0..n_traces).step_by(TRACES_A_RECORD as usize) {
            offset += 1;
            let record = record(
                of,
                offset,
                half,
                first..(first + TRACES_A_RECORD).min(n_traces),
            );
            let began = clock.monotonic();
            let sealed = shard.apply(&record).expect("the shard goes on");
            took_ns += clock.monotonic().duration_since(began).as_nanos();
            assert!(sealed.is_none(), "no time passes");
        }
    }
    let n_spans = n_traces * SPANS;
    let bytes = resident_bytes().saturating_sub(before);
    println!("open traces {}, spans a trace {SPANS}", shard.n_open());
    println!(
        "ns a span, walker included: {}",
        took_ns / u128::from(n_spans)
    );
    println!(
        "resident: {} MB, {} B a trace with its spans",
        bytes / 1_000_000,
        bytes / n_traces
    );
    println!("by formula: {} MB", shard.open_bytes() / 1_000_000);
}

fn record(of: TopicPartition, offset: u64, half: u64, traces: std::ops::Range<u64>) -> Record {
    let mix = |n: u64| n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let span = |trace: u64, n: u64| Span {
        trace_id: [mix(trace), mix(trace + 7)]
            .iter()
            .flat_map(|n| n.to_be_bytes())
            .collect(),
        span_id: mix(trace * SPANS + n).to_be_bytes().to_vec(),
        parent_span_id: vec![1; 8],
        name: "GET /api/cart".to_owned(),
        start_time_unix_nano: 1_700_000_000_000_000_000 + n,
        end_time_unix_nano: 1_700_000_000_000_500_000 + n,
        ..Default::default()
    };
    let spans_a_half = SPANS / HALVES;
    let spans =
        traces.flat_map(|trace| (0..spans_a_half).map(move |n| (trace, half * spans_a_half + n)));
    let scope = ScopeSpans {
        spans: spans.map(|(trace, n)| span(trace, n)).collect(),
        ..Default::default()
    };
    let data = TracesData {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![scope],
            ..Default::default()
        }],
    };
    let header = Header {
        tenant: Tenant::default_tenant(),
        kind: Kind::Otlp,
        accepted_at: RecordTime::default(),
        n_items: 0,
        request_hash: RequestHash(u128::from(offset)),
        part: 0,
        historic: false,
    };
    let appended_at = RecordTime {
        unix_ms: 1_700_000_000_000,
    };
    Record {
        of,
        offset: Offset(offset),
        appended_at,
        header,
        payload: Bytes::from(data.encode_to_vec()),
    }
}

/// Resident memory of this process (Linux).
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}
