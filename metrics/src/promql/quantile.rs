//! Quantiles of values.

use super::note::{Note, Notes};
use super::over::count;

/// Says if it is none between 0 and 1.
pub(super) fn check(q: f64, notes: &Notes) {
    if !(0.0..=1.0).contains(&q) {
        notes.add(Note::InvalidQuantile(q));
    }
}

/// The q-quantile, evenly between the two nearest values; NaN counts as the least.
pub(super) fn of(q: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(b),
        (a, b) => b.cmp(&a),
    });
    let rank = q * count(values.len() - 1);
    let at = |rank: f64| values.get(index(rank)).or(values.last()).copied();
    let (lower, upper) = (at(rank.floor()), at(rank.floor() + 1.0));
    let weight = rank - rank.floor();
    lower.unwrap_or(f64::NAN) * (1.0 - weight) + upper.unwrap_or(f64::NAN) * weight
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank is whole, not negative and below the number of values"
)]
fn index(rank: f64) -> usize {
    rank as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_nearest_values() {
        let values = || vec![3.0, 1.0, 2.0, 4.0];
        for (q, expected) in [
            (0.0, 1.0),
            (0.5, 2.5),
            (0.75, 3.25),
            (1.0, 4.0),
            (-1.0, f64::NEG_INFINITY),
            (2.0, f64::INFINITY),
        ] {
            assert_eq!(of(q, values()), expected, "{q}");
        }
        assert!(of(f64::NAN, values()).is_nan());
        assert!(of(0.5, Vec::new()).is_nan());
        assert_eq!(of(1.0, vec![f64::NAN, 1.0]), 1.0);
    }
}
