//! Counts of buckets: whole numbers as long as nothing else came.

/// A count of zeros, and one for each bucket.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    Whole { zero: u64, buckets: Vec<u64> },
    Weighted { zero: f64, buckets: Vec<f64> },
}

impl Default for Counts {
    fn default() -> Self {
        Self::Whole {
            zero: 0,
            buckets: Vec::new(),
        }
    }
}

impl Counts {
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Whole { .. })
    }

    /// Whether neither end is empty and every number can be counted on.
    pub(super) fn is_sound(&self) -> bool {
        let is_count = |count: f64| count.is_finite() && count >= 0.0;
        let ends = [0, self.n_buckets().wrapping_sub(1)];
        let full = |idx: usize| self.n_buckets() == 0 || self.bucket(idx) > 0.0;
        is_count(self.zero())
            && ends.into_iter().all(full)
            && (0..self.n_buckets()).all(|idx| is_count(self.bucket(idx)))
    }

    pub(super) fn n_buckets(&self) -> usize {
        match self {
            Self::Whole { buckets, .. } => buckets.len(),
            Self::Weighted { buckets, .. } => buckets.len(),
        }
    }

    pub(super) fn bucket(&self, idx: usize) -> f64 {
        match self {
            Self::Whole { buckets, .. } => buckets.get(idx).map_or(0.0, |count| *count as f64),
            Self::Weighted { buckets, .. } => buckets.get(idx).copied().unwrap_or(0.0),
        }
    }

    pub(super) fn zero(&self) -> f64 {
        match self {
            Self::Whole { zero, .. } => *zero as f64,
            Self::Weighted { zero, .. } => *zero,
        }
    }

    pub(super) fn total(&self) -> f64 {
        match self {
            Self::Whole { zero, buckets } => {
                buckets.iter().fold(*zero, |a, b| a.saturating_add(*b)) as f64
            }
            Self::Weighted { zero, buckets } => buckets.iter().fold(*zero, |a, b| a + b),
        }
    }

    pub(super) fn make_weighted(&mut self) {
        if let Self::Whole { zero, buckets } = self {
            *self = Self::Weighted {
                zero: *zero as f64,
                buckets: buckets.iter().map(|count| *count as f64).collect(),
            };
        }
    }

    /// One more in a bucket, or zero.
    pub(super) fn add_one(&mut self, place: Option<usize>) {
        match self {
            Self::Whole { zero, buckets } => {
                let count = place.and_then(|place| buckets.get_mut(place));
                let count = count.unwrap_or(zero);
                *count = count.saturating_add(1);
            }
            Self::Weighted { .. } => self.add(place, 1.0),
        }
    }

    /// `weight` more in a bucket, or zero. They are weighted already.
    pub(super) fn add(&mut self, place: Option<usize>, weight: f64) {
        if let Self::Weighted { zero, buckets } = self {
            let count = place.and_then(|place| buckets.get_mut(place));
            *count.unwrap_or(zero) += weight;
        }
    }

    /// Adds each bucket of `other` to that at `place`. They are weighted if `other` is.
    pub(super) fn add_all(&mut self, other: &Self, place: impl Fn(usize) -> usize) {
        match (&mut *self, other) {
            (
                Self::Whole { zero, buckets },
                Self::Whole {
                    zero: more_zero,
                    buckets: more,
                },
            ) => {
                *zero = zero.saturating_add(*more_zero);
                for (idx, more) in more.iter().enumerate() {
                    if let Some(count) = buckets.get_mut(place(idx)) {
                        *count = count.saturating_add(*more);
                    }
                }
            }
            _ => {
                self.add(None, other.zero());
                for idx in 0..other.n_buckets() {
                    self.add(Some(place(idx)), other.bucket(idx));
                }
            }
        }
    }

    pub(super) fn grow_front(&mut self, n_more: usize) {
        match self {
            Self::Whole { buckets, .. } => grow_front(buckets, n_more),
            Self::Weighted { buckets, .. } => grow_front(buckets, n_more),
        }
    }

    pub(super) fn grow_to(&mut self, n_buckets: usize) {
        match self {
            Self::Whole { buckets, .. } => buckets.resize(buckets.len().max(n_buckets), 0),
            Self::Weighted { buckets, .. } => buckets.resize(buckets.len().max(n_buckets), 0.0),
        }
    }

    /// Adds neighbours up; the first one stands alone if its index is odd.
    pub(super) fn pair_up(&mut self, first_is_odd: bool) {
        match self {
            Self::Whole { buckets, .. } => pair(buckets, first_is_odd, |a, b| a.saturating_add(b)),
            Self::Weighted { buckets, .. } => pair(buckets, first_is_odd, |a, b| a + b),
        }
    }
}

fn grow_front<T: Copy + Default>(buckets: &mut Vec<T>, n_more: usize) {
    buckets.resize(buckets.len() + n_more, T::default());
    buckets.rotate_right(n_more);
}

fn pair<T: Copy>(buckets: &mut Vec<T>, first_is_odd: bool, add: impl Fn(T, T) -> T) {
    let alone = usize::from(first_is_odd).min(buckets.len());
    let (first, rest) = buckets.split_at(alone);
    let pairs = rest.chunks(2).map(|pair| match pair {
        [a, b] => add(*a, *b),
        [a, ..] => *a,
        [] => unreachable!("chunks are not empty"),
    });
    *buckets = first.iter().copied().chain(pairs).collect();
}
