//! What the tests of this crate share: stores in a temporary folder, and traces, random or plain.

use std::sync::Arc;

use blocks::{Blocks, Local};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use telemetry::{Clock, ShardTime, Tenant, TraceId};

use crate::{Config, EpochName, KeptTrace, Sampling, TraceStore};

/// A store, the folder it is in, and its clock.
pub(crate) struct Subject {
    pub(crate) store: TraceStore,
    pub(crate) clock: Clock,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) const NOW_UNIX_MS: i64 = 1_700_000_000_000;

impl Subject {
    pub(crate) async fn new(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_UNIX_MS);
        let store = TraceStore::open(open_blocks(dir.path()).await, config, clock.clone())
            .await
            .unwrap();
        Self { store, clock, dir }
    }

    /// The same folder opened anew.
    pub(crate) async fn reopened(self) -> Self {
        let Self { store, clock, dir } = self;
        let config = store.inner.config.clone();
        drop(store);
        let store = TraceStore::open(open_blocks(dir.path()).await, config, clock.clone())
            .await
            .unwrap();
        Self { store, clock, dir }
    }
}

async fn open_blocks(dir: &std::path::Path) -> Blocks {
    Blocks::Local(open_local(dir).await)
}

pub(crate) async fn open_local(dir: &std::path::Path) -> Local {
    Local::open(
        dir.to_owned(),
        blocks::Config::default(),
        Clock::host(),
        blocks::Metrics::default(),
    )
    .await
    .unwrap()
}

pub(crate) fn tenant() -> Tenant {
    Tenant::default_tenant()
}

pub(crate) fn epoch(end_offset: u64, sealed_s: u64) -> EpochName {
    EpochName {
        partition: 3,
        end_offset,
        part: 0,
        sealed_at: ShardTime::from_s(sealed_s),
    }
}

pub(crate) fn id(n: u8) -> TraceId {
    TraceId([n; 16])
}

pub(crate) fn sampling(rule: &str) -> Sampling {
    Sampling {
        rule: Arc::from(rule),
        threshold: 1 << 55,
        threshold_in: 7,
        p_unknown: false,
        p_estimated: true,
    }
}

pub(crate) fn kept(id: TraceId, data: &TracesData, late: bool) -> KeptTrace {
    KeptTrace {
        id,
        traces_data: data.encode_to_vec().into(),
        sampling: sampling("rest"),
        late,
    }
}

pub(crate) fn text(value: &str) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(value.into())),
    }
}

pub(crate) fn tag(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(text(value)),
        ..KeyValue::default()
    }
}

/// One span of a service, as a whole message.
pub(crate) fn single(service: &str, span: Span) -> ResourceSpans {
    ResourceSpans {
        resource: Some(Resource {
            attributes: vec![tag("service.name", service)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans: vec![span],
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

/// A trace of one span per (service, name, start); the first is the root.
pub(crate) fn plain(id: TraceId, spans: &[(&str, &str, u64)]) -> TracesData {
    let resource_spans = spans
        .iter()
        .zip(1u8..)
        .map(|(&(service, name, start_unix_ns), n)| {
            let span = Span {
                trace_id: id.0.to_vec(),
                span_id: vec![n; 8],
                parent_span_id: if n == 1 { Vec::new() } else { vec![1; 8] },
                name: name.into(),
                kind: 2,
                start_time_unix_nano: start_unix_ns,
                end_time_unix_nano: start_unix_ns + 10,
                ..Span::default()
            };
            single(service, span)
        });
    TracesData {
        resource_spans: resource_spans.collect(),
    }
}

/// Any value, nested up to three deep, with numbers that are none.
fn any_value() -> impl Strategy<Value = AnyValue> {
    let double = prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0)
    ];
    let leaf = prop_oneof![
        Just(None),
        ".{0,12}".prop_map(|text| Some(Value::StringValue(text))),
        any::<bool>().prop_map(|value| Some(Value::BoolValue(value))),
        any::<i64>().prop_map(|value| Some(Value::IntValue(value))),
        double.prop_map(|value| Some(Value::DoubleValue(value))),
        vec(any::<u8>(), 0..12).prop_map(|value| Some(Value::BytesValue(value))),
    ];
    let leaf = leaf.prop_map(|value| AnyValue { value });
    leaf.prop_recursive(3, 12, 4, |inner| {
        let pairs = vec((".{1,4}", inner.clone()), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(|values| AnyValue {
                value: Some(Value::ArrayValue(ArrayValue { values }))
            }),
            pairs.prop_map(|pairs| AnyValue {
                value: Some(Value::KvlistValue(KeyValueList {
                    values: pairs.into_iter().map(key_value).collect()
                }))
            }),
        ]
    })
}

fn key_value((key, value): (String, AnyValue)) -> KeyValue {
    KeyValue {
        key,
        value: Some(value),
        ..KeyValue::default()
    }
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    proptest::collection::btree_map("[a-z.]{1,8}", any_value(), 0..4)
        .prop_map(|pairs| pairs.into_iter().map(key_value).collect())
}

fn some_id<const N: usize>() -> impl Strategy<Value = Vec<u8>> {
    proptest::array::uniform::<_, N>(any::<u8>()).prop_map(|mut id| {
        id[0] |= 1;
        id.to_vec()
    })
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), ".{0,8}", attributes(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    (
        some_id::<16>(),
        some_id::<8>(),
        "[a-z=]{0,8}",
        attributes(),
        any::<u32>(),
        any::<u32>(),
    )
        .prop_map(
            |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| Link {
                trace_id,
                span_id,
                trace_state,
                attributes,
                dropped_attributes_count,
                flags,
            },
        )
}

fn span(id: TraceId) -> impl Strategy<Value = Span> {
    let head = (
        some_id::<8>(),
        prop::option::of(some_id::<8>()),
        "[a-z=]{0,8}",
        ".{0,12}",
        0i32..6,
        any::<u64>(),
        any::<u64>(),
    );
    let tail = (
        attributes(),
        vec(event(), 0..3),
        vec(link(), 0..3),
        (0i32..3, ".{0,8}"),
        any::<[u32; 4]>(),
    );
    (head, tail).prop_map(move |(head, tail)| {
        let (span_id, parent, trace_state, name, kind, start_time_unix_nano, end_time_unix_nano) =
            head;
        let (
            attributes,
            events,
            links,
            (code, message),
            [flags, attributes_lost, events_lost, links_lost],
        ) = tail;
        Span {
            trace_id: id.0.to_vec(),
            span_id,
            trace_state,
            parent_span_id: parent.unwrap_or_default(),
            flags,
            name,
            kind,
            start_time_unix_nano,
            end_time_unix_nano,
            attributes,
            dropped_attributes_count: attributes_lost,
            events,
            dropped_events_count: events_lost,
            links,
            dropped_links_count: links_lost,
            status: Some(Status { message, code }),
        }
    })
}

/// Any trace that OTLP can tell, every field of it used.
pub(crate) fn any_trace(id: TraceId) -> impl Strategy<Value = TracesData> {
    let scope = (".{0,8}", ".{0,4}", attributes(), any::<u32>()).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    );
    let scope_spans = (prop::option::of(scope), vec(span(id), 1..4), "[a-z:/]{0,8}").prop_map(
        |(scope, spans, schema_url)| ScopeSpans {
            scope,
            spans,
            schema_url,
        },
    );
    let resource =
        (attributes(), any::<u32>()).prop_map(|(attributes, dropped_attributes_count)| Resource {
            attributes,
            dropped_attributes_count,
            ..Resource::default()
        });
    let resource_spans = (
        prop::option::of(resource),
        vec(scope_spans, 1..3),
        "[a-z:/]{0,8}",
    )
        .prop_map(|(resource, scope_spans, schema_url)| ResourceSpans {
            resource,
            scope_spans,
            schema_url,
        });
    vec(resource_spans, 1..3).prop_map(|resource_spans| TracesData { resource_spans })
}

/// Every span with what encloses it, as bytes (so that numbers that are none compare), in order.
pub(crate) fn spans_of(traces_data: &[u8]) -> Vec<Vec<u8>> {
    let data = TracesData::decode(traces_data).unwrap();
    let mut spans = Vec::new();
    for resource in &data.resource_spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                let only = ScopeSpans {
                    spans: vec![span.clone()],
                    ..scope.clone()
                };
                spans.push(
                    ResourceSpans {
                        scope_spans: vec![only],
                        ..resource.clone()
                    }
                    .encode_to_vec(),
                );
            }
        }
    }
    spans.sort();
    spans
}
