//! What a query reads: for each selector the range of times that any of its steps looks at. In: a tree and its steps. Out: for each selector its series,
//! one after the other: which there are is known before anything is evaluated, their points are in memory for as long as they are looked at.
//!
//! `rate` and its like read windows as they are; everything else reads a series of windows as the running sum that it is the raw value of.

mod raw;
mod walk;

use std::collections::BTreeMap;

use telemetry::Tenant;

use super::ast::Expr;
use super::error::PromqlError;
use super::length::Frame;
use super::limits::EngineConfig;
use super::steps::Grid;
use super::work::Work;
use crate::selection::{Ranges, Selection};
use crate::{Labels, Matcher, MetricsStore, Samples, SeriesData, Window};

pub(super) use walk::WINDOW_AHEAD_MS;

/// A series as an expression reads it.
pub(super) struct Fetched {
    pub(super) labels: Labels,
    pub(super) points: FetchedPoints,
}

pub(super) enum FetchedPoints {
    Samples(Samples),
    Windows(Vec<Window>),
}

/// Which part of the tree reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reader {
    Selector(usize),
    /// `info(…)` that begins at this byte.
    Info(usize),
}

/// How it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The newest sample at each step: stale markers count.
    Instant,
    /// All samples of a range, without stale markers.
    Range,
    /// The same, but windows as they are.
    Windows,
}

/// One selection of the store.
struct Wanted {
    reader: Reader,
    matchers: Vec<Matcher>,
    used: Use,
    /// (from, to] in unix ms.
    from: i64,
    to: i64,
}

/// What a part of the tree reads.
struct Reading {
    selection: Selection,
    used: Use,
    from: i64,
}

/// Everything that a query reads.
pub(super) struct Data<'a> {
    readings: BTreeMap<Reader, Reading>,
    work: &'a Work,
}

impl Data<'_> {
    /// Hands over each series that `reader` reads, in order of labels but for those of views.
    pub(super) fn each(
        &self,
        reader: Reader,
        take: &mut dyn FnMut(Fetched) -> Result<(), PromqlError>,
    ) -> Result<(), PromqlError> {
        let Some(Reading {
            selection,
            used,
            from,
        }) = self.readings.get(&reader)
        else {
            return Ok(());
        };
        selection.each(&mut |series: SeriesData| {
            self.work.reads(series.points.len())?;
            let fetched = raw::prepared(series, *used, *from);
            let _held = self.work.held(raw::bytes(&fetched.points));
            take(fetched)
        })
    }
}

/// Finds out what `expr` reads at the steps of `grid`.
pub(super) fn fetch<'a>(
    of: (&MetricsStore, &Tenant),
    expr: &Expr,
    (grid, frame): (Grid, Frame),
    (config, work): (&EngineConfig, &'a Work),
) -> Result<Data<'a>, PromqlError> {
    let wanted = walk::wanted(expr, grid, frame, config)?;
    planned(of, wanted, work)
}

/// What some selections mean at one instant, by their numbers.
pub(super) fn fetch_newest<'a>(
    of: (&MetricsStore, &Tenant),
    selections: &[Vec<Matcher>],
    (at, lookback_ms): (i64, i64),
    work: &'a Work,
) -> Result<Data<'a>, PromqlError> {
    let wanted = |(number, matchers): (usize, &Vec<Matcher>)| Wanted {
        reader: Reader::Selector(number),
        matchers: matchers.clone(),
        used: Use::Instant,
        from: at.saturating_sub(lookback_ms),
        to: at,
    };
    planned(
        of,
        selections.iter().enumerate().map(wanted).collect(),
        work,
    )
}

fn planned<'a>(
    (store, tenant): (&MetricsStore, &Tenant),
    all_wanted: Vec<Wanted>,
    work: &'a Work,
) -> Result<Data<'a>, PromqlError> {
    let mut data = Data {
        readings: BTreeMap::new(),
        work,
    };
    let mut n_points = 0u64;
    for wanted in all_wanted {
        let check = |bytes: usize| {
            work.check_time()?;
            work.fits(bytes)
        };
        let plan = |all_windows| {
            let ranges = Ranges::new((wanted.from, wanted.to), all_windows);
            Selection::plan((store, tenant), &wanted.matchers, ranges, &check)
        };
        let mut selection = plan(false)?;
        if wanted.used != Use::Windows && selection.has_windows() {
            // the raw value is the sum of all that is retained
            selection = plan(true)?;
        }
        n_points = n_points.saturating_add(selection.n_points());
        work.may_read(n_points)?;
        work.keep(selection.bytes())?;
        let reading = Reading {
            selection,
            used: wanted.used,
            from: wanted.from,
        };
        data.readings.insert(wanted.reader, reading);
    }
    Ok(data)
}
