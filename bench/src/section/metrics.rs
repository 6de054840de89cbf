//! Metrics: what a sample costs from a request to a block, what a series costs in memory, and how long PromQL takes over HTTP. Each table says its
//! goal and whether it is met.

mod churn;
mod ingest;
mod peers;
mod pods;
mod promql;
mod sealing;
mod sender;
mod series;

use std::time::Duration;

use telemetry::Clock;

use crate::process::Process;
use crate::product::Product;

pub use churn::live;
pub(super) use ingest::run as run_ingest;
pub(super) use peers::run as run_peers;
pub(super) use promql::{escaped, run as run_promql};
pub use series::hold;
pub(super) use series::run as run_series;

/// Lets samples be older than they are in life, so that hours are sent in seconds.
const OLD_SAMPLES: &str = "[metrics]\nout_of_order = \"12h\"\n";
/// Longest wait until a server has nothing left to do.
const IDLE_WAIT_MAX: Duration = Duration::from_secs(60);
const IDLE_POLL: Duration = Duration::from_millis(500);
/// CPU time within a poll that ticks and waiting cost.
const IDLE_CPU: Duration = Duration::from_millis(20);

/// `met` or `MISSED`, with the goal.
fn verdict(value: f64, max: f64, unit: &str) -> String {
    let told = if value <= max { "met" } else { "MISSED" };
    format!("≤ {max} {unit}: {told}")
}

/// Waits until the server has read its log and written its blocks, as its CPU time tells, or too long.
fn wait_until_idle(product: &Product) -> anyhow::Result<()> {
    idle(product.process())
}

/// The same of any server.
fn idle(server: &Process) -> anyhow::Result<()> {
    let clock = Clock::host();
    let begun = clock.monotonic();
    let mut n_idle = 0;
    while n_idle < 2 && clock.monotonic() - begun < IDLE_WAIT_MAX {
        let before = server.cpu()?;
        std::thread::sleep(IDLE_POLL);
        let is_idle = server.cpu()? - before <= IDLE_CPU;
        n_idle = if is_idle { n_idle + 1 } else { 0 };
    }
    Ok(())
}
