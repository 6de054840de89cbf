//! How a node or an edge does: by its errors and its durations, now and in its own past (docs/decisions/150).

use super::measure::{Measure, quantile};

/// From the dullest to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum State {
    /// Nothing was counted in the range.
    #[default]
    Unknown,
    Ok,
    Warn,
    Bad,
}

impl State {
    /// The word in answers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    #[must_use]
    pub fn is_problem(self) -> bool {
        self >= Self::Warn
    }
}

/// A state and the rule that set it, in words; none if all is well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    pub state: State,
    pub rule: Option<&'static str>,
}

/// Calls and failures below which errors say nothing.
const CALLS_MIN: f64 = 20.0;
const FAILED_MIN: f64 = 5.0;
/// Errors over the baseline's, as a share of calls, that warn and that are bad.
const ERRORS_WARN: f64 = 0.01;
const ERRORS_BAD: f64 = 0.05;
/// p95 against the baseline's that warns and that is bad, and by how much it must differ at least, in s.
const SLOWER_WARN: f64 = 1.5;
const SLOWER_BAD: f64 = 3.0;
const SLOWER_MIN_S: f64 = 0.005;

/// Judges what was counted now against `base`, which may be empty: then only absolute limits speak.
#[must_use]
pub fn judge(now: &Measure, base: &Measure) -> Verdict {
    if now.is_empty() {
        return Verdict::default();
    }
    let found = [by_errors(now, base), by_durations(now, base)];
    let worst = found.into_iter().flatten().max_by_key(|v| v.state);
    worst.unwrap_or(Verdict {
        state: State::Ok,
        rule: None,
    })
}

fn by_errors(now: &Measure, base: &Measure) -> Option<Verdict> {
    if now.calls < CALLS_MIN || now.failed < FAILED_MIN {
        return None;
    }
    let at_least = wilson_low(now.failed, now.calls);
    let usual = base
        .error_ratio()
        .filter(|_| base.calls >= CALLS_MIN)
        .unwrap_or(0.0);
    let over = |points: f64| at_least > (3.0 * usual).max(usual + points);
    let verdict = |state, rule| {
        Some(Verdict {
            state,
            rule: Some(rule),
        })
    };
    if over(ERRORS_BAD) {
        verdict(
            State::Bad,
            "errors: over 5 points more calls fail than usual",
        )
    } else if over(ERRORS_WARN) {
        verdict(
            State::Warn,
            "errors: over 1 point more calls fail than usual",
        )
    } else {
        None
    }
}

fn by_durations(now: &Measure, base: &Measure) -> Option<Verdict> {
    if now.durations().count() < CALLS_MIN || base.durations().count() < CALLS_MIN {
        return None;
    }
    let (p95, usual) = (
        quantile(now.durations(), 0.95)?,
        quantile(base.durations(), 0.95)?,
    );
    let over = |times: f64| p95 > usual * times && p95 - usual > SLOWER_MIN_S;
    if over(SLOWER_BAD) {
        Some(Verdict {
            state: State::Bad,
            rule: Some("latency: p95 is over 3 times the hour before"),
        })
    } else if over(SLOWER_WARN) {
        Some(Verdict {
            state: State::Warn,
            rule: Some("latency: p95 is over 1.5 times the hour before"),
        })
    } else {
        None
    }
}

/// Lower end of the 95 % Wilson interval of a share.
fn wilson_low(hits: f64, n: f64) -> f64 {
    const Z2: f64 = 1.96 * 1.96;
    let share = (hits / n).clamp(0.0, 1.0);
    let spread = (Z2 * (share * (1.0 - share) / n + Z2 / (4.0 * n * n))).sqrt();
    ((share + Z2 / (2.0 * n) - spread) / (1.0 + Z2 / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(calls: u32, failed: u32, seconds: f64) -> Measure {
        let mut measure = Measure {
            calls: f64::from(calls),
            failed: f64::from(failed),
            ..Measure::default()
        };
        (0..calls).for_each(|_| measure.server.observe(seconds));
        measure
    }

    #[track_caller]
    fn check(now: (u32, u32, f64), base: (u32, u32, f64), expected: State) {
        let of = |(calls, failed, s)| measure(calls, failed, s);
        assert_eq!(judge(&of(now), &of(base)).state, expected);
    }

    #[test]
    fn states_follow_errors_and_durations() {
        let none = (0, 0, 0.0);
        check(none, none, State::Unknown);
        check((100, 0, 0.1), none, State::Ok);
        // too few to say anything
        check((19, 19, 0.1), none, State::Ok);
        check((100, 4, 0.1), none, State::Ok);
        check((100, 5, 0.1), none, State::Warn);
        check((100, 20, 0.1), none, State::Bad);
        // as it always is
        check((100, 20, 0.1), (1000, 180, 0.1), State::Ok);
        check((100, 0, 0.2), (100, 0, 0.1), State::Warn);
        check((100, 0, 0.5), (100, 0, 0.1), State::Bad);
        // a few ms are no trouble
        check((100, 0, 0.004), (100, 0, 0.001), State::Ok);
        check((100, 20, 0.2), (100, 0, 0.1), State::Bad);
    }

    #[test]
    fn the_worse_rule_is_told() {
        let told = judge(&measure(100, 6, 0.5), &measure(100, 0, 0.1));
        assert_eq!(told.state, State::Bad);
        assert!(told.rule.expect("a rule").starts_with("latency"));
    }

    #[test]
    fn a_wilson_bound_lies_below_the_share() {
        assert!((wilson_low(5.0, 100.0) - 0.0215).abs() < 0.001);
        assert!(wilson_low(0.0, 10.0) < 1e-9);
    }
}
