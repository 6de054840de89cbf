//! The way of a request: admitted, inflated, hashed, walked, routed, appended, answered. No OK before the log has every record.
//!
//! In: an [`Arrival`] from a receiver. Out: what became of it. Work on bytes longer than half a millisecond leaves the async threads. A
//! request waits for its turn a moment, before its body is read; what cannot be taken then is refused with the time after which to come again.

use bus::Log;
use futures::FutureExt;
use http::HeaderMap;
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use telemetry::{Clock, Tenant};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::admit::{BodyLimits, Budget, Quotas, Reserved};
use crate::answer::{Accepted, Overload, Pacing, QuotaOf, Refusal, Refused};
use crate::arrival::{Arrival, Format, Protocol, Signal};
use crate::config::{Config, Limits};
use crate::fault::Faults;
use crate::health::Standing;
use crate::inflate;
use crate::listen::Windows;
use crate::metrics::Metrics;
use crate::route::{Destination, Routed, Workbenches};
use crate::under_way::UnderWay;

/// Protobuf above this size, in bytes once decompressed, is worked on off the async threads.
const PROTOBUF_INLINE_MAX: u64 = 1 << 20;
/// The same for JSON, which costs some ten times as much a byte.
const JSON_INLINE_MAX: u64 = 48 << 10;

/// What senders may have on its way beside the memory of requests, in percent of it: bytes that came and that no request has read are in no
/// reservation.
const WINDOWS_PERCENT: u64 = 45;

/// Takes requests from all receivers and answers them. Cheap to clone; every clone is the same collector.
pub struct Collector<L: Log> {
    shared: Arc<Shared<L>>,
}

struct Shared<L> {
    config: Config,
    log: L,
    clock: Clock,
    metrics: Metrics,
    standing: Standing,
    budget: Budget,
    windows: Windows,
    span_quotas: Mutex<Quotas>,
    point_quotas: Mutex<Quotas>,
    workbenches: Workbenches,
    /// Turns for large requests, so that they do not take all cores.
    large: Semaphore,
    pacing: Mutex<Pacing>,
    faults: Mutex<Faults>,
    draining: AtomicBool,
}

impl<L: Log> Clone for Collector<L> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<L: Log> Collector<L> {
    pub fn new(config: Config, log: L, clock: Clock, metrics: Metrics, standing: Standing) -> Self {
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            shared: Arc::new(Shared {
                budget: Budget::new(config.limits.ingest_memory),
                windows: Windows::new(config.limits.ingest_memory / 100 * WINDOWS_PERCENT),
                span_quotas: Mutex::new(Quotas::new(QuotaOf::Spans, config.limits.spans)),
                point_quotas: Mutex::new(Quotas::new(QuotaOf::Points, config.limits.points)),
                workbenches: Workbenches::new(&config.limits, 2 * n_cores),
                large: Semaphore::new(n_cores),
                pacing: Mutex::default(),
                faults: Mutex::default(),
                draining: AtomicBool::new(false),
                config,
                log,
                clock,
                metrics,
                standing,
            }),
        }
    }

    /// Refuses everything from now on, with the word to come again: what is under way is still answered.
    pub(crate) fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.config.limits
    }

    /// The windows of the connections of all receivers.
    pub(crate) fn windows(&self) -> &Windows {
        &self.shared.windows
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.shared.standing
    }

    /// A reservation of memory for one request.
    pub(crate) fn reserve(&self) -> Reserved {
        self.shared.budget.open()
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        let limits = self.limits();
        BodyLimits {
            bytes_max: limits.body_max,
            idle: limits.body_idle,
            total: limits.body_total,
        }
    }

    /// When a request whose last byte came just now has to be answered; earlier if its caller asked for that.
    pub(crate) fn answer_by(&self, asked: Option<Instant>) -> Instant {
        let ours = Instant::now() + self.limits().answer;
        asked.map_or(ours, |asked| asked.min(ours))
    }

    /// # Errors
    /// When the collector is draining.
    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        if self.shared.draining.load(Ordering::Acquire) {
            return Err(Refusal::Overloaded(Overload::Draining));
        }
        Ok(())
    }

    /// # Errors
    /// When all header fields together are too long. Over HTTP/2 the connection itself sees to it.
    pub(crate) fn check_headers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let n_bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        let max = self.limits().headers_max;
        if n_bytes as u64 > max {
            return Err(Refusal::TooLarge {
                what: "header fields in bytes",
                amount: n_bytes as u64,
                limit: "limits.headers_max",
                max,
            });
        }
        Ok(())
    }

    /// Gives a refusal the wait that it asks for.
    pub(crate) fn refuse(&self, tenant: &Tenant, refusal: Refusal) -> Refused {
        let now = self.shared.clock.monotonic();
        let retry_in = refusal
            .is_retryable()
            .then(|| self.shared.pacing.lock().wait(tenant, now));
        Refused { refusal, retry_in }
    }

    /// A request begins. It is counted when it is answered, or when it is dropped because its sender went away.
    pub(crate) fn under_way(&self, protocol: Protocol, signal: Signal) -> UnderWay {
        UnderWay::begin(
            self.shared.metrics.clone(),
            self.shared.clock.clone(),
            (protocol, signal),
        )
    }

    pub(crate) fn turned_away(&self, protocol: Protocol, signal: &'static str, refusal: &Refusal) {
        self.shared.metrics.turned_away(protocol, signal, refusal);
    }

    /// Takes a request. Its records are durable when this says so. Not cancel-safe: dropped, its records may be in the log or not.
    pub(crate) async fn receive(&self, arrival: Arrival) -> Result<Accepted, Refused> {
        self.shared.metrics.arrived(arrival.body.len());
        let tenant = arrival.tenant.clone();
        let (answer_by, body_hash) = (arrival.answer_by, arrival.body_hash);
        let taken = timeout_at(answer_by, self.take(arrival));
        let outcome = match AssertUnwindSafe(taken).catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_late)) => Err(Refusal::Overloaded(Overload::Deadline)),
            Err(_panic) => Err(self.failed_on(body_hash)),
        };
        outcome.map_err(|refusal| self.refuse(&tenant, refusal))
    }

    async fn take(&self, arrival: Arrival) -> Result<Accepted, Refusal> {
        let (tenant, signal) = (arrival.tenant.clone(), arrival.signal);
        let routed = self.route(arrival).await?;
        if !routed.drafts.is_empty() {
            let now = self.shared.clock.monotonic();
            let n_items = routed.accepted.n_accepted;
            self.quotas(signal).lock().take(&tenant, n_items, now)?;
            self.shared.log.append(routed.drafts).await?;
        }
        self.shared.metrics.taken(&tenant, signal, &routed.accepted);
        // What was held for the request is given back only now that the log has its own copy.
        drop(routed.reserved);
        Ok(routed.accepted)
    }

    fn quotas(&self, signal: Signal) -> &Mutex<Quotas> {
        match signal {
            Signal::Traces => &self.shared.span_quotas,
            Signal::Metrics | Signal::RemoteWrite => &self.shared.point_quotas,
        }
    }

    /// Makes records of a request, in place if it is small.
    async fn route(&self, arrival: Arrival) -> Result<Routed, Refusal> {
        let to = Destination {
            n_partitions: self.shared.log.n_partitions(arrival.signal.topic()),
            accepted_at: self.shared.clock.wall(),
        };
        if is_small(&arrival) {
            return self.shared.workbenches.route(arrival, to);
        }
        let _turn = self.shared.large.acquire().await;
        let shared = Arc::clone(&self.shared);
        spawn_blocking(move || shared.workbenches.route(arrival, to))
            .await
            .map_err(ended_early)?
    }

    /// A panic on these bytes was caught.
    fn failed_on(&self, body_hash: u128) -> Refusal {
        let now = self.shared.clock.monotonic();
        let is_repeated = self.shared.faults.lock().is_repeated(body_hash, now);
        tracing::error!(
            code = "TW2003",
            body_hash = format!("{body_hash:032x}"),
            is_repeated,
            "the collector panicked on a request"
        );
        if is_repeated {
            Refusal::PanickedAgain
        } else {
            Refusal::Panicked
        }
    }
}

fn is_small(arrival: &Arrival) -> bool {
    let inline_max = match arrival.format {
        Format::Protobuf => PROTOBUF_INLINE_MAX,
        Format::Json => JSON_INLINE_MAX,
    };
    inflate::size_hint(arrival.encoding, &arrival.body) <= inline_max
}

/// A panic goes on where it is caught for all; only a runtime that is shutting down ends such work otherwise.
pub(crate) fn ended_early(error: JoinError) -> Refusal {
    match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_cancelled) => Refusal::Overloaded(Overload::Draining),
    }
}
