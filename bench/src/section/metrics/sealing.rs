//! What a server does between its last request and its last block: it seals a head 5 minutes after that began, however soon all samples came.

use std::time::{Duration, Instant};

use anyhow::bail;
use telemetry::Clock;

use super::idle;
use crate::product::Product;

/// How long a server idles until it is known what that takes.
const IDLING: Duration = Duration::from_secs(20);
const SEAL_MAX: Duration = Duration::from_secs(360);
const POLL: Duration = Duration::from_secs(5);

/// A server that waits for its seal.
#[derive(Debug)]
pub(super) struct Sealing {
    begun: Instant,
    cpu: Duration,
    /// CPU of a second in which nothing happens.
    idling: Duration,
}

impl Sealing {
    /// Looks at a server that has nothing to do yet.
    pub(super) fn begin(product: &Product) -> anyhow::Result<Self> {
        let before = product.cpu()?;
        std::thread::sleep(IDLING);
        let cpu = product.cpu()?;
        Ok(Self {
            begun: Clock::host().monotonic(),
            cpu,
            idling: (cpu - before) / IDLING.as_secs() as u32,
        })
    }

    /// Waits until all samples lie in blocks. Returns the CPU that this took beside idling.
    pub(super) fn finish(self, product: &Product, n_samples: u64) -> anyhow::Result<Duration> {
        while product.metric("tracewell_metrics_samples_total", &[])? < n_samples as f64 {
            if self.begun.elapsed() > SEAL_MAX {
                bail!("not all of {n_samples} samples are in blocks after {SEAL_MAX:?}");
            }
            std::thread::sleep(POLL);
        }
        idle(product.process())?;
        let idled = self.idling.mul_f64(self.begun.elapsed().as_secs_f64());
        Ok((product.cpu()? - self.cpu).saturating_sub(idled))
    }
}
