//! Requests and damage to them, made up by a seed.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};

/// A small generator of numbers (SplitMix64), so that a seed names a case for ever.
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn text(&mut self) -> String {
        const TEXTS: &[&str] = &[
            "",
            "a",
            "http.request.method",
            "GET",
            "ключ",
            "𝄞 clef",
            "line\n\0\u{1b}[0m",
            "x=1,y=2",
        ];
        let text = TEXTS[self.below(TEXTS.len())];
        let n_repeats = if self.one_in(20) { 100 } else { 1 };
        text.repeat(n_repeats)
    }

    pub(crate) fn many<T>(&mut self, n_max: usize, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        let n = self.below(n_max + 1);
        (0..n).map(|_| make(self)).collect()
    }
}

pub(crate) fn traces(seed: &mut Seed) -> TracesData {
    TracesData {
        resource_spans: seed.many(3, resource_spans),
    }
}

fn resource_spans(seed: &mut Seed) -> ResourceSpans {
    ResourceSpans {
        resource: (!seed.one_in(5)).then(|| resource(seed)),
        scope_spans: seed.many(3, scope_spans),
        schema_url: seed.text(),
    }
}

pub(crate) fn resource(seed: &mut Seed) -> Resource {
    let mut attributes = seed.many(4, |seed| attribute(seed, 2));
    if seed.one_in(2) {
        attributes.push(KeyValue {
            key: "service.name".to_owned(),
            value: Some(AnyValue {
                value: Some(Value::StringValue("shop".to_owned())),
            }),
            ..KeyValue::default()
        });
    }
    Resource {
        attributes,
        dropped_attributes_count: seed.below(3) as u32,
        entity_refs: seed.many(1, |seed| EntityRef {
            schema_url: seed.text(),
            r#type: seed.text(),
            id_keys: seed.many(2, Seed::text),
            description_keys: seed.many(2, Seed::text),
        }),
    }
}

pub(crate) fn scope(seed: &mut Seed) -> InstrumentationScope {
    InstrumentationScope {
        name: seed.text(),
        version: seed.text(),
        attributes: seed.many(2, |seed| attribute(seed, 2)),
        dropped_attributes_count: seed.below(2) as u32,
    }
}

fn scope_spans(seed: &mut Seed) -> ScopeSpans {
    ScopeSpans {
        scope: (!seed.one_in(5)).then(|| scope(seed)),
        spans: seed.many(4, span),
        schema_url: seed.text(),
    }
}

fn span(seed: &mut Seed) -> Span {
    let id = |seed: &mut Seed, len: usize| {
        let wrong_len = if seed.one_in(30) { 3 } else { len };
        if seed.one_in(40) {
            vec![0; len]
        } else {
            seed.bytes(wrong_len)
        }
    };
    Span {
        trace_id: id(seed, 16),
        span_id: id(seed, 8),
        trace_state: seed.text(),
        parent_span_id: if seed.one_in(2) {
            Vec::new()
        } else {
            id(seed, 8)
        },
        flags: seed.below(1024) as u32,
        name: seed.text(),
        kind: seed.below(7) as i32,
        start_time_unix_nano: seed.next(),
        end_time_unix_nano: seed.next(),
        attributes: seed.many(5, |seed| attribute(seed, 3)),
        dropped_attributes_count: seed.below(3) as u32,
        events: seed.many(2, |seed| Event {
            time_unix_nano: seed.next(),
            name: seed.text(),
            attributes: seed.many(2, |seed| attribute(seed, 2)),
            dropped_attributes_count: seed.below(3) as u32,
        }),
        dropped_events_count: seed.below(3) as u32,
        links: seed.many(2, |seed| Link {
            trace_id: if seed.one_in(6) {
                Vec::new()
            } else {
                id(seed, 16)
            },
            span_id: if seed.one_in(6) {
                Vec::new()
            } else {
                id(seed, 8)
            },
            trace_state: seed.text(),
            attributes: seed.many(2, |seed| attribute(seed, 2)),
            dropped_attributes_count: seed.below(3) as u32,
            flags: seed.below(1024) as u32,
        }),
        dropped_links_count: seed.below(3) as u32,
        status: (!seed.one_in(3)).then(|| Status {
            message: seed.text(),
            code: seed.below(4) as i32,
        }),
    }
}

pub(crate) fn attribute(seed: &mut Seed, depth: usize) -> KeyValue {
    KeyValue {
        key: seed.text(),
        value: (!seed.one_in(10)).then(|| any_value(seed, depth)),
        key_strindex: i32::from(seed.one_in(20)),
    }
}

fn any_value(seed: &mut Seed, depth: usize) -> AnyValue {
    let n_kinds = if depth > 0 { 9 } else { 7 };
    let value = match seed.below(n_kinds) {
        0 => None,
        1 => Some(Value::StringValue(seed.text())),
        2 => Some(Value::BoolValue(seed.one_in(2))),
        3 => Some(Value::IntValue(seed.next() as i64 >> seed.below(64))),
        4 => Some(Value::DoubleValue(f64::from_bits(seed.next()))),
        5 => Some(Value::BytesValue({
            let len = seed.below(5);
            seed.bytes(len)
        })),
        6 => Some(Value::StringValueStrindex(3)),
        7 => Some(Value::ArrayValue(ArrayValue {
            values: seed.many(3, |seed| any_value(seed, depth - 1)),
        })),
        _ => Some(Value::KvlistValue(KeyValueList {
            values: seed.many(3, |seed| attribute(seed, depth - 1)),
        })),
    };
    AnyValue { value }
}

/// Damages bytes in one to three places: flips, cuts, repeats, fields put in.
pub(crate) fn mutate(seed: &mut Seed, bytes: &mut Vec<u8>) {
    for _ in 0..=seed.below(3) {
        let at = seed.below(bytes.len() + 1);
        match seed.below(8) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = seed.next() as u8;
                }
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << seed.below(8);
                }
            }
            3 => bytes.truncate(at),
            4 => insert(bytes, at, &[seed.next() as u8]),
            5 => {
                let end = (at + seed.below(8)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 => {
                let end = (at + seed.below(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = seed.below(bytes.len() + 1);
                insert(bytes, to, &copy);
            }
            _ => {
                const FIELDS: &[&[u8]] = &[
                    &[0x12, 0x00],
                    &[0x0a, 0x00],
                    &[0x0b, 0x0c],
                    &[0xa3, 0x06, 0xa4, 0x06],
                    &[0x80, 0x01, 0x05],
                    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                    &[0x78, 0x80, 0x80, 0x00],
                ];
                let field = FIELDS[seed.below(FIELDS.len())];
                insert(bytes, at, field);
            }
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}
