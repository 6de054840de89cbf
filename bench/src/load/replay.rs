//! The requests of a plan, handed out one after the other to whoever sends next.

use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::Plan;
use super::encoding::Encoder;
use crate::corpus::{Corpus, Request};

/// A request to send.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) n_spans: u32,
    pub(crate) bytes: Bytes,
    /// When it is due, from the start of the load.
    pub(crate) due: Duration,
}

/// Requests, repeated until the plan's spans are sent.
pub(crate) struct Replay(Mutex<State>);

struct State {
    source: Source,
    n_sent: u64,
    spans: u64,
    rate: u64,
}

/// Where the next body comes from.
enum Source {
    /// Made before the start, and repeated as they are: costs the generator next to nothing.
    Made {
        bodies: Vec<(u32, Bytes)>,
        next: usize,
    },
    /// Made as they are sent, with new ids in each round.
    Renewed {
        requests: Vec<Request>,
        encoder: Encoder,
        next: usize,
        round: u64,
    },
}

impl Replay {
    pub(crate) fn new(plan: &Plan) -> Self {
        let corpus = plan.corpus();
        let mut encoder = Encoder::new(plan.encoding);
        let source = if plan.renew {
            Source::Renewed {
                requests: corpus.requests,
                encoder,
                next: 0,
                round: 0,
            }
        } else {
            Source::Made {
                bodies: made(corpus, plan.distinct_spans, &mut encoder),
                next: 0,
            }
        };
        Self(Mutex::new(State {
            source,
            n_sent: 0,
            spans: plan.spans,
            rate: plan.rate,
        }))
    }

    /// The next request, unless the plan's spans were all handed out.
    pub(crate) fn next(&self) -> Option<Body> {
        let state = &mut *self.0.lock();
        if state.n_sent >= state.spans {
            return None;
        }
        let (n_spans, bytes) = state.source.next();
        let due_ns = (state.n_sent * 1_000_000_000)
            .checked_div(state.rate)
            .unwrap_or(0);
        state.n_sent += u64::from(n_spans);
        Some(Body {
            n_spans,
            bytes,
            due: Duration::from_nanos(due_ns),
        })
    }
}

impl Source {
    fn next(&mut self) -> (u32, Bytes) {
        match self {
            Self::Made { bodies, next } => {
                let made = bodies[*next].clone();
                *next = (*next + 1) % bodies.len();
                made
            }
            Self::Renewed {
                requests,
                encoder,
                next,
                round,
            } => {
                let request = &mut requests[*next];
                request.renew(*round);
                let made = (request.n_spans, encoder.body(&request.bytes));
                *next += 1;
                if *next == requests.len() {
                    (*next, *round) = (0, *round + 1);
                }
                made
            }
        }
    }
}

/// The corpus in as many rounds, each with its own ids, as make `distinct_spans`; at least one.
fn made(mut corpus: Corpus, distinct_spans: u64, encoder: &mut Encoder) -> Vec<(u32, Bytes)> {
    let n_rounds = distinct_spans.div_ceil(corpus.n_spans).max(1);
    let mut bodies = Vec::new();
    for round in 0..n_rounds {
        for request in &mut corpus.requests {
            request.renew(round);
            bodies.push((request.n_spans, encoder.body(&request.bytes)));
        }
    }
    bodies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Encoding, Protocol};

    fn plan() -> Plan {
        let target = "127.0.0.1:1".parse().expect("an address");
        Plan {
            corpus_spans: 2_000,
            request_spans: 16,
            spans: 10_000,
            ..Plan::to(target, Protocol::Grpc)
        }
    }

    #[test]
    fn it_hands_out_the_spans_of_the_plan_at_its_rate() {
        let replay = Replay::new(&Plan {
            rate: 1_000,
            ..plan()
        });
        let bodies: Vec<Body> = std::iter::from_fn(|| replay.next()).collect();
        let n_spans: u64 = bodies.iter().map(|body| u64::from(body.n_spans)).sum();
        assert!((10_000..10_016).contains(&n_spans), "{n_spans} spans");
        assert_eq!(bodies[1].due, Duration::from_millis(16));
    }

    #[track_caller]
    fn check_distinct(plan: &Plan, distinct_spans: std::ops::Range<u64>) {
        let replay = Replay::new(plan);
        let mut bodies: Vec<Body> = std::iter::from_fn(|| replay.next()).collect();
        bodies.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        bodies.dedup_by(|a, b| a.bytes == b.bytes);
        let found: u64 = bodies.iter().map(|body| u64::from(body.n_spans)).sum();
        assert!(distinct_spans.contains(&found), "{found} distinct spans");
    }

    #[test]
    fn with_new_ids_no_body_comes_twice_and_without_they_repeat() {
        check_distinct(
            &Plan {
                renew: true,
                ..plan()
            },
            10_000..10_016,
        );
        check_distinct(
            &Plan {
                distinct_spans: 4_001,
                ..plan()
            },
            4_001..6_500,
        );
        check_distinct(&plan(), 2_000..2_600);
    }

    #[test]
    fn compressed_bodies_are_less_than_a_quarter_of_the_plain_ones() {
        let n_bytes = |encoding: Encoding| -> usize {
            let replay = Replay::new(&Plan {
                encoding,
                request_spans: 512,
                ..plan()
            });
            std::iter::from_fn(|| replay.next())
                .map(|body| body.bytes.len())
                .sum()
        };
        let plain = n_bytes(Encoding::Identity);
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let compressed = n_bytes(encoding);
            assert!(
                compressed * 4 < plain,
                "{compressed} bytes of {plain} with {encoding:?}"
            );
        }
    }
}
