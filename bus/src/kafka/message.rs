//! Between a Kafka message and a record: the header `tw`, the timestamp, and the metadata of a commit.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Header as KafkaHeader, Headers, OwnedHeaders};
use rdkafka::{Message, Timestamp};
use telemetry::RecordTime;

use super::partition_of;
use crate::{Header, HeaderError, Offset, Record, Topic, TopicPartition};

/// Key of the one header that is ours.
const KEY: &str = "tw";
/// Begins the metadata of a commit.
const METADATA_VERSION: &str = "v1;";

/// Why a message is no record of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("a message without the header {KEY}")]
    NoHeader,
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(
        "a message with the time of its producer; the topic must have message.timestamp.type=LogAppendTime"
    )]
    CreateTime,
}

pub(crate) fn headers(header: &Header) -> OwnedHeaders {
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    OwnedHeaders::new_with_capacity(1).insert(KafkaHeader {
        key: KEY,
        value: Some(&bytes),
    })
}

/// Takes a message over. `allow_create_time` is for brokers without LogAppendTime in tests.
pub(crate) fn record(
    message: &BorrowedMessage<'_>,
    topic: Topic,
    allow_create_time: bool,
) -> Result<Record, MessageError> {
    let headers = message.headers().ok_or(MessageError::NoHeader)?;
    let ours = headers
        .iter()
        .find(|header| header.key == KEY)
        .and_then(|header| header.value);
    let header = Header::decode(ours.ok_or(MessageError::NoHeader)?)?;
    let unix_ms = match message.timestamp() {
        Timestamp::LogAppendTime(unix_ms) => unix_ms,
        Timestamp::CreateTime(unix_ms) if allow_create_time => unix_ms,
        Timestamp::CreateTime(_) | Timestamp::NotAvailable => return Err(MessageError::CreateTime),
    };
    Ok(Record {
        of: TopicPartition {
            topic,
            partition: partition_of(message.partition()),
        },
        offset: offset_of(message),
        appended_at: RecordTime { unix_ms },
        header,
        payload: message
            .payload()
            .map_or_else(Bytes::new, Bytes::copy_from_slice),
    })
}

pub(crate) fn offset_of(message: &BorrowedMessage<'_>) -> Offset {
    Offset(u64::try_from(message.offset()).unwrap_or(0))
}

/// What is committed beside the offset.
pub(crate) fn metadata(end_offset: Offset) -> String {
    format!("{METADATA_VERSION}{end_offset}")
}

/// Reads what [`metadata`] wrote.
pub(crate) fn end_offset(metadata: &str) -> Option<Offset> {
    metadata
        .strip_prefix(METADATA_VERSION)?
        .parse()
        .ok()
        .map(Offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_a_commit_reads_back() {
        assert_eq!(metadata(Offset(17)), "v1;17");
        assert_eq!(end_offset("v1;17"), Some(Offset(17)));
        for foreign in ["", "17", "v2;17", "v1;", "v1;-3", "v1;x"] {
            assert_eq!(end_offset(foreign), None, "{foreign:?}");
        }
    }
}
