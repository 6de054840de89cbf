//! Topics, their partitions, and offsets: Kafka's words for the same things.

use std::fmt;

/// What a record is about. Each topic has its own partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Accepted spans, by trace id.
    Spans,
    /// Metrics as they were sent, by resource or series, and what was derived from spans.
    Points,
    /// Records that could not be read, kept for an operator. One partition.
    DeadLetters,
}

impl Topic {
    /// Every topic there is.
    pub const ALL: [Self; 3] = [Self::Spans, Self::Points, Self::DeadLetters];
    /// Those that a machine reads, and of which nothing unread is deleted.
    pub const READ: [Self; 2] = [Self::Spans, Self::Points];

    /// Its name in the log, without the prefix that a Kafka cluster may want.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Points => "points",
            Self::DeadLetters => "dlq",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Number of a partition of a topic, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Place of a record in its partition. Grows from record to record, is never used twice in a topic, and may leave gaps
/// (in the local log it is the record's byte address, in Kafka a count).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One partition of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Topic,
    pub partition: Partition,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}
