//! Pods that come and go while something else is measured: a thread sends their samples at the times at which an agent would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::anyhow;
use telemetry::Clock;

use super::sender::{Form, Sender};
use crate::corpus::hosts::{N_POD_SERIES, RemoteWrite, STEP_MS, pod};

/// Pods at a time: 100,000 series.
const N_PODS: u64 = 1_000;
/// A life of 6 minutes: a million new series an hour.
const LIFE_S: u64 = 360;
const STEP_S: u64 = STEP_MS as u64 / 1_000;

/// Pods that a thread sends for, until they are stopped.
#[derive(Debug)]
pub(super) struct Pods {
    stop: Arc<AtomicBool>,
    sending: JoinHandle<anyhow::Result<u64>>,
}

impl Pods {
    /// Starts them, and waits until each was scraped.
    pub(super) fn start(to: SocketAddr) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut sender = Sender::connect(to, Form::RemoteWrite)?;
        let stopped = Arc::clone(&stop);
        let sending = std::thread::spawn(move || send(&mut sender, &stopped));
        std::thread::sleep(Duration::from_secs(STEP_S + 1));
        Ok(Self { stop, sending })
    }

    /// Stops them. Returns how many new series there were an hour.
    pub(super) fn stop(self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.sending
            .join()
            .map_err(|_| anyhow!("the thread that sends for pods died"))?
    }
}

/// A second after the other, a tenth of the pods in each.
fn send(sender: &mut Sender, stopped: &AtomicBool) -> anyhow::Result<u64> {
    let clock = Clock::host();
    let begun = clock.monotonic();
    let mut pods: Vec<RemoteWrite> = (0..N_PODS).map(new_pod).collect();
    let mut n_seen = N_PODS;
    let mut second = 0;
    while !stopped.load(Ordering::Relaxed) {
        for (place, body) in (0..).zip(&mut pods) {
            // lives end one after the other, not all at once
            if (second + place * LIFE_S / N_PODS + 1).is_multiple_of(LIFE_S) {
                *body = new_pod(n_seen);
                n_seen += 1;
            }
            if place % STEP_S == second % STEP_S {
                sender.deliver(body.scrape(clock.wall().unix_ms))?;
            }
        }
        second += 1;
        let next = begun + Duration::from_secs(second);
        std::thread::sleep(next.saturating_duration_since(clock.monotonic()));
    }
    Ok((n_seen - N_PODS) * N_POD_SERIES as u64 * 3_600 / second.max(1))
}

fn new_pod(n: u64) -> RemoteWrite {
    RemoteWrite::new(&pod(n), n)
}
