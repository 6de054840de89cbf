//! Prometheus remote write 1.0, once decompressed: checked as prost checks it, series judged one by one, regrouped by copying ranges.
//!
//! In: bytes of `prometheus.WriteRequest` from anywhere. Out: a [`WriteView`] of its series, or why the whole is refused; then a `WriteRequest` for each
//! partition. A series that no store can use is left out whole: its labels are its name, so none of them can be left out.

mod judge;
mod regroup;
mod view;

use super::super::fault::{Stop, WalkError};
use super::super::proto::{DEPTH_MAX, Extent};
use super::super::schema::WRITE_REQUEST;
use super::check::check;
use super::fields::Bodies;
use super::limit::{MetricLimits, RejectedPoints};
use super::runs::{KnownRuns, Note, Run};
use judge::Looked;

pub use regroup::WriteRegroup;
pub use view::{
    HistogramSide, Label, MetadataView, NativeHistogramView, SampleView, SeriesContent, SeriesView,
    SpanOfBuckets, WriteExemplarView,
};

/// Field numbers of `WriteRequest`.
const TIME_SERIES: u64 = 1;
const METADATA: u64 = 3;
/// Levels of messages that are left to the labels of a series.
const SERIES_BUDGET: u32 = DEPTH_MAX - 1;

/// Walks requests, one at a time. Its vectors are used again.
#[derive(Debug, Default)]
pub struct WriteWalker {
    items: Vec<Item>,
    rejected: RejectedPoints,
    known: KnownRuns,
}

/// A series or the metadata of a metric.
#[derive(Debug, Clone, Copy)]
struct Item {
    field: u64,
    extent: Extent,
    /// Of its sorted labels, or of the metric's name.
    identity: u64,
    /// Samples and histograms.
    n_points: u32,
}

/// A request that was walked.
#[derive(Debug, Clone, Copy)]
pub struct WriteView<'a> {
    bytes: &'a [u8],
    items: &'a [Item],
    /// Labels of series, in the order they were sent.
    runs: &'a [Run],
    rejected: &'a RejectedPoints,
}

impl<'a> WriteView<'a> {
    /// All series that were sent, rejected ones as well.
    pub fn series(&self) -> impl Iterator<Item = SeriesView<'a>> + use<'a> {
        series(self.bytes, self.runs)
    }

    /// What was said of metrics.
    pub fn metadata(&self) -> impl Iterator<Item = MetadataView<'a>> + use<'a> {
        let bytes = self.bytes;
        bodies(bytes, METADATA).map(move |extent| MetadataView::read(bytes, extent))
    }

    /// Samples and histograms that were accepted.
    #[must_use]
    pub fn n_points(&self) -> u64 {
        self.items.iter().map(|item| u64::from(item.n_points)).sum()
    }

    /// What was left out.
    #[must_use]
    pub fn rejected(&self) -> &'a RejectedPoints {
        self.rejected
    }
}

/// Each series with the run that its labels are, if there is one at its beginning.
fn series<'a>(bytes: &'a [u8], runs: &'a [Run]) -> impl Iterator<Item = SeriesView<'a>> + use<'a> {
    let mut runs = runs.iter().copied().peekable();
    bodies(bytes, TIME_SERIES).map(move |extent| {
        while runs
            .next_if(|run| run.extent.start < extent.start)
            .is_some()
        {}
        let run = runs.next_if(|run| run.extent.start == extent.start);
        SeriesView::new(bytes, extent, run)
    })
}

fn bodies(bytes: &[u8], number: u64) -> Bodies<'_> {
    let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    Bodies::within(bytes, Extent { start: 0, end }, number)
}

impl WriteWalker {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks `bytes` and finds their series.
    ///
    /// # Errors
    /// When prost would refuse the bytes, or there are more items than `limits` allow.
    pub fn walk<'a>(
        &'a mut self,
        bytes: &'a [u8],
        limits: &MetricLimits,
    ) -> Result<WriteView<'a>, WalkError> {
        self.check(bytes, limits, true)?;
        self.pass(bytes, limits)
            .map_err(|stop| stop.into_error(limits.items_max))?;
        Ok(self.view(bytes))
    }

    /// Checks `bytes` of our own log, which were walked on their way in: no limit, no series judged. It cannot be regrouped.
    ///
    /// # Errors
    /// When prost would refuse the bytes.
    pub fn read<'a>(&'a mut self, bytes: &'a [u8]) -> Result<WriteView<'a>, WalkError> {
        self.check(bytes, &MetricLimits::trusted(), false)?;
        Ok(self.view(bytes))
    }

    fn view<'a>(&'a self, bytes: &'a [u8]) -> WriteView<'a> {
        WriteView {
            bytes,
            items: &self.items,
            runs: &self.known.found,
            rejected: &self.rejected,
        }
    }

    fn check(
        &mut self,
        bytes: &[u8],
        limits: &MetricLimits,
        is_judged: bool,
    ) -> Result<(), WalkError> {
        self.items.clear();
        self.rejected.clear();
        let n_bytes = bytes.len();
        if u32::try_from(n_bytes).is_err() {
            return Err(WalkError::TooLarge { n_bytes });
        }
        self.known.hold_under(limits, is_judged);
        let of_values = limits.of_values();
        check(bytes, WRITE_REQUEST, limits, &of_values, &mut self.known)
            .map_err(|fault| Stop::from(fault).into_error(limits.items_max))
            .map(drop)
    }

    fn pass(&mut self, bytes: &[u8], limits: &MetricLimits) -> Result<(), Stop> {
        let mut n_points = 0_u32;
        // the list of runs is lent out while notes are made, and comes back
        let runs = std::mem::take(&mut self.known.found);
        let passed = self.pass_series(bytes, limits, &runs, &mut n_points);
        self.known.found = runs;
        passed?;
        for extent in bodies(bytes, METADATA) {
            let metadata = MetadataView::read(bytes, extent);
            if judge::is_kept(&metadata, extent, limits) {
                self.push(METADATA, extent, metadata.identity(), 0, limits)?;
            }
        }
        Ok(())
    }

    fn pass_series(
        &mut self,
        bytes: &[u8],
        limits: &MetricLimits,
        runs: &[Run],
        n_points: &mut u32,
    ) -> Result<(), Stop> {
        for (idx, series) in series(bytes, runs).enumerate() {
            let looked = Looked::at(&series, limits);
            let n_here = looked.n_points();
            *n_points = n_points.saturating_add(n_here);
            if *n_points > limits.items_max {
                return Err(Stop::TooManyItems);
            }
            if let Err(reason) = judge::series(&series, &looked, limits) {
                let told = format_args!("timeseries[{idx}]{}: {reason}", judge::named(&series));
                self.rejected.points.add(n_here, told);
                continue;
            }
            if let Some(run) = looked.judged_run(&series) {
                let note = Note::new(SERIES_BUDGET, Some(looked.identity()));
                self.known.put(run.hash, note);
            }
            if n_here > 0 {
                let identity = looked.identity();
                self.push(TIME_SERIES, series.extent(), identity, n_here, limits)?;
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        field: u64,
        extent: Extent,
        identity: u64,
        n_points: u32,
        limits: &MetricLimits,
    ) -> Result<(), Stop> {
        if self.items.len() >= limits.items_max as usize {
            return Err(Stop::TooManyItems);
        }
        self.items.push(Item {
            field,
            extent,
            identity,
            n_points,
        });
        Ok(())
    }
}
