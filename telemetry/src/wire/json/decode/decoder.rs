//! What the readers of [`super`] share: the protobuf so far, the path for messages, and the bytes that may be taken.

use std::fmt::Write as _;

use super::super::super::proto::put_varint;
use super::JsonError;

/// Least number of bytes that is asked for at once.
const GROWTH_BYTES_MIN: usize = 4 << 10;

/// What a reader of JSON writes, where it is, and how much it may write.
pub(super) struct Decoder<'g> {
    /// Protobuf written so far.
    pub(super) out: Vec<u8>,
    /// Where the reader is, for messages.
    pub(super) path: Vec<Step>,
    /// Bytes that may be written without asking.
    room: usize,
    grow: &'g mut dyn FnMut(usize) -> bool,
}

pub(super) enum Step {
    Field(&'static str),
    Item(u32),
}

impl<'g> Decoder<'g> {
    /// May write `room` bytes without asking.
    pub(super) fn new(room: usize, grow: &'g mut dyn FnMut(usize) -> bool) -> Self {
        Self {
            out: Vec::new(),
            path: Vec::new(),
            room,
            grow,
        }
    }

    /// Whether what was written may stay. Asks for as much again as there is, so rarely.
    pub(super) fn has_room(&mut self) -> bool {
        if self.out.len() <= self.room {
            return true;
        }
        let more = self.out.len().max(GROWTH_BYTES_MIN);
        let has_room = (self.grow)(more);
        self.room = self.out.len() + more;
        has_room
    }

    pub(super) fn error(&self, error: &serde_json::Error) -> JsonError {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) if text.is_empty() => text.push_str(name),
                Step::Field(name) => write!(text, ".{name}").expect("a String takes all text"),
                Step::Item(idx) => write!(text, "[{idx}]").expect("a String takes all text"),
            }
        }
        let colon = if text.is_empty() { "" } else { ": " };
        JsonError::new(format!("{text}{colon}{error}"))
    }

    pub(super) fn put_key(&mut self, key: u64) {
        put_varint(&mut self.out, key);
    }
}
