//! Sums that keep what rounding loses (Kahan and Neumaier), as Prometheus sums.

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn of(value: f64) -> Self {
        Self {
            sum: value,
            lost: 0.0,
        }
    }

    pub(super) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - sum) + value;
        } else {
            self.lost += (value - sum) + self.sum;
        }
        self.sum = sum;
    }

    pub(super) fn value(self) -> f64 {
        if self.sum.is_infinite() {
            self.sum
        } else {
            self.sum + self.lost
        }
    }

    /// Both parts times a factor.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self {
            sum: self.sum * factor,
            lost: self.lost * factor,
        }
    }

    pub(super) fn divided(self, divisor: f64) -> Self {
        Self {
            sum: self.sum / divisor,
            lost: self.lost / divisor,
        }
    }

    /// Without what was lost.
    pub(super) fn rough(self) -> f64 {
        self.sum
    }
}

/// A mean that does not overflow where its values do not: summed first, and worked out step by step once the sum is infinite.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Mean {
    /// The sum, or the mean so far.
    value: Sum,
    n: u32,
    /// The sum was too large.
    is_mean: bool,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.n = self.n.saturating_add(1);
        let n = f64::from(self.n);
        if !self.is_mean {
            let mut sum = self.value;
            sum.add(value);
            if self.n <= 1 || !sum.rough().is_infinite() {
                self.value = if self.n <= 1 { Sum::of(value) } else { sum };
                return;
            }
            self.value = self.value.divided(n - 1.0);
            self.is_mean = true;
        }
        self.value = self.value.scaled((n - 1.0) / n);
        self.value.add(value / n);
    }

    /// NaN of nothing.
    pub(super) fn value(self) -> f64 {
        if self.is_mean {
            return self.value.value();
        }
        self.value.divided(f64::from(self.n)).value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> f64 {
        let mut mean = Mean::default();
        values.iter().for_each(|value| mean.add(*value));
        mean.value()
    }

    #[test]
    fn what_rounding_loses_comes_back() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100]
            .iter()
            .for_each(|value| sum.add(*value));
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn means_of_large_values_are_no_infinities() {
        let (max, infinity) = (f64::MAX, f64::INFINITY);
        assert!((mean(&[max, max, max]) / max - 1.0).abs() < 1e-15);
        assert_eq!(mean(&[-max, max]), 0.0);
        assert_eq!(mean(&[infinity, 1.0, infinity]), infinity);
        assert!(mean(&[infinity, -infinity]).is_nan());
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert!(mean(&[]).is_nan());
    }
}
