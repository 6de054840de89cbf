//! What a search is asked and what it answers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use telemetry::TraceId;
use telemetry::wire::SpanKind;

use crate::{Filter, StoredTrace};

/// Asks for traces that a filter matches: the latest start first, equal starts by trace id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchQuery {
    pub filter: Filter,
    /// Traces of one page.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchPage {
    /// In the order of [`Cursor`].
    pub traces: Vec<StoredTrace>,
    /// Where the next page begins; none if this one is the last. The last page may be empty.
    pub next_cursor: Option<Cursor>,
    /// Why the page may lack traces, if it may.
    pub partial: Option<Partial>,
}

/// Why an answer may lack something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Partial {
    /// The bytes or the time of one search were used up; the next page goes on from there.
    pub limit: bool,
    /// Blocks, or traces in them, that could not be read.
    pub n_damaged: u32,
}

impl Partial {
    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::default()
    }
}

/// A trace's place in the total order of search: start descending, then trace id. "Less" comes first in an answer.
/// Written as `START-ID` in hexadecimal, which callers take as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub start_unix_ns: u64,
    pub id: TraceId,
}

impl Ord for Cursor {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .start_unix_ns
            .cmp(&self.start_unix_ns)
            .then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.start_unix_ns, self.id)
    }
}

/// Text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is what the page before told, nothing else")]
pub struct ParseCursorError;

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        let (start, id) = text
            .split_once('-')
            .filter(|(start, _)| start.len() == 16)
            .ok_or(ParseCursorError)?;
        let start_unix_ns = u64::from_str_radix(start, 16).map_err(|_| ParseCursorError)?;
        Ok(Self {
            start_unix_ns,
            id: id.parse().map_err(|_| ParseCursorError)?,
        })
    }
}

/// What a service does: a span name with a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub name: String,
    pub kind: SpanKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let cursor = Cursor {
            start_unix_ns: 1_485_445_591_639_875_000,
            id: TraceId([0xab; 16]),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "-", "12-34", "+123456789abcdef-00", "0123456789abcdef"] {
            assert_eq!(text.parse::<Cursor>(), Err(ParseCursorError), "{text:?}");
        }
    }

    #[test]
    fn the_latest_start_comes_first() {
        let at = |start_unix_ns, id| Cursor {
            start_unix_ns,
            id: TraceId([id; 16]),
        };
        let mut order = [at(1, 1), at(3, 2), at(3, 1), at(2, 9)];
        order.sort();
        assert_eq!(order, [at(3, 1), at(3, 2), at(2, 9), at(1, 1)]);
    }
}
