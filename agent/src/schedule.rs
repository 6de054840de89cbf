//! When a probe is due. Pure: it is told the time and how long a reading took. A probe that costs much is asked less often, and as often as before once it
//! costs little again.

use std::time::Duration;

/// A reading that takes longer doubles the interval.
pub(crate) const SLOW: Duration = Duration::from_millis(200);
/// No interval is made longer than this.
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Readings in a row of less than half of [`SLOW`] that halve the interval again.
const QUICK_IN_A_ROW: u32 = 6;

/// Due times of one probe, aligned to the clock.
#[derive(Debug)]
pub(crate) struct Schedule {
    wanted_s: u64,
    interval_s: u64,
    /// The interval (number since 1970) in which the last reading was.
    last: Option<u64>,
    quick: u32,
}

/// What became of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    No,
    Longer(Duration),
    Shorter(Duration),
}

impl Schedule {
    pub(crate) fn new(interval: Duration) -> Self {
        let wanted_s = interval.as_secs().max(1);
        Self {
            wanted_s,
            interval_s: wanted_s,
            last: None,
            quick: 0,
        }
    }

    /// Whether a reading is due in this second: once in each interval, the first at once.
    pub(crate) fn take_due(&mut self, unix_s: u64) -> bool {
        let now = unix_s / self.interval_s;
        if self.last == Some(now) {
            return false;
        }
        self.last = Some(now);
        true
    }

    /// Takes how long the reading of this second took.
    pub(crate) fn took(&mut self, unix_s: u64, took: Duration) -> Changed {
        let interval_s = if took > SLOW {
            self.quick = 0;
            let longest_s = self.wanted_s.max(INTERVAL_MAX.as_secs());
            self.interval_s.saturating_mul(2).min(longest_s)
        } else if took < SLOW / 2 && self.is_stretched() {
            self.quick += 1;
            if self.quick < QUICK_IN_A_ROW {
                return Changed::No;
            }
            self.quick = 0;
            (self.interval_s / 2).max(self.wanted_s)
        } else {
            self.quick = 0;
            self.interval_s
        };
        let before_s = std::mem::replace(&mut self.interval_s, interval_s);
        self.last = Some(unix_s / interval_s);
        let interval = Duration::from_secs(interval_s);
        match interval_s.cmp(&before_s) {
            std::cmp::Ordering::Less => Changed::Shorter(interval),
            std::cmp::Ordering::Equal => Changed::No,
            std::cmp::Ordering::Greater => Changed::Longer(interval),
        }
    }

    /// Whether readings are rarer than wanted.
    pub(crate) fn is_stretched(&self) -> bool {
        self.interval_s > self.wanted_s
    }

    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(1);
    const COSTLY: Duration = Duration::from_millis(201);

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_probe_is_due_at_once_and_then_at_each_multiple_of_its_interval() {
        let mut schedule = Schedule::new(secs(10));
        let due: Vec<u64> = (1_003..1_035).filter(|s| schedule.take_due(*s)).collect();
        assert_eq!(due, [1_003, 1_010, 1_020, 1_030]);
    }

    #[test]
    fn a_second_that_was_missed_is_made_up_for() {
        let mut schedule = Schedule::new(secs(10));
        assert!(schedule.take_due(1_000));
        assert!(schedule.take_due(1_013), "nobody asked at 1 010");
        assert!(!schedule.take_due(1_014));
        assert!(schedule.take_due(1_020));
    }

    #[test]
    fn a_slow_probe_doubles_its_interval_up_to_a_minute() {
        let mut schedule = Schedule::new(secs(10));
        let mut told = Vec::new();
        for unix_s in 0..6 {
            told.push(schedule.took(unix_s, COSTLY));
        }
        let longer = |s| Changed::Longer(secs(s));
        assert_eq!(told[..3], [longer(20), longer(40), longer(60)]);
        assert_eq!(told[3..], [Changed::No; 3]);
    }

    #[test]
    fn a_probe_that_is_quick_again_comes_back_to_its_interval() {
        let mut schedule = Schedule::new(secs(10));
        schedule.took(0, COSTLY);
        let told: Vec<Changed> = (0..12).map(|s| schedule.took(s, QUICK)).collect();
        assert_eq!(told[5], Changed::Shorter(secs(10)));
        assert_eq!(told.iter().filter(|c| **c != Changed::No).count(), 1);
    }

    #[test]
    fn an_interval_above_a_minute_stays() {
        let mut schedule = Schedule::new(secs(300));
        assert_eq!(schedule.took(0, COSTLY), Changed::No);
        assert_eq!(schedule.interval(), secs(300));
    }
}
