//! The newest records, in memory until they are read: who keeps up with the log takes them here and reads no file.
//!
//! In: records, once they are durable. Out: each to whoever consumes its partition first. Who reads later, or is far behind, reads the segments.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use super::segments::{Step, WINDOW_BYTES};
use crate::{Partition, Record, Topic, TopicPartition};

/// Bytes of payloads that all partitions together hold.
const PAYLOAD_BYTES_MAX: u64 = 8 << 20;

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
    payload_bytes_max: u64,
    /// Address behind the newest record of all.
    end: u64,
}

/// Those of a partition that nobody took yet.
#[derive(Debug)]
struct Queue {
    written: VecDeque<Written>,
    payload_bytes: u64,
    /// Every record of the partition at or behind this address is in `written`.
    start: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            written: VecDeque::new(),
            payload_bytes: 0,
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
            payload_bytes_max: PAYLOAD_BYTES_MAX / (of.len() as u64).max(1),
            of,
            end: 0,
        }))
    }

    /// Adds what was just written, in order of addresses.
    pub(crate) fn add(&self, written: Vec<Written>) {
        let mut queues = self.0.lock();
        let payload_bytes_max = queues.payload_bytes_max;
        if queues.end == 0
            && let Some(first) = written.first()
        {
            let start = first.record.offset.0;
            queues.of.values_mut().for_each(|queue| queue.start = start);
        }
        for written in written {
            queues.end = written.end;
            if let Some(queue) = queues.of.get_mut(&written.record.of) {
                queue.add(written, payload_bytes_max);
            }
        }
    }

    /// Takes what there is of a partition from `cursor` on, a window at most; nothing if not all of that is here.
    pub(crate) fn take(&self, of: TopicPartition, cursor: u64) -> Option<Step> {
        let mut queues = self.0.lock();
        let end = queues.end;
        let queue = queues.of.get_mut(&of)?;
        (cursor >= queue.start).then(|| queue.take(cursor, end))
    }
}

impl Queue {
    fn add(&mut self, written: Written, payload_bytes_max: u64) {
        self.payload_bytes += payload_bytes(&written);
        self.written.push_back(written);
        while self.payload_bytes > payload_bytes_max {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Written> {
        let written = self.written.pop_front()?;
        self.payload_bytes -= payload_bytes(&written);
        self.start = written.end;
        Some(written)
    }

    fn take(&mut self, cursor: u64, end: u64) -> Step {
        let mut records = Vec::new();
        let mut n_bytes = 0;
        while n_bytes < WINDOW_BYTES
            && let Some(written) = self.pop()
        {
            if written.record.offset.0 >= cursor {
                n_bytes += payload_bytes(&written);
                records.push(written.record);
            }
        }
        if self.written.is_empty() {
            self.start = self.start.max(cursor).max(end);
        }
        Step {
            at_end: records.is_empty(),
            records,
            cursor: self.start.max(cursor),
        }
    }
}

fn payload_bytes(written: &Written) -> u64 {
    written.record.payload.len() as u64
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
        let recent = Recent::new(1);
        let part = (PAYLOAD_BYTES_MAX / 2 / 3) as usize;
        recent.add((1..6).map(|n| written(n, 0, part)).collect());
        assert_eq!(take(&recent, 0, 2), None);
        assert_eq!(take(&recent, 0, 3), Some((vec![3], 4)), "a window at most");
        assert_eq!(take(&recent, 0, 4), Some((vec![4], 5)));
        recent.add(vec![written(6, 0, PAYLOAD_BYTES_MAX as usize)]);
        assert_eq!(
            take(&recent, 0, 5),
            None,
            "more than may be held is not held"
        );
        assert_eq!(take(&recent, 0, 7), Some((vec![], 7)));
    }
}
