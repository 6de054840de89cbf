//! Distributions of durations: base-2 exponential histograms that merge exactly.
//!
//! In: values in s, with a weight where a value stands for several. Out: counts by bucket, whose bounds are those of the OpenTelemetry metrics data model
//! ("ExponentialHistogram"). Nothing here calls a logarithm: a bucket follows from the bits of a value, so every machine counts alike.

mod bucket;
mod counts;

pub use counts::Counts;

use bucket::index_of;

/// Buckets that a histogram has at most. A value outside them lowers its scale.
pub const BUCKETS_MAX: usize = 160;
/// Scale that a histogram begins with: 8 buckets an octave, so a quantile is at most 4.4 % off.
pub const SCALE_MAX: i8 = 3;
/// Scale at which every positive number fits into two buckets.
pub const SCALE_MIN: i8 = -10;

/// Base-2 exponential histogram of values that are not negative.
///
/// Count i of [`ExpHistogram::buckets`] are the values in (base^(offset + i), base^(offset + i + 1)], base = 2^(2^−scale). At most [`BUCKETS_MAX`] counts:
/// a value outside them lowers the scale by one, which adds neighbours up in pairs, so that merging is exact at the lower scale. Counts are whole while every
/// weight is 1, else weighted; two kinds merge into weighted.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpHistogram {
    scale: i8,
    offset: i32,
    /// Its first and last bucket are not empty, if there is one.
    counts: Counts,
    sum: f64,
}

impl Default for ExpHistogram {
    fn default() -> Self {
        Self {
            scale: SCALE_MAX,
            offset: 0,
            counts: Counts::default(),
            sum: 0.0,
        }
    }
}

impl ExpHistogram {
    /// An empty one, at [`SCALE_MAX`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From what [`ExpHistogram::scale`] and its fellows told; None if that is no histogram: too many buckets, a scale out of range, an empty bucket at an end, or
    /// a count that is negative or no number.
    #[must_use]
    pub fn from_parts(scale: i8, offset: i32, counts: Counts, sum: f64) -> Option<Self> {
        let in_range = (SCALE_MIN..=SCALE_MAX).contains(&scale)
            && counts.n_buckets() <= BUCKETS_MAX
            && offset.checked_add(BUCKETS_MAX as i32).is_some();
        (in_range && counts.is_sound()).then(|| Self {
            scale,
            offset,
            counts: counts.fitted(),
            sum,
        })
    }

    /// Counts a value. What is not above 0 counts as 0.
    pub fn observe(&mut self, value: f64) {
        self.add_value(value, |counts, place| counts.add_whole(place, 1));
        self.sum += at_least_0(value);
    }

    /// Counts a value that stands for `weight` values, a positive number.
    pub fn observe_weighted(&mut self, value: f64, weight: f64) {
        self.counts.make_weighted();
        self.add_value(value, |counts, place| counts.add(place, weight));
        self.sum += at_least_0(value) * weight;
    }

    fn add_value(&mut self, value: f64, add: impl Fn(&mut Counts, Option<usize>)) {
        if value.is_nan() || value <= 0.0 {
            return add(&mut self.counts, None);
        }
        let index = index_of(value);
        let place = self.place(index);
        let place = place.unwrap_or_else(|| self.place_with_room(index));
        add(&mut self.counts, Some(place));
    }

    /// The bucket of an index at the largest scale, if there is one.
    fn place(&self, index: i32) -> Option<usize> {
        let place = (index >> (SCALE_MAX - self.scale)) - self.offset;
        let place = usize::try_from(place).ok()?;
        (place < self.counts.n_buckets()).then_some(place)
    }

    /// The bucket of an index at the largest scale that has none yet.
    #[cold]
    fn place_with_room(&mut self, index: i32) -> usize {
        let at_scale = index >> (SCALE_MAX - self.scale);
        self.make_room(at_scale, at_scale);
        let place = self.place(index);
        place.expect("there is room for what room was made for")
    }

    /// Makes the buckets reach from `low` to `high`, which are indexes at the present scale, and lowers the scale if they are too many.
    fn make_room(&mut self, low: i32, high: i32) {
        let n_buckets = self.counts.n_buckets();
        if n_buckets == 0 {
            self.offset = low;
        }
        let (mut first, mut last) = (self.offset.min(low), high);
        if n_buckets > 0 {
            last = last.max(self.offset + n_buckets as i32 - 1);
        }
        let mut steps = 0;
        while last - first >= BUCKETS_MAX as i32 {
            (first, last) = (first >> 1, last >> 1);
            steps += 1;
        }
        if steps > 0 {
            self.lower(steps);
            if n_buckets == 0 {
                self.offset = first;
            }
        }
        self.counts.grow_front((self.offset - first) as usize);
        self.offset = first;
        self.counts.grow_to((last - first + 1) as usize);
    }

    /// Lowers the scale by so many steps.
    fn lower(&mut self, steps: u32) {
        for _ in 0..steps {
            self.counts.pair_up(self.offset & 1 == 1);
            self.offset >>= 1;
        }
        self.scale -= i8::try_from(steps).expect("12 steps hold every number");
    }

    /// Adds what another one counted. Counts are exact; sums are as exact as adding f64 is.
    pub fn merge(&mut self, other: &Self) {
        if self.scale > other.scale {
            self.lower(u32::from((self.scale - other.scale).unsigned_abs()));
        }
        if !other.counts.is_whole() {
            self.counts.make_weighted();
        }
        let n_buckets = other.counts.n_buckets();
        if n_buckets > 0 {
            let shift = other.scale - self.scale;
            let last = other.offset + n_buckets as i32 - 1;
            self.make_room(other.offset >> shift, last >> shift);
        }
        let (shift, offset) = (other.scale - self.scale, self.offset);
        let place =
            |idx: usize| ((other.offset + idx as i32) >> shift).saturating_sub(offset) as usize;
        self.counts.add_all(&other.counts, place);
        self.sum += other.sum;
    }

    /// Values counted, by weight.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.counts.total()
    }

    /// Sum of the values, in s.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    #[must_use]
    pub fn zero_count(&self) -> f64 {
        self.counts.zero()
    }

    /// From [`SCALE_MIN`] to [`SCALE_MAX`].
    #[must_use]
    pub fn scale(&self) -> i8 {
        self.scale
    }

    /// Index of the first bucket.
    #[must_use]
    pub fn offset(&self) -> i32 {
        self.offset
    }

    /// Counts from the first bucket that is not empty to the last.
    pub fn buckets(&self) -> impl Iterator<Item = f64> {
        (0..self.counts.n_buckets()).map(|idx| self.counts.bucket(idx))
    }

    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether every weight was 1.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.counts.is_whole()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.n_buckets() == 0 && self.counts.zero() == 0.0
    }
}

fn at_least_0(value: f64) -> f64 {
    if value > 0.0 {
        value.min(f64::MAX)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
