//! Errors and examples of a service: counts of series beside traces that are kept.

use bytes::Bytes;
use serde_json::{Value, json};
use telemetry::wire::json::decode_traces;

use super::derived::{BEGIN_MS, Epoch};
use super::names;
use crate::served::{Served, kept, live, sampling};
use trace_store::KeptTrace;

/// A request of `cart`: how long, and why it failed, as `Type: message`, of an exception or (without a type) of the status.
fn request(trace: u64, operation: &str, ms: u64, why: Option<&str>, version: &str) -> Bytes {
    let start = u64::try_from(BEGIN_MS).expect("after 1970") * 1_000_000 + trace * 1_000;
    let attribute =
        |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let (kind, message) = why.map_or(("", ""), |why| why.split_once(": ").unwrap_or(("", why)));
    let exception = json!([{ "name": "exception", "timeUnixNano": start.to_string(), "attributes": [
        attribute("exception.type", kind), attribute("exception.message", message),
    ] }]);
    let has_exception = !kind.is_empty();
    let json = json!({ "resourceSpans": [{
        "resource": { "attributes": [
            attribute("service.name", "cart"), attribute("service.version", version), attribute("service.instance.id", "c1"),
        ] },
        "scopeSpans": [{ "spans": [{
            "traceId": format!("{trace:032x}"), "spanId": format!("{trace:016x}"), "name": operation, "kind": 2,
            "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + ms * 1_000_000).to_string(),
            "status": why.map_or(json!({}), |_| json!({ "code": 2, "message": if has_exception { "" } else { message } })),
            "events": if has_exception { exception } else { json!([]) },
        }] }],
    }] });
    decode_traces(json.to_string().as_bytes())
        .expect("valid")
        .into()
}

/// 60 requests of which 30 failed, and traces of a few: 4 for one reason, 1 for another, some that went well, one of them slow.
async fn cart() -> Served {
    let served = Served::start().await;
    let mut epoch = Epoch::default();
    epoch.requests(
        "cart/c1",
        BEGIN_MS,
        (60, 30),
        0.1,
        &[("service_version", "2")],
    );
    epoch.write(&served, 0).await;
    let reason = |n: u64| format!("Timeout: no answer of 10.0.0.{n} in {n}00 ms");
    let mut traces: Vec<KeptTrace> = (1..=3)
        .map(|n| kept(n, request(n, "GET /", 100, Some(&reason(n)), "2")))
        .collect();
    traces.push(kept(5, request(5, "GET /", 100, Some("out of stock"), "1")));
    traces.push(kept(6, request(6, "GET /", 100, None, "2")));
    let sampled = KeptTrace {
        sampling: sampling("rest", 1 << 55),
        ..kept(7, request(7, "GET /", 900, None, "2"))
    };
    traces.push(sampled);
    served.store(0, traces).await;
    let open = request(4, "GET /", 100, Some(&reason(4)), "2");
    served.live.add(live(4, open, query::LiveState::Undecided));
    served
}

#[tokio::test]
async fn errors_are_told_by_reason_with_traces_that_are_there() {
    let served = cart().await;
    let get = async |query: &str| {
        let path = format!("/api/tracewell/v1/services/cart/errors?{query}");
        served.get(&path).await.json()
    };
    let body = get("from=now-5m").await;
    assert_eq!(body["total"], 2, "{body}");
    let first = &body["items"][0];
    let of = |row: &Value| {
        let told = ["operation", "kind", "type", "message", "sample"];
        told.map(|name| row[name].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(
        of(first),
        [
            "GET /",
            "server",
            "Timeout",
            "no answer of {n}.{n}.{n}.{n} in {n} ms",
            "no answer of 10.0.0.4 in 400 ms"
        ]
    );
    // 4 of 5 that were seen, of 30 that were counted
    let count = &first["count"];
    assert_eq!(
        (&count["value"], &count["kind"], &count["n"]),
        (&json!(24.0), &json!("estimate"), &json!(4))
    );
    let (low, high) = (count["low"].as_f64(), count["high"].as_f64());
    assert!(low < Some(24.0) && high > Some(24.0), "{count}");
    assert_eq!(first["count_of_operation"], 30.0);
    assert_eq!(
        of(&body["items"][1])[2..],
        ["-", "out of stock", "out of stock"]
    );
    for row in body["items"].as_array().expect("rows") {
        let examples = row["examples"].as_array().expect("examples");
        assert!(!examples.is_empty());
        for example in examples {
            let id = example["trace_id"].as_str().expect("an id");
            let trace = served.get(&format!("/api/tracewell/v1/traces/{id}")).await;
            assert_eq!(trace.status, 200, "{id}");
            let span = example["span_id"].as_str().expect("an id");
            assert!(trace.text.contains(span), "{span}");
        }
    }
    // what was counted has no version here, so versions have what their traces tell
    let by_version = get("from=now-5m&group=version").await;
    assert_eq!(names(&by_version["items"], "version"), ["", "2", "1"]);
    let by_instance = get("from=now-5m&group=instance").await;
    assert_eq!(names(&by_instance["items"], "instance"), ["c1", "c1"]);
    assert_eq!(get("group=x").await["status"], 400);
    // nobody says an environment
    assert_eq!(get("from=now-5m&env=prod").await["status"], 404);
    // what failed long ago has a count and no trace
    let mut epoch = Epoch::default();
    let begin_ms = BEGIN_MS - 7_200_000;
    epoch.requests("cart/c1", begin_ms, (20, 3), 0.1, &[]);
    epoch.write(&served, 1).await;
    let old = get("from=now-3h&to=now-1h").await;
    assert_eq!(old["total"], 1, "{old}");
    let row = &old["items"][0];
    assert_eq!(
        (
            &row["count"]["value"],
            &row["count"]["kind"],
            &row["examples"]
        ),
        (&json!(3.0), &json!("exact"), &json!([]))
    );
}

#[tokio::test]
async fn examples_are_slow_failed_and_typical_traces() {
    let served = cart().await;
    let get = async |query: &str| {
        let path = format!("/api/tracewell/v1/services/cart/examples?{query}");
        served.get(&path).await.json()
    };
    let body = get("from=now-5m").await;
    let short = |row: &Value| {
        let id = row["trace_id"]
            .as_str()
            .expect("an id")
            .trim_start_matches('0');
        format!("{} {id}", row["why"].as_str().expect("a word"))
    };
    let rows = body["items"].as_array().expect("rows");
    let told: Vec<String> = rows.iter().map(short).collect();
    assert_eq!(
        told,
        ["error 5", "error 4", "error 3", "slow 7", "typical 6"],
        "{body}"
    );
    assert_eq!(rows[3]["adjusted_count"], 2.0);
    assert_eq!(rows[1]["state"], "undecided");
    for row in rows {
        let id = row["trace_id"].as_str().expect("an id");
        let trace = served.get(&format!("/api/tracewell/v1/traces/{id}")).await;
        assert_eq!(trace.status, 200, "{id}");
    }
    assert_eq!(get("from=now-5m&operation=x").await["total"], 0);
    assert_eq!(get("from=now-5m&limit=2").await["next_cursor"], "2");
}

#[tokio::test]
async fn operations_of_instances_are_shares_of_what_was_counted() {
    let served = cart().await;
    let get = async |query: &str| {
        let path = format!("/api/tracewell/v1/services/cart/operations?{query}");
        served.get(&path).await.json()
    };
    let all = get("from=now-5m").await;
    let body = get("from=now-5m&group=instance").await;
    assert_eq!(names(&body["items"], "instance"), ["c1"], "{body}");
    let (counted, row) = (&all["items"][0], &body["items"][0]);
    for number in ["operation", "kind", "rate", "error_ratio"] {
        assert_eq!(row[number], counted[number], "{number}");
    }
    // told by 5 spans that failed and 2 that did not, of which one stands for two
    let count = &row["count"];
    assert_eq!(
        (&count["value"], &count["kind"], &count["n"]),
        (&json!(60.0), &json!("estimate"), &json!(7))
    );
    assert!(count["low"].as_f64() < Some(60.0), "{count}");
    let p99 = row["p99"].as_f64().expect("a duration");
    assert!((p99 - 0.9).abs() < 0.04, "{row}");
    assert_eq!(counted["count"], Value::Null);
    // nobody says an environment
    assert_eq!(get("from=now-5m&group=instance&env=prod").await["total"], 0);
    // what has no trace left is of no instance that is known, and all of it is counted
    let mut epoch = Epoch::default();
    let begin_ms = BEGIN_MS - 7_200_000;
    epoch.requests("cart/c1", begin_ms, (20, 3), 0.1, &[]);
    epoch.write(&served, 1).await;
    let old = get("from=now-3h&to=now-1h&group=instance").await;
    let row = &old["items"][0];
    assert_eq!(
        (
            &row["instance"],
            &row["count"]["value"],
            &row["count"]["kind"]
        ),
        (&json!(""), &json!(20.0), &json!("exact"))
    );
}
