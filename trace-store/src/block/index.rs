//! The rows of a block without their spans: what a search decides by, and where the spans are.

use telemetry::TraceId;

use super::input::{DecodeError, Input, put_varint};
use super::layout::{ROW_RAW_BYTES_MAX, ROWS_MAX};
use super::usage::Usage;

pub(crate) const LATE: u8 = 1;
pub(crate) const P_UNKNOWN: u8 = 2;
pub(crate) const P_ESTIMATED: u8 = 4;
/// The row is not the whole trace: what was decided is in another block.
pub(crate) const PART: u8 = 8;

/// A trace, or a late part of one, as its block knows it. Strings and operations are indexes into the block's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Row {
    pub(crate) id: TraceId,
    pub(crate) start_unix_ns: u64,
    /// Start of the span that starts last.
    pub(crate) start_last_unix_ns: u64,
    pub(crate) end_last_unix_ns: u64,
    pub(crate) span_min_ns: u64,
    pub(crate) span_max_ns: u64,
    pub(crate) n_spans: u32,
    pub(crate) n_errors: u32,
    pub(crate) root_service: Option<u32>,
    pub(crate) root_name: Option<u32>,
    pub(crate) rule: u32,
    pub(crate) threshold: u64,
    pub(crate) threshold_in: u64,
    /// [`LATE`], [`P_UNKNOWN`], [`P_ESTIMATED`], [`PART`].
    pub(crate) flags: u8,
    /// Bit k: a span of kind k (OTLP's number).
    pub(crate) kinds: u8,
    /// Bit s: a span of status s (OTLP's number).
    pub(crate) statuses: u8,
    /// Bytes of the frame, from the begin of the frames.
    pub(crate) frame_at: u64,
    pub(crate) frame_bytes: u32,
    pub(crate) raw_bytes: u32,
    pub(crate) dictionary: Option<u32>,
    pub(crate) frame_crc: u32,
    /// Bytes of the tag filter, from the begin of the tag filters.
    pub(crate) filter_at: u32,
    pub(crate) filter_bytes: u32,
    /// Where its operations are among [`Index::operations_of`]'s.
    pub(super) operations_at: u32,
    pub(super) n_operations: u32,
}

/// An operation of a row, by its index among the block's, and what its spans were like.
pub(crate) type RowOperation = (u32, Usage);

/// Every row, sorted by trace id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Index {
    rows: Vec<Row>,
    operations: Vec<RowOperation>,
    /// Rows by start, the latest first; equal starts by trace id.
    by_start: Vec<u32>,
}

impl Index {
    /// Of rows in their order, each with its operations, ascending. Frames and filters are laid one after the other.
    pub(crate) fn of(rows: impl Iterator<Item = (Row, Vec<RowOperation>)>) -> Self {
        let mut index = Self::default();
        for (row, operations) in rows {
            index.push(row, &operations);
        }
        index.order_by_start();
        index
    }

    fn push(&mut self, mut row: Row, operations: &[RowOperation]) {
        if let Some(before) = self.rows.last() {
            row.frame_at = before.frame_at + u64::from(before.frame_bytes);
            row.filter_at = before.filter_at.saturating_add(before.filter_bytes);
        }
        row.operations_at = self.operations.len() as u32;
        row.n_operations = operations.len() as u32;
        self.operations.extend(operations);
        self.rows.push(row);
    }

    fn order_by_start(&mut self) {
        self.by_start = (0..self.rows.len() as u32).collect();
        let rows = &self.rows;
        let order = |idx: &u32| {
            rows.get(*idx as usize)
                .map(|row| (std::cmp::Reverse(row.start_unix_ns), row.id))
        };
        self.by_start.sort_by_key(order);
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row at a place of the order by start.
    pub(crate) fn nth_by_start(&self, nth: usize) -> Option<&Row> {
        self.rows.get(*self.by_start.get(nth)? as usize)
    }

    /// How many rows start after `unix_ns`: where in the order by start those begin that do not.
    pub(crate) fn n_starting_after(&self, unix_ns: u64) -> usize {
        self.by_start.partition_point(|&idx| {
            self.rows
                .get(idx as usize)
                .is_some_and(|row| row.start_unix_ns > unix_ns)
        })
    }

    pub(crate) fn operations_of(&self, row: &Row) -> &[RowOperation] {
        let begin = row.operations_at as usize;
        self.operations
            .get(begin..begin + row.n_operations as usize)
            .unwrap_or_default()
    }

    /// Rows of a trace: more than one if late parts are here, too.
    pub(crate) fn rows_of(&self, id: TraceId) -> &[Row] {
        let begin = self.rows.partition_point(|row| row.id < id);
        let after = self.rows.get(begin..).unwrap_or_default();
        after
            .get(..after.partition_point(|row| row.id == id))
            .unwrap_or_default()
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.rows.len() * (size_of::<Row>() + 4) + self.operations.len() * size_of::<RowOperation>()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rows.len() * 64);
        let rows = &self.rows;
        rows.iter().for_each(|row| out.extend(row.id.0));
        for (column, _) in COLUMNS {
            rows.iter()
                .for_each(|row| put_varint(&mut out, column(row)));
        }
        rows.iter()
            .for_each(|row| out.extend([row.flags, row.kinds, row.statuses]));
        rows.iter()
            .for_each(|row| out.extend(row.frame_crc.to_le_bytes()));
        for row in rows {
            let operations = self.operations_of(row);
            put_varint(&mut out, operations.len() as u64);
            let mut before = 0;
            for &(operation, _) in operations {
                put_varint(&mut out, u64::from(operation - before));
                before = operation;
            }
        }
        for byte in USAGE_BYTES {
            out.extend(self.operations.iter().map(|(_, usage)| byte(usage)));
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8], n_rows: u32, bounds: &Bounds) -> Result<Self, DecodeError> {
        let mut input = Input(bytes);
        if n_rows > ROWS_MAX || bytes.len() / 16 < n_rows as usize {
            return Err(DecodeError("more rows than its index holds"));
        }
        let mut rows = (0..n_rows)
            .map(|_| {
                Ok(Row {
                    id: TraceId(input.array()?),
                    ..Row::default()
                })
            })
            .collect::<Result<Vec<_>, DecodeError>>()?;
        for (_, set) in COLUMNS {
            for row in &mut rows {
                set(row, input.varint()?)?;
            }
        }
        for row in &mut rows {
            [row.flags, row.kinds, row.statuses] = input.array()?;
        }
        for row in &mut rows {
            row.frame_crc = input.u32()?;
        }
        let mut index = Self::default();
        let unknown = Usage {
            shortest: 0,
            longest: 0,
            statuses: 0,
        };
        let mut operations = Vec::new();
        for row in rows {
            operations.clear();
            let mut operation = 0u32;
            for _ in 0..input.varint_below(u64::from(bounds.n_operations) + 1)? {
                let next = operation.checked_add(input.varint_u32()?);
                operation = next
                    .filter(|idx| *idx < bounds.n_operations)
                    .ok_or(DecodeError("an operation is not among the names"))?;
                operations.push((operation, unknown));
            }
            index.push(row, &operations);
        }
        index.decode_usages(&mut input)?;
        index.check(bounds)?;
        index.order_by_start();
        Ok(index)
    }

    fn decode_usages(&mut self, input: &mut Input<'_>) -> Result<(), DecodeError> {
        let n = self.operations.len();
        let (shortest, longest, statuses) = (input.take(n)?, input.take(n)?, input.take(n)?);
        let usages = shortest.iter().zip(longest).zip(statuses);
        for ((_, usage), ((&shortest, &longest), &statuses)) in
            self.operations.iter_mut().zip(usages)
        {
            *usage = Usage {
                shortest,
                longest,
                statuses,
            };
        }
        Ok(())
    }

    fn check(&self, bounds: &Bounds) -> Result<(), DecodeError> {
        let named = |idx: Option<u32>| idx.is_none_or(|idx| idx < bounds.n_strings);
        let (mut frame_at, mut filter_at) = (0, 0);
        for row in &self.rows {
            let known = named(row.root_service) && named(row.root_name) && named(Some(row.rule));
            if !known
                || row
                    .dictionary
                    .is_some_and(|idx| idx >= bounds.n_dictionaries)
            {
                return Err(DecodeError("a row names what is not there"));
            }
            frame_at += u64::from(row.frame_bytes);
            filter_at += u64::from(row.filter_bytes);
        }
        if frame_at != bounds.frames_bytes || filter_at != bounds.filters_bytes {
            return Err(DecodeError(
                "the rows' frames or filters are not the sections",
            ));
        }
        if !self.rows.is_sorted_by_key(|row| row.id) {
            return Err(DecodeError("rows are not sorted"));
        }
        Ok(())
    }
}

/// What a row may refer to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) n_strings: u32,
    pub(crate) n_operations: u32,
    pub(crate) n_dictionaries: u32,
    pub(crate) frames_bytes: u64,
    pub(crate) filters_bytes: u64,
}

/// The bytes of a usage, in the order in which their columns are stored.
const USAGE_BYTES: [fn(&Usage) -> u8; 3] = [
    |usage| usage.shortest,
    |usage| usage.longest,
    |usage| usage.statuses,
];

type Get = fn(&Row) -> u64;
type Set = fn(&mut Row, u64) -> Result<(), DecodeError>;

/// The columns of varints, in the order in which they are stored.
const COLUMNS: [(Get, Set); 16] = [
    (
        |row| row.start_unix_ns,
        |row, n| {
            row.start_unix_ns = n;
            Ok(())
        },
    ),
    (
        |row| row.start_last_unix_ns.wrapping_sub(row.start_unix_ns),
        |row, n| {
            row.start_last_unix_ns = row.start_unix_ns.wrapping_add(n);
            Ok(())
        },
    ),
    (
        |row| row.end_last_unix_ns.wrapping_sub(row.start_unix_ns),
        |row, n| {
            row.end_last_unix_ns = row.start_unix_ns.wrapping_add(n);
            Ok(())
        },
    ),
    (
        |row| row.span_min_ns,
        |row, n| {
            row.span_min_ns = n;
            Ok(())
        },
    ),
    (
        |row| row.span_max_ns,
        |row, n| {
            row.span_max_ns = n;
            Ok(())
        },
    ),
    (
        |row| row.n_spans.into(),
        |row, n| u32_of(n).map(|n| row.n_spans = n),
    ),
    (
        |row| row.n_errors.into(),
        |row, n| u32_of(n).map(|n| row.n_errors = n),
    ),
    (
        |row| after(row.root_service),
        |row, n| u32_of(n).map(|n| row.root_service = n.checked_sub(1)),
    ),
    (
        |row| after(row.root_name),
        |row, n| u32_of(n).map(|n| row.root_name = n.checked_sub(1)),
    ),
    (
        |row| row.rule.into(),
        |row, n| u32_of(n).map(|n| row.rule = n),
    ),
    (
        |row| row.threshold,
        |row, n| {
            row.threshold = n;
            Ok(())
        },
    ),
    (
        |row| row.threshold_in,
        |row, n| {
            row.threshold_in = n;
            Ok(())
        },
    ),
    (
        |row| row.frame_bytes.into(),
        |row, n| u32_of(n).map(|n| row.frame_bytes = n),
    ),
    (
        |row| row.raw_bytes.into(),
        |row, n| raw_of(n).map(|n| row.raw_bytes = n),
    ),
    (
        |row| after(row.dictionary),
        |row, n| u32_of(n).map(|n| row.dictionary = n.checked_sub(1)),
    ),
    (
        |row| row.filter_bytes.into(),
        |row, n| u32_of(n).map(|n| row.filter_bytes = n),
    ),
];

/// An index plus one; none is 0.
fn after(idx: Option<u32>) -> u64 {
    idx.map_or(0, |idx| u64::from(idx) + 1)
}

fn u32_of(number: u64) -> Result<u32, DecodeError> {
    u32::try_from(number).map_err(|_| DecodeError("a number is over its limit"))
}

fn raw_of(number: u64) -> Result<u32, DecodeError> {
    if number <= ROW_RAW_BYTES_MAX {
        u32_of(number)
    } else {
        Err(DecodeError("a row is over its limit"))
    }
}
