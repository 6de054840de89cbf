//! The requests of a plan, handed out one after the other to whoever sends next.

use std::time::Duration;

use bytes::Bytes;
use libdeflater::{CompressionLvl, Compressor};
use parking_lot::Mutex;

use super::Plan;
use crate::corpus::Request;

/// A request to send.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) n_spans: u32,
    pub(crate) bytes: Bytes,
    /// When it is due, from the start of the load.
    pub(crate) due: Duration,
}

/// A corpus, repeated until the plan's spans are sent.
pub(crate) struct Replay(Mutex<State>);

struct State {
    requests: Vec<Request>,
    /// Bodies that never change: those of a plan without new ids.
    fixed: Vec<Bytes>,
    gzip: Option<Compressor>,
    next: usize,
    round: u64,
    n_sent: u64,
    spans: u64,
    rate: u64,
}

impl Replay {
    pub(crate) fn new(plan: &Plan) -> Self {
        let corpus = plan.corpus();
        let mut gzip = plan
            .gzip
            .then(|| Compressor::new(CompressionLvl::fastest()));
        let fixed = if plan.renew {
            Vec::new()
        } else {
            corpus
                .requests
                .iter()
                .map(|request| body(&request.bytes, gzip.as_mut()))
                .collect()
        };
        Self(Mutex::new(State {
            requests: corpus.requests,
            fixed,
            gzip,
            next: 0,
            round: 0,
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
        if state.next == state.requests.len() {
            state.next = 0;
            state.round += 1;
        }
        let request = &mut state.requests[state.next];
        let bytes = match state.fixed.get(state.next) {
            Some(bytes) => bytes.clone(),
            None => {
                request.renew(state.round);
                body(&request.bytes, state.gzip.as_mut())
            }
        };
        let due_ns = (state.n_sent * 1_000_000_000)
            .checked_div(state.rate)
            .unwrap_or(0);
        state.next += 1;
        state.n_sent += u64::from(request.n_spans);
        Some(Body {
            n_spans: request.n_spans,
            bytes,
            due: Duration::from_nanos(due_ns),
        })
    }
}

fn body(bytes: &[u8], gzip: Option<&mut Compressor>) -> Bytes {
    let Some(gzip) = gzip else {
        return Bytes::copy_from_slice(bytes);
    };
    let mut out = vec![0; gzip.gzip_compress_bound(bytes.len())];
    let n_bytes = gzip
        .gzip_compress(bytes, &mut out)
        .expect("the buffer is as large as the bound says");
    out.truncate(n_bytes);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Protocol;

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
        assert_eq!(n_spans, 10_000);
        assert_eq!(bodies[1].due, Duration::from_millis(16));
    }

    #[test]
    fn with_new_ids_no_body_comes_twice_and_without_they_repeat() {
        let bodies = |renew| {
            let replay = Replay::new(&Plan { renew, ..plan() });
            let mut bodies: Vec<Bytes> = std::iter::from_fn(|| replay.next())
                .map(|body| body.bytes)
                .collect();
            let n_bodies = bodies.len();
            bodies.sort();
            bodies.dedup();
            (n_bodies, bodies.len())
        };
        let (n_bodies, n_different) = bodies(true);
        assert_eq!(n_bodies, n_different);
        let (n_bodies, n_different) = bodies(false);
        assert!(n_different * 4 < n_bodies, "{n_different} of {n_bodies}");
    }
}
