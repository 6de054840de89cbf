//! The wall clock as retention believes it: a forward jump of over an hour counts once three readings a minute apart confirm it.

use std::time::Instant;

use telemetry::Clock;

/// A jump by more than this is not believed at once.
const JUMP_MS: i64 = 3_600_000;
/// Readings that confirm a jump.
const CONFIRMATIONS: u32 = 3;
/// Time between readings that count, in ms.
const CONFIRMATION_INTERVAL_MS: u128 = 60_000;

#[derive(Debug, Default)]
pub(super) struct BelievedWall {
    believed: Option<Reading>,
    jump: Option<(Reading, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    unix_ms: i64,
    at: Instant,
}

impl BelievedWall {
    pub(super) fn read(&mut self, clock: &Clock) -> i64 {
        self.believe(Reading {
            unix_ms: clock.wall().unix_ms,
            at: clock.monotonic(),
        })
    }

    fn believe(&mut self, now: Reading) -> i64 {
        let Some(believed) = self.believed else {
            self.believed = Some(now);
            return now.unix_ms;
        };
        let elapsed_ms = now.at.duration_since(believed.at).as_millis() as i64;
        let expected_ms = believed.unix_ms.saturating_add(elapsed_ms);
        if now.unix_ms.saturating_sub(expected_ms) <= JUMP_MS {
            (self.believed, self.jump) = (Some(now), None);
            return now.unix_ms;
        }
        let (last, n_seen) = self.jump.unwrap_or((now, 1));
        let counts = now.at.duration_since(last.at).as_millis() >= CONFIRMATION_INTERVAL_MS;
        let n_now = n_seen + u32::from(counts);
        self.jump = Some(if counts { (now, n_now) } else { (last, n_seen) });
        if n_now < CONFIRMATIONS {
            return expected_ms;
        }
        (self.believed, self.jump) = (Some(now), None);
        now.unix_ms
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        assert_eq!(believe(jumped, 60), 61_000);
        assert_eq!(believe(jumped, 90), 91_000, "30 s later is no confirmation");
        assert_eq!(believe(jumped, 120), 121_000);
        assert_eq!(believe(jumped, 180), jumped);
        assert_eq!(believe(1_000, 240), 1_000, "back deletes nothing");
    }
}
