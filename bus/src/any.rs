//! The log that a process was configured with: one of a closed set.

use std::path::Path;

use telemetry::Clock;

use crate::config::LogKind;
#[cfg(feature = "kafka")]
use crate::kafka::{Kafka, KafkaConsumer, KafkaMember};
#[cfg(feature = "kafka")]
use crate::local::disk::Disk;
use crate::local::{Local, LocalConsumer, LocalMember, OpenError};
#[cfg(any(test, feature = "testing"))]
use crate::testing::{Faulty, FaultyConsumer};
use crate::{
    Appended, Assignment, Attempts, Commit, Config, Consumer, Draft, Fetched, Log, LogError,
    Member, Metrics, Offset, PublishError, Record, Start, Topic, TopicPartition,
};

/// The log.
#[derive(Debug, Clone)]
pub enum Bus {
    Local(Local),
    #[cfg(feature = "kafka")]
    Kafka(Kafka),
    #[cfg(any(test, feature = "testing"))]
    Faulty(Faulty<Local>),
}

/// A member of the log's consumers.
#[derive(Debug)]
pub enum BusMember {
    Local(LocalMember),
    #[cfg(feature = "kafka")]
    Kafka(KafkaMember),
}

/// A reader of one partition.
#[derive(Debug)]
pub enum BusConsumer {
    Local(LocalConsumer),
    #[cfg(feature = "kafka")]
    Kafka(KafkaConsumer),
    #[cfg(any(test, feature = "testing"))]
    Faulty(FaultyConsumer<LocalConsumer>),
}

impl Bus {
    /// Opens the log that `config` names; a local one is in the folder `path`. A new log gets `n_partitions_new` partitions unless `config` says
    /// how many. Blocks.
    ///
    /// # Errors
    /// When the log cannot be opened, or is not part of this build.
    pub fn open(
        config: &Config,
        path: &Path,
        n_partitions_new: u32,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        match config.kind {
            LogKind::Local => {
                Local::open(path, config, n_partitions_new, clock, metrics).map(Self::Local)
            }
            #[cfg(feature = "kafka")]
            LogKind::Kafka => {
                let kafka = Kafka::open(config, clock, metrics)?;
                let here = Disk::host(path).map_err(|error| OpenError::of_folder(path, error))?;
                Ok(Self::Kafka(kafka.noting(Attempts::on(here))))
            }
            #[cfg(not(feature = "kafka"))]
            LogKind::Kafka => Err(OpenError::NoKafka),
        }
    }
}

impl Log for Bus {
    type Member = BusMember;
    type Consumer = BusConsumer;

    fn n_partitions(&self, topic: Topic) -> u32 {
        match self {
            Self::Local(log) => log.n_partitions(topic),
            #[cfg(feature = "kafka")]
            Self::Kafka(log) => log.n_partitions(topic),
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(log) => log.n_partitions(topic),
        }
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Appended>, PublishError> {
        match self {
            Self::Local(log) => log.append(drafts).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(log) => log.append(drafts).await,
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(log) => log.append(drafts).await,
        }
    }

    async fn join(&self, topic: Topic) -> Result<BusMember, LogError> {
        match self {
            Self::Local(log) => log.join(topic).await.map(BusMember::Local),
            #[cfg(feature = "kafka")]
            Self::Kafka(log) => log.join(topic).await.map(BusMember::Kafka),
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(log) => log.join(topic).await.map(BusMember::Local),
        }
    }

    async fn consume(&self, of: TopicPartition, start: Start) -> Result<BusConsumer, LogError> {
        match self {
            Self::Local(log) => log.consume(of, start).await.map(BusConsumer::Local),
            #[cfg(feature = "kafka")]
            Self::Kafka(log) => log.consume(of, start).await.map(BusConsumer::Kafka),
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(log) => log.consume(of, start).await.map(BusConsumer::Faulty),
        }
    }

    async fn fetch(&self, of: TopicPartition, offsets: &[Offset]) -> Result<Vec<Record>, LogError> {
        match self {
            Self::Local(log) => log.fetch(of, offsets).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(log) => log.fetch(of, offsets).await,
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(log) => log.fetch(of, offsets).await,
        }
    }

    async fn committed(&self, of: TopicPartition) -> Result<Option<Commit>, LogError> {
        match self {
            Self::Local(log) => log.committed(of).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(log) => log.committed(of).await,
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(log) => log.committed(of).await,
        }
    }

    async fn commit(&self, of: TopicPartition, commit: Commit) -> Result<(), LogError> {
        match self {
            Self::Local(log) => log.commit(of, commit).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(log) => log.commit(of, commit).await,
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(log) => log.commit(of, commit).await,
        }
    }

    fn attempts(&self) -> Attempts {
        match self {
            Self::Local(log) => log.attempts(),
            #[cfg(feature = "kafka")]
            Self::Kafka(log) => log.attempts(),
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(log) => log.attempts(),
        }
    }
}

impl Member for BusMember {
    async fn next(&mut self) -> Result<Assignment, LogError> {
        match self {
            Self::Local(member) => member.next().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(member) => member.next().await,
        }
    }
}

impl Consumer for BusConsumer {
    async fn next(&mut self) -> Result<Fetched, LogError> {
        match self {
            Self::Local(consumer) => consumer.next().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(consumer) => consumer.next().await,
            #[cfg(any(test, feature = "testing"))]
            Self::Faulty(consumer) => consumer.next().await,
        }
    }
}
