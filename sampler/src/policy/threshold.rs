//! Sampling thresholds and randomness as OpenTelemetry defines them (tracestate key `ot`, W3C Trace Context level 2): T and R have 56 bits, a trace
//! is kept when R ≥ T, and its probability is p = (2^56 − T) / 2^56. All of it is integer arithmetic.

/// 2^56: one more than the largest threshold or randomness.
pub const UNIT: u64 = 1 << 56;
/// Hex digits of a threshold.
const DIGITS: u32 = 14;
/// Significant digits to which a configured probability is rounded before it is applied.
pub const PRECISION: u32 = 4;

/// What the `ot` entry of a tracestate says. What is malformed counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OtState {
    /// `th`: the threshold that was applied before.
    pub threshold: Option<u64>,
    /// `rv`: explicit randomness.
    pub randomness: Option<u64>,
}

impl OtState {
    /// Reads a W3C tracestate.
    #[must_use]
    pub fn parse(trace_state: &str) -> Self {
        let mut found = Self::default();
        let entry = trace_state
            .split(',')
            .find_map(|entry| entry.trim().strip_prefix("ot="));
        for field in entry.unwrap_or("").split(';') {
            match field.split_once(':') {
                Some(("th", digits)) => found.threshold = hex_56(digits),
                Some(("rv", digits)) if digits.len() == DIGITS as usize => {
                    found.randomness = hex_56(digits)
                }
                _ => {}
            }
        }
        found
    }
}

/// 1 to 14 lower-case hex digits, as if zeros followed.
fn hex_56(digits: &str) -> Option<u64> {
    let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let n_digits = u32::try_from(digits.len())
        .ok()
        .filter(|n| (1..=DIGITS).contains(n))?;
    if !digits.bytes().all(lower_hex) {
        return None;
    }
    let number = u64::from_str_radix(digits, 16).ok()?;
    Some(number << (4 * (DIGITS - n_digits)))
}

/// The threshold that keeps a fraction `p` of all traces, rounded to `precision` significant hex digits after leading f's or 0's; [`UNIT`] keeps none.
#[must_use]
pub fn of_probability(p: f64, precision: u32) -> u64 {
    if p >= 1.0 {
        return 0;
    }
    // the smallest probability is 2^-56
    if p.is_nan() || p * (UNIT as f64) < 1.0 {
        return UNIT;
    }
    let (_, exponent) = libm::frexp(p);
    let (_, rest_exponent) = libm::frexp(1.0 - p);
    let leading = exponent.min(rest_exponent).unsigned_abs() / 4;
    let digits = (precision + leading).min(DIGITS);
    let exact = UNIT - libm::round(p * UNIT as f64) as u64;
    let shift = 4 * (DIGITS - digits);
    if shift == 0 {
        return exact;
    }
    ((exact + (1 << (shift - 1))) >> shift) << shift
}

/// The threshold that keeps, of what arrived under `threshold_in`, the fraction that `threshold` keeps of all.
#[must_use]
pub fn proportional(threshold_in: u64, threshold: u64) -> u64 {
    let left = u128::from(UNIT - threshold_in.min(UNIT));
    let cut = (left * u128::from(threshold) + u128::from(UNIT / 2)) / u128::from(UNIT);
    threshold_in + u64::try_from(cut).expect("at most 2^56")
}

/// How far up a trace stands among those that arrived under its own threshold: u = (R − T_in) / (2^56 − T_in), as a fraction of 2^64. R ≥ T_in.
#[must_use]
pub fn standing(randomness: u64, threshold_in: u64) -> u64 {
    let above = u128::from(randomness - threshold_in);
    let left = u128::from(UNIT - threshold_in);
    u64::try_from((above << 64) / left).unwrap_or(u64::MAX)
}

/// The smallest threshold under which only traces that stand higher than `standing` are kept; [`UNIT`] if there can be none.
#[must_use]
pub fn above(standing: u64, threshold_in: u64) -> u64 {
    let left = u128::from(UNIT - threshold_in);
    let cut = ((u128::from(standing) + 1) * left).div_ceil(1 << 64);
    threshold_in + u64::try_from(cut).expect("at most 2^56")
}

/// A threshold as `th` writes it: without trailing zeros, `0` for 0.
#[must_use]
pub fn written(threshold: u64) -> String {
    let digits = format!("{threshold:014x}");
    let cut = digits.trim_end_matches('0');
    if cut.is_empty() {
        "0".to_owned()
    } else {
        cut.to_owned()
    }
}

/// Probability of a trace that is kept under a threshold below [`UNIT`].
#[must_use]
pub fn probability(threshold: u64) -> f64 {
    (UNIT - threshold) as f64 / UNIT as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The specification's vectors: 1 in N, at precision 3, 4 and 5.
    #[test]
    fn one_in_n_is_written_as_the_specification_writes_it() {
        for (n, three, four, five) in [
            (1, "0", "0", "0"),
            (2, "8", "8", "8"),
            (3, "aab", "aaab", "aaaab"),
            (4, "c", "c", "c"),
            (5, "ccd", "cccd", "ccccd"),
            (8, "e", "e", "e"),
            (10, "e66", "e666", "e6666"),
            (16, "f", "f", "f"),
            (100, "fd71", "fd70a", "fd70a4"),
            (1_000, "ffbe7", "ffbe77", "ffbe76d"),
            (10_000, "fff972", "fff9724", "fff97247"),
            (100_000, "ffff584", "ffff583a", "ffff583a5"),
            (1_000_000, "ffffef4", "ffffef39", "ffffef391"),
        ] {
            for (precision, expected) in [(3, three), (4, four), (5, five)] {
                assert_eq!(
                    written(of_probability(1.0 / f64::from(n), precision)),
                    expected,
                    "1 in {n}, {precision} digits"
                );
            }
        }
        assert_eq!(of_probability(0.0, 4), UNIT);
        assert_eq!(of_probability(-1.0, 4), UNIT);
        assert_eq!(of_probability(f64::NAN, 4), UNIT);
    }

    #[test]
    fn adjusted_counts_are_those_of_the_specification() {
        for (th, count) in [
            ("0", 1.0),
            ("c", 4.0),
            ("aab", 3.000_732_6),
            ("fd71", 100.054_961_8),
        ] {
            let threshold = hex_56(th).expect("digits");
            assert!((1.0 / probability(threshold) - count).abs() < 1e-7, "{th}");
        }
    }

    #[test]
    fn only_the_ot_entry_is_read() {
        let read = |text: &str| {
            (
                OtState::parse(text).threshold,
                OtState::parse(text).randomness,
            )
        };
        assert_eq!(read("ot=th:8"), (Some(UNIT / 2), None));
        assert_eq!(
            read("a=b, ot=rv:0123456789abcd;x:y;th:0,c=d"),
            (Some(0), Some(0x01_2345_6789_abcd))
        );
        for absent in [
            "",
            "ot=",
            "ot=th:",
            "ot=th:F",
            "ot=th:123456789abcdef",
            "ot=rv:1",
            "other=th:8",
            "ot=th",
            "ot=th:+8",
        ] {
            assert_eq!(read(absent), (None, None), "{absent}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn the_cut_is_the_smallest_threshold_above_a_standing(t_in in 0..UNIT, r in any::<u64>(), other in any::<u64>()) {
            let r = t_in + r % (UNIT - t_in);
            let other = t_in + other % (UNIT - t_in);
            let cut = above(standing(r, t_in), t_in);
            prop_assert!(cut > r && cut <= UNIT);
            prop_assert_eq!(other >= cut, standing(other, t_in) > standing(r, t_in));
        }

        #[test]
        fn proportional_sampling_never_lowers_a_threshold(t_in in 0..=UNIT, t in 0..=UNIT) {
            let both = proportional(t_in, t);
            prop_assert!(both >= t_in && both <= UNIT);
            prop_assert_eq!(proportional(0, t), t);
        }
    }
}
