//! Points of a head by series. In: a series, or all of them. Out: rows, whose points ascend in time, of equal times the newest record's.

use std::sync::Arc;

use super::TenantHead;
use crate::Window;
use crate::histogram::Histogram;
use crate::row::Row;
use crate::series::{NONE, SeriesId};
use crate::window::collapse;

/// Series whose points are gathered side by side.
const TOGETHER: usize = 32;

impl TenantHead {
    /// A series with its points in (from, to]: times ascend strictly, the last of equal ones counts, windows of one span are added.
    #[must_use]
    pub fn row(&self, id: SeriesId, from_unix_ms: i64, to_unix_ms: i64) -> Row {
        let last = self.series.last(id);
        let inside = |unix_ms: i64| from_unix_ms < unix_ms && unix_ms <= to_unix_ms;
        let floats = chain(last.float, |at| self.float_at(at));
        let floats = floats.filter(|(unix_ms, _)| inside(*unix_ms)).collect();
        self.row_with(id, floats, inside)
    }

    /// The row of a series with these floats, newest record first.
    fn row_with(
        &self,
        id: SeriesId,
        mut floats: Vec<(i64, f64)>,
        inside: impl Fn(i64) -> bool,
    ) -> Row {
        let last = self.series.last(id);
        let mut histograms: Vec<(i64, Arc<Histogram>)> = chain(last.histogram, |at| {
            let point = self.histograms.get(at as usize)?;
            Some((point.previous, &point.what))
        })
        .filter(|(unix_ms, _)| inside(*unix_ms))
        .cloned()
        .collect();
        let mut windows: Vec<Window> = chain(last.window, |at| {
            let point = self.windows.get(at as usize)?;
            Some((point.previous, &point.what))
        })
        .filter(|window| inside(window.end_unix_ms))
        .cloned()
        .collect();
        newest_of_each_time(&mut floats);
        newest_of_each_time(&mut histograms);
        windows.reverse(); // into the order of records
        collapse(&mut windows);
        Row {
            kind: self.series.kind(id),
            floats,
            histograms,
            windows,
        }
    }

    /// Every series in order of (labels, kind) with all its points, as [`TenantHead::row`] has them.
    pub fn rows(&self) -> impl Iterator<Item = (SeriesId, Row)> {
        let order = self.series.sorted();
        let groups: Vec<Vec<SeriesId>> = order.chunks(TOGETHER).map(<[_]>::to_vec).collect();
        groups.into_iter().flat_map(|ids| {
            let floats = self.floats_of(&ids);
            let row = |(id, floats)| (id, self.row_with(id, floats, |_| true));
            ids.into_iter().zip(floats).map(row).collect::<Vec<_>>()
        })
    }

    /// Floats of some series, newest record first. A chain is a wait for memory at each step, so several are followed at once.
    fn floats_of(&self, ids: &[SeriesId]) -> Vec<Vec<(i64, f64)>> {
        let mut found = vec![Vec::new(); ids.len()];
        let mut next: Vec<u32> = ids.iter().map(|id| self.series.last(*id).float).collect();
        let mut is_more = true;
        while is_more {
            is_more = false;
            for (next, found) in next.iter_mut().zip(&mut found) {
                if let Some((previous, point)) = self.float_at(*next) {
                    found.push(point);
                    *next = previous;
                    is_more = true;
                }
            }
        }
        found
    }

    /// A float and the place of the one before it; none at [`NONE`].
    fn float_at(&self, place: u32) -> Option<(u32, (i64, f64))> {
        let at = place as usize;
        let point = (*self.floats.times.get(at)?, *self.floats.values.get(at)?);
        Some((*self.floats.previous.get(at)?, point))
    }
}

/// Follows places from the newest point to the oldest.
fn chain<T>(last: u32, at: impl Fn(u32) -> Option<(u32, T)>) -> impl Iterator<Item = T> {
    let mut next = last;
    std::iter::from_fn(move || {
        if next == NONE {
            return None;
        }
        let (previous, what) = at(next)?;
        next = previous;
        Some(what)
    })
}

/// Points that come newest record first become ascending in time, the newest record's of each time.
fn newest_of_each_time<T>(points: &mut Vec<(i64, T)>) {
    if points.is_sorted_by(|(a, _), (b, _)| a > b) {
        points.reverse();
        return;
    }
    points.sort_by_key(|(unix_ms, _)| *unix_ms); // stable: the newest record stays first of its time
    points.dedup_by_key(|(unix_ms, _)| *unix_ms);
}

#[cfg(test)]
mod tests {
    use super::super::Caps;
    use super::*;
    use crate::Value;
    use crate::series::Kind;

    fn window(start: i64, end: i64, value: f64) -> Window {
        Window {
            start_unix_ms: start,
            end_unix_ms: end,
            value: Value::Float(value),
        }
    }

    #[test]
    fn rows_side_by_side_are_the_rows_one_by_one() {
        let mut head = TenantHead::default();
        let caps = Caps {
            series_max: 1_000,
            metric_series_max: 1_000,
        };
        for n in 0..2_000_i64 {
            let job = format!("{}", n * 7_919 % 90);
            let labels = [("__name__", "up"), ("job", job.as_str())];
            let id = head.series_of(&labels, Kind::Samples, caps).expect("room");
            head.push_float(id, n % 300, n as f64);
            if n % 5 == 0 {
                let id = head.series_of(&labels, Kind::Windows, caps).expect("room");
                head.push_window(id, window(n, n + 1, 1.0));
            }
        }
        let all: Vec<(SeriesId, Row)> = head.rows().collect();
        let ids = head.series().sorted().into_iter();
        let one_by_one: Vec<(SeriesId, Row)> = ids
            .map(|id| (id, head.row(id, i64::MIN, i64::MAX)))
            .collect();
        assert_eq!(all, one_by_one);
    }
}
