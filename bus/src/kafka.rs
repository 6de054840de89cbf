//! The log as topics of a Kafka cluster. In: drafts, one message each to an explicit partition, our header in the Kafka header `tw`. Out: the same
//! records by Kafka's offsets; commits are the group's, with the end offset as metadata.
//!
//! Kafka's words stay in this folder.

mod client;
mod consumer;
mod fetcher;
mod member;
mod message;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode as Code;
use telemetry::Clock;

use crate::config::Kafka as KafkaConfig;
use crate::{
    Appended, Attempts, Commit, Config, Draft, Log, LogError, Metrics, Offset, Partition,
    PublishError, Record, Start, Topic, TopicPartition,
};
use fetcher::Fetcher;

pub use consumer::KafkaConsumer;
pub use member::KafkaMember;

/// How long a question to the brokers may take.
const ASK: Duration = Duration::from_secs(10);
/// Largest message, in bytes: what stock brokers take.
const MESSAGE_BYTES_MAX: u64 = 1_000_000;
/// Bytes that the producer may hold.
const QUEUE_BYTES_MAX: u64 = 64 << 20;

/// A log in Kafka. Cheap to clone.
#[derive(Clone)]
pub struct Kafka(Arc<Inner>, Attempts);

struct Inner {
    config: KafkaConfig,
    producer: FutureProducer,
    /// Asks and commits for those who are no member.
    /// By topic: asks about offsets and commits for its group while nobody joined.
    outsiders: HashMap<Topic, BaseConsumer>,
    fetcher: Fetcher,
    n_partitions: HashMap<Topic, u32>,
    /// Who joined: commits go through them, so that the group can refuse an owner that was replaced.
    members: Mutex<HashMap<Topic, Weak<member::GroupConsumer>>>,
    clock: Clock,
    metrics: Metrics,
}

/// Why the log in Kafka could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenKafkaError {
    #[error("kafka at {brokers}: {error}")]
    Client {
        brokers: String,
        #[source]
        error: KafkaError,
    },
    #[error("kafka at {brokers} has no topic {topic}; `tracewell init` makes it")]
    NoTopic { brokers: String, topic: String },
    #[error("topic {topic} has {found} partitions for life, bus.partitions says {wanted}")]
    Partitions {
        topic: String,
        found: u32,
        wanted: u32,
    },
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kafka({})", self.0.config.brokers)
    }
}

impl Kafka {
    /// Connects and reads how many partitions there are. Blocks for up to 10 s.
    ///
    /// # Errors
    /// When no broker answers, a topic is missing, or has another number of partitions than `config` says.
    pub fn open(config: &Config, clock: Clock, metrics: Metrics) -> Result<Self, OpenKafkaError> {
        let kafka = config.kafka.clone();
        let client_error = |error| OpenKafkaError::Client {
            brokers: kafka.brokers.clone(),
            error,
        };
        let producer: FutureProducer = client::producer(&kafka).create().map_err(client_error)?;
        let fetcher = Fetcher::new(&kafka).map_err(client_error)?;
        let mut n_partitions = HashMap::new();
        let mut outsiders = HashMap::new();
        for topic in Topic::ALL {
            let outsider: BaseConsumer = client::reader(&kafka, topic)
                .create()
                .map_err(client_error)?;
            n_partitions.insert(topic, partitions_of(&outsider, &kafka, topic)?);
            outsiders.insert(topic, outsider);
        }
        if let crate::config::Partitions::Fixed(wanted) = config.partitions
            && let Some(found) = n_partitions
                .get(&Topic::Spans)
                .copied()
                .filter(|n| *n != wanted)
        {
            let topic = client::name(&kafka, Topic::Spans);
            return Err(OpenKafkaError::Partitions {
                topic,
                found,
                wanted,
            });
        }
        Ok(Self(
            Arc::new(Inner {
                config: kafka,
                producer,
                outsiders,
                fetcher,
                n_partitions,
                members: Mutex::default(),
                clock,
                metrics,
            }),
            Attempts::default(),
        ))
    }

    /// Notes what this process is at in its own folder: the cluster knows who owns a partition, not what killed it.
    #[must_use]
    pub fn noting(self, attempts: Attempts) -> Self {
        Self(self.0, attempts)
    }

    fn check(&self, draft: &Draft) -> Result<(), PublishError> {
        let n_bytes = draft.payload.len() as u64;
        if n_bytes > MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge {
                bytes: n_bytes,
                bytes_max: MESSAGE_BYTES_MAX,
            });
        }
        let n_partitions = self.n_partitions(draft.to.topic);
        if draft.to.partition.0 >= n_partitions {
            let told = format!("{} is not one of {n_partitions} partitions", draft.to);
            return Err(PublishError::Unavailable(told.into()));
        }
        Ok(())
    }

    fn send(&self, draft: &Draft) -> Result<DeliveryFuture, PublishError> {
        let topic = client::name(&self.0.config, draft.to.topic);
        let record = FutureRecord::<(), [u8]>::to(&topic)
            .partition(draft.to.partition.0 as i32)
            .payload(&draft.payload)
            .headers(message::headers(&draft.header));
        self.0
            .producer
            .send_result(record)
            .map_err(|(error, _)| publish_error(error, draft))
    }

    async fn send_all(&self, drafts: &[Draft]) -> Result<Vec<Appended>, PublishError> {
        let mut sent = Vec::with_capacity(drafts.len());
        for draft in drafts {
            sent.push(self.send(draft)?);
        }
        let mut appended = Vec::with_capacity(drafts.len());
        for (delivery, draft) in sent.into_iter().zip(drafts) {
            let delivered = delivery.await.map_err(|_| PublishError::Closed)?;
            let delivered = delivered.map_err(|(error, _)| publish_error(error, draft))?;
            let offset = Offset(u64::try_from(delivered.offset).unwrap_or(0));
            appended.push(Appended {
                of: draft.to,
                offset,
            });
        }
        Ok(appended)
    }

    fn outsider(&self, topic: Topic) -> &BaseConsumer {
        self.0
            .outsiders
            .get(&topic)
            .expect("each topic has one since the log was opened")
    }

    /// Commits for the member of `topic`, or for nobody while none has joined.
    fn commit_now(&self, of: TopicPartition, commit: Commit) -> Result<(), LogError> {
        let mut list = TopicPartitionList::new();
        let name = client::name(&self.0.config, of.topic);
        let mut place = list.add_partition(&name, of.partition.0 as i32);
        place
            .set_offset(KafkaOffset::Offset(raw(commit.offset)))
            .map_err(unavailable)?;
        place.set_metadata(message::metadata(commit.end_offset));
        let member = self.0.members.lock().get(&of.topic).and_then(Weak::upgrade);
        let committed = match member {
            Some(member) => member.commit(&list, CommitMode::Sync),
            None => self.outsider(of.topic).commit(&list, CommitMode::Sync),
        };
        committed.map_err(|error| match error {
            KafkaError::ConsumerCommit(
                Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::FencedInstanceId
                | Code::RebalanceInProgress,
            ) => LogError::NotOwned(of),
            other => unavailable(other),
        })
    }

    fn committed_now(&self, of: TopicPartition) -> Result<Option<Commit>, LogError> {
        let mut list = TopicPartitionList::new();
        let name = client::name(&self.0.config, of.topic);
        list.add_partition(&name, of.partition.0 as i32);
        let found = self
            .outsider(of.topic)
            .committed_offsets(list, ASK)
            .map_err(unavailable)?;
        let Some(place) = found.find_partition(&name, of.partition.0 as i32) else {
            return Ok(None);
        };
        let KafkaOffset::Offset(offset) = place.offset() else {
            return Ok(None);
        };
        let offset = Offset(u64::try_from(offset).unwrap_or(0));
        let end_offset = message::end_offset(place.metadata()).ok_or_else(|| {
            LogError::Unavailable(
                format!("{of}: commit metadata {:?} is not ours", place.metadata()).into(),
            )
        })?;
        Ok(Some(Commit { offset, end_offset }))
    }

    /// Where a consumer begins; an offset that is no longer there is told here and not met later.
    fn begin(&self, of: TopicPartition, start: Start) -> Result<KafkaOffset, LogError> {
        let name = client::name(&self.0.config, of.topic);
        let (oldest, _) = self
            .outsider(of.topic)
            .fetch_watermarks(&name, of.partition.0 as i32, ASK)
            .map_err(unavailable)?;
        let oldest = Offset(u64::try_from(oldest).unwrap_or(0));
        match start {
            Start::Earliest => Ok(KafkaOffset::Offset(raw(oldest))),
            Start::At(wanted) if wanted < oldest => {
                Err(LogError::OffsetLost { of, wanted, oldest })
            }
            Start::At(wanted) => Ok(KafkaOffset::Offset(raw(wanted))),
        }
    }

    /// Does `work`, which waits for the brokers, off the async threads.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let log = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&log)).await;
        done.map_err(|error| LogError::Unavailable(Box::new(error)))?
    }
}

impl Log for Kafka {
    type Member = KafkaMember;
    type Consumer = KafkaConsumer;

    fn n_partitions(&self, topic: Topic) -> u32 {
        self.0.n_partitions.get(&topic).copied().unwrap_or(0)
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Appended>, PublishError> {
        let began = self.0.clock.monotonic();
        drafts.iter().try_for_each(|draft| self.check(draft))?;
        // Our own timer decides: librdkafka looks for expired messages once a second.
        let wait = self.0.config.append_timeout;
        let appended = tokio::time::timeout(wait, self.send_all(&drafts))
            .await
            .map_err(|_| {
                PublishError::Unavailable(format!("no answer within {wait:?}").into())
            })??;
        self.0
            .metrics
            .count(&appended, self.0.clock.monotonic().duration_since(began));
        Ok(appended)
    }

    async fn join(&self, topic: Topic) -> Result<KafkaMember, LogError> {
        let member = self
            .aside(move |log| KafkaMember::join(&log.0.config, topic))
            .await?;
        self.0.members.lock().insert(topic, member.group());
        Ok(member)
    }

    async fn consume(&self, of: TopicPartition, start: Start) -> Result<KafkaConsumer, LogError> {
        let begin = move |log: &Self| {
            let offset = log.begin(of, start)?;
            KafkaConsumer::start(&log.0.config, of, offset, log.0.metrics.clone())
        };
        self.aside(begin).await
    }

    async fn fetch(&self, of: TopicPartition, offsets: &[Offset]) -> Result<Vec<Record>, LogError> {
        let offsets = offsets.to_vec();
        self.aside(move |log| log.0.fetcher.fetch(&log.0.config, of, &offsets))
            .await
    }

    async fn committed(&self, of: TopicPartition) -> Result<Option<Commit>, LogError> {
        self.aside(move |log| log.committed_now(of)).await
    }

    async fn commit(&self, of: TopicPartition, commit: Commit) -> Result<(), LogError> {
        self.aside(move |log| log.commit_now(of, commit)).await
    }

    fn attempts(&self) -> Attempts {
        self.1.clone()
    }
}

fn partitions_of(
    outsider: &BaseConsumer<DefaultConsumerContext>,
    kafka: &KafkaConfig,
    topic: Topic,
) -> Result<u32, OpenKafkaError> {
    let (brokers, name) = (kafka.brokers.clone(), client::name(kafka, topic));
    let metadata = match outsider.fetch_metadata(Some(&name), ASK) {
        Ok(metadata) => metadata,
        Err(error) => return Err(OpenKafkaError::Client { brokers, error }),
    };
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == name && found.error().is_none());
    match found.map_or(0, |found| found.partitions().len()) {
        0 => Err(OpenKafkaError::NoTopic {
            brokers,
            topic: name,
        }),
        n_partitions => Ok(n_partitions as u32),
    }
}

fn publish_error(error: KafkaError, draft: &Draft) -> PublishError {
    match error {
        KafkaError::MessageProduction(Code::QueueFull) => PublishError::Full {
            queued_bytes: QUEUE_BYTES_MAX,
            queued_bytes_max: QUEUE_BYTES_MAX,
        },
        KafkaError::MessageProduction(Code::MessageSizeTooLarge) => PublishError::TooLarge {
            bytes: draft.payload.len() as u64,
            bytes_max: MESSAGE_BYTES_MAX,
        },
        other => PublishError::Unavailable(Box::new(other)),
    }
}

fn unavailable(error: KafkaError) -> LogError {
    LogError::Unavailable(Box::new(error))
}

/// As Kafka counts: signed. Ours never reach that far.
fn raw(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

fn partition_of(number: i32) -> Partition {
    Partition(u32::try_from(number).unwrap_or(u32::MAX))
}
