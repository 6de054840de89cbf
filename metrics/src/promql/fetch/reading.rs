//! One selection, read within what is left of samples, bytes and time. In: matchers and a range. Out: series as an expression reads them.
//!
//! The raw value of a series of windows is the sum of all that is retained. That is read in slices which are added up and let go, so it takes the time
//! to read them and little memory.

use telemetry::Tenant;

use super::super::error::PromqlError;
use super::super::work::Bounds;
use super::raw::{self, Bases, Prepared};
use super::{Use, Wanted};
use crate::block::read::leave_the_loop;
use crate::store::SelectOptions;
use crate::{MetricsStore, Points, SeriesData};

/// Bytes of a float with its time.
const SAMPLE_BYTES: u64 = 16;
/// Bytes of a window.
const WINDOW_BYTES: u64 = size_of::<crate::Window>() as u64;
/// Length of a slice, unless there would be more than [`SLICES_MAX`].
const SLICE_MS: i64 = 24 * 3_600_000;
const SLICES_MAX: i64 = 128;

pub(super) struct Reading<'a> {
    pub(super) store: &'a MetricsStore,
    pub(super) tenant: &'a Tenant,
    pub(super) bounds: &'a Bounds,
    pub(super) samples_left: u64,
    pub(super) bytes_left: u64,
}

impl Reading<'_> {
    pub(super) async fn read(mut self, wanted: &Wanted) -> Result<Prepared, PromqlError> {
        let (used, from, to) = (wanted.used, wanted.from, wanted.to);
        let read = self.select(wanted, (from, to), false).await?;
        let is_windows = |series: &SeriesData| matches!(series.points, Points::Windows(_));
        let mut bases = Bases::default();
        if used != Use::Windows && read.iter().any(is_windows) {
            self.samples_left = self.samples_left.saturating_sub(raw::n_points(&read));
            bases = self.bases(wanted).await?;
        }
        let make = move || raw::prepare(read, &bases, used);
        away(make).await
    }

    /// What was added before the range, by series.
    async fn bases(&mut self, wanted: &Wanted) -> Result<Bases, PromqlError> {
        let mut bases = Bases::default();
        let before = wanted.from;
        let oldest = self.store.oldest_unix_ms(self.tenant);
        // a head may have what is older than all blocks
        let oldest = oldest
            .unwrap_or(before)
            .min(before)
            .saturating_sub(SLICE_MS);
        let slice_ms = SLICE_MS.max((before.saturating_sub(oldest)) / SLICES_MAX);
        let mut to = before;
        for _ in 0..=SLICES_MAX {
            self.bounds.check_time()?;
            let from = to.saturating_sub(slice_ms);
            let is_last = from <= oldest;
            let from = if is_last { i64::MIN } else { from };
            let read = self.select(wanted, (from, to), true).await?;
            self.samples_left = self.samples_left.saturating_sub(raw::n_points(&read));
            bases = away(move || bases.with(read)).await?;
            if is_last {
                break;
            }
            to = from;
        }
        Ok(bases)
    }

    async fn select(
        &self,
        wanted: &Wanted,
        (from, to): (i64, i64),
        windows_only: bool,
    ) -> Result<Vec<SeriesData>, PromqlError> {
        let point_bytes = if windows_only {
            WINDOW_BYTES
        } else {
            SAMPLE_BYTES
        };
        let by_bytes = self.bytes_left / point_bytes;
        let options = SelectOptions {
            windows_only,
            samples_max: self.samples_left.min(by_bytes),
            ..SelectOptions::default()
        };
        let reading = self
            .store
            .select(self.tenant, &wanted.matchers, from, to, options);
        let timeout = self.bounds.timeout;
        let left = timeout.saturating_sub(self.bounds.begin.elapsed());
        let read = tokio::time::timeout(left, reading).await;
        let read = read.map_err(|_| PromqlError::Timeout { after: timeout })?;
        read.map_err(|error| self.told(error.into(), by_bytes < self.samples_left))
    }

    /// The store counts samples alone; it may be the memory for them that is short.
    fn told(&self, error: PromqlError, is_memory: bool) -> PromqlError {
        match error {
            PromqlError::TooManySamples { .. } if is_memory => PromqlError::TooMuchMemory {
                bytes_max: self.bounds.bytes_max,
            },
            PromqlError::TooManySamples { .. } => PromqlError::TooManySamples {
                samples_max: self.bounds.samples_max,
            },
            other => other,
        }
    }
}

async fn away<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PromqlError> {
    let done = leave_the_loop(work).await;
    done.map_err(|error| PromqlError::Unavailable(Box::new(error)))
}
