//! A request from its header to its answer. In: what became of it, or nothing when its sender hung up. Out: one count of it, in either case.

use std::time::Instant;

use telemetry::Clock;

use crate::answer::{Accepted, Refused};
use crate::arrival::{Protocol, Signal};
use crate::metrics::Metrics;

/// A request that has no answer yet. A connection that ends, or a stream that is reset, drops the work on it and this with it; so does a stop that has
/// waited long enough.
pub(crate) struct UnderWay {
    metrics: Metrics,
    clock: Clock,
    by: (Protocol, Signal),
    started: Instant,
    is_answered: bool,
}

impl UnderWay {
    pub(crate) fn begin(metrics: Metrics, clock: Clock, by: (Protocol, Signal)) -> Self {
        Self {
            started: clock.monotonic(),
            metrics,
            clock,
            by,
            is_answered: false,
        }
    }

    /// It ends with an answer.
    pub(crate) fn answered(mut self, outcome: &Result<Accepted, Refused>) {
        self.is_answered = true;
        let took = self
            .clock
            .monotonic()
            .saturating_duration_since(self.started);
        let (protocol, signal) = self.by;
        self.metrics.answered(protocol, signal, outcome, took);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_answered {
            let (protocol, signal) = self.by;
            self.metrics.canceled(protocol, signal);
        }
    }
}
