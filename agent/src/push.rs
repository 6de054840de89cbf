//! The way to the collector. In: requests, as they are made. Out: OTLP over gRPC, one at a time, the oldest first. While the collector is away they wait in
//! memory; what is dropped is counted by its reason. It gives nothing up that may be taken later, and tries nothing again that never will be.

mod backoff;
mod buffer;
mod client;
#[cfg(test)]
pub(crate) mod fake_collector;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use telemetry::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::config::Config;
use backoff::Backoff;
use buffer::Buffer;
pub(crate) use buffer::Counts;
use client::Answer;
pub(crate) use client::{Client, EndpointError, check};

/// Time after a stop in which what waits is still sent.
const FLUSH: Duration = Duration::from_secs(2);

/// Where requests wait. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    buffer: Arc<Mutex<Buffer>>,
    filled: Arc<Notify>,
    clock: Clock,
}

impl Outbox {
    pub(crate) fn new(config: &Config, clock: Clock) -> Self {
        Self {
            buffer: Arc::new(Mutex::new(Buffer::new(
                config.buffer_bytes,
                config.buffer_age,
            ))),
            filled: Arc::new(Notify::new()),
            clock,
        }
    }

    pub(crate) fn put(&self, batches: Vec<Batch>) {
        let mut buffer = self.buffer.lock();
        for batch in batches {
            buffer.put(batch, self.clock.wall().unix_ms);
        }
        drop(buffer);
        self.filled.notify_one();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.buffer.lock().counts()
    }

    fn take(&self) -> Option<Batch> {
        self.buffer.lock().take(self.clock.wall().unix_ms)
    }
}

/// Sends what lies in the outbox until `stop` fires, and for at most [`FLUSH`] after it.
pub(crate) async fn run(outbox: Outbox, mut client: Client, stop: CancellationToken) {
    let mut backoff = Backoff::new(outbox.clock.wall().unix_ms);
    while !stop.is_cancelled() {
        let Some(batch) = outbox.take() else {
            tokio::select! {
                () = stop.cancelled() => {}
                () = outbox.filled.notified() => {}
            }
            continue;
        };
        let answer = {
            let sending = client.send(batch.body.clone());
            tokio::pin!(sending);
            // A request under way is not torn off by a stop: it would be sent twice.
            tokio::select! {
                answer = &mut sending => answer,
                () = stop.cancelled() => timed(FLUSH, sending).await,
            }
        };
        if let Some(wait) = settle(&outbox, batch, answer, &mut backoff) {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
    flush(&outbox, &mut client, &mut backoff).await;
}

async fn flush(outbox: &Outbox, client: &mut Client, backoff: &mut Backoff) {
    let deadline = tokio::time::Instant::now() + FLUSH;
    while let Some(batch) = outbox.take() {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let answer = timed(left, client.send(batch.body.clone())).await;
        if settle(outbox, batch, answer, backoff).is_some() {
            let counts = outbox.counts();
            tracing::warn!(
                code = "TW8006",
                "stopped with {} bytes of requests unsent",
                counts.buffer_bytes
            );
            return;
        }
    }
}

async fn timed(limit: Duration, sending: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(limit, sending)
        .await
        .unwrap_or_else(|_| Answer::Later {
            after: None,
            problem: format!("no answer within {} ms", limit.as_millis()),
        })
}

/// Takes what became of a request. Returns how long to wait before the next, where the collector is away.
fn settle(
    outbox: &Outbox,
    batch: Batch,
    answer: Answer,
    backoff: &mut Backoff,
) -> Option<Duration> {
    let mut buffer = outbox.buffer.lock();
    match answer {
        Answer::Taken {
            n_rejected,
            problem,
        } => {
            buffer.sent(&batch, n_rejected);
            if n_rejected > 0 {
                tracing::warn!(
                    code = "TW8005",
                    "collector rejected {n_rejected} points: {problem}"
                );
            }
            if backoff.reset() {
                tracing::info!(code = "TW8007", "collector takes metrics again");
            }
            None
        }
        Answer::Refused { problem } => {
            tracing::warn!(
                code = "TW8005",
                "collector refused {} points for good: {problem}",
                batch.n_points
            );
            buffer.refused(&batch);
            backoff.reset();
            None
        }
        Answer::Later { after, problem } => {
            buffer.put_back(batch);
            if backoff.is_first() {
                tracing::warn!(
                    code = "TW8004",
                    "collector is away, metrics wait in memory: {problem}"
                );
            }
            Some(backoff.wait(after))
        }
    }
}

#[cfg(test)]
mod tests;
