//! Requests made up and damaged by a seed, walked and decoded by prost.

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use telemetry::wire::{TraceWalker, WalkError, WalkLimits, span_at};

use crate::oracle::generate::{Seed, mutate, traces};
use crate::oracle::rebuild::{expected, seen, sent};

/// Damaged requests to try; `TRACEWELL_MUTATIONS` asks for more.
fn n_mutations() -> u64 {
    option_env!("TRACEWELL_MUTATIONS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(30_000)
}

/// Walks `bytes` as prost decodes them, or both refuse them.
#[track_caller]
fn check_as_prost(walker: &mut TraceWalker, bytes: &[u8]) -> bool {
    let decoded = TracesData::decode(bytes);
    let walked = walker.walk(bytes, &WalkLimits::trusted());
    match (decoded, walked) {
        (Ok(decoded), Ok(view)) => {
            assert_eq!(seen(&view), expected(&decoded), "{bytes:02x?}");
            true
        }
        (Err(_), Err(WalkError::Malformed(reason))) => {
            assert!(reason.len() <= 256, "{reason}");
            false
        }
        (decoded, walked) => panic!(
            "prost: {:?}, walker: {:?}, {bytes:02x?}",
            decoded.map(|_| "accepted"),
            walked.map(|_| "accepted")
        ),
    }
}

#[test]
fn every_value_reads_as_prost_decodes_it() {
    let mut walker = TraceWalker::new();
    for seed in 0..1_000 {
        let request = traces(&mut Seed(seed)).encode_to_vec();
        assert!(check_as_prost(&mut walker, &request));
    }
}

#[test]
fn what_prost_refuses_is_refused_and_nothing_else() {
    let mut walker = TraceWalker::new();
    let mut n_accepted = 0_u64;
    for number in 0..n_mutations() {
        let mut seed = Seed(number);
        let mut request = traces(&mut seed).encode_to_vec();
        mutate(&mut seed, &mut request);
        n_accepted += u64::from(check_as_prost(&mut walker, &request));
    }
    assert!(
        n_accepted > n_mutations() / 20,
        "only {n_accepted} stayed valid"
    );
}

#[test]
fn a_place_finds_the_span_again() {
    let mut walker = TraceWalker::new();
    for seed in 0..300 {
        let request = traces(&mut Seed(seed)).encode_to_vec();
        let view = walker
            .walk(&request, &WalkLimits::trusted())
            .expect("valid");
        for span in view.spans() {
            let found = span_at(&request, span.place()).expect("it is there");
            let again = found.view();
            assert_eq!(sent(&again), sent(&span));
            assert_eq!(again.bytes(), span.bytes());
            assert_eq!(
                again.resource().service_name(),
                span.resource().service_name()
            );
            let mut elsewhere = span.place();
            elsewhere.len += 1;
            assert!(span_at(&request, elsewhere).is_err());
        }
    }
}
