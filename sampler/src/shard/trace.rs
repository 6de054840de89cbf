//! An open trace: where its spans are and what the rules need to know of it. Never a byte of a span.

use std::collections::VecDeque;

use bus::Offset;
use telemetry::wire::SpanPlace;
use telemetry::{SpanId, TraceId};
use xxhash_rust::xxh3::xxh3_64;

use super::ends::END_BYTES;
use super::pages::Pages;
use super::{SPAN_BYTES, Settled, TRACE_BYTES};
use crate::policy::Extras;
use crate::policy::facts::Bits;

/// A trace that is not decided.
#[derive(Debug, Default)]
pub(super) struct OpenTrace {
    pub(super) id: TraceId,
    /// Number of the tenant in this shard.
    pub(super) tenant: u32,
    /// τ of the first span, in ms.
    pub(super) first_ms: u64,
    /// From the first span to the last that came, in ms of τ.
    pub(super) last_after_ms: u32,
    /// Of all span bodies; stops at 4 GiB.
    pub(super) bytes: u32,
    pub(super) start_min_unix_ns: u64,
    pub(super) end_max_unix_ns: u64,
    pub(super) n_spans: u32,
    pub(super) error_count: u32,
    /// Last link of its references; the first follows it.
    pub(super) tail: u32,
    /// Last link of its ends of calls, plus 1; 0 if it has none.
    pub(super) ends: u32,
    pub(super) bits: Bits,
    pub(super) extras: Option<Box<Extras>>,
    /// Slot of the policy in force at the first span.
    pub(super) policy: u16,
    pub(super) has_root: bool,
    pub(super) settled: Option<Settled>,
}

const _: () = assert!(
    size_of::<OpenTrace>() as u64 <= TRACE_BYTES,
    "the memory formula counts 96 B a trace"
);
const _: () = assert!(
    (size_of::<Chunk>() / CHUNK + size_of::<Group>()) as u64 + END_BYTES <= SPAN_BYTES,
    "and 60 B a span"
);

/// Where a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanRef {
    /// Record that holds it.
    pub offset: Offset,
    pub place: SpanPlace,
}

/// A span's place and identity: 16 B. What spans of one record and scope share is in their group.
#[derive(Debug, Clone, Copy, Default)]
struct PackedRef {
    group: u32,
    range: PackedRange,
    identity: Identity,
}

/// Where in its record a span lies, in 4 B: 20 bits of its start and 11 of its length. One that is longer or lies farther back has its number in
/// [`Refs::far`] instead.
#[derive(Debug, Clone, Copy, Default)]
struct PackedRange(u32);

/// Start and length of a span's body.
type Range = (u32, u32);

const START_BITS: u32 = 20;
const LEN_BITS: u32 = 11;
const IS_FAR: u32 = 1 << 31;

impl PackedRange {
    /// None if it needs more bits.
    fn near((start, len): Range) -> Option<Self> {
        let fits = start < 1 << START_BITS && len < 1 << LEN_BITS;
        fits.then_some(Self(len << START_BITS | start))
    }

    fn as_near(self) -> Range {
        (self.0 & ((1 << START_BITS) - 1), self.0 >> START_BITS)
    }

    /// Its number among those that lie apart.
    fn far(self) -> Option<u32> {
        (self.0 & IS_FAR != 0).then_some(self.0 & !IS_FAR)
    }
}

/// What a range that lies apart takes, and its place among the free ones once it is given back, in bytes.
const FAR_BYTES: u64 = (size_of::<Range>() + size_of::<u32>()) as u64;

/// 32 bits of a hash of a span's id: as good as the id within a trace.
pub(super) fn id_tag(id: SpanId) -> u32 {
    xxh3_64(&id.0) as u32
}

/// What makes a span equal to another of its trace: the tag of its id, by which variants are counted, and 31 bits of xxh3-64 of its bytes. The last bit tells whether
/// it is an end of a call, which equal bytes tell alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Identity {
    pub(super) id_tag: u32,
    content: u32,
}

impl Identity {
    pub(super) fn new(id_tag: u32, content: u64, is_end: bool) -> Self {
        Self {
            id_tag,
            content: content as u32 & !1 | u32::from(is_end),
        }
    }

    /// Whether the span is an end of a call.
    pub(super) fn is_end(self) -> bool {
        self.content & 1 == 1
    }
}

/// References that one link of a trace's list holds.
const CHUNK: usize = 4;

#[derive(Debug, Clone, Copy, Default)]
struct Chunk {
    refs: [PackedRef; CHUNK],
    next: u32,
}

/// What spans that came in one record under one scope share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    offset: Offset,
    resource_spans_start: u32,
    scope_spans_start: u32,
}

/// The references of all open traces of a shard: a chunked list for each.
#[derive(Debug, Default)]
pub(super) struct Refs {
    chunks: Pages<Chunk>,
    far: Pages<Range>,
    n_far: u64,
    /// In order of offset.
    groups: VecDeque<Group>,
    /// Count of the first of `groups` since the beginning, modulo 2^32.
    first_group: u32,
}

impl Refs {
    pub(super) fn push(&mut self, trace: &mut OpenTrace, at: SpanRef, identity: Identity) {
        let packed = PackedRef {
            group: self.group(at),
            range: self.pack((at.place.start, at.place.len)),
            identity,
        };
        let place = trace.n_spans as usize % CHUNK;
        if place == 0 {
            let chunk = self.chunks.insert(Chunk::default());
            let last = if trace.n_spans == 0 {
                chunk
            } else {
                trace.tail
            };
            // the last link leads to the first
            let first = std::mem::replace(&mut self.chunks.get_mut(last).next, chunk);
            if trace.n_spans > 0 {
                self.chunks.get_mut(chunk).next = first;
            }
            trace.tail = chunk;
        }
        if let Some(free) = self.chunks.get_mut(trace.tail).refs.get_mut(place) {
            *free = packed;
        }
        trace.n_spans += 1;
    }

    fn pack(&mut self, range: Range) -> PackedRange {
        if let Some(near) = PackedRange::near(range) {
            return near;
        }
        self.n_far += 1;
        let number = self.far.insert(range);
        assert!(
            number < IS_FAR,
            "fewer than 2^31 spans of over 2 KB, 4 TB, fit into memory and log"
        );
        PackedRange(number | IS_FAR)
    }

    fn unpack_range(&self, packed: PackedRange) -> Range {
        match packed.far() {
            Some(number) => *self.far.get(number),
            None => packed.as_near(),
        }
    }

    fn group(&mut self, at: SpanRef) -> u32 {
        let group = Group {
            offset: at.offset,
            resource_spans_start: at.place.resource_spans_start,
            scope_spans_start: at.place.scope_spans_start,
        };
        if self.groups.back() != Some(&group) {
            self.groups.push_back(group);
        }
        self.first_group.wrapping_add(self.groups.len() as u32 - 1)
    }

    /// The references of a trace, in the order in which its spans came.
    pub(super) fn of(&self, trace: &OpenTrace) -> impl Iterator<Item = (SpanRef, Identity)> {
        self.packed(trace)
            .map(|packed| (self.unpack(packed), packed.identity))
    }

    /// What makes its spans equal or not, in the same order.
    pub(super) fn identities(&self, trace: &OpenTrace) -> impl Iterator<Item = Identity> {
        self.packed(trace).map(|packed| packed.identity)
    }

    fn packed(&self, trace: &OpenTrace) -> impl Iterator<Item = PackedRef> {
        let mut chunk = trace.tail;
        (0..trace.n_spans as usize).map(move |n| {
            if n % CHUNK == 0 {
                chunk = self.chunks.get(chunk).next;
            }
            let refs = &self.chunks.get(chunk).refs;
            refs.get(n % CHUNK).copied().unwrap_or_default()
        })
    }

    fn unpack(&self, packed: PackedRef) -> SpanRef {
        let place = packed.group.wrapping_sub(self.first_group) as usize;
        let group = self
            .groups
            .get(place)
            .expect("a group stays while a span of it is open");
        let (start, len) = self.unpack_range(packed.range);
        let place = SpanPlace {
            resource_spans_start: group.resource_spans_start,
            scope_spans_start: group.scope_spans_start,
            start,
            len,
        };
        SpanRef {
            offset: group.offset,
            place,
        }
    }

    /// Memory that the formula counts beside what it counts for spans.
    pub(super) fn bytes(&self) -> u64 {
        self.n_far * FAR_BYTES
    }

    /// Gives back what a trace held.
    pub(super) fn free(&mut self, trace: &OpenTrace) {
        if trace.n_spans == 0 {
            return;
        }
        let mut chunk = self.chunks.get(trace.tail).next;
        for _ in 0..(trace.n_spans as usize).div_ceil(CHUNK) {
            let removed = self.chunks.remove(chunk);
            for number in removed.refs.iter().filter_map(|it| it.range.far()) {
                self.far.remove(number);
                self.n_far -= 1;
            }
            chunk = removed.next;
        }
    }

    /// Forgets groups of records before `oldest`, to which no open trace refers.
    pub(super) fn forget_before(&mut self, oldest: Offset) {
        while self
            .groups
            .front()
            .is_some_and(|group| group.offset < oldest)
        {
            self.groups.pop_front();
            self.first_group = self.first_group.wrapping_add(1);
        }
    }
}

/// Most spans of different content under one id; further ones count as duplicates.
const VARIANTS_MAX: usize = 8;

/// Which spans stay: those that are not equal to an earlier one. None if all do.
pub(super) fn distinct(identities: impl Iterator<Item = Identity>) -> Option<Vec<bool>> {
    let mut order: Vec<(Identity, u32)> = identities.zip(0u32..).collect();
    order.sort_unstable();
    if order
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.0.id_tag != b.0.id_tag))
    {
        return None;
    }
    let mut keep = vec![false; order.len()];
    for same_id in order.chunk_by(|a, b| a.0.id_tag == b.0.id_tag) {
        let mut firsts: Vec<u32> = same_id
            .chunk_by(|a, b| a.0 == b.0)
            .filter_map(|equal| Some(equal.first()?.1))
            .collect();
        firsts.sort_unstable();
        for first in firsts.into_iter().take(VARIANTS_MAX) {
            if let Some(keep) = keep.get_mut(first as usize) {
                *keep = true;
            }
        }
    }
    Some(keep)
}

/// Drops those that do not stay, in place. Returns how many.
pub(super) fn retain<T>(things: &mut Vec<T>, stays: &[bool]) -> u32 {
    let n_before = things.len();
    let mut stays = stays.iter();
    things.retain(|_| stays.next().copied().unwrap_or(true));
    u32::try_from(n_before - things.len()).expect("a trace has fewer than 2^32 spans")
}

/// Drops spans that are equal to an earlier one, in place. Returns how many.
pub(super) fn collapse(spans: &mut Vec<(SpanRef, Identity)>) -> u32 {
    let stays = distinct(spans.iter().map(|(_, identity)| *identity));
    stays.map_or(0, |stays| retain(spans, &stays))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64, scope: u32, start: u32) -> SpanRef {
        let place = SpanPlace {
            resource_spans_start: 2,
            scope_spans_start: scope,
            start,
            len: 10,
        };
        SpanRef {
            offset: Offset(offset),
            place,
        }
    }

    #[test]
    fn places_of_any_size_come_back_and_large_ones_count() {
        let (mut refs, mut trace) = (Refs::default(), OpenTrace::default());
        let ranges = [
            (0, 0),
            ((1 << 20) - 1, (1 << 11) - 1),
            (1 << 20, 0),
            (0, 1 << 11),
            (u32::MAX, u32::MAX),
        ];
        for (start, len) in ranges {
            let mut at = at(1, 1, start);
            at.place.len = len;
            refs.push(&mut trace, at, Identity::default());
        }
        let found = refs
            .of(&trace)
            .map(|(at, _)| (at.place.start, at.place.len));
        assert_eq!(found.collect::<Vec<_>>(), ranges);
        assert_eq!(refs.bytes(), 3 * FAR_BYTES);
        refs.free(&trace);
        assert_eq!(refs.bytes(), 0);
    }

    #[test]
    fn references_come_back_in_order_and_their_space_is_used_again() {
        let mut refs = Refs::default();
        let mut traces: Vec<OpenTrace> = (0..5).map(|_| OpenTrace::default()).collect();
        for n in 0..60 {
            let trace = &mut traces[n as usize % 5];
            refs.push(
                trace,
                at(n / 7, (n % 3) as u32, n as u32),
                Identity::new(n as u32, n, false),
            );
        }
        for (i, trace) in traces.iter().enumerate() {
            let expected: Vec<SpanRef> = (0..60)
                .filter(|n| n % 5 == i as u64)
                .map(|n| at(n / 7, (n % 3) as u32, n as u32))
                .collect();
            assert_eq!(
                refs.of(trace).map(|(at, _)| at).collect::<Vec<_>>(),
                expected
            );
        }
        let n_chunks = refs.chunks.iter().count();
        refs.free(&traces[0]);
        let mut again = OpenTrace::default();
        for n in 0..12 {
            refs.push(&mut again, at(100, 0, n), Identity::default());
        }
        assert_eq!(refs.chunks.iter().count(), n_chunks);
        assert_eq!(refs.of(&again).count(), 12);
    }

    #[test]
    fn equal_spans_collapse_and_more_than_eight_variants_are_duplicates() {
        let span =
            |id: u32, content: u64, n: u32| (at(1, 1, n), Identity::new(id, content << 1, false));
        let mut spans = vec![span(1, 1, 0), span(2, 1, 1), span(1, 1, 2), span(1, 2, 3)];
        assert_eq!(collapse(&mut spans), 1);
        assert_eq!(
            spans
                .iter()
                .map(|(at, _)| at.place.start)
                .collect::<Vec<_>>(),
            [0, 1, 3]
        );
        let mut variants: Vec<_> = (0..20).map(|n| span(7, u64::from(19 - n), n)).collect();
        assert_eq!(collapse(&mut variants), 12);
        assert_eq!(
            variants
                .iter()
                .map(|(at, _)| at.place.start)
                .collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5, 6, 7]
        );
    }
}
