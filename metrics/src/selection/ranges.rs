//! Ranges of times: (from, to] in unix ms, of samples and of windows.

use crate::series::Kind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// The range of samples, and that of windows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranges {
    samples: TimeRange,
    windows: TimeRange,
}

impl Ranges {
    /// With `all_windows`, windows are read from the first one that is retained.
    pub(crate) fn new((from, to): (i64, i64), all_windows: bool) -> Self {
        let windows_from = if all_windows { i64::MIN } else { from };
        Self {
            samples: TimeRange { from, to },
            windows: TimeRange {
                from: windows_from,
                to,
            },
        }
    }

    pub(crate) fn of(self, kind: Kind) -> TimeRange {
        match kind {
            Kind::Samples => self.samples,
            Kind::Windows => self.windows,
        }
    }

    pub(crate) fn widest(self) -> TimeRange {
        TimeRange {
            from: self.samples.from.min(self.windows.from),
            to: self.samples.to,
        }
    }
}
