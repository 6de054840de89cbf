//! What may come in: bytes of memory are reserved here before they are allocated, and bodies are read under their limits.
//!
//! In: announced and arriving bytes. Out: a body with the reservation that moves on with it until the answer, or a refusal.
//! There is no queue: what does not fit now is refused, and the sender's queue is the buffer.

mod body;
mod quota;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::{Overload, Refusal};

pub(crate) use body::{BodyLimits, Frames, Gathered, discard, read_whole};
pub(crate) use quota::Quotas;

/// Memory of all requests under way, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    free: Arc<Semaphore>,
    bytes_max: u64,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS as u64);
        Self {
            free: Arc::new(Semaphore::new(bytes_max as usize)),
            bytes_max,
        }
    }

    /// A reservation that holds nothing yet.
    pub(crate) fn open(&self) -> Reserved {
        Reserved {
            budget: self.clone(),
            held: None,
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
}

impl Reserved {
    pub(crate) fn bytes(&self) -> u64 {
        self.held
            .as_ref()
            .map_or(0, |held| held.num_permits() as u64)
    }

    /// Reserves `more` bytes beyond what is held. Never waits.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] if even the empty budget is too small for this request, else [`Refusal::Overloaded`].
    pub(crate) fn grow(&mut self, more: u64) -> Result<(), Refusal> {
        let wanted = self.bytes().saturating_add(more);
        let max = self.budget.bytes_max;
        if wanted > max {
            return Err(Refusal::TooLarge {
                what: "memory for this request in bytes",
                amount: wanted,
                limit: "limits.ingest_memory",
                max,
            });
        }
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
