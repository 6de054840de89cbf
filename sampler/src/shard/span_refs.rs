//! Where the spans of one trace are while it waits to be decided, or to be written: 16 B a span.

use bus::Offset;
use telemetry::wire::SpanPlace;

use super::trace::SpanRef;

/// Spans of one trace, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanRefs(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Of each, 40 bits of how far its record lies behind the first, then 22 bits of each number of its place.
    Packed { first: Offset, spans: Box<[u128]> },
    /// Records that are larger or lie further apart than these bits can say; none that the log takes today.
    Plain(Box<[SpanRef]>),
}

const PLACE_BITS: u32 = 22;
const DISTANCE_BITS: u32 = 40;
const _: () = assert!(4 * PLACE_BITS + DISTANCE_BITS == u128::BITS);

impl SpanRefs {
    pub fn new(spans: impl ExactSizeIterator<Item = SpanRef> + Clone) -> Self {
        let first = spans.clone().map(|span| span.offset).min();
        let first = first.unwrap_or(Offset(0));
        let mut packed = Vec::with_capacity(spans.len());
        for span in spans.clone() {
            let Some(span) = pack(first, span) else {
                return Self(Form::Plain(spans.collect()));
            };
            packed.push(span);
        }
        let spans = packed.into();
        Self(Form::Packed { first, spans })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed { spans, .. } => spans.len(),
            Form::Plain(spans) => spans.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = SpanRef> {
        let (first, packed, plain) = match &self.0 {
            Form::Packed { first, spans } => (*first, &**spans, &[][..]),
            Form::Plain(spans) => (Offset(0), &[][..], &**spans),
        };
        let packed = packed.iter().map(move |span| unpack(first, *span));
        packed.chain(plain.iter().copied())
    }
}

/// None if a number needs more bits.
fn pack(first: Offset, span: SpanRef) -> Option<u128> {
    let place = span.place;
    let distance = span.offset.0.checked_sub(first.0)?;
    let numbers = [
        place.resource_spans_start,
        place.scope_spans_start,
        place.start,
        place.len,
    ];
    let fits = distance < 1 << DISTANCE_BITS && numbers.iter().all(|n| *n < 1 << PLACE_BITS);
    let add = |packed: u128, n: u32| packed << PLACE_BITS | u128::from(n);
    fits.then(|| numbers.into_iter().fold(u128::from(distance), add))
}

fn unpack(first: Offset, span: u128) -> SpanRef {
    let number = |n: u32| (span >> (n * PLACE_BITS)) as u32 & ((1 << PLACE_BITS) - 1);
    SpanRef {
        offset: Offset(first.0 + (span >> (4 * PLACE_BITS)) as u64),
        place: SpanPlace {
            resource_spans_start: number(3),
            scope_spans_start: number(2),
            start: number(1),
            len: number(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spans: &[(u64, [u32; 4])], is_packed: bool) {
        let span = |(offset, [resource, scope, start, len]): (u64, [u32; 4])| SpanRef {
            offset: Offset(offset),
            place: SpanPlace {
                resource_spans_start: resource,
                scope_spans_start: scope,
                start,
                len,
            },
        };
        let spans: Vec<SpanRef> = spans.iter().copied().map(span).collect();
        let refs = SpanRefs::new(spans.iter().copied());
        assert_eq!(matches!(refs.0, Form::Packed { .. }), is_packed);
        assert_eq!(refs.iter().collect::<Vec<_>>(), spans);
        assert_eq!(
            (refs.len(), refs.is_empty()),
            (spans.len(), spans.is_empty())
        );
    }

    #[test]
    fn places_come_back_and_those_that_need_more_bits_are_held_as_they_are() {
        const PLACE_MAX: u32 = (1 << PLACE_BITS) - 1;
        const FAR: u64 = u64::MAX - (1 << DISTANCE_BITS);
        check(&[], true);
        check(&[(7, [1, 2, 3, 4]), (5, [4, 3, 2, 1])], true);
        check(&[(FAR + 1, [PLACE_MAX; 4]), (u64::MAX, [0; 4])], true);
        check(&[(FAR, [0; 4]), (u64::MAX, [0; 4])], false);
        for n in 0..4 {
            let mut numbers = [0; 4];
            numbers[n] = PLACE_MAX + 1;
            check(&[(1, [0; 4]), (1, numbers)], false);
        }
    }
}
