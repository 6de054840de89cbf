//! Reads single records again. One client, used by one caller at a time: it is assigned to the place and read until the last one is found.

use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::{ASK, client, message, raw, unavailable};
use crate::config::Kafka;
use crate::{LogError, Offset, Record, Topic, TopicPartition};

/// Further ahead than this the client is assigned anew and does not read through.
const AHEAD_MAX: u64 = 1_000;
/// Polls that may give nothing before the brokers count as gone.
const EMPTY_POLLS_MAX: u32 = 100;

pub(crate) struct Fetcher(Mutex<BaseConsumer>);

impl Fetcher {
    pub(crate) fn new(kafka: &Kafka) -> KafkaResult<Self> {
        client::reader(kafka, Topic::Spans)
            .create()
            .map(|consumer| Self(Mutex::new(consumer)))
    }

    /// The records at `offsets`, which ascend. Blocks.
    pub(crate) fn fetch(
        &self,
        kafka: &Kafka,
        of: TopicPartition,
        offsets: &[Offset],
    ) -> Result<Vec<Record>, LogError> {
        let consumer = self.0.lock();
        let name = client::name(kafka, of.topic);
        let mut records = Vec::with_capacity(offsets.len());
        let mut next: Option<u64> = None;
        for &wanted in offsets {
            let near = next.is_some_and(|next| (next..next + AHEAD_MAX).contains(&wanted.0));
            if !near {
                seek(&consumer, &name, of, wanted)?;
            }
            records.push(read_up_to(&consumer, kafka, of, wanted)?);
            next = Some(wanted.0 + 1);
        }
        consumer.unassign().map_err(unavailable)?;
        Ok(records)
    }
}

/// Assigns the client to `wanted`, which must lie within what the partition has.
fn seek(
    consumer: &BaseConsumer,
    name: &str,
    of: TopicPartition,
    wanted: Offset,
) -> Result<(), LogError> {
    let partition = of.partition.0 as i32;
    let (oldest, end) = consumer
        .fetch_watermarks(name, partition, ASK)
        .map_err(unavailable)?;
    if raw(wanted) < oldest {
        let oldest = Offset(u64::try_from(oldest).unwrap_or(0));
        return Err(LogError::OffsetLost { of, wanted, oldest });
    }
    if raw(wanted) >= end {
        return Err(LogError::NoRecord { of, offset: wanted });
    }
    let mut list = TopicPartitionList::new();
    let offset = KafkaOffset::Offset(raw(wanted));
    list.add_partition_offset(name, partition, offset)
        .map_err(unavailable)?;
    consumer.assign(&list).map_err(unavailable)
}

fn read_up_to(
    consumer: &BaseConsumer,
    kafka: &Kafka,
    of: TopicPartition,
    wanted: Offset,
) -> Result<Record, LogError> {
    let no_record = LogError::NoRecord { of, offset: wanted };
    let mut n_empty = 0;
    while n_empty < EMPTY_POLLS_MAX {
        match consumer.poll(Duration::from_millis(100)) {
            None => n_empty += 1,
            Some(Ok(found)) if message::offset_of(&found) < wanted => {}
            Some(Ok(found)) if message::offset_of(&found) == wanted => {
                let record = message::record(&found, of.topic, kafka.allow_create_time);
                return record.map_err(|error| LogError::Unavailable(Box::new(error)));
            }
            Some(Ok(_)) | Some(Err(KafkaError::PartitionEOF(_))) => return Err(no_record),
            Some(Err(KafkaError::MessageConsumption(
                Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut,
            ))) => n_empty += 1,
            Some(Err(error)) => return Err(unavailable(error)),
        }
    }
    Err(LogError::Unavailable(
        format!("{of}: no broker gave offset {wanted}").into(),
    ))
}
