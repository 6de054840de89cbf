//! Reads one partition. A client of its own on a thread of its own fills a short queue; the async side takes from it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::mpsc;

use super::message::{self, MessageError};
use super::{client, unavailable};
use crate::config::Kafka;
use crate::{Consumer, Fetched, LogError, Metrics, Offset, Record, TopicPartition};

/// How often the thread looks whether anybody still reads.
const POLL: Duration = Duration::from_millis(100);
/// Records that are handed over at once.
const BATCH_MAX: usize = 1_000;
/// Bytes that are handed over at once.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Batches that wait to be taken.
const QUEUE_MAX: usize = 2;

/// A reader of one partition. Its thread ends within 100 ms of its drop; it is not waited for, since drops happen on async threads.
#[derive(Debug)]
pub struct KafkaConsumer {
    batches: mpsc::Receiver<Result<Fetched, LogError>>,
}

/// What the thread has.
struct Reading {
    consumer: BaseConsumer,
    of: TopicPartition,
    allow_create_time: bool,
    metrics: Metrics,
}

/// What a poll gave.
enum Polled {
    Record(Record),
    /// A message that was told and stepped over.
    Skipped,
    End,
    Nothing,
    Failed(LogError),
}

impl KafkaConsumer {
    pub(crate) fn start(
        kafka: &Kafka,
        of: TopicPartition,
        begin: KafkaOffset,
        metrics: Metrics,
    ) -> Result<Self, LogError> {
        let consumer: BaseConsumer = client::reader(kafka, of.topic)
            .create()
            .map_err(unavailable)?;
        let mut list = TopicPartitionList::new();
        let name = client::name(kafka, of.topic);
        list.add_partition_offset(&name, of.partition.0 as i32, begin)
            .map_err(unavailable)?;
        consumer.assign(&list).map_err(unavailable)?;
        let reading = Reading {
            consumer,
            of,
            allow_create_time: kafka.allow_create_time,
            metrics,
        };
        let (sender, batches) = mpsc::channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name(format!("kafka-{of}"))
            .spawn(move || reading.run(&sender))
            .map_err(|error| LogError::Unavailable(Box::new(error)))?;
        Ok(Self { batches })
    }
}

impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> Result<Fetched, LogError> {
        self.batches.recv().await.unwrap_or(Err(LogError::Closed))
    }
}

impl Reading {
    fn run(&self, sender: &mpsc::Sender<Result<Fetched, LogError>>) {
        while !sender.is_closed() {
            for fetched in self.batch() {
                if sender.blocking_send(fetched).is_err() {
                    return;
                }
            }
        }
    }

    /// Everything that is there at once, and what ended it.
    fn batch(&self) -> Vec<Result<Fetched, LogError>> {
        let mut records = Vec::new();
        let mut n_bytes = 0;
        let mut wait = POLL;
        let ended = loop {
            match self.poll(wait) {
                Polled::Record(record) => {
                    n_bytes += record.payload.len();
                    records.push(record);
                }
                Polled::Skipped => {}
                Polled::End => break Some(Ok(Fetched::End)),
                Polled::Failed(error) => break Some(Err(error)),
                Polled::Nothing => break None,
            }
            if records.len() >= BATCH_MAX || n_bytes >= BATCH_BYTES_MAX {
                break None;
            }
            wait = Duration::ZERO;
        };
        let records = (!records.is_empty()).then_some(Ok(Fetched::Records(records)));
        records.into_iter().chain(ended).collect()
    }

    fn poll(&self, wait: Duration) -> Polled {
        match self.consumer.poll(wait) {
            None => Polled::Nothing,
            Some(Ok(found)) => match message::record(&found, self.of.topic, self.allow_create_time)
            {
                Ok(record) => Polled::Record(record),
                Err(error @ MessageError::CreateTime) => {
                    Polled::Failed(LogError::Unavailable(Box::new(error)))
                }
                Err(error) => self.skip(message::offset_of(&found), found_bytes(&found), &error),
            },
            Some(Err(KafkaError::PartitionEOF(_))) => Polled::End,
            Some(Err(KafkaError::MessageConsumption(
                Code::AutoOffsetReset | Code::OffsetOutOfRange,
            ))) => Polled::Failed(self.lost()),
            // The client reconnects by itself; what it cannot mend is fatal.
            Some(Err(KafkaError::MessageConsumption(
                Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut,
            ))) => Polled::Nothing,
            Some(Err(error)) => Polled::Failed(unavailable(error)),
        }
    }

    /// A message that is not ours is as damage in the local log: told, counted, stepped over.
    fn skip(&self, offset: Offset, n_bytes: usize, error: &MessageError) -> Polled {
        tracing::error!(code = "TW2106", of = %self.of, %offset, %error, "a message that is no record is stepped over");
        self.metrics.quarantined_bytes.inc_by(n_bytes as u64);
        Polled::Skipped
    }

    fn lost(&self) -> LogError {
        let name = self
            .consumer
            .position()
            .ok()
            .and_then(|list| list.elements().first().map(|e| e.offset()));
        let wanted = match name {
            Some(KafkaOffset::Offset(offset)) => Offset(u64::try_from(offset).unwrap_or(0)),
            _ => Offset(0),
        };
        LogError::OffsetLost {
            of: self.of,
            wanted,
            oldest: Offset(0),
        }
    }
}

fn found_bytes(message: &impl rdkafka::Message) -> usize {
    message.payload().map_or(0, <[u8]>::len)
}
