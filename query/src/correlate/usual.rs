//! What is usual, by the hour before: a band around the median. In: values at even moments. Out: the band, and which later moments lie outside it. Pure.

use telemetry::signals::{Bad, Signal};

use super::constants::{EPISODE_MIN, EPISODE_OF, MAD_TO_SIGMA, SCALE_SHARE, USUAL_STEPS_MIN, Z};

/// Between which values a signal usually is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Band {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Band {
    /// From the values of the hour before, NaN where there was none; none if there were too few.
    pub(super) fn of(before: &[f64], floor: f64) -> Option<Self> {
        let values: Vec<f64> = before.iter().copied().filter(|v| v.is_finite()).collect();
        if values.len() < USUAL_STEPS_MIN {
            return None;
        }
        let centre = median(values.clone())?;
        let away = median(values.iter().map(|v| (v - centre).abs()).collect())?;
        let scale = (MAD_TO_SIGMA * away)
            .max(SCALE_SHARE * centre.abs())
            .max(floor);
        Some(Self {
            low: centre - Z * scale,
            high: centre + Z * scale,
        })
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(middle.checked_sub(1)?)?;
    Some(lower + (upper - lower) / 2.0)
}

/// Ranges of indexes, both ends within, in which the signal is worse than usual, or past its limit.
pub(super) fn abnormal(signal: &Signal, values: &[f64], band: Option<Band>) -> Vec<(usize, usize)> {
    let is_bad = |value: f64| match signal.bad {
        Bad::High => {
            band.is_some_and(|band| value >= band.high)
                || signal.limit.is_some_and(|limit| value >= limit)
        }
        Bad::Low => {
            band.is_some_and(|band| value <= band.low)
                || signal.limit.is_some_and(|limit| value <= limit)
        }
        Bad::No => false,
    };
    let bad: Vec<bool> = values.iter().map(|value| is_bad(*value)).collect();
    // What is on or off is bad at once.
    let is_switch = signal.limit.is_some_and(|limit| limit < signal.floor);
    episodes(&bad, if is_switch { 1 } else { EPISODE_MIN })
}

/// An episode begins with the first of `min` bad steps among [`EPISODE_OF`], and ends with the last before as many good ones.
fn episodes(bad: &[bool], min: usize) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (first, is_bad) in bad.iter().enumerate() {
        if !is_bad {
            continue;
        }
        match found.last_mut() {
            Some((_, last)) if first - *last <= EPISODE_OF => *last = first,
            _ => {
                let window = bad.iter().skip(first).take(EPISODE_OF);
                if window.filter(|is_bad| **is_bad).count() >= min {
                    found.push((first, first));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::entity::EntityKind;
    use telemetry::signals;

    fn signal(name: &str) -> &'static Signal {
        let mut all = signals::of(EntityKind::Container).chain(signals::of(EntityKind::Host));
        all.find(|signal| signal.name == name).expect("a signal")
    }

    #[test]
    fn the_band_is_four_scales_wide_each_way() {
        assert_eq!(Band::of(&[1.0; 19], 0.1), None);
        assert_eq!(Band::of(&[f64::NAN; 40], 0.1), None);
        let flat = Band::of(&[1.0; 20], 0.1).expect("enough");
        assert_eq!((flat.low, flat.high), (1.0 - 0.4, 1.4));
        let wide = Band::of(&[100.0; 20], 0.1).expect("enough");
        assert_eq!((wide.low, wide.high), (80.0, 120.0));
        let noisy: Vec<f64> = (0..40)
            .map(|i| if i % 2 == 0 { 0.0 } else { 10.0 })
            .collect();
        let noisy = Band::of(&noisy, 0.1).expect("enough");
        assert!((noisy.high - (5.0 + 4.0 * 1.4826 * 5.0)).abs() < 1e-9);
    }

    /// `x` is a bad step.
    #[track_caller]
    fn check(steps: &str, min: usize, expected: &[(usize, usize)]) {
        let bad: Vec<bool> = steps.chars().map(|c| c == 'x').collect();
        assert_eq!(episodes(&bad, min), expected, "{steps}");
    }

    #[test]
    fn an_episode_has_three_bad_steps_of_four_and_ends_after_four_good_ones() {
        check("", 3, &[]);
        check("..x..x.", 3, &[]);
        check(".xx.x..", 3, &[(1, 4)]);
        check("xxx...x", 3, &[(0, 6)]);
        check("xxx....x", 3, &[(0, 2)]);
        check("..x....x", 1, &[(2, 2), (7, 7)]);
    }

    #[test]
    fn bad_is_what_is_worse_than_usual_or_past_the_limit() {
        let band = Some(Band {
            low: 0.2,
            high: 0.4,
        });
        let high = [0.3, 0.5, 0.5, 0.5, 0.3];
        assert_eq!(abnormal(signal("host.cpu"), &high, band), [(1, 3)]);
        assert_eq!(abnormal(signal("host.cpu"), &high, None), []);
        assert_eq!(abnormal(signal("host.mem_free"), &high, band), []);
        let low = [0.1, 0.1, 0.1, f64::NAN];
        assert_eq!(abnormal(signal("host.mem_free"), &low, band), [(0, 2)]);
        assert_eq!(abnormal(signal("container.cpu_limit"), &high, band), []);
        let killed = [0.0, 0.1, 0.0];
        assert_eq!(abnormal(signal("container.oom"), &killed, None), [(1, 1)]);
        let throttled = [0.05, 0.5, 0.6, 0.7];
        assert_eq!(
            abnormal(signal("container.throttled"), &throttled, None),
            [(1, 3)]
        );
    }
}
