//! Ranges of time that counts are added up over. Counts come in windows of 10 s; a window belongs to the range that it begins in, so neighbouring ranges
//! share nothing and a range up to now has the window that is still open.

use telemetry::RecordTime;

use crate::read::parameters::{Parameters, check_range};
use crate::read::time;
use crate::refusal::Refusal;

/// Length of the windows in which spans are counted.
pub(crate) const WINDOW_MS: i64 = 10_000;
/// Range of a map at an instant: the 5 min before.
const AT_MS: i64 = 300_000;
/// Range of what says `to` alone, and of lists that say nothing: the last hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// What lists compare with: the same range a week before.
pub(crate) const WEEK_MS: i64 = 7 * 24 * HOUR_MS;
/// Parts that a range is read in at most, but for a rest; none is shorter than an hour.
const SLICES_MAX: i64 = 48;
/// Baselines end at whole 10 min, so that one serves many answers.
const BASELINE_GRID_MS: i64 = 600_000;

/// From when to when, unix ms; the end does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

/// About how long a range is: one up to 20 min, up to 80, and so on by four times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Scale(u32);

/// Moment up to which a range can tell of anything: it is not over yet, or a window that began in it is not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until(i64);

impl Until {
    /// A moment that windows tell, which end up to 10 s after what they count, as text.
    pub(crate) fn text(self, unix_ms: i64) -> String {
        let unix_ms = unix_ms.min(self.0);
        time::rfc3339(RecordTime { unix_ms })
    }
}

impl Range {
    pub(crate) fn scale(self) -> Scale {
        let length_ms = self.to_ms.abs_diff(self.from_ms);
        let n_times = length_ms / AT_MS.unsigned_abs();
        Scale(n_times.max(1).ilog(4))
    }

    pub(crate) fn until(self, now: RecordTime) -> Until {
        Until(self.to_ms.min(now.unix_ms))
    }

    /// `at`, else `from` and `to`, else the 5 min before now.
    pub(crate) fn of_map(parameters: &Parameters, now_unix_ns: u64) -> Result<Self, Refusal> {
        let has_range = ["from", "to"]
            .iter()
            .any(|name| parameters.text(name).is_some());
        if has_range && parameters.text("at").is_some() {
            return Err(Refusal::invalid(
                "'at' is an instant, 'from' and 'to' are a range: give one of the two",
            ));
        }
        if has_range {
            return Self::of_list(parameters, now_unix_ns);
        }
        Self::at(parameters.text("at").unwrap_or("now"), "at", now_unix_ns)
    }

    /// `from` and `to`, the last hour without a word.
    pub(crate) fn of_list(parameters: &Parameters, now_unix_ns: u64) -> Result<Self, Refusal> {
        let at = |name: &str| {
            parameters
                .text(name)
                .map(|text| ms(name, text, now_unix_ns))
        };
        let to_ms = at("to").unwrap_or_else(|| Ok(ms_of(now_unix_ns)))?;
        let from_ms = at("from").unwrap_or(Ok(to_ms.saturating_sub(HOUR_MS)))?;
        Self { from_ms, to_ms }.checked()
    }

    /// A time, or two with `..` between them.
    pub(crate) fn of_text(name: &str, text: &str, now_unix_ns: u64) -> Result<Self, Refusal> {
        match text.split_once("..") {
            None => Self::at(text, name, now_unix_ns),
            Some((from, to)) => Self {
                from_ms: ms(name, from, now_unix_ns)?,
                to_ms: ms(name, to, now_unix_ns)?,
            }
            .checked(),
        }
    }

    fn at(text: &str, name: &str, now_unix_ns: u64) -> Result<Self, Refusal> {
        let to_ms = ms(name, text, now_unix_ns)?;
        let from_ms = to_ms.saturating_sub(AT_MS);
        Self { from_ms, to_ms }.checked()
    }

    /// Neither empty nor too long.
    pub(crate) fn checked(self) -> Result<Self, Refusal> {
        let ns = |ms: i64| u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000);
        check_range(ns(self.from_ms), ns(self.to_ms))?;
        if self.to_ms <= self.from_ms {
            return Err(Refusal::invalid("the time range is empty"));
        }
        Ok(self)
    }

    pub(crate) fn seconds(self) -> f64 {
        self.to_ms.saturating_sub(self.from_ms) as f64 / 1_000.0
    }

    pub(crate) fn has(self, begin_unix_ms: i64) -> bool {
        (self.from_ms..self.to_ms).contains(&begin_unix_ms)
    }

    /// The hour before it.
    pub(crate) fn baseline(self) -> Self {
        let to_ms = self.from_ms.div_euclid(BASELINE_GRID_MS) * BASELINE_GRID_MS;
        Self {
            from_ms: to_ms.saturating_sub(HOUR_MS),
            to_ms,
        }
    }

    /// The range in parts that are read one after the other, so that no answer holds all windows of a long range at once.
    pub(crate) fn slices(self) -> impl Iterator<Item = Self> {
        let length_ms = self.to_ms.saturating_sub(self.from_ms);
        let slice_ms = (length_ms / SLICES_MAX).max(HOUR_MS);
        let begin_of = move |n: i64| self.from_ms.saturating_add(n.saturating_mul(slice_ms));
        (0..=SLICES_MAX)
            .map(move |n| Self {
                from_ms: begin_of(n),
                to_ms: begin_of(n + 1).min(self.to_ms),
            })
            .take_while(|slice| slice.from_ms < slice.to_ms)
    }

    /// The same so much earlier.
    pub(crate) fn before(self, ms: i64) -> Self {
        Self {
            from_ms: self.from_ms.saturating_sub(ms),
            to_ms: self.to_ms.saturating_sub(ms),
        }
    }
}

fn ms(name: &str, text: &str, now_unix_ns: u64) -> Result<i64, Refusal> {
    time::own_unix_ns(name, text, now_unix_ns).map(ms_of)
}

fn ms_of(unix_ns: u64) -> i64 {
    i64::try_from(unix_ns / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: u64 = 100_000_000_000_000;

    #[track_caller]
    fn check(query: &str, expected: Result<(i64, i64), &str>) {
        let parameters = Parameters::of_query(Some(query)).expect("short");
        match (Range::of_map(&parameters, NOW_NS), expected) {
            (Ok(range), Ok(expected)) => {
                assert_eq!((range.from_ms, range.to_ms), expected, "{query}");
            }
            (Err(refusal), Err(why)) => {
                assert!(refusal.text.contains(why), "{query}: {}", refusal.text);
            }
            (got, _) => panic!("{query}: {got:?}"),
        }
    }

    #[test]
    fn ranges_of_about_one_length_share_a_scale() {
        let scale = |minutes: i64| {
            let (from_ms, to_ms) = (NOW_NS as i64, NOW_NS as i64 + minutes * 60_000);
            Range { from_ms, to_ms }.scale().0
        };
        let scales = [0, 5, 19, 20, 60, 80, 24 * 60].map(scale);
        assert_eq!(scales, [0, 0, 0, 1, 1, 2, 4]);
    }

    #[test]
    fn maps_are_of_an_instant_or_a_range() {
        check("", Ok((99_700_000, 100_000_000)));
        check("at=now-10m", Ok((99_100_000, 99_400_000)));
        check("from=1000&to=2000", Ok((1_000, 2_000)));
        check("to=10000000", Ok((6_400_000, 10_000_000)));
        check("from=now-15m", Ok((99_100_000, 100_000_000)));
        check("from=1&at=2", Err("give one of the two"));
        check("from=2&to=1", Err("after its end"));
        check("from=2&to=2", Err("empty"));
        check("from=0&to=99999999999", Err("744"));
    }

    #[test]
    fn nothing_is_seen_in_the_future() {
        let range = Range {
            from_ms: 0,
            to_ms: 7_000,
        };
        for (now_ms, seen_ms, told_ms) in [
            (100_000, 10_000, 7_000),
            (5_000, 10_000, 5_000),
            (100_000, 3_000, 3_000),
        ] {
            let until = range.until(RecordTime { unix_ms: now_ms });
            let told = time::rfc3339(RecordTime { unix_ms: told_ms });
            assert_eq!(until.text(seen_ms), told);
        }
    }

    #[test]
    fn slices_are_the_whole_range_and_few() {
        for length_ms in [1, HOUR_MS, HOUR_MS + 1, 24 * HOUR_MS, 744 * HOUR_MS + 7] {
            let range = Range {
                from_ms: 5,
                to_ms: 5 + length_ms,
            };
            let slices: Vec<Range> = range.slices().collect();
            assert!(slices.len() <= 49);
            assert_eq!(slices.first().map(|slice| slice.from_ms), Some(5));
            assert_eq!(slices.last().map(|slice| slice.to_ms), Some(range.to_ms));
            assert!(
                slices
                    .windows(2)
                    .all(|pair| pair[0].to_ms == pair[1].from_ms)
            );
        }
    }

    #[test]
    fn a_baseline_is_the_hour_before() {
        let range = Range {
            from_ms: 7_260_000,
            to_ms: 7_560_000,
        };
        let base = range.baseline();
        assert_eq!((base.from_ms, base.to_ms), (3_600_000, 7_200_000));
        let text = Range::of_text("a", "now-10m..now-5m", NOW_NS).expect("a range");
        assert_eq!((text.from_ms, text.to_ms), (99_400_000, 99_700_000));
    }
}
