//! The newest records, in memory until they are read: who keeps up with the log takes them here and reads no file.
//!
//! In: records, once they are durable. Out: each to whoever consumes its partition first. Who reads later, or is far behind, reads the segments.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use super::segments::{Step, WINDOW_BYTES};
use crate::{Partition, Record, Topic, TopicPartition};

/// Bytes that records of all partitions together hold, payloads and what stands beside them.
const BYTES_MAX: u64 = 8 << 20;

/// A record that is durable, and the address behind it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) record: Record,
    pub(crate) end: u64,
}

/// The newest records of every partition that a machine consumes.
#[derive(Debug)]
pub(crate) struct Recent(Mutex<Queues>);

#[derive(Debug)]
struct Queues {
    of: BTreeMap<TopicPartition, Queue>,
    n_bytes: u64,
    /// Address behind the newest record of all.
    end: u64,
}

/// Those of a partition that nobody took yet.
#[derive(Debug)]
struct Queue {
    written: VecDeque<Written>,
    /// Every record of the partition at or behind this address is in `written`.
    start: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            written: VecDeque::new(),
            start: u64::MAX,
        }
    }
}

impl Recent {
    /// Of a log with so many partitions. It knows nothing of what was written before.
    pub(crate) fn new(n_partitions: u32) -> Self {
        let mut of = BTreeMap::new();
        for topic in [Topic::Spans, Topic::Points] {
            for partition in (0..n_partitions).map(Partition) {
                of.insert(TopicPartition { topic, partition }, Queue::default());
            }
        }
        Self(Mutex::new(Queues {
            of,
            n_bytes: 0,
            end: 0,
        }))
    }

    /// Adds what was just written, in order of addresses.
    pub(crate) fn add(&self, written: Vec<Written>) {
        let mut queues = self.0.lock();
        if queues.end == 0
            && let Some(first) = written.first()
        {
            let start = first.record.offset.0;
            queues.of.values_mut().for_each(|queue| queue.start = start);
        }
        for written in written {
            queues.end = written.end;
            let n_bytes = bytes_of(&written.record);
            if let Some(queue) = queues.of.get_mut(&written.record.of) {
                queue.written.push_back(written);
                queues.n_bytes += n_bytes;
            }
        }
        while queues.n_bytes > BYTES_MAX && queues.drop_oldest() {}
    }

    /// Takes what there is of a partition from `cursor` on, a window at most; nothing if not all of that is here.
    pub(crate) fn take(&self, of: TopicPartition, cursor: u64) -> Option<Step> {
        let queues = &mut *self.0.lock();
        let queue = queues.of.get_mut(&of)?;
        if cursor < queue.start {
            return None;
        }
        let (mut records, mut n_bytes) = (Vec::new(), 0);
        while n_bytes < WINDOW_BYTES
            && let Some(record) = queue.pop()
        {
            queues.n_bytes -= bytes_of(&record);
            if record.offset.0 >= cursor {
                n_bytes += bytes_of(&record);
                records.push(record);
            }
        }
        if queue.written.is_empty() {
            queue.start = queue.start.max(queues.end);
        }
        Some(Step {
            at_end: records.is_empty(),
            records,
            cursor: queue.start.max(cursor),
        })
    }
}

impl Queues {
    /// Drops the oldest record of all, which is whoever's lags most. False if there is none.
    fn drop_oldest(&mut self) -> bool {
        let queues = self.of.values_mut();
        let oldest = queues.min_by_key(|queue| queue.written.front().map_or(u64::MAX, |it| it.end));
        let dropped = oldest.and_then(Queue::pop);
        self.n_bytes -= dropped.as_ref().map_or(0, bytes_of);
        dropped.is_some()
    }
}

impl Queue {
    fn pop(&mut self) -> Option<Record> {
        let written = self.written.pop_front()?;
        self.start = written.end;
        Some(written.record)
    }
}

fn bytes_of(record: &Record) -> u64 {
    (size_of::<Written>() + record.payload.len()) as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use telemetry::{RecordTime, Tenant};

    use super::*;
    use crate::{Header, Kind, Offset, RequestHash};

    const RECORD_BYTES: u64 = 100;

    fn spans(partition: u32) -> TopicPartition {
        TopicPartition {
            topic: Topic::Spans,
            partition: Partition(partition),
        }
    }

    /// The nth record of a log, of this partition and with so long a payload. It takes 100 B of the log all the same.
    fn written(n: u64, partition: u32, payload_bytes: usize) -> Written {
        let record = Record {
            of: spans(partition),
            offset: Offset(n * RECORD_BYTES),
            appended_at: RecordTime::default(),
            header: Header {
                tenant: Tenant::default_tenant(),
                kind: Kind::Otlp,
                accepted_at: RecordTime::default(),
                n_items: 1,
                request_hash: RequestHash(0),
                part: 0,
                historic: false,
            },
            payload: Bytes::from(vec![0; payload_bytes]),
        };
        Written {
            record,
            end: (n + 1) * RECORD_BYTES,
        }
    }

    /// Which records were taken, and where to go on.
    fn take(recent: &Recent, partition: u32, n: u64) -> Option<(Vec<u64>, u64)> {
        let step = recent.take(spans(partition), n * RECORD_BYTES)?;
        let taken = step.records.iter().map(|it| it.offset.0 / RECORD_BYTES);
        Some((taken.collect(), step.cursor / RECORD_BYTES))
    }

    #[test]
    fn each_record_is_taken_once_by_who_keeps_up() {
        let recent = Recent::new(2);
        assert_eq!(
            take(&recent, 0, 0),
            None,
            "of what was before nothing is known"
        );
        recent.add(vec![
            written(5, 0, 10),
            written(6, 1, 10),
            written(7, 0, 10),
        ]);
        assert_eq!(take(&recent, 0, 4), None);
        assert_eq!(take(&recent, 0, 5), Some((vec![5, 7], 8)));
        assert_eq!(take(&recent, 0, 8), Some((vec![], 8)));
        assert_eq!(take(&recent, 0, 5), None, "who comes later reads the file");
        recent.add(vec![written(8, 1, 10)]);
        assert_eq!(take(&recent, 0, 8), Some((vec![], 9)));
        assert_eq!(
            take(&recent, 1, 7),
            Some((vec![8], 9)),
            "6 was read elsewhere"
        );
    }

    #[test]
    fn who_is_far_behind_reads_the_file_until_there_is_a_way_on() {
        let recent = Recent::new(2);
        let part = BYTES_MAX as usize / 4 - size_of::<Written>();
        let all = [0, 0, 1, 0, 0, 1].into_iter();
        recent.add((1..).zip(all).map(|(n, of)| written(n, of, part)).collect());
        assert_eq!(take(&recent, 0, 1), None, "the oldest of all are let go");
        let window = take(&recent, 0, 3);
        assert_eq!(window, Some((vec![4], 5)), "a window at most");
        assert_eq!(take(&recent, 0, 5), Some((vec![5], 7)));
        assert_eq!(take(&recent, 1, 3), Some((vec![3], 4)));
        recent.add(vec![written(6, 0, BYTES_MAX as usize)]);
        assert_eq!(
            take(&recent, 0, 5),
            None,
            "more than may be held is not held"
        );
        assert_eq!(take(&recent, 0, 7), Some((vec![], 7)));
    }
}
