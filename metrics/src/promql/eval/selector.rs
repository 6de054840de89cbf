//! Instant selectors: at each step the newest sample that is not too old.

use std::sync::Arc;

use super::super::ast::Selector;
use super::super::fetch::{FetchedPoints, Reader};
use super::super::steps::{Column, Grid, Line, is_stale};
use super::super::time;
use super::{Evaluation, Evaluator};
use crate::{Histogram, Samples, Value};

/// What of a sample is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::promql) enum Want {
    Value,
    /// Its time in seconds.
    Time,
}

impl Evaluator<'_> {
    pub(super) fn newest(
        &self,
        selector: &Selector,
        grid: Grid,
        want: Want,
    ) -> Evaluation<Vec<Line>> {
        let mut lines = Vec::new();
        self.each_newest(selector, grid, want, &mut |line| {
            lines.push(line);
            Ok(())
        })?;
        Ok(lines)
    }

    pub(super) fn each_newest(
        &self,
        selector: &Selector,
        grid: Grid,
        want: Want,
        take: &mut dyn FnMut(Line) -> Evaluation<()>,
    ) -> Evaluation<()> {
        let times = self.shifted_times(selector, grid)?;
        self.each_newest_of(Reader::Selector(selector.id), &times, want, take)
    }

    /// At each of the times, which ascend.
    pub(in crate::promql) fn each_newest_of(
        &self,
        reader: Reader,
        times: &[i64],
        want: Want,
        take: &mut dyn FnMut(Line) -> Evaluation<()>,
    ) -> Evaluation<()> {
        self.data.each(reader, &mut |series| {
            let FetchedPoints::Samples(samples) = &series.points else {
                return Ok(()); // a selector of instants is never handed windows
            };
            let mut column = self.column(times.len())?;
            self.fill(&mut column, samples, times, want)?;
            if column.is_empty() {
                return Ok(());
            }
            take(Line {
                labels: series.labels,
                drop_name: false,
                column,
            })
        })
    }

    fn shifted_times(&self, selector: &Selector, grid: Grid) -> Evaluation<Vec<i64>> {
        self.work.fits(grid.n.saturating_mul(size_of::<i64>()))?;
        let times = grid.times();
        times
            .map(|at| self.frame.shifted(at, &selector.time))
            .collect()
    }

    fn fill(
        &self,
        column: &mut Column,
        samples: &Samples,
        times: &[i64],
        want: Want,
    ) -> Evaluation<()> {
        let (mut n_floats, mut n_histograms) = (0, 0);
        let mut n_found = 0;
        for (idx, at) in times.iter().enumerate() {
            n_floats = skip(&samples.floats, n_floats, *at);
            n_histograms = skip(&samples.histograms, n_histograms, *at);
            let float = last(&samples.floats, n_floats);
            let histogram = last(&samples.histograms, n_histograms);
            let Some((sample_at, value)) = newer(float, histogram) else {
                continue;
            };
            if sample_at <= at.saturating_sub(self.lookback_ms) {
                continue;
            }
            n_found += 1;
            match want {
                Want::Value => column.set(idx, value),
                Want::Time => column.set_float(idx, time::seconds(sample_at)),
            }
        }
        self.work.samples(n_found)
    }
}

/// The newer of two, unless it says that the series has ended.
fn newer(
    float: Option<&(i64, f64)>,
    histogram: Option<&(i64, Arc<Histogram>)>,
) -> Option<(i64, Value)> {
    let is_float = float.map(|(at, _)| *at) >= histogram.map(|(at, _)| *at);
    if is_float {
        let (at, value) = float?;
        return (!is_stale(*value)).then_some((*at, Value::Float(*value)));
    }
    let (at, histogram) = histogram?;
    (!is_stale(histogram.sum)).then(|| (*at, Value::Histogram(Arc::clone(histogram))))
}

/// The last of samples, unless it says that the series has ended.
pub(in crate::promql) fn newest_of(samples: &Samples) -> Option<(i64, Value)> {
    newer(samples.floats.last(), samples.histograms.last())
}

/// Samples up to a time, when `n` are known to be.
fn skip<T>(samples: &[(i64, T)], n: usize, to: i64) -> usize {
    let rest = samples.get(n..).unwrap_or(&[]);
    match rest.first() {
        Some((at, _)) if *at <= to => n + rest.partition_point(|(at, _)| *at <= to),
        _ => n,
    }
}

fn last<T>(samples: &[(i64, T)], n: usize) -> Option<&(i64, T)> {
    n.checked_sub(1).and_then(|last| samples.get(last))
}
