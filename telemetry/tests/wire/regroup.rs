//! Regrouping: valid `TracesData`, the same spans, in parts that fit.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use telemetry::wire::{RecordSpans, Regroup, SpanPlace, TraceWalker, TraceWriter, WalkLimits};

use crate::oracle::generate::{Seed, traces};
use crate::oracle::rebuild::{Sent, expected};

fn by_partition(spans: Vec<Sent>, n_partitions: u32) -> BTreeMap<u32, Vec<Sent>> {
    let mut all: BTreeMap<u32, Vec<Sent>> = BTreeMap::new();
    for span in spans {
        let partition = u32::from(span.span.trace_id[0]) % n_partitions;
        all.entry(partition).or_default().push(span);
    }
    all
}

#[test]
fn partitions_get_their_spans_in_order_in_parts_that_fit() {
    let (mut walker, mut regroup) = (TraceWalker::new(), Regroup::new());
    for seed in 0..500 {
        let decoded = traces(&mut Seed(seed));
        let request = decoded.encode_to_vec();
        let view = walker
            .walk(&request, &WalkLimits::trusted())
            .expect("valid");
        let n_partitions = 1 + seed as u32 % 7;
        let part_bytes_max = 300 + 200 * (seed as usize % 9);
        let mut found: BTreeMap<u32, Vec<Sent>> = BTreeMap::new();
        regroup.regroup(
            &view,
            n_partitions,
            |span| u32::from(span.trace_id().0[0]),
            part_bytes_max,
            |partition, n_spans, part| {
                let spans = expected(&TracesData::decode(part).expect("valid OTLP"));
                assert_eq!(spans.len(), n_spans as usize);
                assert!(part.len() <= part_bytes_max || n_spans == 1);
                found.entry(partition).or_default().extend(spans);
            },
        );
        assert_eq!(found, by_partition(expected(&decoded), n_partitions));
    }
}

#[test]
fn a_trace_of_several_records_keeps_every_field() {
    let mut walker = TraceWalker::new();
    for seed in 0..500 {
        let mut numbers = Seed(seed);
        let requests = [traces(&mut numbers), traces(&mut numbers)];
        let (mut pushed, mut pushed_at) = (TraceWriter::new(), TraceWriter::new());
        let mut sent = Vec::new();
        for decoded in &requests {
            let request = decoded.encode_to_vec();
            let view = walker
                .walk(&request, &WalkLimits::trusted())
                .expect("valid");
            for span in view.spans() {
                pushed.push(&span);
                pushed_at
                    .push_at(&request, span.place())
                    .expect("it is there");
            }
            sent.extend(expected(decoded));
        }
        for mut writer in [pushed, pushed_at] {
            let written = TracesData::decode(writer.finish().as_slice()).expect("valid OTLP");
            assert_eq!(
                sorted(expected(&written)),
                sorted(sent.clone()),
                "seed {seed}"
            );
            assert!(writer.finish().is_empty());
        }
    }
}

fn sorted(mut spans: Vec<Sent>) -> Vec<Sent> {
    spans.sort_by_key(|sent| format!("{:?}", sent.span));
    spans
}

#[test]
fn spans_of_a_record_are_found_in_any_order_and_strangers_are_not() {
    let mut walker = TraceWalker::new();
    for seed in 0..500 {
        let request = traces(&mut Seed(seed)).encode_to_vec();
        let view = walker
            .walk(&request, &WalkLimits::trusted())
            .expect("valid");
        let places: Vec<SpanPlace> = view.spans().map(|span| span.place()).collect();
        let reversed = places.iter().rev().copied().collect();
        let twice = places.iter().chain(&places).copied().collect();
        for order in [places.clone(), reversed, twice] {
            let (mut alone, mut together) = (TraceWriter::new(), TraceWriter::new());
            let mut record = RecordSpans::new(&request);
            for place in order {
                for stranger in strangers(place) {
                    assert!(together.push_from(&mut record, stranger).is_err());
                }
                alone.push_at(&request, place).expect("it is there");
                together.push_from(&mut record, place).expect("it is there");
            }
            assert_eq!(together.finish(), alone.finish(), "seed {seed}");
        }
    }
}

/// Places near a span where there is none.
fn strangers(place: SpanPlace) -> [SpanPlace; 4] {
    [
        SpanPlace {
            len: place.len + 1,
            ..place
        },
        SpanPlace {
            start: place.start + 1,
            ..place
        },
        SpanPlace {
            scope_spans_start: place.scope_spans_start + 1,
            ..place
        },
        SpanPlace {
            resource_spans_start: place.resource_spans_start + 1,
            ..place
        },
    ]
}
