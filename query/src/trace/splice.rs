//! Fields added to one span of encoded `TracesData`, everything else copied byte for byte.
//!
//! Protobuf lets a message be continued by appending: repeated fields grow, and of a single field the last value counts. So the span's own
//! bytes stay as they were sent, and only three lengths around it are written anew.

use std::ops::Range;

use telemetry::wire::SpanPlace;

/// Field numbers of the way down (opentelemetry-proto): `TracesData.resource_spans`, `ResourceSpans.scope_spans`, `ScopeSpans.spans`.
const WAY: [u64; 3] = [1, 2, 2];
/// Wire type of length-delimited fields.
const LENGTH_DELIMITED: u64 = 2;
/// Longest varint, in bytes.
const VARINT_BYTES_MAX: usize = 10;

/// `traces` with `addition` (encoded fields of a span) at the end of the span at `place`; none if no span is there.
pub(crate) fn add_to_span(traces: &[u8], place: SpanPlace, addition: &[u8]) -> Option<Vec<u8>> {
    let whole = 0..traces.len();
    let [resource_spans, scope_spans, span] = [
        place.resource_spans_start,
        place.scope_spans_start,
        place.start,
    ]
    .map(|at| at as usize);
    let outer = field_at(traces, whole.clone(), WAY[0], resource_spans)?;
    let middle = field_at(traces, outer.body.clone(), WAY[1], scope_spans)?;
    let inner = field_at(traces, middle.body.clone(), WAY[2], span)?;
    let span = [traces.get(inner.body.clone())?, addition].concat();
    let scope_spans = with_body(traces, middle.body.clone(), &inner, &span)?;
    let resource_spans = with_body(traces, outer.body.clone(), &middle, &scope_spans)?;
    with_body(traces, whole, &outer, &resource_spans)
}

/// The length-delimited field `number` within `around` whose body begins at `start`.
fn field_at(bytes: &[u8], around: Range<usize>, number: u64, start: usize) -> Option<Field> {
    fields(bytes, around)
        .find(|field| field.key == number << 3 | LENGTH_DELIMITED && field.body.start == start)
}

/// The message at `around` with another body for one of its fields.
fn with_body(bytes: &[u8], around: Range<usize>, field: &Field, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = bytes.get(around.start..field.start)?.to_vec();
    put_varint(&mut out, field.key);
    put_varint(&mut out, body.len() as u64);
    out.extend_from_slice(body);
    out.extend_from_slice(bytes.get(field.body.end..around.end)?);
    Some(out)
}

struct Field {
    key: u64,
    /// Where the key lies.
    start: usize,
    body: Range<usize>,
}

/// The fields of a message that lies at `around`; ends at the first that is damaged.
fn fields(bytes: &[u8], around: Range<usize>) -> impl Iterator<Item = Field> + '_ {
    let mut at = around.start;
    std::iter::from_fn(move || {
        let message = bytes.get(..around.end)?;
        let start = at;
        let key = take_varint(message, &mut at)?;
        let body = match key & 7 {
            0 => {
                let value = at;
                take_varint(message, &mut at)?;
                value..at
            }
            1 => at..at.checked_add(8)?,
            5 => at..at.checked_add(4)?,
            LENGTH_DELIMITED => {
                let len = usize::try_from(take_varint(message, &mut at)?).ok()?;
                at..at.checked_add(len)?
            }
            _ => return None,
        };
        message.get(body.clone())?;
        at = body.end;
        Some(Field { key, start, body })
    })
}

fn take_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value: u64 = 0;
    for i in 0..VARINT_BYTES_MAX {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{
        AnyValue, InstrumentationScope, KeyValue, any_value,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
    use prost::Message;
    use telemetry::wire::{TraceWalker, WalkLimits};

    use super::*;

    fn traces() -> TracesData {
        let attribute = |key: &str, value: String| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue {
                value: Some(any_value::Value::StringValue(value)),
            }),
            ..KeyValue::default()
        };
        let span = |i: u8| Span {
            trace_id: vec![7; 16],
            span_id: vec![i; 8],
            name: "x".repeat(usize::from(i) * 40),
            attributes: vec![attribute("a", "y".repeat(120))],
            ..Span::default()
        };
        let scope = |ids: [u8; 2]| ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "s".to_owned(),
                ..InstrumentationScope::default()
            }),
            spans: ids.map(span).to_vec(),
            schema_url: "after the spans".to_owned(),
        };
        let resource = |ids: [u8; 4]| ResourceSpans {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", "s".to_owned())],
                ..Resource::default()
            }),
            scope_spans: vec![scope([ids[0], ids[1]]), scope([ids[2], ids[3]])],
            schema_url: "after the scopes".to_owned(),
        };
        TracesData {
            resource_spans: vec![resource([1, 2, 3, 4]), resource([5, 6, 7, 8])],
        }
    }

    #[test]
    fn only_the_named_span_changes() {
        let before = traces();
        let bytes = before.encode_to_vec();
        let addition = Span {
            trace_state: "ot=th:8".to_owned(),
            ..Span::default()
        }
        .encode_to_vec();
        let mut walker = TraceWalker::new();
        let view = walker.walk(&bytes, &WalkLimits::trusted()).expect("valid");
        for (i, span) in view.spans().enumerate() {
            let changed = add_to_span(&bytes, span.place(), &addition).expect("the span is there");
            let mut expected = before.clone();
            expected.resource_spans[i / 4].scope_spans[i / 2 % 2].spans[i % 2].trace_state =
                "ot=th:8".to_owned();
            assert_eq!(
                TracesData::decode(changed.as_slice()).expect("valid"),
                expected,
                "span {i}"
            );
        }
    }

    #[test]
    fn a_place_without_a_span_is_none() {
        let bytes = traces().encode_to_vec();
        for place in [(0, 0, 0), (3, 3, 3), (u32::MAX, 1, 1)] {
            let place = SpanPlace {
                resource_spans_start: place.0,
                scope_spans_start: place.1,
                start: place.2,
                len: 1,
            };
            assert_eq!(add_to_span(&bytes, place, &[1]), None);
            assert_eq!(add_to_span(&bytes[..bytes.len() / 2], place, &[1]), None);
        }
    }
}
