//! The seam: what a log promises. `tests/conformance` is this text, executable, and runs on every implementation.

use std::future::Future;

use crate::{Attempts, Draft, Offset, Partition, Record, Topic, TopicPartition};

/// A cause from a backend, told in its own words.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A partitioned, durable log. Cheap to clone; every clone is the same log.
pub trait Log: Clone + Send + Sync + 'static {
    type Member: Member;
    type Consumer: Consumer;

    /// Partitions of `topic`, fixed for the life of the log.
    fn n_partitions(&self, topic: Topic) -> u32;

    /// Appends all drafts, each to its own partition, in the order given within a partition. Durable on return, all of them.
    /// On an error some may be in the log all the same: the sender's retry is then a duplicate. Not cancel-safe: a dropped future may have
    /// appended or not.
    fn append(
        &self,
        drafts: Vec<Draft>,
    ) -> impl Future<Output = Result<Vec<Appended>, PublishError>> + Send;

    /// Joins those who consume `topic`; partitions are then assigned and revoked through the member.
    fn join(&self, topic: Topic) -> impl Future<Output = Result<Self::Member, LogError>> + Send;

    /// Reads a partition from `start` on. Only durable records are seen.
    fn consume(
        &self,
        of: TopicPartition,
        start: Start,
    ) -> impl Future<Output = Result<Self::Consumer, LogError>> + Send;

    /// Reads single records again, in the order of `offsets` (ascending). Refuses the whole call if one is no longer there.
    fn fetch(
        &self,
        of: TopicPartition,
        offsets: &[Offset],
    ) -> impl Future<Output = Result<Vec<Record>, LogError>> + Send;

    /// What was committed last, if anything ever was.
    fn committed(
        &self,
        of: TopicPartition,
    ) -> impl Future<Output = Result<Option<Commit>, LogError>> + Send;

    /// Replaces what was committed. Durable on return.
    fn commit(
        &self,
        of: TopicPartition,
        commit: Commit,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Where this process notes what it is at, for the one that comes after it. Nowhere, unless the log has a place for it.
    fn attempts(&self) -> Attempts {
        Attempts::default()
    }
}

/// A place among the consumers of a topic.
pub trait Member: Send {
    /// The next change of what this member owns. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Assignment, LogError>> + Send;
}

/// Reads one partition in order.
pub trait Consumer: Send {
    /// The next records, or word that the end was reached; after [`Fetched::End`] it waits for the next record. Cancel-safe: whole or not
    /// at all.
    fn next(&mut self) -> impl Future<Output = Result<Fetched, LogError>> + Send;
}

/// What became of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    Assigned(Partition),
    Revoked(Partition),
}

/// What a consumer read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// At least one record, in offset order, at most 4 MiB or one record.
    Records(Vec<Record>),
    /// Every durable record was read. Said once each time the end is reached.
    End,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that the log still has.
    Earliest,
    /// At the first record whose offset is this or later. An offset before the oldest record is [`LogError::OffsetLost`].
    At(Offset),
}

/// Where a record came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub of: TopicPartition,
    pub offset: Offset,
}

/// What an owner has made durable: reading may begin at `offset` (W), and the machine goes on at `end_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    pub offset: Offset,
    pub end_offset: Offset,
}

/// Why records were not acknowledged. None of them may be treated as durable.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the log is full: {queued_bytes} of {queued_bytes_max} bytes queued")]
    Full {
        queued_bytes: u64,
        queued_bytes_max: u64,
    },
    #[error("a record of {bytes} bytes is over the limit of {bytes_max}")]
    TooLarge { bytes: u64, bytes_max: u64 },
    #[error("the disk is full: {free_bytes} bytes free, {reserve_bytes} are kept back")]
    DiskFull { free_bytes: u64, reserve_bytes: u64 },
    #[error("the log is read-only after failed writes; restart once the disk is repaired")]
    ReadOnly,
    #[error("the log is closed")]
    Closed,
    #[error("the log is unavailable: {0}")]
    Unavailable(#[source] BoxError),
}

/// Why reading or committing failed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{of} no longer has offset {wanted}: the oldest is {oldest}")]
    OffsetLost {
        of: TopicPartition,
        wanted: Offset,
        oldest: Offset,
    },
    #[error("{of} has no record at offset {offset}")]
    NoRecord { of: TopicPartition, offset: Offset },
    #[error("this member no longer owns {0}")]
    NotOwned(TopicPartition),
    #[error("the log is closed")]
    Closed,
    #[error("the log is unavailable: {0}")]
    Unavailable(#[source] BoxError),
}
