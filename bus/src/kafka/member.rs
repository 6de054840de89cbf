//! A place in the consumer group of a topic. The client polls on its own thread and reads nothing: what is assigned is paused at once, and read by
//! [`super::KafkaConsumer`]s from the offset that their owner knows.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::sync::mpsc;

use super::{client, partition_of, unavailable};
use crate::config::{Kafka, PARTITIONS_MAX};
use crate::{Assignment, LogError, Member, Topic};

/// Changes that wait to be taken: every partition assigned and revoked twice.
const CHANGES_MAX: usize = 4 * PARTITIONS_MAX as usize;
/// How often the thread looks whether the member is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// The client of a member: commits go through it.
pub(crate) type GroupConsumer = BaseConsumer<Changes>;

/// A member of the group. Dropping it ends its thread within 100 ms; with static membership its partitions move after the session timeout.
pub struct KafkaMember {
    consumer: Arc<GroupConsumer>,
    changes: mpsc::Receiver<Assignment>,
}

/// Tells the member what the group decided.
pub(crate) struct Changes {
    sender: mpsc::Sender<Assignment>,
}

impl std::fmt::Debug for KafkaMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KafkaMember")
    }
}

impl KafkaMember {
    pub(crate) fn join(kafka: &Kafka, topic: Topic) -> Result<Self, LogError> {
        let (sender, changes) = mpsc::channel(CHANGES_MAX);
        let context = Changes { sender };
        let consumer: GroupConsumer = client::member(kafka, topic)
            .create_with_context(context)
            .map_err(unavailable)?;
        consumer
            .subscribe(&[&client::name(kafka, topic)])
            .map_err(unavailable)?;
        let consumer = Arc::new(consumer);
        let polled = Arc::downgrade(&consumer);
        std::thread::Builder::new()
            .name(format!("kafka-member-{topic}"))
            .spawn(move || poll(&polled))
            .map_err(|error| LogError::Unavailable(Box::new(error)))?;
        Ok(Self { consumer, changes })
    }

    pub(crate) fn group(&self) -> Weak<GroupConsumer> {
        Arc::downgrade(&self.consumer)
    }
}

/// Keeps the member in the group until it is dropped.
fn poll(member: &Weak<GroupConsumer>) {
    while let Some(consumer) = member.upgrade() {
        // A message can only come in the moment between assignment and pause; nobody reads here, so it is not lost.
        match consumer.poll(POLL) {
            None | Some(Ok(_)) => {}
            Some(Err(error)) => tracing::debug!(%error, "the consumer group"),
        }
    }
}

impl Member for KafkaMember {
    async fn next(&mut self) -> Result<Assignment, LogError> {
        self.changes.recv().await.ok_or(LogError::Closed)
    }
}

impl ClientContext for Changes {}

impl ConsumerContext for Changes {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            self.tell(list, Assignment::Revoked);
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            if let Err(error) = consumer.pause(list) {
                tracing::warn!(code = "TW2107", %error, "assigned partitions could not be paused");
            }
            self.tell(list, Assignment::Assigned);
        }
    }
}

impl Changes {
    fn tell(&self, list: &TopicPartitionList, change: impl Fn(crate::Partition) -> Assignment) {
        for place in list.elements() {
            if self
                .sender
                .try_send(change(partition_of(place.partition())))
                .is_err()
            {
                tracing::error!(
                    code = "TW2108",
                    "nobody takes the changes of the consumer group"
                );
            }
        }
    }
}
