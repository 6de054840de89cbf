//! Rules of the contract that a test breaks on purpose: each must be noticed by the simulation.

use super::entry::LedgerEntry;
use super::seen::RequestKey;
use crate::{Commit, Log, LogError, Offset, Record, TopicPartition};

/// One broken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mutant {
    #[default]
    None,
    /// An epoch is committed when it is sealed, before its effects are acked.
    CommitBeforeEffects,
    /// Every record that was read is committed at once.
    AutoCommit,
    /// Reading begins again at the epoch's end instead of at what is open.
    FromPresent,
    /// Nothing is remembered beside the log.
    NoLedger,
    /// Of the ledger only the newest entry is loaded.
    NewestEntryOnly,
    /// A re-sent request counts as a new one.
    HashesIgnored,
    /// A take-over does not ask where stored blocks end.
    StoredEndsIgnored,
    /// An idle owner appends nothing.
    NoTicks,
}

/// A payload that begins with this is one that applying panics at.
pub const PANICS: &[u8] = b"tracewell test: panics";
/// The same, and the process ends at once.
pub const ABORTS: &[u8] = b"tracewell test: aborts";

/// What a fault in a machine would do at a record that hits it.
pub(super) fn poison(record: &Record) {
    assert!(!record.payload.starts_with(PANICS), "as the test wants");
    if record.payload.starts_with(ABORTS) {
        std::process::abort();
    }
}

/// [`Mutant::AutoCommit`]: what was read is committed, whatever became of it.
pub(super) async fn auto_commit<L: Log>(
    log: &L,
    of: TopicPartition,
    newest: Option<Offset>,
    mutant: Mutant,
) -> Result<(), LogError> {
    if let (Mutant::AutoCommit, Some(offset), Some(commit)) =
        (mutant, newest, log.committed(of).await?)
    {
        log.commit(of, Commit { offset, ..commit }).await?;
    }
    Ok(())
}

impl Mutant {
    pub(super) fn key(self, key: RequestKey, offset: Offset) -> RequestKey {
        match self {
            Self::HashesIgnored => RequestKey(u128::from(offset.0)),
            _ => key,
        }
    }

    pub(super) fn entry(self, mut entry: LedgerEntry) -> LedgerEntry {
        match self {
            Self::FromPresent => entry.first_offset = entry.end_offset,
            Self::NewestEntryOnly => {
                entry.chain.drain(..entry.chain.len().saturating_sub(1));
            }
            Self::NoLedger => {
                entry.chain.clear();
                entry.seen.clear();
            }
            _ => {}
        }
        entry
    }
}
