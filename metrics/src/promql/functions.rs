//! Functions of instant vectors and scalars.

mod absent;
mod classic;
mod date;
mod histogram;
mod info;
mod label;
mod sort;

use super::error::PromqlError;
use super::eval::{Evaluated, Evaluation};
use super::signature::Map;
use super::steps::{Grid, Line};
use super::work::Work;

pub(super) use absent::{absent, absent_line};
pub(super) use date::part;
pub(super) use histogram::{histogram_fraction, histogram_part, histogram_quantile};
pub(super) use info::info;
pub(super) use label::{label_join, label_replace};
pub(super) use sort::{by_value, sorted, sorted_by_label};

pub(super) fn map(map: Map, value: f64) -> f64 {
    match map {
        Map::Abs => value.abs(),
        Map::Acos => value.acos(),
        Map::Acosh => value.acosh(),
        Map::Asin => value.asin(),
        Map::Asinh => value.asinh(),
        Map::Atan => value.atan(),
        Map::Atanh => value.atanh(),
        Map::Ceil => value.ceil(),
        Map::Cos => value.cos(),
        Map::Cosh => value.cosh(),
        Map::Deg => value * 180.0 / std::f64::consts::PI,
        Map::Exp => libm::exp(value),
        Map::Floor => value.floor(),
        Map::Ln => libm::log(value),
        Map::Log10 => libm::log10(value),
        Map::Log2 => libm::log2(value),
        Map::Rad => value * std::f64::consts::PI / 180.0,
        Map::Sgn if value == 0.0 => value,
        Map::Sgn => value.signum(),
        Map::Sin => value.sin(),
        Map::Sinh => value.sinh(),
        Map::Sqrt => value.sqrt(),
        Map::Tan => value.tan(),
        Map::Tanh => value.tanh(),
    }
}

/// To the nearest multiple; halves go up.
pub(super) fn round(value: f64, to: f64) -> f64 {
    // dividing by the inverse rounds less than multiplying with the number
    let inverse = 1.0 / to;
    (value * inverse + 0.5).floor() / inverse
}

/// None where there is no value between.
pub(super) fn clamp(value: f64, min: f64, max: f64) -> Option<f64> {
    if max < min {
        return None;
    }
    if min.is_nan() || max.is_nan() || value.is_nan() {
        return Some(f64::NAN);
    }
    Some(value.min(max).max(min))
}

/// The value where there is one series; NaN elsewhere.
pub(super) fn scalar_of(lines: &[Line], grid: Grid, work: &Work) -> Evaluation<Evaluated> {
    work.fits(grid.n.saturating_mul(size_of::<f64>()))?;
    let mut values = vec![f64::NAN; grid.n];
    for (idx, slot) in values.iter_mut().enumerate() {
        work.operations(lines.len() as u64)?;
        let mut floats = lines.iter().filter_map(|line| line.column.float(idx));
        if let (Some(value), None) = (floats.next(), floats.next()) {
            *slot = value;
        }
    }
    Ok(Evaluated::Scalar(values))
}

/// The factors of smoothing lie between 0 and 1.
pub(super) fn check_factors(params: &[Vec<f64>]) -> Result<(), PromqlError> {
    for (values, name) in params.iter().zip(["smoothing factor", "trend factor"]) {
        let outside = values
            .iter()
            .find(|value| !(**value > 0.0 && **value < 1.0));
        if let Some(value) = outside {
            return Err(PromqlError::Execution(format!(
                "invalid {name}. Expected: 0 < factor < 1, got: {value}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_mapped() {
        for (function, value, expected) in [
            (Map::Abs, -2.0, 2.0),
            (Map::Ceil, 1.2, 2.0),
            (Map::Floor, -1.2, -2.0),
            (Map::Sgn, -3.0, -1.0),
            (Map::Sgn, 0.0, 0.0),
            (Map::Exp, 0.0, 1.0),
            (Map::Log2, 8.0, 3.0),
            (Map::Log10, 1000.0, 3.0),
            (Map::Sqrt, 9.0, 3.0),
            (Map::Deg, std::f64::consts::PI, 180.0),
            (Map::Rad, 180.0, std::f64::consts::PI),
            (Map::Ln, 0.0, f64::NEG_INFINITY),
        ] {
            assert_eq!(map(function, value), expected, "{function:?}");
        }
        assert!(map(Map::Ln, -1.0).is_nan());
        assert!(map(Map::Sgn, f64::NAN).is_nan());
    }

    #[test]
    fn halves_are_rounded_up() {
        for (value, to, expected) in [
            (2.5, 1.0, 3.0),
            (-2.5, 1.0, -2.0),
            (0.14, 0.1, 0.1),
            (7.0, 5.0, 5.0),
            (7.5, 5.0, 10.0),
        ] {
            assert_eq!(round(value, to), expected, "{value} to {to}");
        }
    }

    #[test]
    fn clamping_between_wrong_ends_leaves_nothing() {
        assert_eq!(clamp(5.0, 0.0, 3.0), Some(3.0));
        assert_eq!(clamp(-5.0, 0.0, 3.0), Some(0.0));
        assert_eq!(clamp(1.0, 3.0, 0.0), None);
        assert!(clamp(1.0, f64::NAN, 3.0).is_some_and(f64::is_nan));
    }
}
