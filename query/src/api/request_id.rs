//! An id for every request, to find it in the log: when this process began to answer, and a count.

use std::sync::atomic::{AtomicU64, Ordering};

use telemetry::Clock;

/// Gives out ids.
#[derive(Debug)]
pub(crate) struct Source {
    began_unix_ms: i64,
    count: AtomicU64,
}

/// Id of one request, as `X-Request-Id` and problem answers carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) String);

impl Source {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            began_unix_ms: clock.wall().unix_ms,
            count: AtomicU64::new(0),
        }
    }

    /// When this process began to answer.
    pub(crate) fn began_unix_ms(&self) -> i64 {
        self.began_unix_ms
    }

    pub(crate) fn next(&self) -> RequestId {
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:x}-{n:x}", self.began_unix_ms))
    }
}
