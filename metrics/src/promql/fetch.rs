//! What a query reads: for each selector the range of times that any of its steps looks at. In: a tree and its steps. Out: series by selector.
//!
//! `rate` and its like read windows as they are; everything else reads a series of windows as the running sum that it is the raw value of.

mod raw;
mod reading;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::Tenant;

use super::ast::Expr;
use super::error::PromqlError;
use super::length::Frame;
use super::limits::EngineConfig;
use super::steps::Grid;
use super::work::Bounds;
use crate::{Labels, Matcher, MetricsStore, Samples, Window};

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
    /// The same at one instant, so that no other sample is held.
    Newest,
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

impl Wanted {
    /// Whether another selection gives the same.
    fn is_same(&self, other: &Self) -> bool {
        let key = |wanted: &Self| (wanted.used, wanted.from, wanted.to, wanted.matchers.len());
        let pairs = self.matchers.iter().zip(&other.matchers);
        key(self) == key(other)
            && pairs.into_iter().all(|(a, b)| {
                let same_op = std::mem::discriminant(&a.op) == std::mem::discriminant(&b.op);
                same_op && a.name == b.name && a.value == b.value
            })
    }
}

/// Everything that a query reads.
#[derive(Default)]
pub(super) struct Data {
    series: BTreeMap<Reader, Arc<Vec<Fetched>>>,
    pub(super) bytes: usize,
}

impl Data {
    pub(super) fn of(&self, reader: Reader) -> &[Fetched] {
        self.series.get(&reader).map_or(&[], |series| series)
    }
}

/// Reads what `expr` needs at the steps of `grid`.
pub(super) async fn fetch(
    (store, tenant): (&MetricsStore, &Tenant),
    expr: &Expr,
    (grid, frame): (Grid, Frame),
    config: &EngineConfig,
    bounds: &Bounds,
) -> Result<Data, PromqlError> {
    let wanted = walk::wanted(expr, grid, frame, config)?;
    let mut data = Data::default();
    let mut done: Vec<Wanted> = Vec::new();
    let mut samples_left = bounds.samples_max;
    for wanted in wanted {
        bounds.check_time()?;
        if let Some(same) = done.iter().find(|other| wanted.is_same(other)) {
            if let Some(series) = data.series.get(&same.reader) {
                data.series.insert(wanted.reader, Arc::clone(series));
            }
            continue;
        }
        let reading = reading::Reading {
            store,
            tenant,
            bounds,
            samples_left,
            bytes_left: bounds.bytes_max.saturating_sub(data.bytes as u64),
        };
        let made = reading.read(&wanted).await?;
        samples_left = samples_left.saturating_sub(made.n_samples);
        data.bytes += made.bytes;
        data.series.insert(wanted.reader, Arc::new(made.series));
        done.push(wanted);
    }
    Ok(data)
}
