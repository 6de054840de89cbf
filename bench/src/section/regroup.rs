//! A request split by partition into valid OTLP, beside the same through prost: decode, sort spans by partition, encode.

use std::hint::black_box;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, TracesData};
use prost::Message;
use telemetry::wire::{Regroup, TraceWalker, WalkLimits};
use telemetry::{Tenant, TraceId, partition_of};

use super::Settings;
use crate::corpus::{Corpus, Request, Spec};
use crate::cost::{Samples, Side, interleave};
use crate::table::Table;

const N_SPANS: u64 = 50_000;
/// Partitions of a local log on this many cores, and of a large Kafka.
const PARTITIONS: [u32; 2] = [2, 64];
/// Most bytes of a record.
const PART_BYTES_MAX: usize = 900_000;

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    for request_spans in [512, 16] {
        let corpus = Corpus::of_spans(Spec::shop(request_spans), settings.scaled(N_SPANS));
        let mut table = Table::new(
            format!(
                "regroup: {request_spans} spans a request ({})",
                corpus.told()
            ),
            &[
                "",
                "ns/span, median / worst",
                "prost is so many times slower",
            ],
        );
        for n_partitions in PARTITIONS {
            let [ours, prost] = measure(&corpus, n_partitions, settings.rounds);
            let ratio = format!("{:.1}x", prost.median() / ours.median());
            table.row([
                format!("walk and regroup to {n_partitions} partitions"),
                ours.told(0),
                ratio,
            ]);
            table.row([
                format!("prost: decode, sort, encode to {n_partitions}"),
                prost.told(0),
                String::new(),
            ]);
        }
        table.note(
            "the walk is part of both figures; one thread, the system's allocator on all sides",
        );
        table.print()?;
    }
    Ok(())
}

fn measure(corpus: &Corpus, n_partitions: u32, rounds: usize) -> [Samples; 2] {
    let limits = WalkLimits::default();
    let tenant = Tenant::default_tenant();
    let (mut walker, mut regroup) = (TraceWalker::new(), Regroup::default());
    let mut sides = [
        Side::new("regroup", || {
            for request in &corpus.requests {
                let view = walker
                    .walk(&request.bytes, &limits)
                    .expect("the corpus is OTLP");
                regroup.regroup(
                    &view,
                    n_partitions,
                    |span| partition_of(&tenant, span.trace_id(), n_partitions),
                    PART_BYTES_MAX,
                    |partition, n_spans, bytes| {
                        black_box((partition, n_spans, bytes));
                    },
                );
            }
        }),
        Side::new("prost", || {
            for request in &corpus.requests {
                through_prost(request, &tenant, n_partitions);
            }
        }),
    ];
    let samples = interleave(&mut sides, rounds, corpus.n_spans);
    samples
        .try_into()
        .expect("there are as many samples as sides")
}

fn through_prost(request: &Request, tenant: &Tenant, n_partitions: u32) {
    let decoded =
        ExportTraceServiceRequest::decode(request.bytes.as_slice()).expect("the corpus is OTLP");
    for group in decoded.resource_spans {
        let mut of: Vec<Vec<_>> = vec![Vec::new(); n_partitions as usize];
        let [scope]: [ScopeSpans; 1] = group
            .scope_spans
            .try_into()
            .expect("the corpus has one scope a resource");
        for span in scope.spans {
            let id: [u8; 16] = span
                .trace_id
                .as_slice()
                .try_into()
                .expect("the corpus has valid ids");
            of[partition_of(tenant, TraceId(id), n_partitions) as usize].push(span);
        }
        for spans in of.into_iter().filter(|spans| !spans.is_empty()) {
            let scope_spans = vec![ScopeSpans {
                scope: scope.scope.clone(),
                spans,
                schema_url: scope.schema_url.clone(),
            }];
            let resource_spans = vec![ResourceSpans {
                resource: group.resource.clone(),
                scope_spans,
                schema_url: group.schema_url.clone(),
            }];
            black_box(TracesData { resource_spans }.encode_to_vec());
        }
    }
}
