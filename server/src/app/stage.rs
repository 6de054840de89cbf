//! Parts that run side by side and stop together. In: futures with a name. Out: word of each that ended.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// A part that runs until it is told to stop.
pub(super) type Part = (&'static str, anyhow::Result<()>);

/// Parts that stop together, before those of the next stage.
pub(super) struct Stage {
    pub(super) stop: CancellationToken,
    pub(super) parts: JoinSet<Part>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            parts: JoinSet::new(),
        }
    }

    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.parts.spawn(async move { (name, part.await) });
    }

    /// Tells the parts to stop and waits for them, at most until `deadline` has passed.
    pub(super) async fn drain(&mut self, deadline: Duration) {
        self.stop.cancel();
        let all = async {
            while let Some(ended) = self.parts.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!(
                code = "TW1005",
                parts = self.parts.len(),
                "parts did not stop in time and are cut off; nothing acknowledged is lost"
            );
            self.parts.abort_all();
        }
    }
}

/// Tells how a part ended.
pub(super) fn report(ended: Result<Part, JoinError>) {
    match ended {
        Ok((name, Ok(()))) => tracing::debug!(part = name, "stopped"),
        Ok((name, Err(error))) => {
            tracing::error!(code = "TW1002", part = name, "{name} failed: {error:#}")
        }
        Err(error) => tracing::error!(code = "TW1003", "a part panicked: {error}"),
    }
}
