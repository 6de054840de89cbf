//! What was counted of calls in a range: how many, how many failed, how long they took on both sides.

use telemetry::histogram::ExpHistogram;

/// Counts of calls. Adds up over series and over time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measure {
    /// Calls, by weight.
    pub calls: f64,
    /// Those of them that failed.
    pub failed: f64,
    /// Durations in s as the caller saw them.
    pub client: ExpHistogram,
    /// Durations in s as the callee saw them.
    pub server: ExpHistogram,
}

impl Measure {
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.client.merge(&other.client);
        self.server.merge(&other.server);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls <= 0.0 && self.client.is_empty() && self.server.is_empty()
    }

    /// Share of calls that failed, 0 to 1; none without calls.
    #[must_use]
    pub fn error_ratio(&self) -> Option<f64> {
        (self.calls > 0.0).then(|| (self.failed / self.calls).clamp(0.0, 1.0))
    }

    /// What the callee says of its durations, else what its callers say.
    #[must_use]
    pub fn durations(&self) -> &ExpHistogram {
        if self.server.is_empty() {
            &self.client
        } else {
            &self.server
        }
    }

    /// 95 of 100 calls were faster, in s.
    #[must_use]
    pub fn p95(&self) -> Option<f64> {
        quantile(self.durations(), 0.95)
    }
}

/// Value below which the share `q` of what was counted lies. Inside a bucket values are taken to lie evenly by their logarithm; an answer is at most half a bucket
/// off. None if nothing was counted.
#[must_use]
pub fn quantile(histogram: &ExpHistogram, q: f64) -> Option<f64> {
    let count = histogram.count();
    if histogram.is_empty() {
        return None;
    }
    let rank = q.clamp(0.0, 1.0) * count;
    let mut below = histogram.zero_count();
    if rank <= below {
        return Some(0.0);
    }
    let per_octave = libm::exp2(f64::from(histogram.scale()));
    let bound = |index: f64| libm::exp2(index / per_octave);
    let mut index = f64::from(histogram.offset());
    let mut highest = 0.0;
    for in_bucket in histogram.buckets() {
        if in_bucket > 0.0 {
            highest = bound(index + 1.0);
            if rank <= below + in_bucket {
                return Some(bound(index + (rank - below) / in_bucket));
            }
        }
        below += in_bucket;
        index += 1.0;
    }
    Some(highest) // adding counts in another order may lose the last bit of the rank
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_has_no_quantile_and_zeros_are_zero() {
        let mut histogram = ExpHistogram::new();
        assert_eq!(quantile(&histogram, 0.5), None);
        histogram.observe(0.0);
        assert_eq!(quantile(&histogram, 0.99), Some(0.0));
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_a_bucket_off(
            mut values in proptest::collection::vec(1e-6f64..1e3, 1..200),
            q in 0.01f64..1.0,
        ) {
            let mut histogram = ExpHistogram::new();
            values.iter().for_each(|value| histogram.observe(*value));
            values.sort_by(f64::total_cmp);
            let rank = libm::ceil(q * values.len() as f64) as usize;
            let exact = values[rank.clamp(1, values.len()) - 1];
            let width = libm::exp2(1.0 / libm::exp2(f64::from(histogram.scale())));
            let told = quantile(&histogram, q).expect("there are values");
            prop_assert!(told <= exact * width * 1.000_001 && told >= exact / width * 0.999_999, "{told} for {exact}");
        }
    }
}
