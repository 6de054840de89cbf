//! Points of a head by series. In: a series, or all of them. Out: rows, whose points ascend in time, of equal times the newest record's.

use super::TenantHead;
use super::packed::Packed;
use crate::row::{Row, newest_of_each_time};
use crate::series::SeriesId;
use crate::window::collapse;

impl TenantHead {
    /// A series with its points in (from, to]: times ascend strictly, the last of equal ones counts, windows of one span are added.
    #[must_use]
    pub fn row(&self, id: SeriesId, from_unix_ms: i64, to_unix_ms: i64) -> Row {
        let last = self.series.last(id);
        let inside = |unix_ms: i64| from_unix_ms < unix_ms && unix_ms <= to_unix_ms;
        let histograms = self.histograms.of(last.histogram);
        let windows = self.windows.of(last.window);
        let mut row = Row {
            kind: self.series.kind(id),
            floats: self.floats.of(last.float, from_unix_ms, to_unix_ms),
            histograms: histograms.filter(|(at, _)| inside(*at)).cloned().collect(),
            windows: windows
                .filter(|window| inside(window.end_unix_ms()))
                .map(Packed::window)
                .collect(),
        };
        newest_of_each_time(&mut row.floats);
        newest_of_each_time(&mut row.histograms);
        collapse(&mut row.windows);
        row
    }

    /// Every series in order of (labels, kind) with all its points, as [`TenantHead::row`] has them.
    pub fn rows(&self) -> impl Iterator<Item = (SeriesId, Row)> {
        let order = self.series.sorted().into_iter();
        order.map(|id| (id, self.row(id, i64::MIN, i64::MAX)))
    }
}
