//! Which bucket a value falls into, exactly, from its bits.

/// Fractions of 2^(k/8), k = 0 to 7, in units of 2^-52, rounded down: the largest f64 that does not lie above the bound.
const BOUNDS: [u64; 8] = [
    0x0_0000_0000_0000,
    0x1_72b8_3c7d_517a,
    0x3_06fe_0a31_b715,
    0x4_bfda_d536_2a27,
    0x6_a09e_667f_3bcc,
    0x8_ace5_422a_a0db,
    0xa_e89f_995a_d3ad,
    0xd_5818_dcfb_a487,
];
const FRACTION_BITS: u32 = 52;
const EXPONENT_BIAS: i32 = 1_023;

/// Index i with 2^(i/8) < `value` ≤ 2^((i+1)/8). `value` is above 0; infinity counts with the largest number, and what is smaller than any normal number with the
/// smallest of them.
pub(super) fn index_of(value: f64) -> i32 {
    let bits = value.clamp(f64::MIN_POSITIVE, f64::MAX).to_bits();
    let exponent = (bits >> FRACTION_BITS) as i32 - EXPONENT_BIAS;
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let n_below = BOUNDS.iter().filter(|bound| fraction > **bound).count();
    exponent * BOUNDS.len() as i32 + n_below as i32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_two_is_the_upper_bound_of_its_bucket() {
        for (value, index) in [
            (1.0, -1),
            (1.0 + f64::EPSILON, 0),
            (2.0, 7),
            (0.5, -9),
            (4.0, 15),
            (1.09, 0),
            (1.091, 1),
            (1.5, 4),
            (f64::INFINITY, 1_023 * 8 + 7),
            (f64::MIN_POSITIVE, -1_022 * 8 - 1),
            (5e-324, -1_022 * 8 - 1),
        ] {
            assert_eq!(index_of(value), index, "{value}");
        }
    }

    #[test]
    fn bounds_are_those_of_the_logarithm() {
        let mut bits: u64 = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..20_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            let value = f64::from_bits(bits & 0x7fef_ffff_ffff_ffff);
            if value < f64::MIN_POSITIVE {
                continue;
            }
            let exact = libm::log2(value) * 8.0;
            let away = exact - libm::round(exact);
            if away.abs() > 1e-9 {
                assert_eq!(
                    f64::from(index_of(value)),
                    libm::ceil(exact) - 1.0,
                    "{value}"
                );
            }
        }
    }

    #[test]
    fn each_bound_is_the_largest_number_of_its_bucket() {
        for (k, bound) in (0..).zip(BOUNDS) {
            let largest = f64::from_bits((1_023 << 52) | bound);
            assert_eq!(index_of(largest), k - 1);
            assert_eq!(index_of(largest.next_up()), k);
        }
    }
}
