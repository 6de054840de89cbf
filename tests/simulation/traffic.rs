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
    resource: Resource,
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
    let trace_state = trace_state(seeded);
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
            name: name(seeded),
            kind,
            attributes: peer(seeded, kind),
            start_time_unix_nano: start_ns,
            end_time_unix_nano: start_ns + duration_ns(seeded),
            status: status(seeded),
            ..Default::default()
        };
        parents.push(span_id);
        let resource = resource(seeded);
        let at_ms = begin_ms + late_ms;
        let one = |span: Span| Sent {
            at_ms,
            tenant,
            span,
            resource: resource.clone(),
        };
        // the same span in another request, and other content under one id
        if seeded.chance(0.05) {
            sent.push(one(span.clone()));
        }
        if seeded.chance(0.02) {
            sent.push(one(Span {
                name: "variant".to_owned(),
                ..span.clone()
            }));
        }
        sent.push(one(span));
    }
    sent
}

/// How its sender sampled a trace: some stand for two or four, so that counts stay whole numbers.
pub(crate) fn trace_state(seeded: &mut Seeded) -> &'static str {
    [
        "",
        "",
        "",
        "ot=th:8",
        "ot=rv:0123456789abcd",
        "ot=th:c;rv:f0000000000000",
    ][seeded.below(6) as usize]
}

/// Names with an id in them are one series.
fn name(seeded: &mut Seeded) -> String {
    match seeded.below(8) {
        7 => format!("GET /cart/{}", seeded.below(1_000)),
        n => format!("op-{n}"),
    }
}

/// Mostly below 100 ms; some nothing, some a few ns, some hours: more than the buckets of one histogram reach at its finest.
pub(crate) fn duration_ns(seeded: &mut Seeded) -> u64 {
    match seeded.below(40) {
        0 => 0,
        1 => 1 + seeded.below(50),
        2 => seeded.below(20_000_000_000_000),
        _ => seeded.below(100_000_000),
    }
}

pub(crate) fn status(seeded: &mut Seeded) -> Option<Status> {
    let code = match seeded.below(10) {
        0 => 2,
        1 => 1,
        _ => return None,
    };
    Some(Status {
        code,
        message: String::new(),
    })
}

/// Who sends a span: services that say little of themselves, or much, by newer and older keys, some from two instances, some without a name.
pub(crate) fn resource(seeded: &mut Seeded) -> Resource {
    let service = seeded.below(9) % 5;
    let instance = seeded.below(2);
    let name = format!("service-{service}");
    let version = format!("1.{instance}");
    let instance = format!("{name}-{instance}");
    let all: &[(&str, &str)] = match service {
        0 => &[("service.name", &name)],
        1 => &[("service.name", &name), ("service.version", &version)],
        2 => &[
            ("service.name", &name),
            ("service.namespace", "shop"),
            ("deployment.environment.name", "production"),
            ("service.instance.id", &instance),
            ("host.name", "host-1"),
        ],
        3 => &[
            ("service.name", &name),
            ("deployment.environment", "test"),
            ("service.instance.id", &instance),
        ],
        _ => &[("host.name", "host-2")],
    };
    Resource {
        attributes: all.iter().map(|(key, value)| text(key, value)).collect(),
        ..Default::default()
    }
}

/// Whom some spans name at the other end of their call.
pub(crate) fn peer(seeded: &mut Seeded, kind: i32) -> Vec<KeyValue> {
    let name = format!("peer-{}", seeded.below(3));
    let queue = text("messaging.destination.name", &name);
    match kind {
        3 => peer_of_client(seeded, &name),
        4 | 5 if seeded.chance(0.5) => vec![queue],
        _ => Vec::new(),
    }
}

/// Databases, queues, and who is not traced, by what a client may say of them.
fn peer_of_client(seeded: &mut Seeded, name: &str) -> Vec<KeyValue> {
    let url = format!("https://{name}:8443/a?b=c");
    match seeded.below(12) {
        0..=2 => vec![text("db.system.name", name)],
        3 => vec![
            text("db.system.name", "postgresql"),
            text("server.address", name),
        ],
        4 => vec![text("server.address", name), whole("server.port", 443)],
        5 => vec![text("server.address", name)],
        6 => vec![text("peer.service", name), text("server.address", "other")],
        7 => vec![
            text("url.full", &url),
            whole("http.response.status_code", 503),
        ],
        8 => vec![
            text("network.peer.address", name),
            whole("http.response.status_code", 200),
        ],
        9 => vec![text("messaging.destination.name", name)],
        _ => Vec::new(),
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn whole(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

/// A request, as one record or two, now and then sent again, now and then damaged.
fn send(seeded: &mut Seeded, tenant: &Tenant, request: &[Sent], events: &mut Vec<Event>) {
    let at_ms = request.last().map_or(0, |sent| sent.at_ms);
    let hash = RequestHash(u128::from(seeded.next_u64()) << 64 | u128::from(seeded.next_u64()));
    let is_damaged = seeded.chance(0.01);
    let historic = seeded.chance(0.05);
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
                historic,
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
        let scope_spans = vec![ScopeSpans {
            spans: vec![sent.span.clone()],
            ..Default::default()
        }];
        ResourceSpans {
            resource: Some(sent.resource.clone()),
            scope_spans,
            ..Default::default()
        }
    };
    TracesData {
        resource_spans: spans.iter().map(one).collect(),
    }
    .encode_to_vec()
}
