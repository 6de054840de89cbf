//! The largest and the least value, with the time of the last that is it. NaN only where there is nothing else.

fn best(floats: &[(i64, f64)], beats: fn(f64, f64) -> bool) -> (i64, f64) {
    let mut best = floats.first().copied().unwrap_or((0, f64::NAN));
    for (at, value) in floats.iter().skip(1) {
        if beats(*value, best.1) || best.1.is_nan() {
            best = (*at, *value);
        }
    }
    best
}

pub(super) fn largest(floats: &[(i64, f64)]) -> (i64, f64) {
    best(floats, |value, best| value >= best)
}

pub(super) fn least(floats: &[(i64, f64)]) -> (i64, f64) {
    best(floats, |value, best| value <= best)
}
