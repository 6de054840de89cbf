//! Moments at which signals are told: evenly spaced. Pure.

use super::constants::STEPS_MAX;

/// Steps that a person can count with, in ms.
const STEPS_MS: [i64; 15] = [
    1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
    1_800_000, 3_600_000, 10_800_000, 86_400_000,
];

/// `start`, `start + step`, … : `n` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) start_unix_ms: i64,
    pub(super) step_ms: i64,
    pub(super) n: usize,
}

impl Grid {
    /// Over [from, to] with the shortest step that needs at most [`STEPS_MAX`], on whole multiples of it: the same range gives the same moments.
    pub(super) fn over(from_unix_ms: i64, to_unix_ms: i64) -> Self {
        let range_ms = to_unix_ms.saturating_sub(from_unix_ms).max(0);
        let fits = |step: &i64| range_ms / step < STEPS_MAX as i64 - 1;
        let longest = range_ms / (STEPS_MAX as i64 - 1) + 1;
        let step_ms = STEPS_MS.into_iter().find(fits).unwrap_or(longest);
        Self::stepped(from_unix_ms, to_unix_ms, step_ms)
    }

    /// Over [from, to] with this step.
    pub(super) fn stepped(from_unix_ms: i64, to_unix_ms: i64, step_ms: i64) -> Self {
        let start_unix_ms = from_unix_ms.div_euclid(step_ms).saturating_mul(step_ms);
        let steps = to_unix_ms.saturating_sub(start_unix_ms).max(0) / step_ms;
        Self {
            start_unix_ms,
            step_ms,
            n: usize::try_from(steps).unwrap_or(0).saturating_add(1),
        }
    }

    pub(super) fn moments(self) -> impl DoubleEndedIterator<Item = i64> {
        (0..self.n).map(move |idx| {
            let after = (idx as i64).saturating_mul(self.step_ms);
            self.start_unix_ms.saturating_add(after)
        })
    }

    pub(super) fn end_unix_ms(self) -> i64 {
        self.moments().next_back().unwrap_or(self.start_unix_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_at_most_240_steps_of_a_round_length() {
        for (range_ms, step_ms) in [
            (0, 1_000),
            (100_000, 1_000),
            (238_000, 1_000),
            (240_000, 2_000),
            (3_600_000, 30_000),
            (31 * 86_400_000, 10_800_000 * 8),
        ] {
            let grid = Grid::over(1_700_000_000_123, 1_700_000_000_123 + range_ms);
            assert_eq!(grid.step_ms, step_ms, "{range_ms}");
            assert!(grid.n <= STEPS_MAX, "{grid:?}");
            assert!(grid.start_unix_ms <= 1_700_000_000_123);
            assert!(grid.end_unix_ms() <= 1_700_000_000_123 + range_ms);
            assert!(grid.end_unix_ms() + step_ms > 1_700_000_000_123 + range_ms);
        }
        assert!(Grid::over(i64::MIN, i64::MAX).n <= STEPS_MAX + 1);
        assert_eq!(Grid::over(5, 1).n, 1);
    }
}
