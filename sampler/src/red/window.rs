//! Windows: the 10 s of record time that a span counts in.

use smallvec::SmallVec;
use telemetry::RecordTime;
use telemetry::derived::{DeltaValue, WindowDelta};

/// Length of a window, in ms.
pub(super) const WINDOW_MS: i64 = 10_000;
/// How far the end of a span may lie before the time of its record, in ms, and count where it ended.
const BEFORE_MS_MAX: i64 = 300_000;
/// And how far behind it, in ms.
const AFTER_MS_MAX: i64 = 30_000;

/// Beginning of the window that an instant lies in.
pub(super) fn floor(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(WINDOW_MS).saturating_mul(WINDOW_MS)
}

/// The window that a span counts in, and whether it is that of its record since the span's own end lies too far away.
pub(super) fn of_span(end_unix_ns: u64, t: RecordTime, historic: bool) -> (i64, bool) {
    let end_unix_ms = i64::try_from(end_unix_ns / 1_000_000).unwrap_or(i64::MAX);
    let away_ms = end_unix_ms.saturating_sub(t.unix_ms);
    let is_near = (-BEFORE_MS_MAX..=AFTER_MS_MAX).contains(&away_ms);
    if historic || is_near {
        (floor(end_unix_ms), false)
    } else {
        (floor(t.unix_ms), true)
    }
}

/// What was counted, by window, in order of time: mostly one or two, many where old spans are imported.
#[derive(Debug)]
pub(super) struct Windows<T>(SmallVec<[(i64, T); 1]>);

impl<T> Default for Windows<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: Default> Windows<T> {
    /// What is counted in the window that begins at `start_unix_ms`. A new window is counted in `n_windows`.
    pub(super) fn at(&mut self, start_unix_ms: i64, n_windows: &mut u64) -> &mut T {
        let place = match self.0.last() {
            Some((last, _)) if *last == start_unix_ms => Ok(self.0.len() - 1),
            _ => self
                .0
                .binary_search_by_key(&start_unix_ms, |(start, _)| *start),
        };
        let place = place.unwrap_or_else(|place| {
            *n_windows += 1;
            self.0.insert(place, (start_unix_ms, T::default()));
            place
        });
        &mut self.0.get_mut(place).expect("found or just inserted").1
    }

    /// In order of time.
    pub(super) fn deltas(&self, value: impl Fn(&T) -> DeltaValue) -> Vec<WindowDelta> {
        self.some_deltas(|counted| Some(value(counted)))
    }

    /// The same without windows that have nothing.
    pub(super) fn some_deltas(&self, value: impl Fn(&T) -> Option<DeltaValue>) -> Vec<WindowDelta> {
        let delta = |(start_unix_ms, counted): &(i64, T)| {
            Some(WindowDelta {
                start_unix_ms: *start_unix_ms,
                end_unix_ms: start_unix_ms.saturating_add(WINDOW_MS),
                value: value(counted)?,
            })
        };
        self.0.iter().filter_map(delta).collect()
    }
}

/// Adds the windows of a second series of the same identity.
pub(super) fn add_up(all: &mut Vec<WindowDelta>, more: Vec<WindowDelta>) {
    all.extend(more);
    all.sort_by_key(|delta| delta.start_unix_ms); // stable
    all.dedup_by(|later, earlier| {
        let is_same = later.start_unix_ms == earlier.start_unix_ms;
        if is_same {
            add(&mut earlier.value, &later.value);
        }
        is_same
    });
}

fn add(sum: &mut DeltaValue, more: &DeltaValue) {
    match (sum, more) {
        (DeltaValue::Count(sum), DeltaValue::Count(more)) => *sum += more,
        (DeltaValue::Histogram(sum), DeltaValue::Histogram(more)) => sum.merge(more),
        _ => {} // seen is seen; a series has one kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_counts_where_it_ended_unless_that_is_too_far_from_its_record() {
        const T: i64 = 1_000_000_000;
        for (end_ms, historic, expected) in [
            (T, false, (T, false)),
            (T - 300_000, false, (T - 300_000, false)),
            (T - 300_001, false, (T, true)),
            (T + 30_000, false, (T + 30_000, false)),
            (T + 30_001, false, (T, true)),
            (0, true, (0, false)),
            (9_999, true, (0, false)),
        ] {
            let end_unix_ns = end_ms as u64 * 1_000_000;
            let t = RecordTime { unix_ms: T };
            assert_eq!(of_span(end_unix_ns, t, historic), expected, "{end_ms}");
        }
        let far = of_span(u64::MAX, RecordTime { unix_ms: T }, true);
        assert!(!far.1);
    }

    #[test]
    fn windows_stand_in_order_of_time_however_they_came() {
        let mut windows: Windows<f64> = Windows::default();
        let mut n_windows = 0;
        for n in [5, 1, 9, 5, 0, 7, 1, 5] {
            *windows.at(n * WINDOW_MS, &mut n_windows) += 1.0;
        }
        let told = windows.deltas(|n| DeltaValue::Count(*n));
        let told: Vec<_> = told
            .into_iter()
            .map(|w| (w.start_unix_ms / WINDOW_MS, w.value))
            .collect();
        let expected = [(0, 1.0), (1, 2.0), (5, 3.0), (7, 1.0), (9, 1.0)];
        assert_eq!(
            told,
            expected.map(|(n, count)| (n, DeltaValue::Count(count)))
        );
        assert_eq!(n_windows, 5);
    }
}
