//! Counts of buckets: whole numbers as long as nothing else came, each in 2 B as long as it fits.

/// A count of zeros, and one for each bucket.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// Whole, and no bucket has more than 65,535: nearly every histogram of a few seconds, in a quarter of the memory. One that fits is always kept so.
    Small {
        zero: u64,
        buckets: Vec<u16>,
    },
    Whole {
        zero: u64,
        buckets: Vec<u64>,
    },
    Weighted {
        zero: f64,
        buckets: Vec<f64>,
    },
}

impl Default for Counts {
    fn default() -> Self {
        Self::Small {
            zero: 0,
            buckets: Vec::new(),
        }
    }
}

impl Counts {
    /// The same, small if they fit.
    pub(super) fn fitted(self) -> Self {
        let Self::Whole { zero, buckets } = self else {
            return self;
        };
        let small = buckets.iter().map(|count| u16::try_from(*count));
        match small.collect() {
            Ok(small) => Self::Small {
                zero,
                buckets: small,
            },
            Err(_) => Self::Whole { zero, buckets },
        }
    }

    /// Makes room for larger counts.
    #[cold]
    fn widen(&mut self) {
        if let Self::Small { zero, buckets } = self {
            *self = Self::Whole {
                zero: *zero,
                buckets: buckets.iter().map(|count| u64::from(*count)).collect(),
            };
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        !matches!(self, Self::Weighted { .. })
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
            Self::Small { buckets, .. } => buckets.len(),
            Self::Whole { buckets, .. } => buckets.len(),
            Self::Weighted { buckets, .. } => buckets.len(),
        }
    }

    pub(super) fn bucket(&self, idx: usize) -> f64 {
        match self {
            Self::Small { buckets, .. } => buckets.get(idx).map_or(0.0, |count| f64::from(*count)),
            Self::Whole { buckets, .. } => buckets.get(idx).map_or(0.0, |count| *count as f64),
            Self::Weighted { buckets, .. } => buckets.get(idx).copied().unwrap_or(0.0),
        }
    }

    pub(super) fn zero(&self) -> f64 {
        match self {
            Self::Small { zero, .. } | Self::Whole { zero, .. } => *zero as f64,
            Self::Weighted { zero, .. } => *zero,
        }
    }

    pub(super) fn total(&self) -> f64 {
        match self {
            Self::Small { zero, buckets } => {
                let buckets = buckets.iter().map(|count| u64::from(*count));
                buckets.fold(*zero, u64::saturating_add) as f64
            }
            Self::Whole { zero, buckets } => {
                buckets.iter().fold(*zero, |a, b| a.saturating_add(*b)) as f64
            }
            Self::Weighted { zero, buckets } => buckets.iter().fold(*zero, |a, b| a + b),
        }
    }

    pub(super) fn make_weighted(&mut self) {
        if self.is_whole() {
            *self = Self::Weighted {
                zero: self.zero(),
                buckets: (0..self.n_buckets()).map(|idx| self.bucket(idx)).collect(),
            };
        }
    }

    /// `n` more in a bucket, or zero.
    pub(super) fn add_whole(&mut self, place: Option<usize>, n: u64) {
        match self {
            Self::Small { zero, buckets } => {
                let Some(count) = place.and_then(|place| buckets.get_mut(place)) else {
                    *zero = zero.saturating_add(n);
                    return;
                };
                match u16::try_from(n.saturating_add(u64::from(*count))) {
                    Ok(sum) => *count = sum,
                    Err(_) => {
                        self.widen();
                        self.add_whole(place, n);
                    }
                }
            }
            Self::Whole { zero, buckets } => {
                let count = place.and_then(|place| buckets.get_mut(place));
                let count = count.unwrap_or(zero);
                *count = count.saturating_add(n);
            }
            Self::Weighted { .. } => self.add(place, n as f64),
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
        let places = (0..).map(|idx| Some(place(idx)));
        match other {
            Self::Small { zero, buckets } => {
                self.add_whole(None, *zero);
                let all = places.zip(buckets);
                all.for_each(|(place, more)| self.add_whole(place, u64::from(*more)));
            }
            Self::Whole { zero, buckets } => {
                self.add_whole(None, *zero);
                let all = places.zip(buckets);
                all.for_each(|(place, more)| self.add_whole(place, *more));
            }
            Self::Weighted { zero, buckets } => {
                self.add(None, *zero);
                let all = places.zip(buckets);
                all.for_each(|(place, more)| self.add(place, *more));
            }
        }
    }

    pub(super) fn grow_front(&mut self, n_more: usize) {
        match self {
            Self::Small { buckets, .. } => grow_front(buckets, n_more),
            Self::Whole { buckets, .. } => grow_front(buckets, n_more),
            Self::Weighted { buckets, .. } => grow_front(buckets, n_more),
        }
    }

    pub(super) fn grow_to(&mut self, n_buckets: usize) {
        match self {
            Self::Small { buckets, .. } => buckets.resize(buckets.len().max(n_buckets), 0),
            Self::Whole { buckets, .. } => buckets.resize(buckets.len().max(n_buckets), 0),
            Self::Weighted { buckets, .. } => buckets.resize(buckets.len().max(n_buckets), 0.0),
        }
    }

    /// Adds neighbours up; the first one stands alone if its index is odd.
    pub(super) fn pair_up(&mut self, first_is_odd: bool) {
        self.widen();
        match self {
            Self::Small { .. } => {} // they were widened
            Self::Whole { buckets, .. } => pair(buckets, first_is_odd, |a, b| a.saturating_add(b)),
            Self::Weighted { buckets, .. } => pair(buckets, first_is_odd, |a, b| a + b),
        }
        *self = std::mem::take(self).fitted();
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
