//! What is said of a trace while the store of metrics still reads the log.

use serde_json::{Value, json};

use super::reported::trace;
use super::{A, AT_S, codes};
use crate::map::derived::Epoch;
use crate::served::{Answer, NOW_UNIX_MS, Served, kept};

const PATH: &str = "/api/tracewell/v1/traces/1/infra";

/// The reasons for which an answer may lack something, which its header says as well.
#[track_caller]
fn reasons(answer: &Answer) -> (Value, Value) {
    let body = answer.json();
    let reasons = body["partial_reasons"].clone();
    let told = reasons.as_array().expect("reasons").iter();
    let told: Vec<&str> = told.filter_map(Value::as_str).collect();
    let header = answer.header("x-tracewell-partial").unwrap_or_default();
    assert_eq!(told.join(","), header);
    (body["partial"].clone(), reasons)
}

/// Spans that say where they ran, and spans of which only an agent's word could tell it.
async fn store(served: &Served) {
    let said: &[(&str, &str)] = &[("container.id", A), ("service.version", "1")];
    let half: &[(&str, &str)] = &[("k8s.pod.uid", "u1"), ("k8s.container.name", "c")];
    let silent: &[(&str, &str)] = &[];
    for (id, resource) in [(1, said), (2, half), (3, silent)] {
        let spans = trace(id, AT_S, &[("checkout", resource, 0, 1)]);
        served.store(id as u32, vec![kept(id, spans)]).await;
    }
}

#[tokio::test]
async fn a_store_that_still_reads_says_so_and_blames_nobody() {
    let served = Served::reading(query::Config::default(), false).await;
    store(&served).await;
    let answer = served.get(PATH).await;
    assert_eq!(reasons(&answer), (json!(true), json!(["lag"])));
    // whether somebody reports the container is not known yet
    assert_eq!(codes(&answer.json()), [""; 0], "{}", answer.text);
    for (id, expected) in [(2, ["TW3109"]), (3, ["TW3109"])] {
        let path = format!("/api/tracewell/v1/traces/{id}/infra");
        let body = served.get(&path).await.json();
        assert_eq!(codes(&body), expected, "{body}");
    }
}

#[tokio::test]
async fn a_store_that_has_read_all_says_up_to_when_and_who_is_silent() {
    let served = Served::start().await;
    Epoch::default().write(&served, 0).await;
    store(&served).await;
    let answer = served.get(PATH).await;
    assert_eq!(reasons(&answer), (json!(false), json!([])));
    assert_eq!(codes(&answer.json()), ["TW3104"], "{}", answer.text);
    let at = jiff::Timestamp::from_millisecond(NOW_UNIX_MS).expect("a time");
    let told = answer.json()["complete_to"].clone();
    let told = told.as_str().expect("a time").to_owned();
    assert_eq!(told.parse::<jiff::Timestamp>().expect("a time"), at);
    assert_eq!(answer.header("x-tracewell-complete-to"), Some(&*told));
    for (id, expected) in [(2, ["TW3102", "TW3109"]), (3, ["TW3102", "TW3109"])] {
        let path = format!("/api/tracewell/v1/traces/{id}/infra");
        let body = served.get(&path).await.json();
        assert_eq!(codes(&body), expected, "{body}");
    }
}

#[tokio::test]
async fn more_lanes_than_a_person_looks_at_are_cut_and_that_is_a_reason_too() {
    for (reads, expected) in [(true, json!(["limit"])), (false, json!(["lag", "limit"]))] {
        let served = Served::reading(query::Config::default(), reads).await;
        let hosts: Vec<String> = (0..33).map(|n| format!("node-{n}")).collect();
        let resources: Vec<[(&str, &str); 1]> =
            hosts.iter().map(|host| [("host.name", &**host)]).collect();
        let at = |(n, resource)| ("checkout", resource, n, n + 1);
        let called = resources.iter().map(<[_; 1]>::as_slice);
        let root: (&str, &[(&str, &str)], u64, u64) = ("front", &[], 0, 40);
        let spans: Vec<_> = [root]
            .into_iter()
            .chain((0..).zip(called).map(at))
            .collect();
        served.store(0, vec![kept(1, trace(1, AT_S, &spans))]).await;
        let answer = served.get(PATH).await;
        assert_eq!(reasons(&answer), (json!(true), expected));
        let lanes = answer.json()["lanes"].as_array().map(Vec::len);
        assert_eq!(lanes, Some(32));
    }
}
