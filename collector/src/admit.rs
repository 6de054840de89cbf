//! What may come in: bytes of memory are reserved here before they are allocated, and bodies are read under their limits.
//!
//! In: announced and arriving bytes. Out: a body with the reservation that moves on with it until the answer, or a refusal.
//! A request waits for its turn a moment, before its body is read; what does not fit then is refused, and the sender's queue is the buffer.

mod body;
mod quota;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::answer::{Overload, Refusal};

pub(crate) use body::{BodyLimits, Frames, Gathered, discard, read_whole};
pub(crate) use quota::Quotas;

/// Longest wait for a turn. A refusal costs both sides more than such a wait: most of a body has come by then, and comes again.
const TURN_WAIT: Duration = Duration::from_millis(500);
/// What requests that have their turn may come to together once inflated, in percent of the memory: to be made records they take more than that.
const TURNS_PERCENT: u64 = 40;
/// The part of all turns that one request takes at most, so that a large one does not wait until no other is under way.
const TURN_PARTS: u64 = 4;

/// Memory of all requests under way, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    free: Arc<Semaphore>,
    bytes_max: u64,
    /// Bytes that may be expected and are not. First come, first served.
    turns: Arc<Semaphore>,
    turn_bytes_max: u64,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS as u64);
        let turns_bytes = bytes_max / 100 * TURNS_PERCENT;
        Self {
            free: Arc::new(Semaphore::new(bytes_max as usize)),
            bytes_max,
            turns: Arc::new(Semaphore::new(turns_bytes as usize)),
            turn_bytes_max: turns_bytes / TURN_PARTS,
        }
    }

    /// A reservation that holds nothing yet.
    pub(crate) fn open(&self) -> Reserved {
        Reserved {
            budget: self.clone(),
            held: None,
            turn: None,
            answer_by: None,
        }
    }

    /// Bytes that are reserved at the moment.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> u64 {
        self.bytes_max - self.free.available_permits() as u64
    }
}

/// What one request holds of the budget. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
    answer_by: Option<Instant>,
}

impl Reserved {
    pub(crate) fn bytes(&self) -> u64 {
        self.held
            .as_ref()
            .map_or(0, |held| held.num_permits() as u64)
    }

    /// The same of a caller that wants its answer by a time: it does not wait for its turn beyond that.
    pub(crate) fn answered_by(self, answer_by: Option<Instant>) -> Self {
        Self { answer_by, ..self }
    }

    /// Waits for a turn, which lasts as long as the reservation, and reserves the `announced` bytes of a body, which are expected to come to `inflated`.
    ///
    /// # Errors
    /// As [`Reserved::grow`]; and [`Refusal::Overloaded`] if no turn came in time.
    pub(crate) async fn begin(&mut self, announced: u64, inflated: u64) -> Result<(), Refusal> {
        let max = self.check(announced)?;
        let n_permits = inflated.min(self.budget.turn_bytes_max);
        let turns = Arc::clone(&self.budget.turns);
        let turn = turns.acquire_many_owned(u32::try_from(n_permits).unwrap_or(u32::MAX));
        let longest = Instant::now() + TURN_WAIT;
        let by = self.answer_by.map_or(longest, |by| by.min(longest));
        self.turn = match timeout_at(by, turn).await {
            Ok(turn) => turn.ok(),
            Err(_late) => {
                let wanted = inflated;
                return Err(Refusal::Overloaded(Overload::Memory { wanted, max }));
            }
        };
        self.grow_to(announced)
    }

    /// The most that may be reserved.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] if even the empty budget is too small for a request of so many bytes.
    fn check(&self, bytes: u64) -> Result<u64, Refusal> {
        let max = self.budget.bytes_max;
        if bytes > max {
            return Err(Refusal::TooLarge {
                what: "memory for this request in bytes",
                amount: bytes,
                limit: "limits.ingest_memory",
                max,
            });
        }
        Ok(max)
    }

    /// Reserves `more` bytes beyond what is held. Never waits.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] if even the empty budget is too small for this request, else [`Refusal::Overloaded`].
    pub(crate) fn grow(&mut self, more: u64) -> Result<(), Refusal> {
        let max = self.check(self.bytes().saturating_add(more))?;
        let overloaded = Refusal::Overloaded(Overload::Memory { wanted: more, max });
        let n_permits = u32::try_from(more).map_err(|_| overloaded.clone())?;
        let permit = Arc::clone(&self.budget.free)
            .try_acquire_many_owned(n_permits)
            .map_err(|_| overloaded)?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }

    /// Reserves what is missing to `bytes`.
    pub(crate) fn grow_to(&mut self, bytes: u64) -> Result<(), Refusal> {
        match bytes.checked_sub(self.bytes()) {
            Some(more) if more > 0 => self.grow(more),
            _ => Ok(()),
        }
    }

    /// Gives back all beyond `bytes`, because the data is gone.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let more = usize::try_from(self.bytes().saturating_sub(bytes));
        if let (Some(held), Ok(more)) = (&mut self.held, more) {
            drop(held.split(more));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_now_may_come_later_and_what_never_fits_is_too_large() {
        let budget = Budget::new(100);
        let (mut a, mut b) = (budget.open(), budget.open());
        assert_eq!(a.grow(60), Ok(()));
        assert_eq!(a.grow_to(70), Ok(()));
        let refused = b.grow(31).expect_err("30 are free");
        assert_eq!(
            refused,
            Refusal::Overloaded(Overload::Memory {
                wanted: 31,
                max: 100
            })
        );
        assert!(matches!(
            a.grow(31),
            Err(Refusal::TooLarge {
                amount: 101,
                max: 100,
                ..
            })
        ));
        a.shrink_to(50);
        assert_eq!(b.grow(31), Ok(()));
        assert_eq!(budget.held_bytes(), 81);
        drop((a, b));
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_comes_when_another_ends_and_is_waited_for_a_moment_only() {
        let budget = Budget::new(1_000);
        let reserved = |announced: u64| {
            let mut reserved = budget.open();
            async move {
                reserved
                    .begin(announced, announced)
                    .await
                    .map(|()| reserved)
            }
        };
        let first = reserved(300).await.expect("none has a turn");
        assert_eq!(first.bytes(), 300);
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(
                reserved(100)
                    .await
                    .expect("a large one takes a quarter at most"),
            );
        }
        let refused = reserved(1).await.expect_err("all turns are taken");
        assert_eq!(
            refused,
            Refusal::Overloaded(Overload::Memory {
                wanted: 1,
                max: 1_000
            })
        );
        let begun = Instant::now();
        let mut hasty = budget.open().answered_by(Some(begun + TURN_WAIT / 10));
        assert!(hasty.begin(1, 1).await.is_err());
        assert!(
            begun.elapsed() < TURN_WAIT / 5,
            "no longer than it was asked to"
        );
        let ends = async {
            tokio::time::sleep(TURN_WAIT / 2).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(reserved(100), ends);
        assert_eq!(second.expect("its turn came").bytes(), 100);
        assert_eq!(budget.held_bytes(), 300);
    }

    #[test]
    fn less_than_is_asked_to_stay_stays() {
        let budget = Budget::new(100);
        let mut a = budget.open();
        a.shrink_to(5);
        assert_eq!(a.grow(10), Ok(()));
        a.shrink_to(50);
        assert_eq!((a.bytes(), budget.held_bytes()), (10, 10));
        a.shrink_to(0);
        assert_eq!((a.bytes(), budget.held_bytes()), (0, 0));
    }
}
