//! Events and links of a span: small messages, read when somebody asks.

use crate::wire::field::{event, link, span};
use crate::wire::proto::{DEPTH_MAX, Reader, text};
use crate::wire::value::{Attributes, next_field};
use crate::{SpanId, TraceId};

/// Something that happened during a span.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    body: &'a [u8],
    time_unix_ns: u64,
    name: &'a [u8],
    dropped_attributes_count: u32,
}

/// A reference from a span to another one.
#[derive(Debug, Clone, Copy)]
pub struct LinkView<'a> {
    body: &'a [u8],
    trace_id: TraceId,
    span_id: SpanId,
    trace_state: &'a [u8],
    dropped_attributes_count: u32,
    flags: u32,
}

impl<'a> EventView<'a> {
    pub(super) fn all(mut reader: Reader<'a>) -> impl Iterator<Item = Self> + Clone + use<'a> {
        std::iter::from_fn(move || next_field(&mut reader, span::EVENTS).map(Self::read))
    }

    fn read(body: &'a [u8]) -> Self {
        let mut this = Self {
            body,
            time_unix_ns: 0,
            name: &[],
            dropped_attributes_count: 0,
        };
        let mut reader = Reader::new(body);
        while let Ok(key) = reader.varint() {
            let read = match key {
                event::TIME_UNIX_NANO => reader.fixed64().map(|ns| this.time_unix_ns = ns),
                event::NAME => reader.delimited_bytes().map(|name| this.name = name),
                event::DROPPED_ATTRIBUTES_COUNT => reader
                    .varint()
                    .map(|count| this.dropped_attributes_count = count as u32),
                _ => reader.skip(key, DEPTH_MAX),
            };
            if read.is_err() {
                break;
            }
        }
        this
    }

    #[must_use]
    pub fn time_unix_ns(&self) -> u64 {
        self.time_unix_ns
    }

    #[must_use]
    pub fn name(&self) -> &'a str {
        text(self.name)
    }

    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(Reader::new(self.body), event::ATTRIBUTES)
    }

    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes_count
    }
}

impl<'a> LinkView<'a> {
    pub(super) fn all(mut reader: Reader<'a>) -> impl Iterator<Item = Self> + Clone + use<'a> {
        std::iter::from_fn(move || next_field(&mut reader, span::LINKS).map(Self::read))
    }

    fn read(body: &'a [u8]) -> Self {
        let mut this = Self {
            body,
            trace_id: TraceId::default(),
            span_id: SpanId::default(),
            trace_state: &[],
            dropped_attributes_count: 0,
            flags: 0,
        };
        let mut reader = Reader::new(body);
        while let Ok(key) = reader.varint() {
            let read = match key {
                link::TRACE_ID => reader
                    .delimited_bytes()
                    .map(|id| this.trace_id = TraceId(id.try_into().unwrap_or_default())),
                link::SPAN_ID => reader
                    .delimited_bytes()
                    .map(|id| this.span_id = SpanId(id.try_into().unwrap_or_default())),
                link::TRACE_STATE => reader
                    .delimited_bytes()
                    .map(|state| this.trace_state = state),
                link::DROPPED_ATTRIBUTES_COUNT => reader
                    .varint()
                    .map(|count| this.dropped_attributes_count = count as u32),
                link::FLAGS => reader.fixed32().map(|flags| this.flags = flags),
                _ => reader.skip(key, DEPTH_MAX),
            };
            if read.is_err() {
                break;
            }
        }
        this
    }

    /// All zero where the sender named none.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// All zero where the sender named none.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    #[must_use]
    pub fn trace_state(&self) -> &'a str {
        text(self.trace_state)
    }

    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(Reader::new(self.body), link::ATTRIBUTES)
    }

    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes_count
    }

    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }
}
