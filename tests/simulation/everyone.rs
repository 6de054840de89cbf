//! A log on which everyone who joins owns every partition: zombies and their successors at once.

use std::collections::VecDeque;
use std::future::pending;

use bus::{
    Appended, Assignment, Commit, Draft, Log, LogError, Member, Offset, Partition, PublishError,
    Record, Start, Topic, TopicPartition,
};

#[derive(Clone)]
pub(crate) struct Everyone<L>(pub(crate) L);

/// Owns every partition, whoever else does.
pub(crate) struct Owner(VecDeque<Partition>);

impl Member for Owner {
    async fn next(&mut self) -> Result<Assignment, LogError> {
        match self.0.pop_front() {
            Some(partition) => Ok(Assignment::Assigned(partition)),
            None => pending().await,
        }
    }
}

impl<L: Log> Log for Everyone<L> {
    type Member = Owner;
    type Consumer = L::Consumer;

    fn n_partitions(&self, topic: Topic) -> u32 {
        self.0.n_partitions(topic)
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Appended>, PublishError> {
        self.0.append(drafts).await
    }

    async fn join(&self, topic: Topic) -> Result<Owner, LogError> {
        Ok(Owner(
            (0..self.n_partitions(topic)).map(Partition).collect(),
        ))
    }

    async fn consume(&self, of: TopicPartition, start: Start) -> Result<L::Consumer, LogError> {
        self.0.consume(of, start).await
    }

    async fn fetch(&self, of: TopicPartition, offsets: &[Offset]) -> Result<Vec<Record>, LogError> {
        self.0.fetch(of, offsets).await
    }

    async fn committed(&self, of: TopicPartition) -> Result<Option<Commit>, LogError> {
        self.0.committed(of).await
    }

    async fn commit(&self, of: TopicPartition, commit: Commit) -> Result<(), LogError> {
        self.0.commit(of, commit).await
    }
}
