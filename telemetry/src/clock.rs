//! The host's clocks, for shells only. A machine over the log never sees this: its time is in [`crate::time`].

mod believed;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::RecordTime;

pub use believed::BelievedWall;

/// Where a shell reads the time. Tests set it by hand; nothing else reads a host clock.
#[derive(Debug, Clone, Default)]
pub struct Clock(Kind);

#[derive(Debug, Clone, Default)]
enum Kind {
    #[default]
    Host,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of this host.
    #[must_use]
    pub fn host() -> Self {
        Self(Kind::Host)
    }

    /// A clock that stands at `unix_ms` until it is moved by [`Clock::advance`].
    #[must_use]
    pub fn manual(unix_ms: i64) -> Self {
        Self(Kind::Manual(Arc::new(AtomicI64::new(unix_ms))))
    }

    /// Moves a manual clock by `step_ms`, which may be negative. The host's clock does not move.
    pub fn advance(&self, step_ms: i64) {
        if let Kind::Manual(now_ms) = &self.0 {
            now_ms.fetch_add(step_ms, Ordering::SeqCst);
        }
    }

    /// Wall-clock time. Before 1970 it reads 0.
    #[must_use]
    pub fn wall(&self) -> RecordTime {
        let unix_ms = match &self.0 {
            Kind::Manual(now_ms) => now_ms.load(Ordering::SeqCst),
            Kind::Host => host_since_epoch().as_millis() as i64,
        };
        RecordTime { unix_ms }
    }

    /// Monotonic time, for durations and deadlines.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the host's monotonic clock"
    )]
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the host's wall clock"
)]
fn host_since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
