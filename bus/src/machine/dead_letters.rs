//! Records that are read again by offset, where some may be gone; and those that nobody could read, copied whole to the topic of dead letters. In: offsets
//! of one partition. Out: records, and dead letters.

use bytes::Bytes;

use crate::local::frame::topic_number;
use crate::log::BoxError;
use crate::{Draft, Log, LogError, Offset, Partition, Record, Topic, TopicPartition};

/// Version that is written.
const VERSION: u8 = 1;
/// Bytes before the payload as it was.
const SOURCE_BYTES: usize = 24;

/// Reads records. Those that the log no longer has are left out and told: retention was faster than their effects.
///
/// # Errors
/// When the log cannot be read.
pub async fn fetch_left<L: Log>(
    log: &L,
    of: TopicPartition,
    offsets: &[Offset],
) -> Result<Vec<Record>, LogError> {
    let gone = |error: &LogError| {
        matches!(
            error,
            LogError::OffsetLost { .. } | LogError::NoRecord { .. }
        )
    };
    match log.fetch(of, offsets).await {
        Err(error) if gone(&error) => {}
        records => return records,
    }
    let mut left = Vec::new();
    for offset in offsets {
        match log.fetch(of, &[*offset]).await {
            Ok(records) => left.extend(records),
            Err(error) if gone(&error) => {
                tracing::error!(code = "TW4008", %of, %offset, %error, "what a record held is lost: the log no longer has it");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

/// Copies the records at `offsets`, ascending, to the dead letters.
///
/// # Errors
/// When the log cannot be read or does not take them.
pub async fn put_dead_letters<L: Log>(
    log: &L,
    of: TopicPartition,
    mut offsets: Vec<Offset>,
) -> Result<(), BoxError> {
    offsets.dedup();
    if offsets.is_empty() {
        return Ok(());
    }
    let to = TopicPartition {
        topic: Topic::DeadLetters,
        partition: Partition(0),
    };
    let records = fetch_left(log, of, &offsets).await?;
    let drafts = records.into_iter().map(|record| Draft {
        to,
        payload: letter(&record),
        header: record.header,
    });
    log.append(drafts.collect()).await?;
    Ok(())
}

/// Where a record was read, and its payload (docs/formats/dead-letter.md).
fn letter(record: &Record) -> Bytes {
    let mut out = Vec::with_capacity(SOURCE_BYTES + record.payload.len());
    out.extend([VERSION, topic_number(record.of.topic), 0, 0]);
    out.extend(record.of.partition.0.to_le_bytes());
    out.extend(record.offset.0.to_le_bytes());
    out.extend(record.appended_at.unix_ms.to_le_bytes());
    out.extend_from_slice(&record.payload);
    Bytes::from(out)
}
