//! Goldens of the conversion: small ones here, and Jaeger's own where the shared fixtures are.

use serde_json::{Value, json};
use telemetry::wire::json::decode_traces;
use trace_store::Sampling;

use super::*;
use crate::trace::found::{State, walked};

fn converted(otlp_json: &str, facts: Option<&Facts>) -> Value {
    let bytes = decode_traces(otlp_json.as_bytes()).expect("valid OTLP JSON");
    walked(&bytes, |view| {
        let id = view
            .spans()
            .next()
            .map(|span| span.trace_id())
            .unwrap_or_default();
        serde_json::to_value(Trace::of(id, view, facts)).expect("JSON")
    })
    .expect("valid OTLP")
}

/// OTLP JSON of spans `(id, parent, start, end)` of one service.
fn spans(spans: &[(u64, Option<u64>, u64, u64)]) -> String {
    let span = |(id, parent, start, end): &(u64, Option<u64>, u64, u64)| {
        json!({
            "traceId": "83a9efd15c1c98a977e0711cc93ee28b", "spanId": format!("{id:016x}"), "name": "x",
            "parentSpanId": parent.map_or_else(String::new, |parent| format!("{parent:016x}")),
            "startTimeUnixNano": start.to_string(), "endTimeUnixNano": end.to_string(),
        })
    };
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans.iter().map(span).collect::<Vec<_>>() }] }] }).to_string()
}

#[test]
fn jaegers_own_golden_is_met_exactly() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/jaeger");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}"));
    let (Ok(otlp), Ok(expected)) = (read("otlp2jaeger-in.json"), read("otlp2jaeger-out.json"))
    else {
        #[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
        {
            eprintln!("SKIPPED: no fixtures at {folder}");
        }
        return;
    };
    let expected: Value = serde_json::from_str(&expected).expect("JSON");
    assert_eq!(converted(&otlp, None), expected["data"][0]);
}

#[test]
fn everything_a_span_has_finds_its_place() {
    let otlp = r#"{"resourceSpans":[{"resource":{"attributes":[
        {"key":"host.name","value":{"stringValue":"h"}},{"key":"service.name","value":{"stringValue":"shop"}}]},
      "scopeSpans":[{"scope":{"name":"lib","version":"1.2"},"spans":[{
        "traceId":"00000000000000000000000000000227","spanId":"0000000000000003","parentSpanId":"0000000000000002","name":"op",
        "kind":3,"startTimeUnixNano":"1485449191639875999","endTimeUnixNano":"1485449191639977000","traceState":"a=b",
        "attributes":[
          {"key":"s","value":{"stringValue":"t"}},{"key":"b","value":{"boolValue":true}},{"key":"i","value":{"intValue":"-5"}},
          {"key":"big","value":{"intValue":"9007199254740993"}},{"key":"d","value":{"doubleValue":1.5}},
          {"key":"nan","value":{"doubleValue":"NaN"}},{"key":"inf","value":{"doubleValue":"-Infinity"}},
          {"key":"y","value":{"bytesValue":"AQI="}},{"key":"e","value":{}}],
        "events":[{"timeUnixNano":"1485449191639876000","name":"n","attributes":[{"key":"k","value":{"stringValue":"v"}}]},
          {"timeUnixNano":"1","name":"n","attributes":[{"key":"event","value":{"stringValue":"own"}}]}],
        "links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000009"},
          {"traceId":"00000000000000000000000000000001","spanId":"000000000000000a",
           "attributes":[{"key":"opentracing.ref_type","value":{"stringValue":"child_of"}}]}],
        "status":{"code":2,"message":"broken"}}]}]}]}"#;
    let string = |key: &str, value: &str| json!({ "key": key, "type": "string", "value": value });
    let expected = json!({
        "traceID": "00000000000000000000000000000227",
        "spans": [{
            "traceID": "00000000000000000000000000000227",
            "spanID": "0000000000000003",
            "operationName": "op",
            "references": [
                { "refType": "CHILD_OF", "traceID": "00000000000000000000000000000227", "spanID": "0000000000000002" },
                { "refType": "FOLLOWS_FROM", "traceID": "00000000000000000000000000000001", "spanID": "0000000000000009" },
                { "refType": "CHILD_OF", "traceID": "00000000000000000000000000000001", "spanID": "000000000000000a" },
            ],
            "startTime": 1_485_449_191_639_875_u64,
            "duration": 101,
            "tags": [
                string("otel.scope.name", "lib"),
                string("otel.scope.version", "1.2"),
                string("s", "t"),
                { "key": "b", "type": "bool", "value": true },
                { "key": "i", "type": "int64", "value": -5 },
                { "key": "big", "type": "int64", "value": "9007199254740993" },
                { "key": "d", "type": "float64", "value": 1.5 },
                { "key": "nan", "type": "float64", "value": "NaN" },
                { "key": "inf", "type": "float64", "value": "-Infinity" },
                { "key": "y", "type": "binary", "value": "AQI=" },
                string("e", ""),
                string("span.kind", "client"),
                string("otel.status_code", "ERROR"),
                { "key": "error", "type": "bool", "value": true },
                string("otel.status_description", "broken"),
                string("w3c.tracestate", "a=b"),
            ],
            "logs": [
                { "timestamp": 1_485_449_191_639_876_u64, "fields": [string("event", "n"), string("k", "v")] },
                { "timestamp": 0, "fields": [string("event", "own")] },
            ],
            "processID": "p1",
            "warnings": null,
        }],
        "processes": { "p1": { "serviceName": "shop", "tags": [string("host.name", "h")] } },
        "warnings": null,
    });
    assert_eq!(converted(otlp, None), expected);
}

#[test]
fn nested_values_are_their_json_text() {
    let otlp = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00000000000000000000000000000227","spanId":"0000000000000003",
        "attributes":[{"key":"a","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"x"}]}}}]}]}]}]}"#;
    assert_eq!(
        converted(otlp, None)["spans"][0]["tags"],
        json!([{ "key": "a", "type": "string", "value": "[1,\"x\"]" }])
    );
}

#[test]
fn equal_resources_are_one_process() {
    let resource = |service: &str, id: u64| {
        json!({ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
            "scopeSpans": [{ "spans": [{ "traceId": "00000000000000000000000000000227", "spanId": format!("{id:016x}") }] }] })
    };
    let otlp = json!({ "resourceSpans": [resource("a", 1), resource("b", 2), resource("a", 3)] })
        .to_string();
    let trace = converted(&otlp, None);
    let ids: Vec<&Value> = trace["spans"]
        .as_array()
        .expect("spans")
        .iter()
        .map(|span| &span["processID"])
        .collect();
    assert_eq!(ids, ["p1", "p2", "p1"]);
    assert_eq!(trace["processes"]["p2"]["serviceName"], "b");
    assert_eq!(trace["processes"].as_object().expect("object").len(), 2);
}

fn facts(p_unknown: bool, p_estimated: bool) -> Facts {
    let sampling = Sampling {
        rule: "slow".into(),
        threshold: 0xc0_0000_0000_0000,
        threshold_in: 0,
        p_unknown,
        p_estimated,
    };
    Facts::of(&State::Kept(sampling))
}

#[test]
fn sampling_is_shown_on_the_root_alone() {
    let rule = json!({ "key": "tracewell.sampling.rule", "type": "string", "value": "slow" });
    let count = |count: f64| json!({ "key": "tracewell.sampling.adjusted_count", "type": "float64", "value": count });
    let th = json!({ "key": "w3c.tracestate", "type": "string", "value": "ot=th:c" });
    let otlp = spans(&[(2, Some(1), 1, 2), (1, None, 1, 3)]);
    let tags =
        |facts: &Facts, span: usize| converted(&otlp, Some(facts))["spans"][span]["tags"].clone();
    assert_eq!(tags(&facts(false, false), 0), json!([]));
    assert_eq!(tags(&facts(false, false), 1), json!([th, rule, count(4.0)]));
    assert_eq!(tags(&facts(true, false), 1), json!([rule, count(1.0)]));
    assert_eq!(tags(&facts(false, true), 1), json!([rule, count(4.0)]));
    let state =
        json!({ "key": "tracewell.sampling.state", "type": "string", "value": "undecided" });
    assert_eq!(tags(&Facts::of(&State::Undecided), 1), json!([state]));
}

#[track_caller]
fn check(
    given: &[(u64, Option<u64>, u64, u64)],
    durations: &[u64],
    parents: &[Option<u64>],
    warnings: &[Option<&str>],
) {
    let trace = converted(&spans(given), Some(&facts(false, false)));
    for (i, span) in trace["spans"].as_array().expect("spans").iter().enumerate() {
        assert_eq!(span["duration"], durations[i], "duration of span {i}");
        let parent = parents[i].map(|parent| format!("{parent:016x}"));
        assert_eq!(
            span["references"][0]["spanID"].as_str(),
            parent.as_deref(),
            "parent of span {i}"
        );
        match warnings[i] {
            None => assert_eq!(span["warnings"], Value::Null),
            Some(part) => assert!(
                span["warnings"][0]
                    .as_str()
                    .expect("a warning")
                    .contains(part),
                "{}",
                span["warnings"]
            ),
        }
    }
}

#[test]
fn strange_times_and_parents_are_shown_with_a_warning() {
    check(
        &[(1, None, 5_000, 2_000)],
        &[0],
        &[None],
        &[Some("ends 3000 ns before it starts")],
    );
    check(&[(1, None, u64::MAX, u64::MAX)], &[0], &[None], &[None]);
    check(
        &[(1, None, 0, u64::MAX)],
        &[u64::MAX / 1_000],
        &[None],
        &[None],
    );
    check(
        &[(1, None, u64::MAX, 0)],
        &[0],
        &[None],
        &[Some("before it starts")],
    );
    check(
        &[(1, Some(1), 0, 1_000)],
        &[1],
        &[None],
        &[Some("names itself")],
    );
    check(
        &[(1, Some(2), 1, 1), (2, Some(1), 0, 0)],
        &[0, 0],
        &[Some(2), None],
        &[None, Some("lead back")],
    );
    check(
        &[(1, None, 0, 0), (2, None, 0, 0)],
        &[0, 0],
        &[None, None],
        &[None, None],
    );
    check(&[(1, Some(9), 0, 0)], &[0], &[Some(9)], &[None]);
}

#[test]
fn a_chain_of_100_000_spans_is_converted() {
    let chain: Vec<(u64, Option<u64>, u64, u64)> = (0..100_000)
        .map(|i| (i + 1, (i > 0).then_some(i), i, i))
        .collect();
    let trace = converted(&spans(&chain), Some(&facts(false, false)));
    assert_eq!(trace["spans"].as_array().expect("spans").len(), 100_000);
    assert_eq!(
        trace["spans"][99_999]["references"][0]["spanID"],
        format!("{:016x}", 99_999)
    );
}
