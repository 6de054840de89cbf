//! Selecting: series with all their points at once, for those who ask for few. PromQL reads a [`Selection`] instead.

use std::cell::Cell;

use telemetry::Tenant;

use super::{MetricsStore, SelectError};
use crate::block::read::leave_the_loop;
use crate::selection::{Ranges, Selection, Source, TimeRange};
use crate::{Matcher, SeriesData};

/// Points that a selection reads at most, unless it says otherwise.
pub const SAMPLES_MAX: u64 = 50_000_000;
/// A block that a selection found may be merged and deleted before it is read; so often that is tried again.
pub(crate) const TRIES_MAX: usize = 3;

/// What a selection wants beside matchers and range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectOptions {
    /// Of series that came as windows also all that is retained from before the range: their raw value is the sum of it.
    pub all_windows: bool,
    /// Points that are read at most.
    pub samples_max: u64,
}

impl Default for SelectOptions {
    fn default() -> Self {
        Self {
            all_windows: false,
            samples_max: SAMPLES_MAX,
        }
    }
}

impl MetricsStore {
    /// Every series that all matchers agree with, with its points in (from, to], in order of labels; also under the names that other tools know.
    ///
    /// # Errors
    /// When it would read too much, or a block cannot be read.
    pub async fn select(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        from_unix_ms: i64,
        to_unix_ms: i64,
        options: SelectOptions,
    ) -> Result<Vec<SeriesData>, SelectError> {
        let ranges = Ranges::new((from_unix_ms, to_unix_ms), options.all_windows);
        let (store, tenant, matchers) = (self.clone(), tenant.clone(), matchers.to_vec());
        let read = move || {
            let once = || collected((&store, &tenant), &matchers, ranges, options.samples_max);
            let mut read = once();
            for _ in 1..TRIES_MAX {
                if !read.as_ref().is_err_and(SelectError::is_gone) {
                    break;
                }
                read = once();
            }
            read
        };
        leave_the_loop(read).await?
    }

    /// Blocks that overlap, and heads: each point in exactly one of them. Older offsets first.
    pub(crate) fn snapshot(&self, tenant: &Tenant, range: TimeRange) -> Vec<Source> {
        let catalog = self.inner.catalog.read();
        let mut blocks = catalog.of_tenant(tenant);
        blocks.retain(|block| block.overlaps(range.from, range.to));
        let mut heads = Vec::new();
        for (partition, live) in self.inner.live.read().iter() {
            let of_partition = live.heads();
            if let Some(begin) = of_partition.begin {
                blocks.retain(|block| {
                    block.meta.partition != partition.0 || block.meta.end_offset <= begin.0
                });
            }
            heads.extend(of_partition.sealed.into_iter().map(Source::Sealed));
            heads.push(Source::Open(of_partition.open));
        }
        blocks.into_iter().map(Source::Block).chain(heads).collect()
    }
}

fn collected(
    of: (&MetricsStore, &Tenant),
    matchers: &[Matcher],
    ranges: Ranges,
    samples_max: u64,
) -> Result<Vec<SeriesData>, SelectError> {
    let left = Cell::new(samples_max);
    let take = |n: u64| match left.get().checked_sub(n) {
        Some(rest) => {
            left.set(rest);
            Ok(())
        }
        None => Err(SelectError::TooManySamples { samples_max }),
    };
    let selection = Selection::plan(of, matchers, ranges, &|_| Ok::<(), SelectError>(()))?;
    // what blocks decode counts as a whole, before anything is read
    take(selection.n_points())?;
    left.set(samples_max);
    let mut all: Vec<SeriesData> = Vec::new();
    selection.each(&mut |series: SeriesData| {
        take(series.points.len() as u64)?;
        all.push(series);
        Ok::<(), SelectError>(())
    })?;
    if !all.is_sorted_by(|a, b| a.labels <= b.labels) {
        all.sort_by(|a, b| a.labels.cmp(&b.labels)); // those of views stand behind
    }
    Ok(all)
}
