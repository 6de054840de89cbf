//! One end of a call: what a span says of it, and what it is found by.

use telemetry::wire::SpanKind;

use super::{PeerKind, Side};

/// What a span is to a call. Spans of other kinds are no ends of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Client,
    Server,
    Producer,
    Consumer,
}

impl Role {
    #[must_use]
    pub fn of(kind: SpanKind) -> Option<Self> {
        match kind {
            SpanKind::Client => Some(Self::Client),
            SpanKind::Server => Some(Self::Server),
            SpanKind::Producer => Some(Self::Producer),
            SpanKind::Consumer => Some(Self::Consumer),
            SpanKind::Unspecified | SpanKind::Internal => None,
        }
    }

    /// Whether it begins a call, rather than answers one.
    #[must_use]
    pub fn calls(self) -> bool {
        matches!(self, Self::Client | Self::Producer)
    }

    /// Which end it is.
    #[must_use]
    pub fn side(self) -> Side {
        if self.calls() {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// Whether a queue lies between it and its other end.
    #[must_use]
    pub fn is_messaging(self) -> bool {
        matches!(self, Self::Producer | Self::Consumer)
    }
}

/// One end of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct End<'a> {
    /// Id of the span, or a hash of it that is as good within a trace.
    pub id: u64,
    /// The same of its parent; None for a root.
    pub parent: Option<u64>,
    pub role: Role,
    pub service: &'a str,
    /// Who it says is at the other end.
    pub peer: Option<(PeerKind, &'a str)>,
    pub failed: bool,
    /// How many spans it stands for.
    pub weight: f64,
    pub duration_ns: u64,
    /// When it ended, where that matters: of producers and consumers.
    pub end_unix_ns: u64,
    /// Beginning of the window of time that it counts in.
    pub window_ms: i64,
}
