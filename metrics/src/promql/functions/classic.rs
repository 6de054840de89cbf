//! Classic histograms: series of a metric that differ in `le`, each the count up to that bound. In: lines. Out: quantiles and fractions, evenly within
//! a bucket.

use std::collections::BTreeMap;

use super::super::note::{Note, Notes};
use super::super::steps::{Cell, Line};
use crate::Labels;

/// The label of an upper bound.
const LE: &str = "le";

/// What belongs to one histogram.
pub(super) struct Group<'a> {
    /// Without `le`.
    pub(super) labels: Labels,
    pub(super) metric: String,
    pub(super) natives: Vec<&'a Line>,
    /// Upper bound and line of each classic bucket.
    pub(super) buckets: Vec<(f64, &'a Line)>,
}

/// Histograms in order of labels. Floats without a bound are said to be none.
pub(super) fn grouped<'a>(lines: &'a [Line], notes: &Notes) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<Labels, Group<'a>> = BTreeMap::new();
    for line in lines {
        let (mut has_floats, mut has_histograms) = (false, false);
        for idx in 0..line.column.len() {
            match line.column.get(idx) {
                Some(Cell::Float(_)) => has_floats = true,
                Some(Cell::Histogram(_)) => has_histograms = true,
                None => {}
            }
        }
        if has_histograms {
            group(&mut groups, line.labels.clone(), line)
                .natives
                .push(line);
        }
        if !has_floats {
            continue;
        }
        let le = line.labels.get(LE);
        match bound(le) {
            Some(bound) => {
                let labels = line.labels.filtered(|name| name != LE);
                group(&mut groups, labels, line).buckets.push((bound, line));
            }
            None => notes.add(Note::BadBucketLabel {
                le: le.to_owned(),
                metric: line.labels.name().to_owned(),
            }),
        }
    }
    groups.into_values().collect()
}

fn group<'g, 'a>(
    groups: &'g mut BTreeMap<Labels, Group<'a>>,
    labels: Labels,
    line: &Line,
) -> &'g mut Group<'a> {
    groups.entry(labels).or_insert_with_key(|labels| Group {
        labels: labels.clone(),
        metric: line.labels.name().to_owned(),
        natives: Vec::new(),
        buckets: Vec::new(),
    })
}

/// As Go reads floats: `+Inf` too.
fn bound(le: &str) -> Option<f64> {
    le.parse().ok()
}

/// A bucket: observations up to `upper`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    upper: f64,
    count: f64,
}

/// A classic histogram at one step, in order of bounds.
pub(super) struct Classic(Vec<Bucket>);

/// Differences so small, by the larger count, are rounding.
const ROUNDING: f64 = 1e-12;

impl Classic {
    pub(super) fn at(buckets: &[(f64, &Line)], idx: usize) -> Self {
        let present = buckets.iter().filter_map(|(upper, line)| {
            let count = line.column.float(idx)?;
            Some(Bucket {
                upper: *upper,
                count,
            })
        });
        let mut buckets: Vec<Bucket> = present.collect();
        buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
        // the same bound written in two ways
        buckets.dedup_by(|later, kept| {
            let is_same = later.upper == kept.upper;
            if is_same {
                kept.count += later.count;
            }
            is_same
        });
        Self(buckets)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes counts ascend; true if one fell by more than rounding explains.
    fn force_ascending(&mut self) -> bool {
        let mut forced = false;
        let mut before = f64::NEG_INFINITY;
        for bucket in &mut self.0 {
            if before.is_infinite() {
                before = bucket.count;
                continue;
            }
            let is_near =
                (bucket.count - before).abs() <= ROUNDING * bucket.count.abs().max(before.abs());
            if is_near {
                bucket.count = before;
            } else if bucket.count < before {
                bucket.count = before;
                forced = true;
            }
            before = bucket.count;
        }
        forced
    }

    /// The quantile, and whether counts had to be made to ascend.
    pub(super) fn quantile(&mut self, q: f64) -> (f64, bool) {
        if q.is_nan() {
            return (f64::NAN, false);
        }
        if q < 0.0 {
            return (f64::NEG_INFINITY, false);
        }
        if q > 1.0 {
            return (f64::INFINITY, false);
        }
        if self.0.len() < 2
            || !self
                .0
                .last()
                .is_some_and(|last| last.upper == f64::INFINITY)
        {
            return (f64::NAN, false);
        }
        let forced = self.force_ascending();
        (self.within(q).unwrap_or(f64::NAN), forced)
    }

    fn within(&self, q: f64) -> Option<f64> {
        let total = self.0.last()?.count;
        if total == 0.0 {
            return None;
        }
        let rank = q * total;
        let at = self.0.partition_point(|bucket| bucket.count < rank);
        let at = at.min(self.0.len() - 1);
        let bucket = *self.0.get(at)?;
        let before = at.checked_sub(1).and_then(|before| self.0.get(before));
        if at == self.0.len() - 1 {
            return before.map(|before| before.upper);
        }
        let Some(before) = before else {
            if bucket.upper <= 0.0 {
                return Some(bucket.upper);
            }
            return Some(bucket.upper * (rank / bucket.count));
        };
        let part = (rank - before.count) / (bucket.count - before.count);
        Some(before.upper + (bucket.upper - before.upper) * part)
    }

    /// The part of the observations in (lower, upper].
    pub(super) fn fraction(&mut self, lower: f64, upper: f64) -> f64 {
        let has_end = self
            .0
            .last()
            .is_some_and(|last| last.upper == f64::INFINITY);
        if self.0.len() < 2 || !has_end || lower.is_nan() || upper.is_nan() {
            return f64::NAN;
        }
        self.force_ascending();
        let total = self.0.last().map_or(0.0, |last| last.count);
        if total == 0.0 {
            return f64::NAN;
        }
        if lower >= upper {
            return 0.0;
        }
        (self.rank(upper, total) - self.rank(lower, total)) / total
    }

    /// Observations up to a value.
    fn rank(&self, value: f64, total: f64) -> f64 {
        let mut before = Bucket {
            upper: if self.0.first().is_some_and(|first| first.upper > 0.0) {
                0.0
            } else {
                f64::NEG_INFINITY
            },
            count: 0.0,
        };
        for bucket in &self.0 {
            if value <= before.upper {
                return before.count;
            }
            if value < bucket.upper {
                if before.upper.is_infinite() {
                    return bucket.count;
                }
                if bucket.upper.is_infinite() {
                    return before.count;
                }
                let part = (value - before.upper) / (bucket.upper - before.upper);
                return before.count + (bucket.count - before.count) * part;
            }
            before = *bucket;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classic(buckets: &[(f64, f64)]) -> Classic {
        let buckets = buckets.iter();
        Classic(
            buckets
                .map(|(upper, count)| Bucket {
                    upper: *upper,
                    count: *count,
                })
                .collect(),
        )
    }

    #[test]
    fn quantiles_lie_evenly_in_their_bucket() {
        let inf = f64::INFINITY;
        let all = [(0.1, 1.0), (0.2, 3.0), (1.0, 5.0), (inf, 6.0)];
        for (q, expected) in [
            (0.0, 0.0),
            (1.0 / 12.0, 0.05),
            (1.0 / 3.0, 0.15),
            (4.0 / 6.0, 0.6),
            (1.0, 1.0),
            (-1.0, -inf),
            (2.0, inf),
        ] {
            let (got, forced) = classic(&all).quantile(q);
            assert!(
                got == expected || (got - expected).abs() < 1e-12,
                "{q}: {got}"
            );
            assert!(!forced);
        }
        assert!(classic(&[(1.0, 1.0)]).quantile(0.5).0.is_nan());
        assert!(classic(&[(1.0, 1.0), (2.0, 1.0)]).quantile(0.5).0.is_nan());
        assert!(classic(&[(1.0, 0.0), (inf, 0.0)]).quantile(0.5).0.is_nan());
        assert_eq!(classic(&[(-1.0, 1.0), (inf, 1.0)]).quantile(0.5).0, -1.0);
        assert!(
            classic(&[(1.0, 5.0), (2.0, 3.0), (inf, 6.0)])
                .quantile(0.5)
                .1
        );
        assert!(
            !classic(&[(1.0, 5.0), (2.0, 5.0 - 1e-13), (inf, 6.0)])
                .quantile(0.5)
                .1
        );
    }

    #[test]
    fn fractions_lie_evenly_too() {
        let inf = f64::INFINITY;
        let all = [(0.1, 1.0), (0.2, 3.0), (1.0, 5.0), (inf, 8.0)];
        for (lower, upper, expected) in [
            (-inf, inf, 1.0),
            (0.0, 0.2, 0.375),
            (0.1, 0.15, 0.125),
            (0.2, inf, 0.625),
            (1.0, 5.0, 0.0),
            (1.0, inf, 0.375),
            (1.0, 1.0, 0.0),
        ] {
            let got = classic(&all).fraction(lower, upper);
            assert!((got - expected).abs() < 1e-12, "{lower} {upper}: {got}");
        }
    }
}
