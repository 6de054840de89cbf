use std::collections::BTreeMap;

use proptest::prelude::*;
use telemetry::wire::json::decode_traces;
use telemetry::wire::{TraceWalker, TracesView, WalkLimits};
use telemetry::{SpanId, TraceId};

use super::*;

type Key = (String, String, Connection, Option<Side>);
/// Requests, failed ones, ns of clients and of servers.
type Sums = (f64, f64, u64, u64);

/// Requests, failed ones, seconds of clients and of servers, by (client, server, connection, virtual node); and unpaired ends by side and service.
#[derive(Debug, Default, PartialEq)]
struct Told {
    edges: BTreeMap<Key, Sums>,
    unpaired: BTreeMap<(Side, String), f64>,
}

impl Told {
    fn add(&mut self, counted: Counted<'_>) {
        match counted {
            Counted::Request(request) => {
                let edge = request.edge;
                let key = (
                    edge.client.to_owned(),
                    edge.server.to_owned(),
                    edge.connection,
                    edge.virtual_node,
                );
                let told = self.edges.entry(key).or_default();
                told.0 += request.weight;
                told.1 += f64::from(u8::from(request.failed)) * request.weight;
                told.2 += request.client_ns.unwrap_or(0);
                told.3 += request.server_ns.unwrap_or(0);
            }
            Counted::Unpaired(unpaired) => {
                let key = (unpaired.side, unpaired.service.to_owned());
                *self.unpaired.entry(key).or_default() += unpaired.weight;
            }
        }
    }
}

/// What is said of every trace of a request.
fn told(view: &TracesView<'_>) -> Told {
    let id = |id: SpanId| u64::from_be_bytes(id.0);
    let mut names: Vec<String> = Vec::new();
    let mut said = Vec::new();
    for span in view.spans() {
        let mut name = String::new();
        let read = Role::of(span.kind()).map(|role| read(&span, role, &mut name));
        names.push(name);
        said.push(read);
    }
    let mut traces: BTreeMap<TraceId, Vec<End<'_>>> = BTreeMap::new();
    for ((span, said), name) in view.spans().zip(said).zip(&names) {
        let (Some(said), Some(role)) = (said, Role::of(span.kind())) else {
            continue;
        };
        traces.entry(span.trace_id()).or_default().push(End {
            id: id(span.span_id()),
            parent: span.parent_span_id().map(id),
            role,
            service: span.resource().service_name().unwrap_or("unknown_service"),
            peer: said.peer.map(|kind| (kind, name.as_str())),
            failed: said.failed,
            weight: 1.0,
            duration_ns: span.duration_ns(),
            end_unix_ns: span.end_unix_ns(),
            window_ms: 0,
        });
    }
    let mut told = Told::default();
    let mut pairing = Pairing::default();
    for ends in traces.values() {
        pairing.count(ends, |counted| told.add(counted));
    }
    told
}

fn told_of_json(json: &str) -> Told {
    let bytes = decode_traces(json.as_bytes()).expect("OTLP as JSON");
    let mut walker = TraceWalker::new();
    let view = walker.walk(&bytes, &WalkLimits::trusted()).expect("valid");
    told(&view)
}

/// A span in one line: `service kind id<parent ms` and attributes `key=value`; `!` is an error. Shorter than JSON, so that a case is one line.
fn span(line: &str) -> String {
    let mut words = line.split_whitespace();
    let mut next = || words.next().expect("service kind id<parent ms");
    let (service, kind, ids, ms) = (next(), next(), next(), next());
    let (own, parent) = ids.split_once('<').unwrap_or((ids, ""));
    let kind = match kind.trim_end_matches('!') {
        "client" => 3,
        "server" => 2,
        "producer" => 4,
        "consumer" => 5,
        _ => 1,
    };
    let id = |text: &str| match text {
        "" => String::new(),
        text => format!("{:016x}", text.parse::<u64>().expect("a number")),
    };
    let status = if line.contains('!') {
        r#"{"code":2}"#
    } else {
        "{}"
    };
    let attributes: Vec<String> = words
        .map(|word| {
            let (key, value) = word.split_once('=').expect("key=value");
            let value = match value.parse::<i64>() {
                Ok(number) => format!(r#"{{"intValue":"{number}"}}"#),
                Err(_) => format!(r#"{{"stringValue":"{value}"}}"#),
            };
            format!(r#"{{"key":"{key}","value":{value}}}"#)
        })
        .collect();
    let end = 1_000_000_000 + ms.parse::<u64>().expect("ms") * 1_000_000;
    format!(
        r#"{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}},"scopeSpans":[{{"spans":[
        {{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"{}","parentSpanId":"{}","name":"x","kind":{kind},"startTimeUnixNano":"1000000000","endTimeUnixNano":"{end}","status":{status},"attributes":[{}]}}]}}]}}"#,
        id(own),
        id(parent),
        attributes.join(",")
    )
}

/// Edges as `client>server kind(virtual) requests/failed client ms/server ms`, unpaired ends as `service?` and `?service`.
fn lines(told: &Told) -> Vec<String> {
    let edge = |(key, value): (&Key, &Sums)| {
        let (client, server, connection, virtual_node) = key;
        let (n, failed, client_ns, server_ns) = value;
        let kind = connection.label();
        let side = virtual_node.map_or("", Side::label);
        let (client_ms, server_ms) = (client_ns / 1_000_000, server_ns / 1_000_000);
        format!("{client}>{server} {kind}({side}) {n}/{failed} {client_ms}/{server_ms}")
    };
    let unpaired = |((side, service), n): (&(Side, String), &f64)| match side {
        Side::Client => format!("{service}? {n}"),
        Side::Server => format!("?{service} {n}"),
    };
    let edges = told.edges.iter().map(edge);
    edges.chain(told.unpaired.iter().map(unpaired)).collect()
}

#[track_caller]
fn check(spans: &[&str], expected: &[&str]) {
    let spans: Vec<String> = spans.iter().map(|line| span(line)).collect();
    let json = format!(r#"{{"resourceSpans":[{}]}}"#, spans.join(","));
    assert_eq!(lines(&told_of_json(&json)), expected);
}

#[test]
fn a_client_and_its_server_are_a_call_and_either_side_can_fail() {
    check(
        &["a server 1 9", "a client 2<1 5", "b server 3<2 4"],
        &["a>b () 1/0 5/4", "user>a virtual_node(client) 1/0 0/9"],
    );
    check(&["a client! 2<1 5", "b server 3<2 4"], &["a>b () 1/1 5/4"]);
    check(&["a client 2<1 5", "b server! 3<2 4"], &["a>b () 1/1 5/4"]);
    check(&["b server 3<2 4", "a client 2<1 5"], &["a>b () 1/0 5/4"]);
}

#[test]
fn a_client_that_was_answered_twice_made_two_requests() {
    check(
        &["a client 2<1 5", "b server! 3<2 1", "b server 4<2 2"],
        &["a>b () 2/1 10/3"],
    );
}

#[test]
fn of_two_versions_of_a_span_one_counts() {
    check(
        &[
            "a client 2<1 5",
            "a client! 2<1 6",
            "b server 3<2 4",
            "b server 3<2 3",
        ],
        &["a>b () 1/0 5/4"],
    );
}

#[test]
fn two_ends_under_one_id_are_a_call() {
    check(&["a client 2<1 5", "b server 2<1 4"], &["a>b () 1/0 5/4"]);
    check(&["a client 2 5", "b server 2 4"], &["a>b () 1/0 5/4"]);
}

#[test]
fn a_client_alone_calls_whom_it_names() {
    for (attributes, expected) in [
        ("db.system=postgresql", "a>postgresql database() 1/0 5/5"),
        (
            "db.system.name=mysql server.address=db1 server.port=3306",
            "a>db1 database() 1/0 5/5",
        ),
        (
            "db.namespace=orders db.system.name=mysql",
            "a>orders database() 1/0 5/5",
        ),
        (
            "db.name=orders db.system=mysql net.peer.name=db2",
            "a>db2 database() 1/0 5/5",
        ),
        (
            "db.name=orders network.peer.address=10.0.0.1 network.peer.port=5432",
            "a>10.0.0.1:5432 database() 1/0 5/5",
        ),
        (
            "db.name=orders peer.service=pg server.address=x",
            "a>pg database() 1/0 5/5",
        ),
        (
            "peer.service=billing server.address=x",
            "a>billing virtual_node(server) 1/0 5/0",
        ),
        (
            "server.address=api.stripe.com server.port=443",
            "a>api.stripe.com:443 virtual_node(server) 1/0 5/0",
        ),
        (
            "url.full=https://api.stripe.com/v1",
            "a>api.stripe.com virtual_node(server) 1/0 5/0",
        ),
        (
            "network.peer.address=10.1.1.1",
            "a>10.1.1.1 virtual_node(server) 1/0 5/0",
        ),
        (
            "messaging.destination.name=orders server.address=kafka",
            "a>orders messaging_system(server) 1/0 5/0",
        ),
        (
            "http.response.status_code=404 peer.service=b",
            "a>b virtual_node(server) 1/1 5/0",
        ),
        (
            "http.status_code=302 peer.service=b",
            "a>b virtual_node(server) 1/0 5/0",
        ),
        ("peer.service= x=y", "a? 1"),
        ("x=y", "a? 1"),
    ] {
        check(&[&format!("a client 2<1 5 {attributes}")], &[expected]);
    }
}

#[test]
fn a_database_that_answers_is_a_server_like_any_other() {
    check(
        &["a client 2<1 5 db.system=tikv", "tikv-0 server 3<2 4"],
        &["a>tikv-0 () 1/0 5/4"],
    );
}

#[test]
fn a_server_alone_is_called_by_a_user_or_nobody_knows_by_whom() {
    check(&["a server 1 5"], &["user>a virtual_node(client) 1/0 0/5"]);
    check(&["a server 1<9 5"], &["?a 1"]);
    check(&["a internal 9 5", "a server 1<9 5"], &["?a 1"]);
}

#[test]
fn messages_go_to_their_queue_from_it_and_past_it() {
    check(
        &[
            "a producer 2<1 5 messaging.destination.name=orders",
            "b consumer! 3<2 4",
        ],
        &[
            "a>b messaging_system() 1/1 5/4",
            "a>orders messaging_system(server) 1/0 5/0",
            "orders>b messaging_system(client) 1/1 0/4",
        ],
    );
    check(
        &[
            "a producer 2<1 5 messaging.destination.name=orders.17 messaging.destination.template=orders.{n}",
        ],
        &["a>orders.{n} messaging_system(server) 1/0 5/0"],
    );
    check(
        &["b consumer 3 4 messaging.destination.name=orders"],
        &["orders>b messaging_system(client) 1/0 0/4"],
    );
    check(&["b consumer 3 4"], &["?b 1"]);
    check(&["a producer 3<1 4"], &["a? 1"]);
    check(
        &["a producer 2<1 5", "b consumer 3<2 4"],
        &["a>b messaging_system() 1/0 5/4"],
    );
}

#[test]
fn a_message_waits_from_the_end_of_its_producer_to_the_start_of_its_consumer() {
    let end = |role, id, parent, end_unix_ns| End {
        id,
        parent,
        role,
        service: "a",
        peer: None,
        failed: false,
        weight: 1.0,
        duration_ns: 10,
        end_unix_ns,
        window_ms: 0,
    };
    for (consumed_unix_ns, expected) in [(150, Some(40)), (110, Some(0)), (109, None)] {
        let ends = [
            end(Role::Producer, 1, None, 100),
            end(Role::Consumer, 2, Some(1), consumed_unix_ns),
        ];
        let mut waited = Vec::new();
        Pairing::default().count(&ends, |counted| {
            if let Counted::Request(request) = counted {
                waited.push(request.queue_ns);
            }
        });
        assert_eq!(waited, [expected]);
    }
}

#[test]
fn labels_are_those_that_tools_know_and_the_queue() {
    let labels = |client, server, connection, virtual_node| {
        let edge = Edge {
            client,
            server,
            connection,
            virtual_node,
        };
        let labels: Vec<String> = edge.labels().map(|(n, v)| format!("{n}={v}")).collect();
        labels.join(",")
    };
    assert_eq!(
        labels("a", "b", Connection::Call, None),
        "client=a,server=b"
    );
    assert_eq!(
        labels("a", "q", Connection::Messaging, Some(Side::Server)),
        "client=a,connection_type=messaging_system,messaging_destination_name=q,server=q,virtual_node=server"
    );
    assert_eq!(
        labels("a", "b", Connection::Messaging, None),
        "client=a,connection_type=messaging_system,server=b"
    );
    assert_eq!(
        labels("user", "b", Connection::Virtual, Some(Side::Client)),
        "client=user,connection_type=virtual_node,server=b,virtual_node=client"
    );
}

/// Traces of a real shop and the series that Grafana Alloy makes of them; None where the folder is not there.
fn fixture(name: &str) -> Option<String> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/fixtures/service-graph"
    );
    let text = std::fs::read_to_string(format!("{folder}/{name}")).ok()?;
    // protobuf's own spelling of names and enums, which OTLP as JSON does not have
    let spelled = [
        ("\"resource_spans\"", "\"resourceSpans\""),
        ("\"scope_spans\"", "\"scopeSpans\""),
        ("\"SPAN_KIND_SERVER\"", "2"),
        ("\"SPAN_KIND_CLIENT\"", "3"),
        ("\"STATUS_CODE_ERROR\"", "2"),
    ];
    let respell = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    Some(spelled.iter().fold(text, respell))
}

/// Values of a metric in Prometheus's text format, by its labels.
fn metric<'a>(text: &'a str, name: &str) -> BTreeMap<&'a str, f64> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let values = lines.filter_map(|line| line.strip_prefix('{')?.split_once("} "));
    values
        .map(|(labels, value)| (labels, value.parse().expect("a number")))
        .collect()
}

#[test]
fn edges_of_real_traces_are_those_of_other_tools() {
    let (Some(json), Some(expected)) = (
        fixture("alloy-trace-sample.json"),
        fixture("alloy-trace-sample.expected.prom"),
    ) else {
        return; // the fixtures lie beside the project, not in it
    };
    let told = told_of_json(&json);
    let labelled = |number: fn(&Sums) -> f64| {
        let edges = told.edges.iter().map(|((client, server, ..), told)| {
            (
                format!(r#"client="{client}",server="{server}""#),
                number(told),
            )
        });
        edges.filter(|(_, n)| *n > 0.0).collect::<BTreeMap<_, _>>()
    };
    let same = |name: &str, found: BTreeMap<String, f64>| {
        let expected = metric(&expected, name);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (labels, value) in found {
            let expected = expected.get(labels.as_str()).copied().unwrap_or(f64::NAN);
            assert!((value - expected).abs() < 1e-9, "{name} {labels}: {value}");
        }
    };
    same(REQUESTS, labelled(|told| told.0));
    same(FAILED, labelled(|told| told.1));
    same(&format!("{CLIENT_SECONDS}_count"), labelled(|told| told.0));
    same(&format!("{SERVER_SECONDS}_count"), labelled(|told| told.0));
    same(
        &format!("{CLIENT_SECONDS}_sum"),
        labelled(|told| told.2 as f64 / 1e9),
    );
    same(
        &format!("{SERVER_SECONDS}_sum"),
        labelled(|told| told.3 as f64 / 1e9),
    );
    assert!(told.unpaired.is_empty());
    assert!(
        told.edges
            .keys()
            .all(|(.., connection, _)| *connection == Connection::Call)
    );
}

#[test]
fn clients_without_servers_are_left_as_in_other_tools_and_root_servers_have_a_user() {
    let (Some(json), Some(expected)) = (
        fixture("alloy-unpaired-trace-sample.json"),
        fixture("alloy-unpaired-trace-sample.expected.prom"),
    ) else {
        return;
    };
    let told = told_of_json(&json);
    let expected = metric(&expected, UNPAIRED);
    let mut clients = BTreeMap::new();
    for ((side, service), n) in &told.unpaired {
        assert_eq!(*side, Side::Client);
        clients.insert(format!(r#"client="{service}",server="""#), *n);
    }
    let expected: BTreeMap<String, f64> = expected
        .into_iter()
        .filter(|(labels, _)| labels.ends_with(r#"server="""#))
        .map(|(labels, n)| (labels.to_owned(), n))
        .collect();
    assert_eq!(clients, expected);
    let of_user: Vec<String> = lines(&told)
        .into_iter()
        .filter(|line| line.contains('>'))
        .collect();
    assert_eq!(
        of_user,
        [
            "user>app virtual_node(client) 3/0 0/6200",
            "user>db virtual_node(client) 3/0 0/5000"
        ]
    );
}

/// Id, parent, role, kind of peer, failed.
type Said = (u64, Option<u64>, u8, Option<u8>, bool);

fn ends() -> impl Strategy<Value = Vec<Said>> {
    let end = (
        0..12u64,
        prop::option::of(0..12u64),
        0..4u8,
        prop::option::of(0..3u8),
        any::<bool>(),
    );
    prop::collection::vec(end, 0..20)
}

fn as_end(&(id, parent, role, peer, failed): &Said) -> End<'static> {
    let role = [Role::Client, Role::Server, Role::Producer, Role::Consumer][usize::from(role)];
    let kinds = [PeerKind::Database, PeerKind::Queue, PeerKind::Other];
    End {
        id,
        parent,
        role,
        service: ["a", "b", "c"][id as usize % 3],
        peer: peer.map(|kind| (kinds[usize::from(kind)], "p")),
        failed,
        weight: 1.0,
        duration_ns: id * 1_000_000,
        end_unix_ns: id * 2_000_000,
        window_ms: 0,
    }
}

proptest! {
    /// However the spans of a trace came, and whatever they are: each end counts at least once, and the order of different spans says nothing.
    #[test]
    fn every_end_counts_and_order_does_not(said in ends(), turn: prop::sample::Index) {
        let mut seen = std::collections::BTreeSet::new();
        let ends: Vec<End<'_>> = said.iter().filter(|(id, _, role, ..)| seen.insert((*id, *role))).map(as_end).collect();
        let told = |ends: &[End<'static>]| {
            let mut told = Told::default();
            Pairing::default().count(ends, |counted| told.add(counted));
            told
        };
        let first = told(&ends);
        let mut turned = ends.clone();
        if !turned.is_empty() {
            turned.rotate_left(turn.index(ends.len()));
        }
        // a client and a producer under one id are one caller: which one depends on who came first
        let mut callers = std::collections::BTreeSet::new();
        if ends.iter().filter(|end| end.role.calls()).all(|end| callers.insert(end.id)) {
            prop_assert_eq!(&first, &told(&turned));
            let n: f64 = first.edges.values().map(|told| told.0).sum::<f64>() + first.unpaired.values().sum::<f64>();
            let n_answers = ends.iter().filter(|end| !end.role.calls()).count();
            prop_assert!(n >= n_answers as f64);
        }
    }
}
