//! The wall clock as retention believes it: what it decides to delete does not come back.

use std::time::{Duration, Instant};

use crate::{Clock, RecordTime};

/// A jump by more than this is not believed at once, in ms.
const JUMP_MS: i64 = 3_600_000;
/// Readings that confirm a jump.
const CONFIRMATIONS: u32 = 3;
/// Time between two readings that count.
const CONFIRMATIONS_APART: Duration = Duration::from_secs(60);

/// A wall clock whose jumps forward, by over an hour, count once three readings a minute apart confirm them. Until then it goes on as the monotonic
/// clock does. A jump back is believed at once: it deletes less.
#[derive(Debug, Default)]
pub struct BelievedWall {
    believed: Option<Reading>,
    jump: Option<Jump>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    unix_ms: i64,
    at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    n_readings: u32,
    last_counted: Instant,
}

impl BelievedWall {
    /// Reads the clock. The first reading is believed.
    pub fn read(&mut self, clock: &Clock) -> RecordTime {
        let unix_ms = self.believe(Reading {
            unix_ms: clock.wall().unix_ms,
            at: clock.monotonic(),
        });
        RecordTime { unix_ms }
    }

    fn believe(&mut self, now: Reading) -> i64 {
        let expected_ms = self.expected_ms(now);
        let jumps = now.unix_ms.saturating_sub(expected_ms) > JUMP_MS;
        if jumps && self.n_confirmed(now.at) < CONFIRMATIONS {
            return expected_ms;
        }
        (self.believed, self.jump) = (Some(now), None);
        now.unix_ms
    }

    /// What the wall clock should read by the time that went by.
    fn expected_ms(&self, now: Reading) -> i64 {
        let Some(believed) = self.believed else {
            return now.unix_ms;
        };
        let elapsed = now.at.saturating_duration_since(believed.at);
        let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        believed.unix_ms.saturating_add(elapsed_ms)
    }

    /// Counts a reading that jumps.
    fn n_confirmed(&mut self, at: Instant) -> u32 {
        let jump = match self.jump {
            None => Jump {
                n_readings: 1,
                last_counted: at,
            },
            Some(jump)
                if at.saturating_duration_since(jump.last_counted) >= CONFIRMATIONS_APART =>
            {
                Jump {
                    n_readings: jump.n_readings + 1,
                    last_counted: at,
                }
            }
            Some(jump) => jump,
        };
        self.jump = Some(jump);
        jump.n_readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_wall_clock_is_believed_after_three_readings() {
        let begin = Clock::host().monotonic();
        let mut wall = BelievedWall::default();
        let mut believe = |unix_ms, after_s| {
            let at = begin + Duration::from_secs(after_s);
            wall.believe(Reading { unix_ms, at })
        };
        let jumped = 400 * 86_400_000;
        assert_eq!(believe(1_000, 0), 1_000);
        assert_eq!(believe(31_000, 30), 31_000);
        assert_eq!(believe(jumped, 60), 61_000);
        assert_eq!(believe(jumped, 90), 91_000, "30 s later is no confirmation");
        assert_eq!(believe(jumped, 120), 121_000);
        assert_eq!(believe(jumped, 180), jumped);
        assert_eq!(
            believe(1_000, 240),
            1_000,
            "back is believed: it deletes nothing"
        );
    }

    #[test]
    fn a_jump_that_was_taken_back_begins_anew() {
        let begin = Clock::host().monotonic();
        let mut wall = BelievedWall::default();
        let mut believe = |unix_ms, after_s| {
            let at = begin + Duration::from_secs(after_s);
            wall.believe(Reading { unix_ms, at })
        };
        let jumped = 400 * 86_400_000;
        believe(0, 0);
        believe(jumped, 60);
        believe(jumped, 120);
        assert_eq!(believe(180_000, 180), 180_000);
        assert_eq!(believe(jumped, 240), 240_000);
    }
}
