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

/// What was counted, by window: mostly one or two.
#[derive(Debug, Default)]
pub(super) struct Windows<T>(SmallVec<[(i64, T); 1]>);

impl<T: Default> Windows<T> {
    /// What is counted in the window that begins at `start_unix_ms`.
    pub(super) fn at(&mut self, start_unix_ms: i64) -> &mut T {
        let found = self
            .0
            .iter()
            .rposition(|(start, _)| *start == start_unix_ms);
        let place = found.unwrap_or_else(|| {
            self.0.push((start_unix_ms, T::default()));
            self.0.len() - 1
        });
        &mut self.0.get_mut(place).expect("found or just pushed").1
    }

    /// In order of time.
    pub(super) fn deltas(&self, value: impl Fn(&T) -> DeltaValue) -> Vec<WindowDelta> {
        let mut deltas: Vec<WindowDelta> = self
            .0
            .iter()
            .map(|(start_unix_ms, counted)| WindowDelta {
                start_unix_ms: *start_unix_ms,
                end_unix_ms: start_unix_ms.saturating_add(WINDOW_MS),
                value: value(counted),
            })
            .collect();
        deltas.sort_by_key(|delta| delta.start_unix_ms);
        deltas
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
}
