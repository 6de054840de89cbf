//! OTLP JSON: what comes in is what it says, and what goes out comes in again.

use std::path::PathBuf;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message;
use telemetry::wire::json::{decode_traces, encode_traces};
use telemetry::wire::{TraceWalker, WalkLimits};

use crate::oracle::generate::{Seed, traces};
use crate::oracle::rebuild::seen;

/// Decodes a request with one span of these fields.
fn decode_span(fields: &str) -> Result<Span, String> {
    let text = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#);
    let bytes = decode_traces(text.as_bytes()).map_err(|error| error.to_string())?;
    let mut decoded = TracesData::decode(bytes.as_slice()).expect("valid protobuf");
    let mut scopes = decoded.resource_spans.remove(0).scope_spans;
    Ok(scopes.remove(0).spans.remove(0))
}

/// Decodes the value of one attribute.
fn decode_value(value: &str) -> Result<Option<Value>, String> {
    let mut span = decode_span(&format!(r#""attributes":[{{"key":"k","value":{value}}}]"#))?;
    Ok(span
        .attributes
        .remove(0)
        .value
        .and_then(|value| value.value))
}

#[test]
fn values_come_in_as_they_are_written() {
    let text = |text: &str| Some(Value::StringValue(text.to_owned()));
    let bytes = Some(Value::BytesValue(vec![0xfb, 0xff]));
    let cases = [
        ("null", None),
        ("{}", None),
        (r#"{"unknownValue":3}"#, None),
        (r#"{"stringValue":""}"#, text("")),
        (r#"{"stringValue":"\ud834\udd1e\u0000"}"#, text("𝄞\0")),
        (r#"{"boolValue":false}"#, Some(Value::BoolValue(false))),
        (
            r#"{"intValue":"9223372036854775807"}"#,
            Some(Value::IntValue(i64::MAX)),
        ),
        (
            r#"{"intValue":-9223372036854775808}"#,
            Some(Value::IntValue(i64::MIN)),
        ),
        (
            r#"{"intValue":9007199254740993}"#,
            Some(Value::IntValue(9_007_199_254_740_993)),
        ),
        (r#"{"intValue":1e3}"#, Some(Value::IntValue(1000))),
        (r#"{"doubleValue":1}"#, Some(Value::DoubleValue(1.0))),
        (
            r#"{"doubleValue":"-Infinity"}"#,
            Some(Value::DoubleValue(f64::NEG_INFINITY)),
        ),
        (r#"{"doubleValue":0.1}"#, Some(Value::DoubleValue(0.1))),
        (r#"{"bytesValue":"+/8="}"#, bytes.clone()),
        (r#"{"bytesValue":"-_8"}"#, bytes),
        (r#"{"stringValue":"a","stringValue":"b"}"#, text("b")),
        (
            r#"{"arrayValue":{}}"#,
            Some(Value::ArrayValue(Default::default())),
        ),
        (
            r#"{"kvlistValue":{}}"#,
            Some(Value::KvlistValue(Default::default())),
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(decode_value(json), Ok(expected), "{json}");
    }
    let nan = decode_value(r#"{"doubleValue":"NaN"}"#);
    assert!(matches!(nan, Ok(Some(Value::DoubleValue(number))) if number.is_nan()));
}

#[test]
fn fields_come_in_as_they_are_written() {
    let span = decode_span(
        r#""traceId":"0AF7651916CD43DD8448EB211C80319c","spanId":"b7ad6b7169203331","kind":3,
           "startTimeUnixNano":"18446744073709551615","endTimeUnixNano":1544712660300000001,"flags":257,
           "parent_span_id":"b7ad6b7169203331","status":null,"name":"a","name":null,"events":[{"name":"x"}],
           "links":[null],"events":[{},{"name":"y"}],"unknown":[1,{"deep":[[]]},"\u00e9"]"#,
    )
    .expect("valid");
    assert_eq!(span.trace_id[..3], [0x0a, 0xf7, 0x65]);
    assert_eq!(span.kind, 3);
    assert_eq!(span.start_time_unix_nano, u64::MAX);
    assert_eq!(span.end_time_unix_nano, 1_544_712_660_300_000_001);
    assert_eq!(span.flags, 257);
    assert!(
        span.parent_span_id.is_empty(),
        "snake_case is an unknown field"
    );
    assert!(span.status.is_none() && span.name.is_empty());
    let events: Vec<_> = span
        .events
        .iter()
        .map(|event| event.name.as_str())
        .collect();
    assert_eq!(events, ["", "y"]);
    assert_eq!(span.links.len(), 1);
}

#[test]
fn what_is_not_written_as_otlp_json_is_refused_with_the_field() {
    let cases = [
        (r#""kind":"SPAN_KIND_SERVER""#, "spans[0].kind"),
        (r#""kind":"3""#, "spans[0].kind"),
        (
            r#""traceId":"CvdlGRbNQ92ESOshHIAxnA==""#,
            "spans[0].traceId",
        ),
        (r#""traceId":"abc""#, "spans[0].traceId"),
        (r#""startTimeUnixNano":-1"#, "spans[0].startTimeUnixNano"),
        (
            r#""startTimeUnixNano":18446744073709551616"#,
            "spans[0].startTimeUnixNano",
        ),
        (r#""startTimeUnixNano":1.5"#, "spans[0].startTimeUnixNano"),
        (r#""name":7"#, "spans[0].name"),
        (r#""name":[]"#, "spans[0].name"),
        (r#""status":[]"#, "spans[0].status"),
        (r#""events":{}"#, "spans[0].events"),
        (
            r#""events":[{"attributes":[{"key":1}]}]"#,
            "events[0].attributes[0].key",
        ),
        (
            r#""attributes":[{"value":{"doubleValue":"inf"}}]"#,
            "value.doubleValue",
        ),
        (
            r#""attributes":[{"value":{"bytesValue":"*"}}]"#,
            "value.bytesValue",
        ),
        (r#""name":"\ud834""#, "lone surrogate"),
        (r#""unknown":"\udd1e""#, "lone surrogate"),
        (r#""unknown":"\ud834\u0041""#, "lone surrogate"),
    ];
    for (json, told) in cases {
        let error = decode_span(json).expect_err(json);
        assert!(
            error.contains(told) && error.len() <= 256,
            "{json}: {error}"
        );
    }
    let long = format!(r#""kind":"{}""#, "é".repeat(400));
    assert!(decode_span(&long).expect_err("no number").len() <= 256);
}

#[test]
fn only_one_whole_document_of_bounded_depth_is_read() {
    let deep = |depth: usize| {
        format!(
            r#"{{"x":{}{}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    for valid in [
        "{}",
        "\u{feff}{}",
        " {} \n",
        &deep(64),
        r#"{"resourceSpans":null}"#,
    ] {
        assert_eq!(decode_traces(valid.as_bytes()), Ok(Vec::new()), "{valid}");
    }
    let deeper = deep(10_000);
    for invalid in [
        "",
        "null",
        "[]",
        "{} {}",
        "{}x",
        "{",
        r#"{"a":NaN}"#,
        &deep(65),
        &deeper,
    ] {
        assert!(
            decode_traces(invalid.as_bytes()).is_err(),
            "{}",
            &invalid[..invalid.len().min(40)]
        );
    }
    assert!(decode_traces(b"{\"a\":\"\xff\"}").is_err());
}

#[test]
fn what_goes_out_comes_in_again() {
    let (mut first, mut second) = (TraceWalker::new(), TraceWalker::new());
    for seed in 0..300 {
        let request = traces(&mut Seed(seed)).encode_to_vec();
        let sent = first.walk(&request, &WalkLimits::trusted()).expect("valid");
        let mut text = Vec::new();
        encode_traces(&sent, &mut text);
        let bytes = decode_traces(&text).expect("what we write we read");
        let received = second.walk(&bytes, &WalkLimits::trusted()).expect("valid");
        let mut expected = seen(&sent);
        expected
            .iter_mut()
            .for_each(crate::oracle::rebuild::forget_nan_payloads);
        assert_eq!(
            seen(&received),
            expected,
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
}

#[test]
fn public_fixtures_read_as_the_otlp_crate_reads_them() {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let mut paths = vec![
        fixtures.join("otlp/trace.json"),
        fixtures.join("jaeger/otlp2jaeger-in.json"),
    ];
    if let Ok(entries) = std::fs::read_dir(fixtures.join("jaeger/traces")) {
        paths.extend(entries.map(|entry| entry.expect("a readable folder").path()));
    }
    let (mut first, mut second) = (TraceWalker::new(), TraceWalker::new());
    let mut n_read = 0;
    for path in &paths {
        let Ok(text) = std::fs::read(path) else {
            eprintln!("skipped: {} is not here", path.display());
            continue;
        };
        let bytes = decode_traces(&text).expect("valid OTLP JSON");
        let reference: Result<TracesData, _> = serde_json::from_slice(&text);
        if let Ok(reference) = reference {
            assert_eq!(
                TracesData::decode(bytes.as_slice()).expect("valid protobuf"),
                reference
            );
            n_read += 1;
        }
        let sent = first.walk(&bytes, &WalkLimits::default()).expect("valid");
        let mut text = Vec::new();
        encode_traces(&sent, &mut text);
        let again = decode_traces(&text).expect("what we write we read");
        let received = second.walk(&again, &WalkLimits::default()).expect("valid");
        assert_eq!(seen(&received), seen(&sent), "{}", path.display());
        assert!(sent.n_spans() > 0);
    }
    eprintln!(
        "{n_read} of {} fixtures compared with opentelemetry-proto",
        paths.len()
    );
}
