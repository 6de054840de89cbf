//! What every machine remembers: its clock, the last second it closed, the requests it has seen, and the chain of entries that hold all this.
//!
//! A machine steps it for each record, closes seconds one by one, and seals it at the end of an epoch.

use std::time::Duration;

use bytes::Bytes;
use telemetry::{RecordTime, ShardClock, ShardTime};

use super::entry::{LedgerEntry, Link, SeenRecord};
use super::seen::{RequestKey, SeenRequests};
use crate::{Header, Offset};

/// Length of a second of shard time, in ms.
const SECOND_MS: u64 = 1_000;

/// The ledger of a running machine.
#[derive(Debug, Default)]
pub struct Ledger {
    clock: ShardClock,
    /// The clock before the record that is being applied.
    before: ShardClock,
    closed: ShardTime,
    /// What was decided or seen at an earlier τ is forgotten. It never goes back, whatever `late_window` is set to.
    horizon: ShardTime,
    seen: SeenRequests,
    /// Records first seen since the last seal.
    seen_new: Vec<SeenRecord>,
    chain: Vec<Link>,
    /// Every record that the restored entries say was folded: only these are folded again. Emptied when the machine goes on.
    folded: Vec<SeenRecord>,
    #[cfg(feature = "testing")]
    mutant: super::mutant::Mutant,
}

/// What a stage adds to a seal.
#[derive(Debug, Clone)]
pub struct Sealing {
    /// The second that ends the epoch.
    pub sealed_at: ShardTime,
    /// Offset of the record that closed it.
    pub end_offset: Offset,
    /// First offset and first τ of the oldest thing still open, if anything is.
    pub oldest_open: Option<(Offset, ShardTime)>,
    pub stage: Bytes,
}

impl Ledger {
    /// Breaks a rule on purpose.
    #[cfg(feature = "testing")]
    pub fn mutate(&mut self, mutant: super::mutant::Mutant) {
        self.mutant = mutant;
    }

    /// Moves the clock to a record appended at `t`. The seconds that this completes are then closed by [`Ledger::close_second`].
    pub fn step(&mut self, t: RecordTime) {
        self.before = self.clock;
        self.clock.step(t);
    }

    /// The next whole second that the clock has passed, in order, each once; what is older than `late_window` by then is forgotten.
    pub fn close_second(&mut self, late_window: Duration) -> Option<ShardTime> {
        let next = ShardTime {
            ms: self.closed.ms + SECOND_MS,
        };
        if next > self.clock.now {
            return None;
        }
        self.closed = next;
        self.forget(next, late_window);
        Some(next)
    }

    /// Forgets what is older than `late_window` by the clock itself; called before a record is folded.
    pub fn close_rest(&mut self, late_window: Duration) {
        self.forget(self.clock.now, late_window);
    }

    fn forget(&mut self, now: ShardTime, late_window: Duration) {
        let window_ms = u64::try_from(late_window.as_millis()).unwrap_or(u64::MAX);
        let horizon = ShardTime {
            ms: now.ms.saturating_sub(window_ms),
        };
        if horizon > self.horizon {
            self.horizon = horizon;
            self.seen.forget_before(horizon);
        }
    }

    /// Shard time of the record that is being applied.
    #[must_use]
    pub fn now(&self) -> ShardTime {
        self.clock.now
    }

    /// The clock as it stands.
    #[must_use]
    pub fn clock(&self) -> ShardClock {
        self.clock
    }

    /// The last second that was closed.
    #[must_use]
    pub fn closed(&self) -> ShardTime {
        self.closed
    }

    /// What happened at an earlier τ is forgotten.
    #[must_use]
    pub fn horizon(&self) -> ShardTime {
        self.horizon
    }

    /// Whether a record is here for the first time within the horizon; it is then remembered.
    pub fn first_seen(&mut self, header: &Header, offset: Offset) -> bool {
        let key = RequestKey::of(header);
        #[cfg(feature = "testing")]
        let key = self.mutant.key(key, offset);
        if self.seen.contains(key) {
            return false;
        }
        let record = SeenRecord {
            key,
            offset,
            at: self.clock.now,
        };
        self.seen.push(record);
        self.seen_new.push(record);
        true
    }

    /// Ends an epoch. Links whose every content is forgotten and older than what is open leave the chain.
    pub fn seal(&mut self, sealing: Sealing) -> LedgerEntry {
        let Sealing {
            sealed_at,
            end_offset,
            oldest_open,
            stage,
        } = sealing;
        let needed_from = oldest_open.map_or(self.horizon, |(_, at)| at.min(self.horizon));
        self.chain.retain(|link| link.sealed_at >= needed_from);
        self.chain.push(Link {
            end_offset,
            sealed_at,
        });
        let entry = LedgerEntry {
            end_offset,
            first_offset: oldest_open.map_or(end_offset, |(offset, _)| offset),
            sealed_at,
            clock: self.before,
            horizon: self.horizon,
            chain: self.chain.clone(),
            seen: std::mem::take(&mut self.seen_new),
            stage,
        };
        #[cfg(feature = "testing")]
        let entry = self.mutant.entry(entry);
        entry
    }

    /// Where the epoch that was sealed last ended; 0 before the first.
    #[must_use]
    pub fn last_end(&self) -> Offset {
        self.chain.last().map_or(Offset(0), |link| link.end_offset)
    }

    /// Remembers what the entries of a chain say, the newest last.
    pub fn restore(&mut self, entries: &[LedgerEntry]) {
        let Some(newest) = entries.last() else {
            return;
        };
        self.clock = newest.clock;
        self.before = newest.clock;
        self.closed = newest.sealed_at;
        self.horizon = newest.horizon;
        self.chain.clone_from(&newest.chain);
        for seen in entries.iter().flat_map(|entry| &entry.seen) {
            self.seen.push(*seen);
            self.folded.push(*seen);
        }
        self.seen.forget_before(self.horizon);
    }

    /// The τ at which the record at `offset` was folded before the take-over, if it was: re-sent records were not.
    #[must_use]
    pub fn folded_at(&self, offset: Offset) -> Option<ShardTime> {
        let place = self
            .folded
            .binary_search_by_key(&offset, |seen| seen.offset)
            .ok()?;
        self.folded.get(place).map(|seen| seen.at)
    }

    /// Ends a take-over.
    pub fn resume(&mut self) {
        self.folded = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use telemetry::Tenant;

    use super::*;
    use crate::{Kind, RequestHash};

    const WINDOW: Duration = Duration::from_secs(20);

    fn header(hash: u128) -> Header {
        Header {
            tenant: Tenant::default_tenant(),
            kind: Kind::Otlp,
            accepted_at: RecordTime::default(),
            n_items: 1,
            request_hash: RequestHash(hash),
            part: 0,
            historic: false,
        }
    }

    fn step(ledger: &mut Ledger, unix_ms: i64) -> Vec<u64> {
        ledger.step(RecordTime { unix_ms });
        let closed = std::iter::from_fn(|| ledger.close_second(WINDOW))
            .map(|s| s.ms)
            .collect();
        ledger.close_rest(WINDOW);
        closed
    }

    #[test]
    fn seconds_close_one_by_one_and_once() {
        let mut ledger = Ledger::default();
        assert_eq!(step(&mut ledger, 500), [0; 0]);
        assert_eq!(step(&mut ledger, 3_499), [1_000, 2_000]);
        assert_eq!(step(&mut ledger, 3_500), [3_000]);
        assert_eq!(step(&mut ledger, i64::MAX).len(), 10);
        assert_eq!(step(&mut ledger, 0), [0; 0]);
    }

    #[test]
    fn a_request_is_known_for_the_late_window_and_not_longer() {
        let mut ledger = Ledger::default();
        step(&mut ledger, 0);
        assert!(ledger.first_seen(&header(1), Offset(0)));
        for s in 1..=2 {
            step(&mut ledger, s * 10_000);
            assert!(!ledger.first_seen(&header(1), Offset(9)), "at {s}0 s");
        }
        step(&mut ledger, 20_001);
        assert!(ledger.first_seen(&header(1), Offset(10)));
        let mut other = header(1);
        other.part = 1;
        assert!(ledger.first_seen(&other, Offset(11)));
        other.tenant = "other".parse().expect("a tenant");
        assert!(ledger.first_seen(&other, Offset(12)));
    }

    fn seal(ledger: &mut Ledger, s: u64, end: u64, open: Option<(u64, u64)>) -> LedgerEntry {
        ledger.seal(Sealing {
            sealed_at: ShardTime::from_s(s),
            end_offset: Offset(end),
            oldest_open: open.map(|(offset, s)| (Offset(offset), ShardTime::from_s(s))),
            stage: Bytes::new(),
        })
    }

    #[test]
    fn a_restored_ledger_goes_on_like_the_one_that_was_sealed() {
        let mut ledger = Ledger::default();
        let mut entries = Vec::new();
        for s in 0..=60 {
            step(&mut ledger, s * 1_000);
            if s % 10 == 0 && s > 0 {
                entries.push(seal(&mut ledger, s as u64, s as u64, None));
            }
            ledger.first_seen(&header(s as u128), Offset(s as u64));
        }
        let newest = entries.last().expect("entries").clone();
        let ends: Vec<u64> = newest.chain.iter().map(|link| link.end_offset.0).collect();
        assert_eq!(ends, [40, 50, 60], "20 s are remembered at 60 s");
        let chain: Vec<LedgerEntry> = entries
            .into_iter()
            .filter(|e| ends.contains(&e.end_offset.0))
            .collect();
        let mut restored = Ledger::default();
        restored.restore(&chain);
        assert_eq!(restored.folded_at(Offset(35)), Some(ShardTime::from_s(35)));
        assert_eq!(restored.folded_at(Offset(5)), None);
        restored.resume();
        step(&mut restored, 60_000);
        assert!(restored.first_seen(&header(60), Offset(60)));
        for hash in 0..=60 {
            let known = !ledger.first_seen(&header(hash), Offset(99));
            assert_eq!(
                !restored.first_seen(&header(hash), Offset(99)),
                known,
                "{hash}"
            );
        }
    }

    #[test]
    fn a_link_stays_while_something_is_open_that_began_under_it() {
        let mut ledger = Ledger::default();
        for s in 0..=60 {
            step(&mut ledger, s * 1_000);
            if s % 10 == 0 && s > 0 {
                let entry = seal(&mut ledger, s as u64, s as u64, Some((3, 3)));
                assert_eq!(entry.first_offset, Offset(3));
                assert_eq!(entry.chain.len() as i64, s / 10);
            }
        }
        assert_eq!(seal(&mut ledger, 70, 70, None).first_offset, Offset(70));
    }
}
