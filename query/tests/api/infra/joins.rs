//! The ways from a span to what it ran on, in order, each with its confidence; and the sentences about hosts that cannot be told.

use serde_json::Value;

use super::reported::{Reported, calling, trace};
use super::{A, AT_S, codes, lane, signal, value_at};
use crate::served::{Served, kept};

const B: &str = "99887766554433221100ffeeddccbbaa01330382e53050c0a93d1198f4e04052";
const C: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What agents and one service tell of in the minute of the traces: three containers on two hosts, the second in a pod.
fn two_hosts() -> Reported {
    let mut reported = Reported::default();
    let first = [("host.id", "h1"), ("host.name", "node-1")];
    let second = [("host.id", "h2"), ("host.name", "node-2")];
    let memory = ("container.memory.working_set", "By", [].as_slice());
    let load = ("system.cpu.load_average.1m", "{thread}", [].as_slice());
    let of_process = ("process.memory.usage", "By", [].as_slice());
    for s in (AT_S - 60..=AT_S + 20).step_by(10) {
        let mut tell = |host: &[(&'static str, &'static str)], more: &[_], metric| {
            reported.gauge(&[host, more].concat(), metric, s, 1e9);
        };
        tell(&first, &[("host.ip", "10.1.0.9")], load);
        tell(&second, &[], load);
        tell(&first, &[("container.id", A)], memory);
        tell(&first, &[("container.id", C)], memory);
        let of_pod = [
            ("container.id", B),
            ("k8s.pod.uid", "u2"),
            ("k8s.pod.name", "web-1"),
            ("k8s.pod.ip", "10.0.0.2"),
            ("k8s.namespace.name", "shop"),
            ("k8s.container.name", "web"),
        ];
        tell(&second, &of_pod, memory);
        let contained = [
            ("container.id", A),
            ("process.pid", "71"),
            ("process.vpid", "1"),
        ];
        tell(&first, &contained, of_process);
        let cart = [("service.name", "cart"), ("service.instance.id", "i-1")];
        tell(&cart, &[("container.id", C)], of_process);
    }
    reported
}

/// `A container.id 1.0, h1 container.id 1.0`: lanes in order of their names, each with its way and confidence.
fn joins(body: &Value) -> String {
    let lanes = body["lanes"].as_array().expect("lanes");
    let told = |lane: &Value| {
        let entity = lane["entity"].as_str().expect("an id");
        let entity = entity.replace(A, "A").replace(B, "B").replace(C, "C");
        let (_, name) = entity.split_once(':').expect("a kind");
        let method = lane["join"]["method"].as_str().expect("a word");
        format!(
            "{name} {method} {:?}",
            lane["join"]["confidence"].as_f64().expect("a number")
        )
    };
    let mut lanes: Vec<String> = lanes.iter().map(told).collect();
    lanes.sort_unstable();
    lanes.join(", ")
}

/// `key=value` with spaces between; `#A` to `#C` are ids of containers.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let ids = [("#A", A), ("#B", B), ("#C", C), ("#a", &A[..12])];
    let full = |value| {
        ids.iter()
            .find(|(short, _)| *short == value)
            .map_or(value, |(_, id)| *id)
    };
    let words = text
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    words.map(|(key, value)| (key, full(value))).collect()
}

#[tokio::test]
async fn spans_are_joined_by_the_surest_way_there_is() {
    let served = Served::start().await;
    two_hosts().write(&served, 17).await;
    // resource of the span, address at which it was called, lanes
    let cases = [
        (
            "container.id=#A",
            "",
            "A container.id 1.0, h1 container.id 1.0",
        ),
        (
            "container.id=#A k8s.pod.uid=u2 k8s.container.name=web",
            "",
            "A container.id 1.0, h1 container.id 1.0",
        ),
        (
            "k8s.pod.uid=u2 k8s.container.name=web host.name=web-1",
            "",
            "B k8s.pod.uid+k8s.container.name 1.0, h2 k8s.pod.uid+k8s.container.name 1.0",
        ),
        (
            "host.name=node-1 process.pid=71",
            "",
            "A host+process.pid 0.9, h1 host+process.pid 0.9",
        ),
        ("host.name=node-1 process.pid=70", "", "h1 host 0.9"),
        ("host.id=h2", "", "h2 host 0.9"),
        (
            "k8s.pod.name=web-1 k8s.namespace.name=shop",
            "10.1.0.9",
            "B k8s.pod.name+k8s.namespace.name 0.8, h2 k8s.pod.name+k8s.namespace.name 0.8",
        ),
        (
            "container.id=#a",
            "10.0.0.2",
            "A short container.id 0.8, h1 short container.id 0.8",
        ),
        (
            "service.instance.id=i-1",
            "10.0.0.2",
            "B network.peer.address 0.7, h2 network.peer.address 0.7",
        ),
        ("", "10.1.0.9", "h1 network.peer.address 0.7"),
        (
            "service.instance.id=i-1",
            "",
            "C service.instance.id 0.7, h1 service.instance.id 0.7",
        ),
        (
            "k8s.namespace.name=shop",
            "",
            "B only candidate 0.5, h2 only candidate 0.5",
        ),
        // there are two hosts, so none of them is the only one
        ("", "", ""),
    ];
    for (idx, (resource, address, expected)) in cases.into_iter().enumerate() {
        let id = idx as u64 + 1;
        let of_span = [pairs(resource), vec![("service.version", "1")]].concat();
        let caller: &[(&str, &str)] = &[("service.version", "2")];
        let spans = [("front", caller, 0, 2), ("cart", &of_span, 0, 2)];
        let called = [("network.peer.address", address)];
        let spans = calling(id, AT_S, &spans, &called);
        served.store(id as u32, vec![kept(id, spans)]).await;
        let path = format!("/api/tracewell/v1/traces/{id:x}/infra");
        let body = served.get(&path).await.json();
        assert_eq!(joins(&body), expected, "{resource} {address}");
        // whoever has no lane or a guess is told of, and nobody else
        let of_cart = body["missing"].to_string().contains("spans of `cart`");
        let is_weak = expected.is_empty() || expected.contains(" 0.5");
        assert_eq!(of_cart, is_weak, "{resource} {address}: {body}");
    }
}

/// Sentences with a code.
fn sentences<'a>(body: &'a Value, code: &str) -> Vec<&'a str> {
    let missing = body["missing"].as_array().expect("missing");
    let of_code = missing.iter().filter(|one| one["code"] == code);
    of_code
        .map(|one| one["sentence"].as_str().expect("a sentence"))
        .collect()
}

#[tokio::test]
async fn host_metrics_of_nobody_are_told() {
    let served = Served::start().await;
    let mut reported = Reported::default();
    for s in (AT_S - 60..=AT_S + 20).step_by(10) {
        let idle = [("cpu.mode", "idle")];
        let time = ("system.cpu.time", "s", idle.as_slice());
        reported.counter(&[("os.type", "linux")], time, s, s as f64);
    }
    let load = ("system.cpu.load_average.1m", "{thread}", [].as_slice());
    let named = [("host.id", "h2"), ("host.name", "node-2")];
    reported.gauge(&named, load, AT_S, 1.0);
    reported.write(&served, 3).await;
    let told = async |id: u64, host: &str| {
        let resource = [("host.name", host), ("service.version", "1")];
        let spans = trace(id, AT_S, &[("checkout", &resource, 0, 1)]);
        served.store(id as u32, vec![kept(id, spans)]).await;
        let path = format!("/api/tracewell/v1/traces/{id:x}/infra");
        served.get(&path).await.json()
    };
    let body = told(1, "node-1").await;
    assert_eq!(codes(&body), ["TW3103", "TW3104"], "{body}");
    assert_eq!(
        sentences(&body, "TW3103"),
        [
            "host metrics arrive without `host.name` and `host.id`: add resourcedetection with the `system` detector beside hostmetrics"
        ]
    );
    // where the host has its metrics, nobody looks for them
    let body = told(2, "node-2").await;
    assert_eq!(codes(&body), [""; 0], "{body}");
}

#[tokio::test]
async fn two_hosts_of_one_id_are_told_and_told_apart() {
    let served = Served::start().await;
    let mut reported = Reported::default();
    for s in (AT_S - 60..=AT_S + 20).step_by(10) {
        let load = ("system.cpu.load_average.1m", "{thread}", [].as_slice());
        for (name, threads) in [("node-1", 1.0), ("node-2", 2.0)] {
            let cloned = [("host.id", "h1"), ("host.name", name)];
            reported.gauge(&cloned, load, s, threads);
        }
        let other = [("host.id", "h3"), ("host.name", "node-3")];
        reported.gauge(&other, load, s, 3.0);
    }
    reported.write(&served, 6).await;
    let cases = [
        (
            "h1",
            "node-2",
            "host:h1/node-2",
            2.0,
            vec!["two hosts share `host.id` `h1`: regenerate machine-id"],
        ),
        // not under this trace
        ("h3", "node-3", "host:h3", 3.0, vec![]),
    ];
    for (idx, (host, name, entity, threads, expected)) in cases.into_iter().enumerate() {
        let id = idx as u64 + 1;
        let resource = [
            ("host.id", host),
            ("host.name", name),
            ("service.version", "1"),
        ];
        let spans = trace(id, AT_S, &[("checkout", &resource, 0, 1)]);
        served.store(id as u32, vec![kept(id, spans)]).await;
        let path = format!("/api/tracewell/v1/traces/{id:x}/infra");
        let body = served.get(&path).await.json();
        assert_eq!(sentences(&body, "TW3105"), expected, "{body}");
        assert_eq!(codes(&body).len(), expected.len(), "{body}");
        let load = signal(lane(&body, entity), "host.load", None);
        assert_eq!(value_at(load, 0), threads, "{load}");
    }
}
