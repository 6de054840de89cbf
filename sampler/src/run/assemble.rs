//! From references to bytes: reads the records that hold the spans of some traces and writes each trace as OTLP of its own.
//!
//! In: references of a sealed epoch or of open traces. Out: `TracesData` a trace. Records are read in the order of the log, each once a batch.

use bus::machine::fetch_left;
use bus::{Log, LogError, Offset, Record, TopicPartition};
use bytes::Bytes;
use telemetry::wire::{RecordSpans, SpanPlace, TraceWriter};

use crate::shard::{SpanRef, SpanRefs};

/// Records that are read from the log at once; each is at most 900 KB.
const RECORDS_A_READ: usize = 16;

/// Key and length of a span, at most, in bytes.
const FRAME_BYTES_MAX: usize = 6;

/// Why the bytes of a trace cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error("reading the log failed: {0}")]
    Log(#[from] LogError),
    #[error("the record at offset {offset} has no span where the shard found one: {cause}")]
    NoSpan { offset: Offset, cause: String },
    #[error("a task that assembles traces stopped: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A span of the trace with this index.
type Wanted = (Offset, usize, SpanPlace);

/// The bytes of each trace, in the order given. Spans stand in the order of the log; those whose record is no longer there are left out, so that a
/// trace may be empty.
///
/// # Errors
/// When the log cannot be read, or a record does not hold what the references say.
pub(crate) async fn assemble<L: Log>(
    log: &L,
    of: TopicPartition,
    traces: &[&SpanRefs],
) -> Result<Vec<Bytes>, AssembleError> {
    let mut wanted: Vec<Wanted> = Vec::with_capacity(traces.iter().map(|spans| spans.len()).sum());
    for (index, spans) in traces.iter().enumerate() {
        wanted.extend(spans.iter().map(|span| (span.offset, index, span.place)));
    }
    // Within a record the order of the spans in it, which is the order of arrival, so that it is read in one pass.
    wanted.sort_unstable_by_key(|(offset, index, place)| (*offset, place.start, *index));
    let mut writers: Vec<TraceWriter> = traces.iter().map(|spans| writer_of(spans)).collect();
    let mut rest = wanted.into_iter().peekable();
    while rest.peek().is_some() {
        let (offsets, batch) = next_batch(&mut rest);
        let records = fetch_left(log, of, &offsets).await?;
        writers =
            tokio::task::spawn_blocking(move || push_all(writers, &records, &batch)).await??;
    }
    let finished = tokio::task::spawn_blocking(move || {
        writers
            .iter_mut()
            .map(|writer| Bytes::from(writer.finish()))
            .collect()
    });
    Ok(finished.await?)
}

/// A writer with room for these spans.
fn writer_of(spans: &SpanRefs) -> TraceWriter {
    let framed = |span: SpanRef| span.place.len as usize + FRAME_BYTES_MAX;
    TraceWriter::with_capacity(spans.iter().map(framed).sum())
}

/// What is wanted of the next few records, and their offsets.
fn next_batch(
    rest: &mut std::iter::Peekable<impl Iterator<Item = Wanted>>,
) -> (Vec<Offset>, Vec<Wanted>) {
    let mut offsets: Vec<Offset> = Vec::with_capacity(RECORDS_A_READ);
    let mut batch = Vec::new();
    while let Some((offset, ..)) = rest.peek() {
        if offsets.last() != Some(offset) {
            if offsets.len() == RECORDS_A_READ {
                break;
            }
            offsets.push(*offset);
        }
        batch.extend(rest.next());
    }
    (offsets, batch)
}

fn push_all(
    mut writers: Vec<TraceWriter>,
    records: &[Record],
    batch: &[Wanted],
) -> Result<Vec<TraceWriter>, AssembleError> {
    let mut records = records.iter().peekable();
    for wanted in batch.chunk_by(|(a, ..), (b, ..)| a == b) {
        let offset = wanted.first().expect("a chunk has an entry").0;
        while records.next_if(|record| record.offset < offset).is_some() {}
        let Some(record) = records.peek().filter(|record| record.offset == offset) else {
            continue; // gone from the log
        };
        let mut spans = RecordSpans::new(&record.payload);
        for (_, index, place) in wanted {
            let writer = writers
                .get_mut(*index)
                .expect("an index of a trace that was asked for");
            writer
                .push_from(&mut spans, *place)
                .map_err(|error| AssembleError::NoSpan {
                    offset,
                    cause: error.to_string(),
                })?;
        }
    }
    Ok(writers)
}
