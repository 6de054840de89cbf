//! How often something happened, told by the part of it that was seen.

use serde::Serialize;

/// Two-sided normal quantile of 95 %.
const Z: f64 = 1.96;

/// How often, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Count {
    pub(super) value: f64,
    low: f64,
    high: f64,
    kind: &'static str,
    /// Spans that it is told by.
    n: usize,
}

impl Count {
    /// A share of a count that is exact, told by so many that were seen of all and so many of the share.
    pub(super) fn of(total: f64, share: f64, (n, n_of_share): (usize, usize)) -> Self {
        let value = total * share;
        // all of them are seen, or there is nothing to tell apart
        if n == 0 || n as f64 >= total {
            return Self {
                value,
                low: value,
                high: value,
                kind: "exact",
                n: n_of_share,
            };
        }
        let (low, high) = wilson(share, n as f64);
        Self {
            value,
            low: (total * low).max(n_of_share as f64).min(value),
            high: total * high,
            kind: "estimate",
            n: n_of_share,
        }
    }

    /// Both together, each told by spans of its own.
    pub(super) fn plus(self, other: Self) -> Self {
        let is_exact = self.kind == "exact" && other.kind == "exact";
        Self {
            value: self.value + other.value,
            low: self.low + other.low,
            high: self.high + other.high,
            kind: if is_exact { "exact" } else { "estimate" },
            n: self.n + other.n,
        }
    }
}

/// Wilson's interval of a share that was seen in `n`.
fn wilson(share: f64, n: f64) -> (f64, f64) {
    let square = Z * Z / n;
    let middle = share + square / 2.0;
    let half = Z
        * (share * (1.0 - share) / n + square / (4.0 * n))
            .max(0.0)
            .sqrt();
    let of = |bound: f64| (bound / (1.0 + square)).clamp(0.0, 1.0);
    (of(middle - half), of(middle + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_what_was_seen_is_an_estimate_and_all_of_it_is_exact() {
        let all = Count::of(10.0, 0.3, (10, 3));
        assert_eq!(
            (all.value, all.low, all.high, all.kind),
            (3.0, 3.0, 3.0, "exact")
        );
        let none = Count::of(10.0, 1.0, (0, 0));
        assert_eq!((none.value, none.kind, none.n), (10.0, "exact", 0));
        let some = Count::of(1_000.0, 0.3, (100, 30));
        assert_eq!((some.value, some.kind, some.n), (300.0, "estimate", 30));
        assert!(
            (some.low - 219.0).abs() < 1.0 && (some.high - 396.0).abs() < 1.0,
            "{some:?}"
        );
        let (low, high) = wilson(1.0, 1.0);
        assert!(low > 0.0 && high == 1.0);
    }
}
