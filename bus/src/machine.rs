//! The one loop that runs every consumer of the log: read, apply, effects in order, commit, ticks, and take-over.
//!
//! In: records of one partition, in order. Out: seals handed to [`Effects`], commits, ticks. A stage supplies a pure [`Machine`] and its effects;
//! what a stage computes is not known here.

mod caught_up;
mod dead_letters;
mod entry;
mod ledger;
mod own;
mod run;
mod seen;
mod takeover;
mod writer;

#[cfg(test)]
mod tests;

#[cfg(feature = "testing")]
pub mod mutant;

use std::future::Future;

use bytes::Bytes;

use crate::log::BoxError;
use crate::{Commit, Draft, LogError, Offset, Record, TopicPartition};

pub use caught_up::CaughtUp;
pub use dead_letters::{fetch_left, put_dead_letters};
pub use entry::{EntryError, LedgerEntry, Link, SeenRecord};
pub use ledger::{Ledger, Sealing};
pub use own::{OwnError, Owner, own};
pub use run::{TICK_AFTER, run, tick};
pub use seen::RequestKey;
pub use takeover::{TakenOver, take_over};
pub use writer::{Sealed, Seals, Write, seals, write_all};

/// A pure function of one partition. What it must remember beside the log is in its seals (the ledger).
///
/// Reading a record is apart from folding it: bytes that cannot be read make a dead letter. A record at which a machine dies twice all the same comes to
/// it without its bytes (`bus::attempts`), and so becomes a dead letter too.
pub trait Machine: Send {
    /// What an epoch hands to the effects.
    type Seal: Send;

    /// Takes one record, in log order. Returns the epoch that it closed, if any.
    ///
    /// # Errors
    /// When it cannot go on without guessing.
    fn apply(&mut self, record: &Record) -> Result<Option<Self::Seal>, Stopped>;

    /// Begins a take-over: a new machine remembers what the entries of a chain say, the newest last.
    ///
    /// # Errors
    /// When an entry is of another release or damaged.
    fn restore(&mut self, chain: &[LedgerEntry]) -> Result<(), Stopped>;

    /// Takes one record again that lies before the ledger's end: folds what the ledger lists as open, counts and evaluates nothing.
    fn refold(&mut self, record: &Record);

    /// Ends a take-over: every record before the ledger's end was refolded, as far as the log still has them. What the ledger says was open and
    /// the log no longer has is counted as lost.
    fn resume(&mut self);
}

/// Where seals go. Each effect is named (topic, partition, end offset): harmless twice.
pub trait Effects<M: Machine>: Send {
    /// Takes a seal; its effects are acked before those of the next are sent. Waits while the bound is reached. Not cancel-safe.
    fn write(&mut self, seal: M::Seal) -> impl Future<Output = Result<(), EffectError>> + Send;

    /// The next seal that became durable, in order; waits for ever if there is none. Cancel-safe.
    fn durable(&mut self) -> impl Future<Output = Result<Durable, EffectError>> + Send;

    /// Called after the log has taken `durable` as committed.
    fn committed(
        &mut self,
        durable: Durable,
    ) -> impl Future<Output = Result<(), EffectError>> + Send;

    /// The machine has applied all that the log had: called each time the end is reached.
    fn caught_up(&mut self) {}

    /// What the owner wants to say to its partition, asked each time the end of the log is reached, and each second while nothing comes.
    fn control(&mut self, machine: &M) -> Option<Draft>;

    /// The log has taken what [`Effects::control`] said last.
    fn said(&mut self) {}

    /// The rule of the loop that a test breaks on purpose.
    #[cfg(feature = "testing")]
    fn mutant(&self) -> mutant::Mutant {
        mutant::Mutant::None
    }
}

/// A seal whose effects are all acked, and those of all seals before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable {
    pub commit: Commit,
    /// Oldest link of its chain: ledger entries before it are needed no more.
    pub chain_from: Offset,
}

/// Where ledger entries lie, by the end offset of their epoch.
pub trait LedgerStore: Send + Sync {
    /// The bytes of an entry, if it is there whole.
    fn get(
        &self,
        of: TopicPartition,
        end_offset: Offset,
    ) -> impl Future<Output = Result<Option<Bytes>, BoxError>> + Send;

    /// Durable on return.
    fn put(
        &self,
        of: TopicPartition,
        end_offset: Offset,
        entry: Bytes,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Removes entries that ended before `oldest`.
    fn forget_before(
        &self,
        of: TopicPartition,
        oldest: Offset,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Why a machine stands still: it never guesses.
#[derive(Debug, thiserror::Error)]
#[error("the machine stopped: {0}")]
pub struct Stopped(#[source] pub BoxError);

/// Why an effect was not acked.
#[derive(Debug, thiserror::Error)]
#[error("an effect was not acknowledged: {0}")]
pub struct EffectError(#[source] pub BoxError);

/// Why a partition's loop ended other than by its stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Effect(#[from] EffectError),
    #[error("applying the record at offset {0} panicked")]
    Died(Offset),
    #[error("what was noted of attempts cannot be read or written: {0}")]
    Attempts(#[source] std::io::Error),
    #[error("reading or committing failed: {0}")]
    Log(#[from] LogError),
    #[error("the ledger cannot be read: {0}")]
    Ledger(#[source] BoxError),
    #[error("what is stored of the partition cannot be listed: {0}")]
    Stored(#[source] BoxError),
    #[error("the ledger entry that ended at offset {0} is missing")]
    LedgerMissing(Offset),
    #[error("the ledger entry that ended at offset {end_offset} is damaged: {error}")]
    LedgerDamaged {
        end_offset: Offset,
        error: EntryError,
    },
}
