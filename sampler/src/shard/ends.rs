//! The ends of calls in open traces: 17 B for each client, server, producer and consumer span, until its trace is decided.
//!
//! In: spans, as they are folded. Out, at the decision: what the edges of the trace are counted from. What many ends share (service, peer, window) is
//! their symbol; a symbol goes with the last end that has it, so the space is a function of what is open.

mod symbol;

use service_map::edge::{self, End, Role};
use telemetry::RecordTime;
use telemetry::wire::SpanView;

use super::pages::Pages;
use super::trace::{OpenTrace, id_tag};
use crate::red::{self, service_of, window_of};
use symbol::{Said, Symbols};

/// Slots that one link of a trace's list holds.
const CHUNK: usize = 4;
/// No end: the place is free.
const FREE: u32 = u32::MAX;
/// No end: when the one before it ended.
const TIME: u32 = u32::MAX - 1;

/// What a slot takes, links included, in bytes.
pub(super) const SLOT_BYTES: u64 = (size_of::<Chunk>() / CHUNK) as u64;

/// An end, or the time of the one before it.
#[derive(Debug, Clone, Copy)]
struct Slot {
    symbol: u32,
    /// Tag of the parent; its symbol says whether there is one.
    parent_tag: u32,
    /// Duration in ns, or a time in ns since the epoch; halves, so that a slot can lie anywhere.
    ns: [u32; 2],
}

const NO_SLOT: Slot = Slot {
    symbol: FREE,
    parent_tag: 0,
    ns: [0; 2],
};

#[derive(Debug, Clone, Copy)]
struct Chunk {
    slots: [Slot; CHUNK],
    /// The link before this one, plus 1; 0 for the first.
    before: u32,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            slots: [NO_SLOT; CHUNK],
            before: 0,
        }
    }
}

/// The ends of all open traces of a shard: a chunked list for each, the newest first.
#[derive(Debug, Default)]
pub(super) struct Ends {
    chunks: Pages<Chunk>,
    symbols: Symbols,
    /// Slots beyond one a span.
    n_times: u64,
    /// A peer's name, while its symbol is looked up.
    name: String,
}

/// An end that was taken out of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TakenEnd {
    symbol: u32,
    parent_tag: u32,
    duration_ns: u64,
    end_unix_ns: u64,
}

impl Ends {
    /// Remembers what a span says of its call, if it is an end of one.
    pub(super) fn push(
        &mut self,
        trace: &mut OpenTrace,
        span: &SpanView<'_>,
        t: RecordTime,
        historic: bool,
    ) {
        let Some(role) = Role::of(span.kind()) else {
            return;
        };
        let read = edge::read(span, role, &mut self.name);
        let parent = span.parent_span_id();
        let symbol = self.symbols.add(Said {
            service: service_of(span),
            role,
            peer: read.peer.map(|kind| (kind, self.name.as_str())),
            failed: read.failed,
            is_root: parent.is_none(),
            weight_bits: red::weight(span.trace_state()).to_bits(),
            window_ms: window_of(span, t, historic),
        });
        self.push_slot(
            trace,
            Slot {
                symbol,
                parent_tag: parent.map_or(0, id_tag),
                ns: halves(span.duration_ns()),
            },
        );
        if role.is_messaging() {
            self.n_times += 1;
            let ended = Slot {
                symbol: TIME,
                ns: halves(span.end_unix_ns()),
                ..NO_SLOT
            };
            self.push_slot(trace, ended);
        }
    }

    fn push_slot(&mut self, trace: &mut OpenTrace, slot: Slot) {
        if let Some(newest) = trace.ends.checked_sub(1) {
            let slots = &mut self.chunks.get_mut(newest).slots;
            if let Some(free) = slots.iter_mut().find(|slot| slot.symbol == FREE) {
                *free = slot;
                return;
            }
        }
        let mut chunk = Chunk {
            before: trace.ends,
            ..Chunk::default()
        };
        if let Some(first) = chunk.slots.first_mut() {
            *first = slot;
        }
        trace.ends = self.chunks.insert(chunk) + 1;
    }

    /// Takes the ends of a trace out, in the order in which they came. Their symbols stay until [`Ends::forget`].
    pub(super) fn take(&mut self, trace: &OpenTrace) -> Vec<TakenEnd> {
        let mut chunks = Vec::new();
        let mut link = trace.ends;
        while let Some(number) = link.checked_sub(1) {
            let chunk = self.chunks.remove(number);
            link = chunk.before;
            chunks.push(chunk.slots);
        }
        let mut ends: Vec<TakenEnd> = Vec::with_capacity(chunks.len() * CHUNK);
        for slot in chunks.into_iter().rev().flatten() {
            match slot.symbol {
                FREE => {}
                TIME => {
                    self.n_times -= 1;
                    if let Some(last) = ends.last_mut() {
                        last.end_unix_ns = whole(slot.ns);
                    }
                }
                symbol => ends.push(TakenEnd {
                    symbol,
                    parent_tag: slot.parent_tag,
                    duration_ns: whole(slot.ns),
                    end_unix_ns: 0,
                }),
            }
        }
        ends
    }

    /// What an end says, of the span with this tag.
    pub(super) fn end(&self, id_tag: u32, taken: &TakenEnd) -> End<'_> {
        let said = self.symbols.get(taken.symbol);
        End {
            id: u64::from(id_tag),
            parent: (!said.is_root).then_some(u64::from(taken.parent_tag)),
            role: said.role,
            service: said.service,
            peer: said.peer,
            failed: said.failed,
            weight: f64::from_bits(said.weight_bits),
            duration_ns: taken.duration_ns,
            end_unix_ns: taken.end_unix_ns,
            window_ms: said.window_ms,
        }
    }

    pub(super) fn forget(&mut self, taken: &[TakenEnd]) {
        for end in taken {
            self.symbols.release(end.symbol);
        }
    }

    /// Memory that the formula counts beside what it counts for traces and spans.
    pub(super) fn bytes(&self) -> u64 {
        self.symbols.bytes() + self.n_times * SLOT_BYTES
    }
}

fn halves(ns: u64) -> [u32; 2] {
    [(ns >> 32) as u32, ns as u32]
}

fn whole([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
