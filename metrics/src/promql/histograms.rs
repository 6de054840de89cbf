//! Sums and means of histograms, with what is to be said of them.

use super::native::{self, Incompatible};
use super::note::{Note, Notes, Operation};
use crate::{Histogram, ResetHint};

/// A sum of histograms as it grows.
#[derive(Default)]
pub(super) struct Total {
    sum: Option<Histogram>,
    seen: Seen,
}

/// What was noticed on the way.
#[derive(Default)]
struct Seen {
    reset: bool,
    no_reset: bool,
    reconciled: bool,
    incompatible: bool,
}

impl Seen {
    fn hint(&mut self, histogram: &Histogram) {
        self.reset |= histogram.reset_hint == ResetHint::Reset;
        self.no_reset |= histogram.reset_hint == ResetHint::NotReset;
    }

    fn took(&mut self, sum: Result<native::Sum, Incompatible>) -> Option<Histogram> {
        match sum {
            Ok(sum) => {
                self.reconciled |= sum.is_reconciled;
                Some(sum.histogram)
            }
            Err(Incompatible) => {
                self.incompatible = true;
                None
            }
        }
    }

    /// Says what was noticed; false if there is no result.
    fn told(&self, metric: &str, notes: &Notes) -> bool {
        if self.incompatible {
            notes.add(Note::MixedExponentialCustom(metric.to_owned()));
            return false;
        }
        if self.reset && self.no_reset {
            notes.add(Note::CounterResetCollision(Operation::Aggregation));
        }
        if self.reconciled {
            notes.add(Note::ReconciledBuckets(Operation::Aggregation));
        }
        true
    }
}

impl Total {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        self.seen.hint(histogram);
        self.sum = match self.sum.take() {
            None if self.seen.incompatible => None,
            None => Some(histogram.clone()),
            Some(sum) => self.seen.took(native::add(&sum, histogram)),
        };
    }

    pub(super) fn finish(self, metric: &str, notes: &Notes) -> Option<Histogram> {
        let is_told = self.seen.told(metric, notes);
        self.sum.filter(|_| is_told).map(native::compacted)
    }
}

/// A mean of histograms as it grows: mean += (next − mean) / n, which does not overflow.
#[derive(Default)]
pub(super) struct Mean {
    n: f64,
    mean: Option<Histogram>,
    seen: Seen,
}

impl Mean {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        self.n += 1.0;
        self.seen.hint(histogram);
        self.mean = match self.mean.take() {
            None if self.seen.incompatible => None,
            None => Some(histogram.clone()),
            Some(mean) => self.next(&mean, histogram),
        };
    }

    fn next(&mut self, mean: &Histogram, histogram: &Histogram) -> Option<Histogram> {
        let part = |of: &Histogram| native::divided(of, self.n);
        let difference = native::sub(&part(histogram), &part(mean));
        let difference = self.seen.took(difference)?;
        self.seen.took(native::add(mean, &difference))
    }

    pub(super) fn finish(self, metric: &str, notes: &Notes) -> Option<Histogram> {
        let is_told = self.seen.told(metric, notes);
        self.mean.filter(|_| is_told).map(native::compacted)
    }
}
