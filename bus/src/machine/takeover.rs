//! Take-over: from what was committed, through the ledger, to a machine that goes on as if it had never stopped.

use super::entry::LedgerEntry;
use super::{LedgerStore, Machine, RunError};
use crate::{Consumer, Fetched, Log, LogError, Offset, Record, Skips, Start, TopicPartition};

/// A partition at the place where its machine goes on.
#[derive(Debug)]
pub struct TakenOver<C> {
    pub consumer: C,
    /// Read already, not yet applied.
    pub pending: Vec<Record>,
    /// Whether the consumer said that the end was reached.
    pub at_end: bool,
    /// Records that were read again to rebuild what was open.
    pub n_refolded: u64,
    /// The log was cut behind what was open: some of it may be gone.
    pub lossy: bool,
}

/// Makes a new `machine` know what the last owner knew at the newest committed epoch. The record that closed that epoch is the next to be applied.
/// Without a commit it begins at the oldest record. Not cancel-safe: drop the machine as well.
///
/// # Errors
/// When the log, the ledger or the machine refuses; a missing or damaged ledger entry is an error, never a fresh start.
pub async fn take_over<L: Log, M: Machine>(
    log: &L,
    of: TopicPartition,
    ledgers: &impl LedgerStore,
    machine: &mut M,
) -> Result<TakenOver<L::Consumer>, RunError> {
    let Some(commit) = log.committed(of).await? else {
        let consumer = log.consume(of, Start::Earliest).await?;
        return Ok(TakenOver {
            consumer,
            pending: Vec::new(),
            at_end: false,
            n_refolded: 0,
            lossy: false,
        });
    };
    let skips = log.attempts().skips(of).map_err(RunError::Attempts)?;
    machine.restore(&chain(ledgers, of, commit.end_offset).await?)?;
    let (consumer, lossy) = match log.consume(of, Start::At(commit.offset)).await {
        Err(LogError::OffsetLost { .. }) => (log.consume(of, Start::Earliest).await?, true),
        consumer => (consumer?, false),
    };
    let taken = refold(consumer, commit.end_offset, lossy, &skips, machine).await?;
    machine.resume();
    Ok(taken)
}

/// Reads up to `end_offset`, feeding every record to be folded again.
async fn refold<C: Consumer, M: Machine>(
    mut consumer: C,
    end_offset: Offset,
    lossy: bool,
    skips: &Skips,
    machine: &mut M,
) -> Result<TakenOver<C>, RunError> {
    let mut n_refolded = 0;
    loop {
        let Fetched::Records(mut records) = consumer.next().await? else {
            return Ok(TakenOver {
                consumer,
                pending: Vec::new(),
                at_end: true,
                n_refolded,
                lossy,
            });
        };
        let n_before = records.partition_point(|record| record.offset < end_offset);
        let pending = records.split_off(n_before);
        for record in &records {
            machine.refold(&skips.seen(record));
            tokio::task::yield_now().await;
        }
        n_refolded += n_before as u64;
        if !pending.is_empty() {
            return Ok(TakenOver {
                consumer,
                pending,
                at_end: false,
                n_refolded,
                lossy,
            });
        }
    }
}

/// The entries of the chain that ends at `end_offset`, the newest last.
async fn chain(
    ledgers: &impl LedgerStore,
    of: TopicPartition,
    end_offset: Offset,
) -> Result<Vec<LedgerEntry>, RunError> {
    let newest = entry(ledgers, of, end_offset).await?;
    let mut entries = Vec::with_capacity(newest.chain.len());
    for link in &newest.chain {
        if link.end_offset == end_offset {
            entries.push(newest.clone());
        } else {
            entries.push(entry(ledgers, of, link.end_offset).await?);
        }
    }
    Ok(entries)
}

async fn entry(
    ledgers: &impl LedgerStore,
    of: TopicPartition,
    end_offset: Offset,
) -> Result<LedgerEntry, RunError> {
    let bytes = ledgers
        .get(of, end_offset)
        .await
        .map_err(RunError::Ledger)?;
    let bytes = bytes.ok_or(RunError::LedgerMissing(end_offset))?;
    LedgerEntry::decode(&bytes).map_err(|error| RunError::LedgerDamaged { end_offset, error })
}
