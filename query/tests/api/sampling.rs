//! What sampling says is shown on the root span by every API, and not at all when a trace is asked for as it is stored.

use query::LiveState;
use serde_json::{Value, json};
use trace_store::KeptTrace;

use crate::served::{Served, kept, live, sampling, span};

/// The root of a trace of OTLP JSON, which has one span.
fn root(otlp: &Value) -> &Value {
    &otlp["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
}

async fn served() -> Served {
    let served = Served::start().await;
    let one_in_four = KeptTrace {
        sampling: sampling("busy", 0xc0_0000_0000_0000),
        ..kept(1, span(1, 1, None, "a", 10))
    };
    served.store(0, vec![one_in_four]).await;
    served
        .live
        .add(live(2, span(2, 1, None, "a", 20), LiveState::Undecided));
    served
}

#[tokio::test]
async fn rule_count_and_threshold_are_on_the_root() {
    let served = served().await;
    let v1 = served.get("/api/traces/1").await.json();
    let tags = v1["data"][0]["spans"][0]["tags"]
        .as_array()
        .expect("tags")
        .clone();
    for tag in [
        json!({ "key": "w3c.tracestate", "type": "string", "value": "ot=th:c" }),
        json!({ "key": "tracewell.sampling.rule", "type": "string", "value": "busy" }),
        json!({ "key": "tracewell.sampling.adjusted_count", "type": "float64", "value": 4.0 }),
    ] {
        assert!(tags.contains(&tag), "{tag} in {tags:?}");
    }
    let v3 = served.get("/api/v3/traces/1").await.json();
    let root = root(&v3["result"]);
    assert_eq!(root["traceState"], "ot=th:c");
    let attributes = json!([
        { "key": "tracewell.sampling.rule", "value": { "stringValue": "busy" } },
        { "key": "tracewell.sampling.adjusted_count", "value": { "doubleValue": 4.0 } },
    ]);
    assert_eq!(root["attributes"], attributes);
    let own = served.get("/api/tracewell/v1/traces/1").await.json();
    assert_eq!(
        (
            own["state"].as_str(),
            own["rule"].as_str(),
            own["adjusted_count"].as_f64()
        ),
        (Some("kept"), Some("busy"), Some(4.0))
    );
}

#[tokio::test]
async fn an_undecided_trace_says_so() {
    let served = served().await;
    let v1 = served.get("/api/traces/2").await.json();
    let tags = v1["data"][0]["spans"][0]["tags"]
        .as_array()
        .expect("tags")
        .clone();
    assert!(
        tags.contains(
            &json!({ "key": "tracewell.sampling.state", "type": "string", "value": "undecided" })
        ),
        "{tags:?}"
    );
    let v3 = served.get("/api/v3/traces/2").await.json();
    assert_eq!(
        root(&v3["result"])["attributes"],
        json!([{ "key": "tracewell.sampling.state", "value": { "stringValue": "undecided" } }])
    );
    assert_eq!(
        served.get("/api/tracewell/v1/traces/2").await.json()["state"],
        "undecided"
    );
}

#[tokio::test]
async fn raw_is_the_trace_as_it_was_sent() {
    let served = served().await;
    let v1 = served.get("/api/traces/1?raw=true").await.json();
    assert_eq!(
        v1["data"][0]["spans"][0]["tags"],
        json!([{ "key": "span.kind", "type": "string", "value": "server" }])
    );
    let v3 = served.get("/api/v3/traces/1?rawTraces=true").await.json();
    let root = root(&v3["result"]);
    assert_eq!(
        (
            root.get("traceState").and_then(Value::as_str).unwrap_or(""),
            root.get("attributes")
        ),
        ("", None)
    );
}
