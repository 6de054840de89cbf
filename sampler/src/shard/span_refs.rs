//! Where the spans of one trace are while it waits to be written: five numbers each, in as many bytes as the trace's largest of its kind needs, about 11 B a span.

use bus::Offset;
use telemetry::wire::SpanPlace;

use super::trace::SpanRef;

/// Spans of one trace, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanRefs {
    /// The first record that has one of them.
    first: Offset,
    /// Bytes of each number, in order. The length has one at least, so that the bytes tell how many spans there are.
    widths: [u8; NUMBERS],
    numbers: Box<[u8]>,
}

/// How far its record lies behind the first, and the four of its place.
const NUMBERS: usize = 5;

impl SpanRefs {
    pub fn new(spans: impl ExactSizeIterator<Item = SpanRef> + Clone) -> Self {
        let first = spans.clone().map(|span| span.offset).min();
        let first = first.unwrap_or(Offset(0));
        let mut bits = [0, 0, 0, 0, 1];
        for span in spans.clone() {
            let all = bits.iter_mut().zip(numbers(first, span));
            all.for_each(|(bits, number)| *bits |= number);
        }
        let widths = bits.map(|bits: u64| (u64::BITS - bits.leading_zeros()).div_ceil(8) as u8);
        let mut packed = Vec::with_capacity(spans.len() * stride(widths));
        for span in spans {
            for (number, width) in numbers(first, span).into_iter().zip(widths) {
                packed.extend(number.to_le_bytes().into_iter().take(width.into()));
            }
        }
        Self {
            first,
            widths,
            numbers: packed.into(),
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len() / stride(self.widths)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = SpanRef> {
        let spans = self.numbers.chunks_exact(stride(self.widths));
        spans.map(|packed| {
            let mut packed = packed.iter();
            let numbers = self.widths.map(|width| {
                let bytes = packed.by_ref().take(width.into()).zip(0..);
                bytes.fold(0, |number, (byte, nth)| {
                    number | u64::from(*byte) << (8 * nth)
                })
            });
            self.span(numbers)
        })
    }

    fn span(&self, [distance, resource_spans, scope_spans, start, len]: [u64; NUMBERS]) -> SpanRef {
        SpanRef {
            offset: Offset(self.first.0 + distance),
            place: SpanPlace {
                resource_spans_start: resource_spans as u32,
                scope_spans_start: scope_spans as u32,
                start: start as u32,
                len: len as u32,
            },
        }
    }
}

fn numbers(first: Offset, span: SpanRef) -> [u64; NUMBERS] {
    let place = span.place;
    [
        span.offset.0 - first.0,
        place.resource_spans_start.into(),
        place.scope_spans_start.into(),
        place.start.into(),
        place.len.into(),
    ]
}

/// Bytes of a span.
fn stride(widths: [u8; NUMBERS]) -> usize {
    widths.into_iter().map(usize::from).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn refs()(offset: u64, offset_shift in 0..64u32, numbers: [u32; 4], shift in 0..32u32) -> SpanRef {
            let [resource_spans_start, scope_spans_start, start, len] = numbers.map(|n| n >> shift);
            SpanRef {
                offset: Offset(offset >> offset_shift),
                place: SpanPlace { resource_spans_start, scope_spans_start, start, len },
            }
        }
    }

    proptest! {
        #[test]
        fn places_of_any_size_come_back_in_order(spans in prop::collection::vec(refs(), 0..20)) {
            let packed = SpanRefs::new(spans.iter().copied());
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), spans.clone());
            prop_assert_eq!((packed.len(), packed.is_empty()), (spans.len(), spans.is_empty()));
        }
    }

    #[test]
    fn a_span_takes_what_its_traces_largest_numbers_need() {
        let span = |offset: u64, start: u32| SpanRef {
            offset: Offset(offset),
            place: SpanPlace {
                resource_spans_start: 2,
                scope_spans_start: 300,
                start,
                len: 505,
            },
        };
        let spans = [span(1 << 40, 70_000), span((1 << 40) + 260_000, 400)];
        let packed = SpanRefs::new(spans.into_iter());
        assert_eq!(packed.widths, [3, 1, 2, 3, 2]);
        assert_eq!(packed.numbers.len(), 2 * 11);
    }
}
