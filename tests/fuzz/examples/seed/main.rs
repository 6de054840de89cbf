//! Writes the seeds of the corpus: sound inputs of each target. What a search found is added beside them by hand.

mod points;
mod promql;

use std::collections::BTreeMap;
use std::path::Path;

use bus::Offset;
use bus::machine::{Ledger, Sealing};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, TracesData, span,
};
use prost::Message;
use sampler::policy::{Bucket, BucketKey};
use sampler::shard::StageEntry;
use telemetry::derived::{
    DeltaValue, DerivedRecord, Exemplar, SeriesDelta, TenantDelta, WindowDelta,
};
use telemetry::histogram::ExpHistogram;
use telemetry::wire::{TraceWalker, WalkLimits, json};
use telemetry::{RecordTime, ShardTime, SpanId, Tenant, TraceId};

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, bytes) in seeds() {
        let path = corpus.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(())
}

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    let requests = [
        ("empty", TracesData::default()),
        ("small", request(1, 1)),
        ("usual", request(3, 4)),
        ("nested", nested(14)),
        ("too-deep", nested(18)),
    ];
    for (name, request) in requests {
        let bytes = request.encode_to_vec();
        let mut walker = TraceWalker::new();
        if let Ok(view) = walker.walk(&bytes, &WalkLimits::default()) {
            let mut text = Vec::new();
            json::encode_traces(&view, &mut text);
            seeds.insert(format!("otlp_json/{name}.json"), text);
        }
        seeds.insert(format!("wire_scan/{name}"), bytes.clone());
        seeds.insert(format!("regroup/{name}"), bytes);
    }
    seeds.insert("wire_scan/bomb".to_owned(), [0x12, 0].repeat(1_000));
    seeds.insert("wire_scan/groups".to_owned(), vec![0x0b; 101]);
    let mut truncated = request(2, 2).encode_to_vec();
    truncated.truncate(truncated.len() * 2 / 3);
    seeds.insert("wire_scan/truncated".to_owned(), truncated);
    for name in ["wire_scan/merged", "regroup/merged"] {
        seeds.insert(name.to_owned(), merged());
    }
    for (n, text) in TRACEQL.iter().enumerate() {
        let name = format!("traceql_parse/{n}");
        seeds.insert(name, text.as_bytes().to_vec());
    }
    let deep = [vec![b'('; 64], b"true".to_vec(), vec![b')'; 64]].concat();
    seeds.insert("traceql_parse/deep".to_owned(), deep);
    seeds.insert(
        "otlp_json/odd.json".to_owned(),
        ODD_JSON.as_bytes().to_vec(),
    );
    seeds.extend(points::seeds());
    seeds.extend(promql::seeds());
    seeds.insert("log_replay/none".to_owned(), Vec::new());
    seeds.insert(
        "log_replay/flips".to_owned(),
        vec![0, 9, 0, 1, 1, 90, 0, 0x80, 2, 40, 1, 0xff],
    );
    seeds.insert(
        "log_replay/replaced".to_owned(),
        [vec![0xff, 2, 100, 0], vec![7; 300]].concat(),
    );
    seeds.insert("ledger/entry".to_owned(), entry());
    seeds.insert("ledger/stage".to_owned(), stage().encode().to_vec());
    seeds.insert("derived/record".to_owned(), derived().encode());
    seeds.insert("block_open/none".to_owned(), Vec::new());
    seeds.insert(
        "block_open/flips".to_owned(),
        vec![0, 10, 1, 0, 0x80, 4, 0xff, 0xf0, 0xff],
    );
    seeds.insert(
        "block_open/replaced".to_owned(),
        [vec![0xff, 0xff], vec![1; 200]].concat(),
    );
    seeds
}

const ODD_JSON: &str = r#"{"resourceSpans":[{"resource":null,"unknown":[1,{"a":2}],"scopeSpans":[{"spans":[
{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","name":"a\u00e9\n","kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
"attributes":[{"key":"d","value":{"doubleValue":"NaN"}},{"key":"i","value":{"intValue":"-9223372036854775808"}},{"key":"b","value":{"bytesValue":"AQID"}},
{"key":"l","value":{"arrayValue":{}}},{"key":"k","value":{"kvlistValue":{"values":[{"key":"x"}]}}}],"status":{"code":2}}]}]}]}"#;

const TRACEQL: &[&str] = &[
    "name =~ \"GET.*\" && (kind = server || status != error)",
    "duration > 0.1s && duration <= 1m1s",
    "span.http.response.status_code % 100 = 3",
    "!(span.retry = true) && span.absent = nil && .ratio != nil",
    "-1 - -2 = 1 && 2 ^ 3 ^ 2 = 512 && 7 / 2 = 3.5",
    "span.least / -1 > 0 || -span.least = 1",
    "resource.\"with space\" !~ `a|b` || event:name = \"exception\"",
];

/// A resource message in two pieces, which protobuf joins.
fn merged() -> Vec<u8> {
    let Some(resource_spans) = request(1, 2).resource_spans.into_iter().next() else {
        return Vec::new();
    };
    let more = ResourceSpans {
        resource: resource_spans.resource.clone(),
        ..ResourceSpans::default()
    };
    let body = [resource_spans.encode_to_vec(), more.encode_to_vec()].concat();
    let mut bytes = vec![0x0a];
    prost::encode_length_delimiter(body.len(), &mut bytes).expect("a vector grows");
    bytes.extend(body);
    bytes
}

pub(crate) fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn request(n_resources: u8, n_spans: u8) -> TracesData {
    let span = |resource: u8, n: u8| Span {
        trace_id: vec![n % 2 + 1; 16],
        span_id: vec![resource + 1, n + 1, 0, 0, 0, 0, 0, n],
        parent_span_id: if n == 0 {
            Vec::new()
        } else {
            vec![resource + 1, n, 0, 0, 0, 0, 0, n - 1]
        },
        name: format!("GET /items/{n}"),
        kind: i32::from(n % 6),
        trace_state: if n == 1 {
            "ot=th:8".to_owned()
        } else {
            String::new()
        },
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_000_000_000 + u64::from(n) * 1_000_000,
        attributes: vec![
            attribute("text", any_value::Value::StringValue("value".to_owned())),
            attribute("number", any_value::Value::IntValue(-5)),
            attribute("half", any_value::Value::DoubleValue(0.5)),
            attribute("yes", any_value::Value::BoolValue(true)),
            attribute("raw", any_value::Value::BytesValue(vec![0, 255])),
        ],
        events: vec![span::Event {
            name: "exception".to_owned(),
            time_unix_nano: 5,
            ..span::Event::default()
        }],
        links: vec![span::Link {
            trace_id: vec![9; 16],
            span_id: vec![9; 8],
            ..span::Link::default()
        }],
        status: Some(Status {
            code: i32::from(n % 3),
            message: "why".to_owned(),
        }),
        flags: 1,
        ..Span::default()
    };
    let resource_spans = |resource: u8| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![attribute(
                "service.name",
                any_value::Value::StringValue(format!("service-{resource}")),
            )],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans: (0..n_spans).map(|n| span(resource, n)).collect(),
            schema_url: "https://opentelemetry.io/schemas/1.27.0".to_owned(),
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    TracesData {
        resource_spans: (0..n_resources).map(resource_spans).collect(),
    }
}

/// A value that lies so deep in lists and maps.
fn nested(depth: u32) -> TracesData {
    let mut value = any_value::Value::IntValue(1);
    for n in 0..depth {
        value = if n % 2 == 0 {
            any_value::Value::ArrayValue(ArrayValue {
                values: vec![AnyValue { value: Some(value) }],
            })
        } else {
            any_value::Value::KvlistValue(KeyValueList {
                values: vec![attribute("k", value)],
            })
        };
    }
    let mut request = request(1, 1);
    let span = request
        .resource_spans
        .first_mut()
        .and_then(|resource| resource.scope_spans.first_mut())
        .and_then(|scope| scope.spans.first_mut());
    span.expect("it has one")
        .attributes
        .push(attribute("deep", value));
    request
}

fn tenant() -> Tenant {
    Tenant::default_tenant()
}

fn stage() -> StageEntry {
    StageEntry {
        policies: vec![(1, "[[rules]]\nname = \"all\"\naction = \"keep\"\n".into())],
        buckets: vec![(
            BucketKey {
                revision: 1,
                tenant: tenant(),
                rule: 0,
                ceiling: false,
            },
            Bucket {
                tokens: 2.5,
                at: ShardTime::from_s(3),
            },
        )],
        ..StageEntry::default()
    }
}

fn entry() -> Vec<u8> {
    let mut ledger = Ledger::default();
    ledger.step(RecordTime { unix_ms: 1_000 });
    ledger.step(RecordTime { unix_ms: 9_000 });
    let sealing = Sealing {
        sealed_at: ShardTime::from_s(8),
        end_offset: Offset(70),
        oldest_open: Some((Offset(8), ShardTime::from_s(1))),
        stage: stage().encode(),
    };
    ledger.seal(sealing).encode().to_vec()
}

fn derived() -> DerivedRecord {
    let mut durations = ExpHistogram::new();
    [0.001, 0.25, 3.0]
        .into_iter()
        .for_each(|value| durations.observe(value));
    let mut weighted = durations.clone();
    weighted.observe_weighted(0.5, 4.0);
    let window = |start_s: i64, value| WindowDelta {
        start_unix_ms: start_s * 1_000,
        end_unix_ms: start_s * 1_000 + 10_000,
        value,
    };
    let series = |name: &str, windows| SeriesDelta {
        name: name.to_owned(),
        labels: vec![("service_name".to_owned(), "shop".to_owned())],
        windows,
        exemplars: vec![Exemplar {
            unix_ms: 5_000,
            value: 0.25,
            trace_id: TraceId([3; 16]),
            span_id: SpanId([4; 8]),
        }],
    };
    DerivedRecord {
        source_partition: 1,
        previous_end: 100,
        end: 9_000,
        part: 0,
        is_last: true,
        complete_to: RecordTime { unix_ms: 20_000 },
        tenants: vec![TenantDelta {
            tenant: tenant(),
            series: vec![
                series(
                    "calls",
                    vec![
                        window(0, DeltaValue::Count(2.0)),
                        window(10, DeltaValue::Count(0.5)),
                    ],
                ),
                series(
                    "durations",
                    vec![
                        window(0, DeltaValue::Histogram(durations)),
                        window(10, DeltaValue::Histogram(weighted)),
                    ],
                ),
                series("info", vec![window(0, DeltaValue::Seen)]),
            ],
        }],
    }
}
