//! Histograms of the store as those of spans, which they were made of.

use std::collections::VecDeque;

use ::metrics::Histogram;
use telemetry::histogram::{BUCKETS_MAX, Counts, ExpHistogram};

/// The sum of histograms of durations. What is none of ours (with custom or negative buckets, or finer than spans are counted) is left out.
pub(crate) fn sum<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> ExpHistogram {
    let mut sum = ExpHistogram::new();
    let mut running: Option<Running> = None;
    for one in histograms {
        let is_added = running.as_mut().is_some_and(|running| running.add(one));
        if !is_added && let Some(done) = running.replace(Running::of(one)) {
            done.add_to(&mut sum);
        }
    }
    if let Some(done) = running {
        done.add_to(&mut sum);
    }
    sum
}

/// A sum of histograms of one resolution, whose buckets lie near each other.
struct Running {
    schema: i32,
    has_negative: bool,
    zero: f64,
    sum: f64,
    /// Index of the first count.
    offset: i64,
    counts: VecDeque<f64>,
}

impl Running {
    fn of(first: &Histogram) -> Self {
        Self {
            schema: first.schema,
            has_negative: first.negative.counts.iter().any(|count| *count != 0.0),
            zero: first.zero_count,
            sum: first.sum,
            offset: i64::from(first.positive.offset),
            counts: first.positive.counts.iter().copied().collect(),
        }
    }

    /// False if it is of another kind; then nothing is added.
    fn add(&mut self, other: &Histogram) -> bool {
        let buckets = &other.positive;
        let first = i64::from(buckets.offset);
        let end = first.saturating_add(buckets.counts.len() as i64);
        if self.counts.is_empty() {
            self.offset = first;
        }
        let low = self.offset.min(first);
        let high = end.max(self.offset.saturating_add(self.counts.len() as i64));
        let has_negative = other.negative.counts.iter().any(|count| *count != 0.0);
        let fits = high.saturating_sub(low) <= WIDTH_MAX;
        if other.schema != self.schema || has_negative || self.has_negative || !fits {
            return false;
        }
        while self.offset > low {
            self.counts.push_front(0.0);
            self.offset -= 1;
        }
        let n = usize::try_from(high - low).unwrap_or(0);
        self.counts.resize(n, 0.0);
        let skip = usize::try_from(first - low).unwrap_or(0);
        for (slot, count) in self.counts.iter_mut().skip(skip).zip(&buckets.counts) {
            *slot += count;
        }
        self.zero += other.zero_count;
        self.sum += other.sum;
        true
    }

    /// Adds it in pieces that a histogram of spans can hold; the sum then lowers its resolution if need be.
    fn add_to(mut self, sum: &mut ExpHistogram) {
        if self.has_negative {
            return;
        }
        let all = self.counts.make_contiguous();
        let (mut zero, mut seconds, mut at) = (self.zero, self.sum, self.offset);
        for piece in all.chunks(BUCKETS_MAX) {
            let piece_sum = std::mem::take(&mut seconds);
            let piece_zero = std::mem::take(&mut zero);
            if let Some(part) = part(self.schema, at, piece, (piece_zero, piece_sum)) {
                sum.merge(&part);
            }
            at = at.saturating_add(piece.len() as i64);
        }
        if all.is_empty()
            && let Some(part) = part(self.schema, 0, &[], (zero, seconds))
        {
            sum.merge(&part);
        }
    }
}

/// Buckets that a running sum has at most: four times what a histogram of spans has.
const WIDTH_MAX: i64 = 640;

/// At most [`BUCKETS_MAX`] buckets as a histogram of spans: the store's bucket i + 1 begins where the bucket i of spans does.
fn part(schema: i32, at: i64, counts: &[f64], (zero, sum): (f64, f64)) -> Option<ExpHistogram> {
    let scale = i8::try_from(schema).ok()?;
    let first = counts.iter().position(|count| *count > 0.0);
    let last = counts.iter().rposition(|count| *count > 0.0);
    let (offset, buckets) = match (first, last) {
        (Some(first), Some(last)) => {
            let offset = at.checked_add(i64::try_from(first).ok()?)?.checked_sub(1)?;
            let buckets = counts.get(first..=last).unwrap_or_default();
            (i32::try_from(offset).ok()?, buckets)
        }
        _ => (0, &[][..]),
    };
    let is_whole = |count: &f64| *count >= 0.0 && *count <= WHOLE_MAX && count.fract() == 0.0;
    let counts = if is_whole(&zero) && buckets.iter().all(is_whole) {
        Counts::Whole {
            zero: zero as u64,
            buckets: buckets.iter().map(|count| *count as u64).collect(),
        }
    } else {
        Counts::Weighted {
            zero,
            buckets: buckets.to_vec(),
        }
    };
    ExpHistogram::from_parts(scale, offset, counts, sum)
}

/// Largest number up to which every whole one is a float: 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use ::metrics::derived::native;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> ExpHistogram {
        let mut histogram = ExpHistogram::new();
        values.iter().for_each(|s| histogram.observe(*s));
        histogram
    }

    #[test]
    fn what_spans_gave_comes_back() {
        let mut weighted = ExpHistogram::new();
        weighted.observe_weighted(0.2, 2.5);
        for histogram in [
            of(&[0.0, 0.1, 0.1, 7.0]),
            of(&[0.0]),
            weighted,
            ExpHistogram::new(),
        ] {
            assert_eq!(sum([native(&histogram)].iter()), histogram);
        }
    }

    #[test]
    fn empty_ends_are_cut_and_other_histograms_are_left_out() {
        let histogram = of(&[1.5]);
        let mut padded = native(&histogram);
        padded.positive.offset -= 1;
        padded.positive.counts.insert(0, 0.0);
        padded.positive.counts.push(0.0);
        let (mut finer, mut custom, mut negative) =
            (padded.clone(), padded.clone(), padded.clone());
        finer.schema = 8;
        custom.schema = -53;
        negative.negative = padded.positive.clone();
        let all = [finer, custom, padded, negative];
        assert_eq!(sum(all.iter()), histogram);
    }

    proptest! {
        #[test]
        fn sums_count_what_merging_counts(
            all in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![Just(0.0), 1e-9f64..1e9, 0.01f64..1.0], 0..8),
                0..12,
            ),
        ) {
            let all: Vec<ExpHistogram> = all.iter().map(|values| of(values)).collect();
            let natives: Vec<Histogram> = all.iter().map(native).collect();
            let mut merged = ExpHistogram::new();
            all.iter().for_each(|one| merged.merge(one));
            let summed = sum(natives.iter());
            prop_assert_eq!(summed.scale(), merged.scale());
            prop_assert_eq!(summed.offset(), merged.offset());
            prop_assert_eq!(summed.counts(), merged.counts());
            prop_assert!((summed.sum() - merged.sum()).abs() <= 1e-9 * merged.sum().abs());
        }
    }
}
