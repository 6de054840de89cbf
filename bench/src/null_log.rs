//! A log that forgets: what a collector costs without one. Nothing can be read from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus::{
    Appended, Assignment, Commit, Consumer, Draft, Fetched, Log, LogError, Member, Offset,
    PublishError, Record, Start, Topic, TopicPartition,
};

/// Acknowledges everything at once and keeps nothing.
#[derive(Debug, Clone)]
pub struct NullLog {
    n_partitions: u32,
    n_bytes: Arc<AtomicU64>,
}

/// A member or reader of it: waits for ever.
#[derive(Debug)]
pub struct Nobody;

impl NullLog {
    #[must_use]
    pub fn new(n_partitions: u32) -> Self {
        Self {
            n_partitions,
            n_bytes: Arc::default(),
        }
    }
}

impl Log for NullLog {
    type Member = Nobody;
    type Consumer = Nobody;

    fn n_partitions(&self, _topic: Topic) -> u32 {
        self.n_partitions
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Appended>, PublishError> {
        let append = |draft: &Draft| {
            let offset = self
                .n_bytes
                .fetch_add(draft.payload.len() as u64, Ordering::Relaxed);
            Appended {
                of: draft.to,
                offset: Offset(offset),
            }
        };
        Ok(drafts.iter().map(append).collect())
    }

    async fn join(&self, _topic: Topic) -> Result<Nobody, LogError> {
        Ok(Nobody)
    }

    async fn consume(&self, _of: TopicPartition, _start: Start) -> Result<Nobody, LogError> {
        Ok(Nobody)
    }

    async fn fetch(&self, of: TopicPartition, offsets: &[Offset]) -> Result<Vec<Record>, LogError> {
        match offsets.first() {
            Some(&offset) => Err(LogError::NoRecord { of, offset }),
            None => Ok(Vec::new()),
        }
    }

    async fn committed(&self, _of: TopicPartition) -> Result<Option<Commit>, LogError> {
        Ok(None)
    }

    async fn commit(&self, of: TopicPartition, _commit: Commit) -> Result<(), LogError> {
        Err(LogError::NotOwned(of))
    }
}

impl Member for Nobody {
    async fn next(&mut self) -> Result<Assignment, LogError> {
        std::future::pending().await
    }
}

impl Consumer for Nobody {
    async fn next(&mut self) -> Result<Fetched, LogError> {
        std::future::pending().await
    }
}
