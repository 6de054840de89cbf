//! A selection: the series that matchers mean, and where their points lie, so that they can be read a few at a time. In: a store, matchers and a range.
//! Out: series in order of labels, then those of views, each once, with their points; never more than a slice of them at once.
//!
//! It blocks its thread: whoever is async leaves the loop with it. Heads and blocks are those of one instant; a head that is sealed meanwhile is read on.

mod each;
mod parts;
mod plan;
mod ranges;
mod read;
mod shown;
mod source;

use telemetry::Tenant;

use crate::{Labels, MetricsStore};

pub(crate) use ranges::{Ranges, TimeRange};
pub(crate) use source::Source;

use parts::Parts;
use shown::Shown;

/// Bytes of points that are read at once, about.
const SLICE_BYTES: u64 = 1 << 20;

/// See the module. Cheap to read from again and again; its points are not in memory.
pub(crate) struct Selection {
    store: MetricsStore,
    tenant: Tenant,
    ranges: Ranges,
    sources: Vec<Source>,
    /// In order of labels.
    series: Vec<Selected>,
    parts: Parts,
    shown: Vec<Shown>,
    has_windows: bool,
    n_points: u64,
    bytes: usize,
}

/// One series.
struct Selected {
    labels: Labels,
    /// Its points in memory, about.
    bytes: u64,
}

impl Selection {
    /// Points that blocks have of it, those of chunks that reach out of the range as well: what is decoded.
    pub(crate) fn n_points(&self) -> u64 {
        self.n_points
    }

    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let of_views = self.shown.iter().map(Shown::bytes);
        self.bytes + of_views.sum::<usize>()
    }

    /// Whether a series came as windows.
    pub(crate) fn has_windows(&self) -> bool {
        self.has_windows || !self.shown.is_empty()
    }
}
