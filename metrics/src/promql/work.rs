//! What a query has cost so far, and when it must end: samples looked at, bytes held, time. Cooperative: whoever loops tells it, and stops on an error.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::PromqlError;

/// Bounds of one query.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) samples_max: u64,
    pub(super) bytes_max: u64,
    pub(super) begin: Instant,
    pub(super) timeout: Duration,
    /// Nobody waits for the answer any more.
    pub(super) canceled: Arc<AtomicBool>,
}

impl Bounds {
    fn check_time(&self) -> Result<(), PromqlError> {
        if self.begin.elapsed() >= self.timeout || self.canceled.load(Ordering::Relaxed) {
            return Err(PromqlError::Timeout {
                after: self.timeout,
            });
        }
        Ok(())
    }
}

/// The account of one query.
pub(super) struct Work {
    bounds: Bounds,
    n_samples: Cell<u64>,
    /// Samples that were read from the store.
    n_read: Cell<u64>,
    bytes: Rc<Cell<u64>>,
    /// Operations until the clock is looked at again.
    until_clock: Cell<u64>,
}

/// Operations between two looks at the clock: well under a millisecond's worth.
const CLOCK_EVERY: u64 = 4_096;

impl Work {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            n_samples: Cell::new(0),
            n_read: Cell::new(0),
            bytes: Rc::default(),
            until_clock: Cell::new(0),
        }
    }

    pub(super) fn n_samples(&self) -> u64 {
        self.n_samples.get()
    }

    /// `n` more samples are read from the store.
    pub(super) fn reads(&self, n: usize) -> Result<(), PromqlError> {
        let n_read = self.n_read.get().saturating_add(n as u64);
        self.n_read.set(n_read);
        self.may_read(n_read)?;
        self.operations(n as u64)
    }

    /// Whether so many samples may be read from the store in all.
    pub(super) fn may_read(&self, n: u64) -> Result<(), PromqlError> {
        if n > self.bounds.samples_max {
            return Err(PromqlError::TooManySamples {
                samples_max: self.bounds.samples_max,
            });
        }
        Ok(())
    }

    /// Whether there is time left, and somebody waits.
    pub(super) fn check_time(&self) -> Result<(), PromqlError> {
        self.bounds.check_time()
    }

    /// `n` more samples are looked at, perhaps not for the first time: how many may be read is bounded where they are, and this by time.
    pub(super) fn samples(&self, n: usize) -> Result<(), PromqlError> {
        let n = n as u64;
        self.n_samples.set(self.n_samples.get().saturating_add(n));
        self.operations(n)
    }

    /// `n` more operations of constant size are done.
    pub(super) fn operations(&self, n: u64) -> Result<(), PromqlError> {
        if self.bytes.get() > self.bounds.bytes_max {
            return Err(PromqlError::TooMuchMemory {
                bytes_max: self.bounds.bytes_max,
            });
        }
        // each call counts one more, so that nothing is free
        match self.until_clock.get().checked_sub(n + 1) {
            Some(left) => self.until_clock.set(left),
            None => {
                self.until_clock.set(CLOCK_EVERY);
                self.bounds.check_time()?;
            }
        }
        Ok(())
    }

    /// Whether so many more bytes fit, before they are taken.
    pub(super) fn fits(&self, bytes: usize) -> Result<(), PromqlError> {
        let sum = self.bytes.get().saturating_add(bytes as u64);
        if sum > self.bounds.bytes_max {
            return Err(PromqlError::TooMuchMemory {
                bytes_max: self.bounds.bytes_max,
            });
        }
        Ok(())
    }

    /// Bytes that are taken until the query ends.
    pub(super) fn keep(&self, bytes: usize) -> Result<(), PromqlError> {
        self.fits(bytes)?;
        self.bytes
            .set(self.bytes.get().saturating_add(bytes as u64));
        Ok(())
    }

    /// Bytes that are taken until what it returns is dropped. They are compared with the bound at the next operation.
    pub(super) fn held(&self, bytes: usize) -> Held {
        let mut held = Held {
            of: Rc::clone(&self.bytes),
            bytes: 0,
        };
        held.grow(bytes);
        held
    }
}

/// Bytes in the account of a query.
pub(super) struct Held {
    of: Rc<Cell<u64>>,
    bytes: u64,
}

impl Held {
    pub(super) fn grow(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.bytes = self.bytes.saturating_add(bytes);
        self.of.set(self.of.get().saturating_add(bytes));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.set(self.of.get().saturating_sub(self.bytes));
    }
}
