//! The agent: each second whatever is due is read, and meanwhile whatever was read is sent.

use std::time::Duration;

use http::Uri;
use telemetry::Clock;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::probes::Probes;
use crate::push::{self, Client, EndpointError, Outbox};

const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);
/// Attributes that a configuration gives to every resource.
const ATTRIBUTES_MAX: usize = 64;

/// Why an agent cannot be made: a mistake in `[agent]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("agent.interval is {interval_ms} ms; it must be from 1s to 1h")]
    Interval { interval_ms: u128 },
    #[error("agent.probes is empty: there is nothing to read")]
    NoProbes,
    #[error("agent.timeout must be longer than 0")]
    NoTimeout,
    #[error("agent.attributes has {n} entries, at most {ATTRIBUTES_MAX} are allowed")]
    Attributes { n: usize },
    #[error("agent.attributes has an entry without a key")]
    NoKey,
}

/// Why a running agent ended before it was stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("a probe panicked")]
    Probe(#[source] tokio::task::JoinError),
}

/// Reads a host and pushes what it shows.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    endpoint: Uri,
    clock: Clock,
}

impl Agent {
    /// Checks the configuration. Nothing is read or connected before [`Agent::run`].
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn new(config: Config, clock: Clock) -> Result<Self, NewError> {
        let endpoint = push::check(&config.endpoint)?;
        if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&config.interval) {
            return Err(NewError::Interval {
                interval_ms: config.interval.as_millis(),
            });
        }
        if config.probes.is_empty() {
            return Err(NewError::NoProbes);
        }
        if config.timeout.is_zero() {
            return Err(NewError::NoTimeout);
        }
        let n = config.attributes.len();
        if n > ATTRIBUTES_MAX {
            return Err(NewError::Attributes { n });
        }
        if config.attributes.keys().any(|key| key.trim().is_empty()) {
            return Err(NewError::NoKey);
        }
        Ok(Self {
            config,
            endpoint,
            clock,
        })
    }

    /// Reads and sends until `stop` fires, then sends for at most 2 s more what waits. The first reading is at once. A collector that is away is no error:
    /// readings wait in memory, bounded.
    ///
    /// # Errors
    /// When a probe panics.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        let outbox = Outbox::new(&self.config, self.clock.clone());
        let client = Client::new(self.endpoint, self.config.timeout);
        let probes = Probes::new(&self.config, self.clock.clone());
        tracing::info!(
            endpoint = self.config.endpoint,
            "agent reads each {} s",
            self.config.interval.as_secs()
        );
        // A probe that fails stops the pushing too.
        let ended = stop.child_token();
        let pushing = push::run(outbox.clone(), client, ended.clone());
        let reading = async {
            let result = read(probes, &outbox, &self.clock, &ended).await;
            ended.cancel();
            result
        };
        tokio::join!(reading, pushing).0
    }
}

/// Lets the probes read each second, off the async threads.
async fn read(
    mut probes: Probes,
    outbox: &Outbox,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    while !stop.is_cancelled() {
        let counts = outbox.counts();
        let round = tokio::task::spawn_blocking(move || {
            let batches = probes.round(&counts);
            (probes, batches)
        });
        let batches;
        (probes, batches) = round.await.map_err(RunError::Probe)?;
        if !batches.is_empty() {
            outbox.put(batches);
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(to_next_second(clock)) => {}
        }
    }
    Ok(())
}

fn to_next_second(clock: &Clock) -> Duration {
    let into_ms = clock.wall().unix_ms.rem_euclid(1_000);
    Duration::from_millis(u64::try_from(1_000 - into_ms).unwrap_or(1_000))
}

#[cfg(test)]
mod tests;
