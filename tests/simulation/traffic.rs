//! What comes into a partition, by seed: traces of several tenants whose spans come late, twice, out of order and re-batched; a clock that steps both
//! ways; an outage; damaged records; policies that change. Ticks where nothing came for a second.

use std::collections::BTreeMap;

use bus::testing::Seeded;
use bus::{
    Draft, Header, Kind, Offset, Partition, Record, RequestHash, Topic, TopicPartition, machine,
};
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use prost::Message;
use sampler::control::Control;
use telemetry::{RecordTime, Tenant};

/// The partition of the simulation: the second of four, so that its epochs end at odd seconds.
pub(crate) const OF: TopicPartition = TopicPartition {
    topic: Topic::Spans,
    partition: Partition(1),
};
pub(crate) const N_PARTITIONS: u32 = 4;

/// Length of a run, in s.
const LENGTH_S: u64 = 300;
/// Seconds of ticks behind the last request, in which everything is decided.
const REST_S: u64 = 40;

/// What is appended, when. Times are in ms.
struct Event {
    at_ms: u64,
    header: Header,
    payload: Bytes,
}

/// The log of one seed.
pub(crate) fn log(seed: u64, with_ticks: bool) -> Vec<Record> {
    let mut seeded = Seeded::new(seed);
    let mut events = requests(&mut seeded);
    if with_ticks {
        let last_s = events
            .iter()
            .map(|event| event.at_ms / 1_000)
            .max()
            .unwrap_or(0);
        events.extend((0..last_s + REST_S).map(|s| event(s * 1_000 + 500, machine::tick(OF))));
    }
    for (revision, at_s) in (1..).zip([0, LENGTH_S / 4, LENGTH_S / 2, LENGTH_S * 3 / 4]) {
        let text = policy(&mut seeded);
        events.push(event(
            at_s * 1_000,
            Control::Policy {
                revision,
                text: &text,
            }
            .draft(OF),
        ));
    }
    events.sort_by_key(|event| event.at_ms);
    stamp(&mut seeded, events)
}

fn event(at_ms: u64, draft: Draft) -> Event {
    Event {
        at_ms,
        header: draft.header,
        payload: draft.payload,
    }
}

/// A clock that once steps back, once forth, and an outage in which nothing is appended. Offsets have gaps.
fn stamp(seeded: &mut Seeded, events: Vec<Event>) -> Vec<Record> {
    let [outage, back, forth] = [(); 3].map(|()| (40 + seeded.below(LENGTH_S - 40)) * 1_000);
    let mut offset = 0;
    let mut records = Vec::new();
    for event in events {
        if (outage..outage + 20_000).contains(&event.at_ms) {
            continue;
        }
        let mut unix_ms = 1_700_000_000_000 + event.at_ms as i64;
        if (back..back + 15_000).contains(&event.at_ms) {
            unix_ms -= 25_000;
        }
        if event.at_ms > forth {
            unix_ms += 3_600_000;
        }
        offset += 1 + seeded.below(100);
        let appended_at = RecordTime { unix_ms };
        records.push(Record {
            of: OF,
            offset: Offset(offset),
            appended_at,
            header: event.header,
            payload: event.payload,
        });
    }
    records
}

/// A policy of small limits, so that all of them are met, with rates that are too low for what comes.
pub(crate) fn policy(seeded: &mut Seeded) -> String {
    let decision_wait_s = 8 + seeded.below(8);
    let late_window_s = 2 * decision_wait_s + seeded.below(40);
    format!(
        r#"
        decision_wait = "{decision_wait_s}s"
        root_quiet = "{}s"
        late_window = "{late_window_s}s"
        trace_spans_max = {}
        trace_bytes_max = "{}B"
        partition_memory = "{}B"
        unmatched = "{}"
        rules = [
            {{ name = "errors", when = 'any {{ status = error }} && !root {{ name = "op-3" }}', sampler = {{ type = "keep" }}, ceiling = {{ traces_per_second = 0.4, burst = 4 }} }},
            {{ name = "leaves", when = 'leaf {{ name = "op-5" }} || trace.services has "service-2"', sampler = {{ type = "probability", percent = 60 }} }},
            {{ name = "long", when = 'trace.duration > 40ms && trace.span_count > 3', sampler = {{ type = "rate", spans_per_second = {} }} }},
            {{ name = "bytes", when = 'all {{ duration < 90ms }}', sampler = {{ type = "rate", bytes_per_second = 900 }} }},
        ]
        "#,
        1 + seeded.below(3),
        8 + seeded.below(8),
        500 + seeded.below(1_000),
        2_000 + seeded.below(6_000),
        if seeded.chance(0.5) { "keep" } else { "drop" },
        4 + seeded.below(20),
    )
}

/// A span that is sent.
struct Sent {
    at_ms: u64,
    tenant: usize,
    span: Span,
    service: u64,
}

fn requests(seeded: &mut Seeded) -> Vec<Event> {
    let mut spans: Vec<Sent> = (0..LENGTH_S * 6 / 10).flat_map(|_| trace(seeded)).collect();
    spans.sort_by_key(|sent| sent.at_ms);
    let tenants: Vec<Tenant> = ["one", "two", "three"]
        .iter()
        .map(|name| name.parse().expect("a tenant"))
        .collect();
    let mut events = Vec::new();
    let mut by_tenant: BTreeMap<usize, Vec<Sent>> = BTreeMap::new();
    for sent in spans {
        by_tenant.entry(sent.tenant).or_default().push(sent);
    }
    for (tenant, spans) in by_tenant {
        let mut spans = spans.into_iter().peekable();
        while spans.peek().is_some() {
            let n = 1 + seeded.below(4) as usize;
            let request: Vec<Sent> = spans.by_ref().take(n).collect();
            send(seeded, &tenants[tenant], &request, &mut events);
        }
    }
    events
}

/// Spans of one trace, most of them within seconds, some minutes late, some twice.
fn trace(seeded: &mut Seeded) -> Vec<Sent> {
    let begin_ms = seeded.below(LENGTH_S * 1_000);
    let tenant = seeded.below(10).min(2) as usize;
    let id: Vec<u8> = [seeded.next_u64(), seeded.next_u64()]
        .iter()
        .flat_map(|n| n.to_be_bytes())
        .collect();
    let trace_state = [
        "",
        "",
        "",
        "ot=th:8",
        "ot=rv:0123456789abcd",
        "ot=th:c;rv:f0000000000000",
    ][seeded.below(6) as usize];
    let n_spans = if seeded.chance(0.05) {
        20
    } else {
        1 + seeded.below(8)
    };
    let root_id = seeded.next_u64() | 1;
    let mut sent = Vec::new();
    let mut parents: Vec<u64> = Vec::new();
    for n in 0..n_spans {
        let late_ms = if seeded.chance(0.85) {
            seeded.below(4_000)
        } else {
            seeded.below(90_000)
        };
        let kind = 1 + seeded.below(5) as i32;
        let start_ns = (1_700_000_000_000 + begin_ms) * 1_000_000 + seeded.below(20_000_000);
        let span_id = if n == 0 {
            root_id
        } else {
            seeded.next_u64() | 1
        };
        let span = Span {
            trace_id: id.clone(),
            span_id: span_id.to_be_bytes().to_vec(),
            parent_span_id: match parents.len() {
                0 => Vec::new(),
                n => parents[seeded.below(n as u64) as usize]
                    .to_be_bytes()
                    .to_vec(),
            },
            trace_state: trace_state.to_owned(),
            name: format!("op-{}", seeded.below(8)),
            kind,
            attributes: peer(seeded, kind),
            start_time_unix_nano: start_ns,
            end_time_unix_nano: start_ns + seeded.below(100_000_000),
            status: seeded.chance(0.1).then(|| Status {
                code: 2,
                message: String::new(),
            }),
            ..Default::default()
        };
        parents.push(span_id);
        let service = seeded.below(4);
        let at_ms = begin_ms + late_ms;
        // the same span in another request, and other content under one id
        if seeded.chance(0.05) {
            sent.push(Sent {
                at_ms,
                tenant,
                span: span.clone(),
                service,
            });
        }
        if seeded.chance(0.02) {
            let span = Span {
                name: "variant".to_owned(),
                ..span.clone()
            };
            sent.push(Sent {
                at_ms,
                tenant,
                span,
                service,
            });
        }
        sent.push(Sent {
            at_ms,
            tenant,
            span,
            service,
        });
    }
    sent
}

/// Whom some spans name at the other end of their call.
fn peer(seeded: &mut Seeded, kind: i32) -> Vec<KeyValue> {
    let key = match kind {
        3 if seeded.chance(0.5) => "db.system.name",
        4 | 5 if seeded.chance(0.5) => "messaging.destination.name",
        _ => return Vec::new(),
    };
    let name = AnyValue {
        value: Some(Value::StringValue(format!("peer-{}", seeded.below(3)))),
    };
    vec![KeyValue {
        key: key.to_owned(),
        value: Some(name),
        ..Default::default()
    }]
}

/// A request, as one record or two, now and then sent again, now and then damaged.
fn send(seeded: &mut Seeded, tenant: &Tenant, request: &[Sent], events: &mut Vec<Event>) {
    let at_ms = request.last().map_or(0, |sent| sent.at_ms);
    let hash = RequestHash(u128::from(seeded.next_u64()) << 64 | u128::from(seeded.next_u64()));
    let is_damaged = seeded.chance(0.01);
    let middle = if seeded.chance(0.2) {
        request.len() / 2
    } else {
        0
    };
    let parts: Vec<&[Sent]> = [&request[..middle], &request[middle..]]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let mut send_at = |at_ms: u64| {
        for (part, spans) in (0u16..).zip(&parts) {
            let header = Header {
                tenant: tenant.clone(),
                kind: Kind::Otlp,
                accepted_at: RecordTime {
                    unix_ms: at_ms as i64,
                },
                n_items: spans.len() as u32,
                request_hash: hash,
                part,
                historic: false,
            };
            let mut payload = encode(spans);
            if is_damaged {
                payload.truncate(payload.len() - 1);
            }
            events.push(Event {
                at_ms,
                header,
                payload: Bytes::from(payload),
            });
        }
    };
    send_at(at_ms);
    let mut again_ms = at_ms;
    while seeded.chance(0.2) {
        again_ms += 100 + seeded.below(70_000);
        send_at(again_ms);
    }
}

fn encode(spans: &[Sent]) -> Vec<u8> {
    let one = |sent: &Sent| {
        let name = AnyValue {
            value: Some(Value::StringValue(format!("service-{}", sent.service))),
        };
        let attributes = vec![KeyValue {
            key: "service.name".to_owned(),
            value: Some(name),
            ..Default::default()
        }];
        let resource = Some(Resource {
            attributes,
            ..Default::default()
        });
        let scope_spans = vec![ScopeSpans {
            spans: vec![sent.span.clone()],
            ..Default::default()
        }];
        ResourceSpans {
            resource,
            scope_spans,
            ..Default::default()
        }
    };
    TracesData {
        resource_spans: spans.iter().map(one).collect(),
    }
    .encode_to_vec()
}
