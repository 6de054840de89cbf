//! The ends of calls in open traces: 8 to 24 B for each client, server, producer and consumer span, until its trace is decided.
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

/// Words that one link of a trace's list holds.
const WORDS: usize = 7;
/// Low bits of a link that tell how many words it has.
const COUNT_BITS: u32 = 3;
/// Set in the word of a symbol: the duration has two words, the high one first.
const IS_LONG: u32 = 1 << 31;

/// Words that most ends have at least.
const USUAL_WORDS: usize = 2;
/// Words of an end that the formula counts with its span.
const WORDS_OF_SPAN: u64 = 4;
/// What a word takes, links included, in bytes, rounded up.
const WORD_BYTES: u64 = (size_of::<Chunk>() as u64).div_ceil(WORDS as u64);
/// What the formula counts with each span for its end.
pub(super) const END_BYTES: u64 = WORDS_OF_SPAN * WORD_BYTES;

/// A link of a list. An end is its symbol, its duration in ns, the tag of its parent if it answers one, and in ns since the epoch when it ended if a
/// queue lies between it and its other end.
#[derive(Debug, Clone, Copy, Default)]
struct Chunk {
    words: [u32; WORDS],
    /// The link before this one, plus 1, or 0 for the first; and how many words this one has.
    before_and_n: u32,
}

impl Chunk {
    fn after(before: u32) -> Self {
        Self {
            before_and_n: before << COUNT_BITS,
            ..Self::default()
        }
    }

    fn before(&self) -> u32 {
        self.before_and_n >> COUNT_BITS
    }

    fn n(&self) -> usize {
        (self.before_and_n & ((1 << COUNT_BITS) - 1)) as usize
    }

    /// False if it is full.
    fn push(&mut self, word: u32) -> bool {
        let n = self.n();
        let free = self.words.get_mut(n);
        if let Some(free) = free {
            *free = word;
            self.before_and_n += 1;
            return true;
        }
        false
    }
}

/// The ends of all open traces of a shard: a chunked list for each, the newest first.
#[derive(Debug, Default)]
pub(super) struct Ends {
    chunks: Pages<Chunk>,
    symbols: Symbols,
    /// Words beyond those that the formula counts with each span.
    n_more: u64,
    /// A peer's name, while its symbol is looked up.
    name: String,
    /// Links of a trace, while its ends are taken out.
    taken: Vec<Chunk>,
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
        let said = Said {
            service: service_of(span),
            role,
            peer: read.peer.map(|kind| (kind, self.name.as_str())),
            failed: read.failed,
            is_root: parent.is_none(),
            weight_bits: red::weight(span.trace_state()).to_bits(),
            window_ms: window_of(span, t, historic),
        };
        let symbol = self.symbols.add(said);
        let shape = Shape::of(&said, span.duration_ns());
        self.n_more += shape.n_more();
        let (high, duration) = halves(span.duration_ns());
        let long = shape.is_long.then_some(high);
        let parent = parent.filter(|_| shape.has_parent).map(id_tag);
        let (ended_high, ended) = halves(span.end_unix_ns());
        let ended = [ended_high, ended].into_iter().filter(|_| shape.has_time);
        let symbol = symbol | (u32::from(shape.is_long) * IS_LONG);
        let words = [Some(symbol), long, Some(duration), parent];
        for word in words.into_iter().flatten().chain(ended) {
            self.push_word(trace, word);
        }
    }

    fn push_word(&mut self, trace: &mut OpenTrace, word: u32) {
        let newest = trace.ends.checked_sub(1);
        if newest.is_some_and(|newest| self.chunks.get_mut(newest).push(word)) {
            return;
        }
        let mut chunk = Chunk::after(trace.ends);
        chunk.push(word);
        let number = self.chunks.insert(chunk) + 1;
        assert!(
            number < u32::MAX >> COUNT_BITS,
            "fewer than 2^29 links, 17 GB, fit into memory"
        );
        trace.ends = number;
    }

    /// Takes the ends of a trace out, in the order in which they came. Their symbols stay until [`Ends::forget`].
    pub(super) fn take(&mut self, trace: &OpenTrace) -> Vec<TakenEnd> {
        let mut chunks = std::mem::take(&mut self.taken);
        let mut link = trace.ends;
        while let Some(number) = link.checked_sub(1) {
            let chunk = self.chunks.remove(number);
            link = chunk.before();
            chunks.push(chunk);
        }
        let words_of = |chunk: &Chunk| {
            let n = chunk.n();
            chunk.words.into_iter().take(n)
        };
        let mut words = chunks.iter().rev().flat_map(words_of);
        let mut ends = Vec::with_capacity(chunks.len() * WORDS / USUAL_WORDS);
        while let Some(symbol) = words.next() {
            let end = self.read(symbol, &mut words);
            ends.push(end);
        }
        chunks.clear();
        self.taken = chunks;
        ends
    }

    /// An end whose first word was read.
    fn read(&mut self, symbol: u32, words: &mut impl Iterator<Item = u32>) -> TakenEnd {
        let mut word = || words.next().unwrap_or_default();
        let is_long = symbol & IS_LONG != 0;
        let symbol = symbol & !IS_LONG;
        let shape = Shape {
            is_long,
            ..Shape::of(&self.symbols.get(symbol).said(), 0)
        };
        self.n_more -= shape.n_more();
        let mut number = |is_long: bool| match is_long {
            true => u64::from(word()) << 32 | u64::from(word()),
            false => u64::from(word()),
        };
        TakenEnd {
            symbol,
            duration_ns: number(is_long),
            parent_tag: if shape.has_parent {
                number(false) as u32
            } else {
                0
            },
            end_unix_ns: if shape.has_time { number(true) } else { 0 },
        }
    }

    /// What an end says, of the span with this tag.
    pub(super) fn end(&self, id_tag: u32, taken: &TakenEnd) -> End<'_> {
        let symbol = self.symbols.get(taken.symbol);
        let said = symbol.said();
        End {
            id: u64::from(id_tag),
            parent: (!said.is_root).then_some(u64::from(taken.parent_tag)),
            role: said.role,
            service: symbol.service(),
            peer: said.peer,
            failed: said.failed,
            weight: f64::from_bits(said.weight_bits),
            duration_ns: taken.duration_ns,
            end_unix_ns: taken.end_unix_ns,
            window_ms: said.window_ms,
        }
    }

    pub(super) fn forget<'t>(&mut self, taken: impl IntoIterator<Item = &'t TakenEnd>) {
        for end in taken {
            self.symbols.release(end.symbol);
        }
    }

    /// Memory that the formula counts beside what it counts for traces and spans.
    pub(super) fn bytes(&self) -> u64 {
        self.symbols.bytes() + self.n_more * WORD_BYTES
    }
}

/// Which words an end has.
#[derive(Debug, Clone, Copy)]
struct Shape {
    is_long: bool,
    has_parent: bool,
    has_time: bool,
}

impl Shape {
    fn of(said: &Said<'_>, duration_ns: u64) -> Self {
        Self {
            is_long: duration_ns > u64::from(u32::MAX),
            // who calls is found by its own id
            has_parent: !said.role.calls() && !said.is_root,
            has_time: said.role.is_messaging(),
        }
    }

    /// Words beyond those that the formula counts with the span.
    fn n_more(self) -> u64 {
        let n_words =
            2 + u64::from(self.is_long) + u64::from(self.has_parent) + 2 * u64::from(self.has_time);
        n_words.saturating_sub(WORDS_OF_SPAN)
    }
}

fn halves(ns: u64) -> (u32, u32) {
    ((ns >> 32) as u32, ns as u32)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
    use proptest::prelude::*;
    use prost::Message;
    use telemetry::wire::{TraceWalker, WalkLimits};

    use super::*;

    /// Kind, whether it has a parent, duration.
    fn spans() -> impl Strategy<Value = Vec<(i32, bool, u64)>> {
        let duration = prop_oneof![
            0..10_000_000_000u64,
            Just(u64::from(u32::MAX)),
            0..1u64 << 50
        ];
        prop::collection::vec((0..6i32, any::<bool>(), duration), 0..30)
    }

    fn encode(spans: &[(i32, bool, u64)]) -> Vec<u8> {
        let span = |(n, (kind, has_parent, duration_ns)): (u64, &(i32, bool, u64))| Span {
            trace_id: vec![1; 16],
            span_id: (n + 1).to_be_bytes().to_vec(),
            parent_span_id: if *has_parent { vec![7; 8] } else { Vec::new() },
            kind: *kind,
            start_time_unix_nano: 1_700_000_000_000_000_000,
            end_time_unix_nano: 1_700_000_000_000_000_000 + duration_ns,
            ..Span::default()
        };
        let spans = (0..).zip(spans).map(span).collect();
        let scope_spans = vec![ScopeSpans {
            spans,
            ..ScopeSpans::default()
        }];
        let resource_spans = vec![ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        }];
        TracesData { resource_spans }.encode_to_vec()
    }

    proptest! {
        #[test]
        fn ends_come_back_as_they_were_and_leave_nothing(spans in spans()) {
            let bytes = encode(&spans);
            let mut walker = TraceWalker::new();
            let view = walker.walk(&bytes, &WalkLimits::trusted()).expect("valid");
            let (mut ends, mut trace) = (Ends::default(), OpenTrace::default());
            for span in view.spans() {
                ends.push(&mut trace, &span, RecordTime::default(), true);
            }
            let taken = ends.take(&trace);
            let sent: Vec<_> = view
                .spans()
                .filter_map(|span| Some((Role::of(span.kind())?, span)))
                .collect();
            prop_assert_eq!(taken.len(), sent.len());
            for (taken, (role, span)) in taken.iter().zip(sent) {
                let end = ends.end(id_tag(span.span_id()), taken);
                let tag = |id| u64::from(id_tag(id));
                prop_assert_eq!(end.role, role);
                prop_assert_eq!(end.duration_ns, span.duration_ns());
                if !role.calls() {
                    prop_assert_eq!(end.parent, span.parent_span_id().map(tag));
                }
                if role.is_messaging() {
                    prop_assert_eq!(end.end_unix_ns, span.end_unix_ns());
                }
            }
            ends.forget(&taken);
            prop_assert_eq!(ends.bytes(), 0);
        }
    }
}
