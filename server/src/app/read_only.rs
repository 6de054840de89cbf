//! A log that takes no more writes after failed ones ends the process: a supervisor or a person must look at the disk.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often the log is asked whether it still takes writes.
const LOG_LOOK: Duration = Duration::from_millis(500);

pub(super) fn is_read_only(metrics: &bus::Metrics) -> bool {
    metrics.read_only.get() != 0
}

/// Ends with an error once the log is read-only.
pub(super) async fn until_read_only(
    metrics: &bus::Metrics,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    while !is_read_only(metrics) {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOG_LOOK) => {}
        }
    }
    anyhow::bail!("the log is read-only after failed writes; repair the disk, then start again")
}
