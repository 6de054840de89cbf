//! How long a refused sender is asked to wait: 1 s doubling to 30 s within a tenant's overload episode, ±20 %.
//!
//! The wait doubles once it has passed and refusals go on, not with each refusal: a thousand senders refused in one second are one step of
//! one episode. An episode is over when nothing was refused for twice its wait.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use telemetry::Tenant;
use xxhash_rust::xxh3::xxh3_64;

const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Most episodes that are remembered; tenants beyond it are asked to wait [`WAIT_MIN`].
const EPISODES_MAX: usize = 1024;

/// One episode a tenant.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    episodes: BTreeMap<Tenant, Episode>,
    /// Refusals so far: what the jitter is drawn from.
    n_refusals: u64,
}

#[derive(Debug, Clone, Copy)]
struct Episode {
    wait: Duration,
    /// When the wait was last doubled.
    stepped_at: Instant,
    refused_at: Instant,
}

impl Pacing {
    /// The wait for a request of `tenant` that is refused `now`.
    pub(crate) fn wait(&mut self, tenant: &Tenant, now: Instant) -> Duration {
        self.n_refusals += 1;
        self.step(tenant, now).mul_f64(jitter(self.n_refusals))
    }

    fn step(&mut self, tenant: &Tenant, now: Instant) -> Duration {
        let fresh = Episode {
            wait: WAIT_MIN,
            stepped_at: now,
            refused_at: now,
        };
        let Some(episode) = self.episodes.get_mut(tenant) else {
            self.remember(tenant, fresh, now);
            return WAIT_MIN;
        };
        if episode.is_over(now) {
            *episode = fresh;
        } else if now.saturating_duration_since(episode.stepped_at) >= episode.wait {
            episode.wait = (episode.wait * 2).min(WAIT_MAX);
            episode.stepped_at = now;
        }
        episode.refused_at = now;
        episode.wait
    }

    fn remember(&mut self, tenant: &Tenant, episode: Episode, now: Instant) {
        if self.episodes.len() >= EPISODES_MAX {
            self.episodes.retain(|_, known| !known.is_over(now));
        }
        if self.episodes.len() < EPISODES_MAX {
            self.episodes.insert(tenant.clone(), episode);
        }
    }
}

impl Episode {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.refused_at) > self.wait * 2
    }
}

/// A factor from 0.8 to 1.2, the same for the same number.
fn jitter(n: u64) -> f64 {
    let share = (xxh3_64(&n.to_le_bytes()) >> 11) as f64 / (1u64 << 53) as f64;
    0.8 + 0.4 * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::Clock;

    /// Whole seconds that the wait is about, the jitter taken out.
    fn about(wait: Duration) -> u64 {
        [1, 2, 4, 8, 16, 30]
            .into_iter()
            .find(|&s| (0.8..=1.2).contains(&(wait.as_secs_f64() / s as f64)))
            .unwrap_or_else(|| panic!("{wait:?} is no step"))
    }

    #[test]
    fn the_wait_doubles_while_refusals_go_on_and_starts_anew_after_a_pause() {
        let (mut pacing, start) = (Pacing::default(), Clock::host().monotonic());
        let tenant = Tenant::default_tenant();
        let mut wait_at = |s: u64| about(pacing.wait(&tenant, start + Duration::from_secs(s)));
        let waits: Vec<u64> = [0, 0, 1, 2, 3, 7, 15, 31, 61, 91]
            .map(&mut wait_at)
            .to_vec();
        assert_eq!(waits, [1, 1, 2, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(wait_at(152), 1);
    }

    #[test]
    fn tenants_have_their_own_episodes_and_no_more_than_the_bound_are_kept() {
        let (mut pacing, now) = (Pacing::default(), Clock::host().monotonic());
        for n in 0..2 * EPISODES_MAX {
            let tenant: Tenant = format!("t{n}").parse().expect("a plain name");
            assert_eq!(about(pacing.wait(&tenant, now)), 1);
        }
        assert_eq!(pacing.episodes.len(), EPISODES_MAX);
    }

    #[test]
    fn jitter_stays_within_a_fifth_and_spreads() {
        let factors: Vec<f64> = (0..1000).map(jitter).collect();
        assert!(factors.iter().all(|f| (0.8..=1.2).contains(f)));
        assert!(factors.iter().any(|&f| f < 0.85) && factors.iter().any(|&f| f > 1.15));
    }
}
