//! Our own API: a trace with what sampling says of it, lists, and the tail.

use futures::StreamExt;
use query::LiveState;
use serde_json::{Value, json};
use telemetry::wire::json::decode_traces;

use crate::served::{Served, kept, live, sampling, span, walked};

#[tokio::test]
async fn a_trace_is_otlp_json_with_its_state() {
    let served = Served::start().await;
    served
        .store(0, vec![kept(1, span(1, 1, None, "a", 10))])
        .await;
    let answer = served.get("/api/tracewell/v1/traces/1").await;
    let body = answer.json();
    let mut fields: Vec<&String> = body.as_object().expect("an object").keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "adjusted_count",
            "late",
            "partial",
            "partial_reasons",
            "request_id",
            "resourceSpans",
            "rule",
            "state",
            "trace_id"
        ]
    );
    let otlp = decode_traces(answer.text.as_bytes()).expect("OTLP JSON as well");
    assert_eq!(walked(&otlp, |view| view.n_spans()), 1);
    assert_eq!(
        (body["trace_id"].as_str(), body["rule"].as_str()),
        (Some("00000000000000000000000000000001"), Some("all"))
    );
}

#[tokio::test]
async fn a_list_shows_each_trace_in_a_line() {
    let served = Served::start().await;
    served
        .store(0, vec![kept(1, span(1, 1, None, "a", 3_000))])
        .await;
    served
        .live
        .add(live(2, span(2, 1, None, "a", 3_100), LiveState::Undecided));
    let item = |trace: u64, start_s: u64, state: &str, rule: Option<&str>, count: Option<f64>| {
        json!({
            "trace_id": format!("{trace:032x}"), "root_service": "a", "root_operation": "op1",
            "start_unix_ns": (1_485_446_400_000_000_000 + start_s * 1_000_000_000).to_string(), "duration_ns": "1000000",
            "span_count": 1, "error_count": 0, "services": ["a"], "state": state, "rule": rule, "adjusted_count": count, "late": false,
        })
    };
    let expected = json!([
        item(2, 3_100, "undecided", None, None),
        item(1, 3_000, "kept", Some("all"), Some(1.0))
    ]);
    assert_eq!(
        served
            .get("/api/tracewell/v1/traces?service=a&kind=server")
            .await
            .json()["items"],
        expected
    );
    assert_eq!(
        served
            .get("/api/tracewell/v1/traces?operation=nothing")
            .await
            .json()["items"],
        json!([])
    );
    assert_eq!(
        served
            .get("/api/tracewell/v1/traces?from=now-1m")
            .await
            .json()["items"],
        json!([])
    );
}

/// Reads the stream up to the `n`th event: their names and data.
async fn events(
    stream: &mut (impl futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
    n: usize,
) -> Vec<(String, Value)> {
    let (mut text, mut events) = (String::new(), Vec::new());
    while events.len() < n {
        let bytes = stream
            .next()
            .await
            .expect("the stream goes on")
            .expect("bytes");
        text.push_str(std::str::from_utf8(&bytes).expect("text"));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                event
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(|value| value.trim().to_owned())
            };
            if let (Some(name), Some(data)) = (field("event:"), field("data:")) {
                events.push((name, serde_json::from_str(&data).expect("JSON")));
            }
            text = rest.to_owned();
        }
    }
    events
}

#[tokio::test]
async fn a_tail_sends_traces_as_they_come_and_once_more_when_decided() {
    let config = query::Config {
        tail_interval: std::time::Duration::from_millis(1),
        ..query::Config::default()
    };
    let served = Served::with(config).await;
    served
        .live
        .add(live(1, span(1, 1, None, "a", 10), LiveState::Undecided));
    served
        .live
        .add(live(2, span(2, 1, None, "b", 10), LiveState::Undecided));
    let response = reqwest::get(served.url("/api/tracewell/v1/tail?service=a"))
        .await
        .expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = Box::pin(response.bytes_stream());
    let first = events(&mut stream, 1).await;
    assert_eq!(
        (first[0].0.as_str(), first[0].1["state"].as_str()),
        ("trace", Some("undecided"))
    );
    served.live.0.lock().traces[0].state = LiveState::Kept(sampling("all", 0));
    served.live.add(live(
        3,
        span(3, 1, None, "a", 11),
        LiveState::Kept(sampling("all", 0)),
    ));
    let mut next = events(&mut stream, 2).await;
    next.sort_by_key(|(name, _)| name.clone());
    let told: Vec<_> = next
        .iter()
        .map(|(name, data)| {
            (
                name.as_str(),
                data["trace_id"]
                    .as_str()
                    .expect("an id")
                    .trim_start_matches('0'),
            )
        })
        .collect();
    assert_eq!(told, [("decided", "1"), ("trace", "3")]);
}
