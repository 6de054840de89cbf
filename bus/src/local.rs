//! The log of one machine: one line of bytes in segment files, which all topics and partitions share (docs/formats/log-segment.md).
//!
//! In: drafts, committed in groups by one writer. Out: records, read by any number of consumers, once they are durable. Who keeps up takes
//! them from memory; for all others the page cache is the cache.

pub mod disk;
pub mod frame;

mod commit;
mod members;
mod offsets;
mod reader;
mod recent;
mod recovery;
mod retention;
mod segment;
mod segments;
mod share;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use telemetry::Clock;

use commit::CommitThread;
use disk::Disk;
use frame::PAYLOAD_BYTES_MAX;
use offsets::Offsets;
use recovery::{Recovered, recover};
use retention::Retention;
use segments::Segments;
use writer::{Entry, LogWriter};

use crate::{
    Appended, Attempts, Commit, Config, Draft, Log, LogError, Metrics, Offset, PublishError,
    Record, Start, Topic, TopicPartition,
};

pub use members::LocalMember;
pub use reader::LocalConsumer;
pub use recovery::OpenError;
pub use segments::Damage;

/// The local log. Cheap to clone; the last clone closes it.
#[derive(Debug, Clone)]
pub struct Local(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    segments: Arc<Segments>,
    offsets: Arc<Offsets>,
    members: members::Members,
    driver: Driver,
    waiting: Waiting,
    clock: Clock,
    metrics: Metrics,
}

/// Who writes.
#[derive(Debug)]
enum Driver {
    /// A thread, in groups.
    Thread(CommitThread),
    /// The caller, one request at a time: the same steps in the same order on every run, for simulations.
    Caller(Box<Mutex<(LogWriter, Retention)>>),
}

/// Where work that waits for the disk is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// On tokio's threads for blocking work, unless it is short.
    Aside,
    /// At once.
    Here,
}

impl Local {
    /// Opens the log in the folder `path`, or makes it with `n_partitions_new` partitions unless `config` says how many. Recovers from whatever the last
    /// process left. Blocks.
    ///
    /// # Errors
    /// When the folder is in use, of a later version, of another number of partitions, or cannot be read.
    pub fn open(
        path: &Path,
        config: &Config,
        n_partitions_new: u32,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let disk = Disk::host(path).map_err(|error| OpenError::of_folder(path, error))?;
        let Recovered {
            segments,
            offsets,
            tail,
        } = recover(disk, config, n_partitions_new, metrics.clone())?;
        let writer = LogWriter::new(segments.clone(), config, clock.clone(), tail);
        let retention = Retention::new(segments.clone(), offsets.clone(), config, clock.clone());
        let thread =
            CommitThread::start(writer, retention, config.queue_bytes_max, metrics.clone())
                .map_err(|error| OpenError::of_folder(path, error))?;
        Ok(Self(Arc::new(Inner {
            segments,
            offsets,
            members: members::Members::new(),
            driver: Driver::Thread(thread),
            waiting: Waiting::Aside,
            clock,
            metrics,
        })))
    }

    /// Opens the log on `disk` without a thread: every call is done by its caller, in full, so that a seed gives the same run again.
    ///
    /// # Errors
    /// As [`Local::open`].
    pub fn open_inline(
        disk: Disk,
        config: &Config,
        n_partitions_new: u32,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let Recovered {
            segments,
            offsets,
            tail,
        } = recover(disk, config, n_partitions_new, metrics.clone())?;
        let writer = LogWriter::new(segments.clone(), config, clock.clone(), tail);
        let retention = Retention::new(segments.clone(), offsets.clone(), config, clock.clone());
        Ok(Self(Arc::new(Inner {
            segments,
            offsets,
            members: members::Members::new(),
            driver: Driver::Caller(Box::new(Mutex::new((writer, retention)))),
            waiting: Waiting::Here,
            clock,
            metrics,
        })))
    }

    /// What was found damaged since it was opened, in order of address; each place once.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.0.segments.damage()
    }

    /// Deletes what may go, on a log without a thread; with one, the thread does it each minute.
    pub fn enforce_retention(&self) {
        if let Driver::Caller(writer) = &self.0.driver {
            writer.lock().1.enforce();
        }
    }

    fn ready(&self, drafts: Vec<Draft>) -> Result<Vec<Entry>, PublishError> {
        let mut entries = Vec::with_capacity(drafts.len());
        for draft in drafts {
            self.check(&draft)?;
            entries.push(Entry::new(draft));
        }
        Ok(entries)
    }

    fn check(&self, draft: &Draft) -> Result<(), PublishError> {
        let n_bytes = draft.payload.len();
        if n_bytes > PAYLOAD_BYTES_MAX {
            return Err(PublishError::TooLarge {
                bytes: n_bytes as u64,
                bytes_max: PAYLOAD_BYTES_MAX as u64,
            });
        }
        let n_partitions = self.n_partitions(draft.to.topic);
        if draft.to.partition.0 >= n_partitions {
            let told = format!("{} is not one of {n_partitions} partitions", draft.to);
            return Err(PublishError::Unavailable(told.into()));
        }
        Ok(())
    }

    async fn write(&self, entries: Vec<Entry>) -> Result<Vec<Appended>, PublishError> {
        match &self.0.driver {
            Driver::Thread(thread) => thread.append(entries).await,
            Driver::Caller(writer) => {
                let mut appended = writer.lock().0.commit_batch(&[entries])?;
                Ok(appended.pop().unwrap_or_default())
            }
        }
    }
}

impl Log for Local {
    type Member = LocalMember;
    type Consumer = LocalConsumer;

    fn n_partitions(&self, topic: Topic) -> u32 {
        match topic {
            Topic::Spans | Topic::Points => self.0.segments.n_partitions,
            Topic::DeadLetters => 1,
        }
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Appended>, PublishError> {
        let began = self.0.clock.monotonic();
        let entries = self.ready(drafts)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let appended = self.write(entries).await?;
        self.0
            .metrics
            .count(&appended, self.0.clock.monotonic().duration_since(began));
        Ok(appended)
    }

    async fn join(&self, topic: Topic) -> Result<LocalMember, LogError> {
        Ok(self.0.members.join(topic, self.n_partitions(topic)))
    }

    async fn consume(&self, of: TopicPartition, start: Start) -> Result<LocalConsumer, LogError> {
        let oldest = self.0.segments.deleted_to();
        let cursor = match start {
            Start::Earliest => oldest,
            Start::At(wanted) if wanted.0 < oldest => {
                return Err(LogError::OffsetLost {
                    of,
                    wanted,
                    oldest: Offset(oldest),
                });
            }
            Start::At(wanted) => wanted.0,
        };
        Ok(LocalConsumer::new(
            self.0.segments.clone(),
            of,
            cursor,
            self.0.waiting,
        ))
    }

    async fn fetch(&self, of: TopicPartition, offsets: &[Offset]) -> Result<Vec<Record>, LogError> {
        let (segments, offsets) = (self.0.segments.clone(), offsets.to_vec());
        let read = move || {
            offsets
                .into_iter()
                .map(|offset| fetch_one(&segments, of, offset))
                .collect()
        };
        self.0.waiting.run(false, read).await?
    }

    async fn committed(&self, of: TopicPartition) -> Result<Option<Commit>, LogError> {
        Ok(self.0.offsets.committed(of))
    }

    async fn commit(&self, of: TopicPartition, commit: Commit) -> Result<(), LogError> {
        let offsets = self.0.offsets.clone();
        let write = move || offsets.commit(of, commit);
        self.0.waiting.run(false, write).await?.map_err(unavailable)
    }

    fn attempts(&self) -> Attempts {
        Attempts::on(self.0.segments.disk.clone())
    }
}

fn fetch_one(segments: &Segments, of: TopicPartition, offset: Offset) -> Result<Record, LogError> {
    let record = segments.fetch(of, offset.0).map_err(unavailable)?;
    let deleted_to = segments.deleted_to();
    record.ok_or(if offset.0 < deleted_to {
        LogError::OffsetLost {
            of,
            wanted: offset,
            oldest: Offset(deleted_to),
        }
    } else {
        LogError::NoRecord { of, offset }
    })
}

pub(crate) fn unavailable(error: io::Error) -> LogError {
    LogError::Unavailable(Box::new(error))
}

impl Waiting {
    /// Does `work`, which may wait for the disk. `short` work is done at once.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        short: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LogError> {
        if short || self == Self::Here {
            return Ok(work());
        }
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| LogError::Unavailable(Box::new(error)))
    }
}
