use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, TracesData, span::Event,
};
use prost::Message;
use telemetry::wire::{TraceWalker, WalkLimits};

use super::FieldExpr;

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}

/// A server span `GET /cart` of 150 ms with an error.
fn span() -> TracesData {
    let any = |value| AnyValue { value: Some(value) };
    let list = ArrayValue {
        values: vec![any(text("a")), any(text("b")), any(Value::IntValue(7))],
    };
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "GET /cart".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_000_000_000,
        end_time_unix_nano: 1_150_000_000,
        status: Some(Status {
            code: 2,
            message: "boom".to_owned(),
        }),
        attributes: vec![
            pair("http.response.status_code", Value::IntValue(503)),
            pair("ratio", Value::DoubleValue(0.5)),
            pair("retry", Value::BoolValue(true)),
            pair("with space", text("yes")),
            pair("list", Value::ArrayValue(list)),
            pair("both", text("span")),
        ],
        events: vec![Event {
            name: "exception".to_owned(),
            attributes: vec![pair("type", text("E1"))],
            ..Default::default()
        }],
        ..Default::default()
    };
    let resource = Resource {
        attributes: vec![
            pair("service.name", text("checkout")),
            pair("both", text("resource")),
            pair("zone", text("eu")),
        ],
        ..Default::default()
    };
    let scope = ScopeSpans {
        spans: vec![span],
        ..Default::default()
    };
    TracesData {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope],
            ..Default::default()
        }],
    }
}

#[track_caller]
fn check(expr: &str, expected: bool) {
    let bytes = span().encode_to_vec();
    let mut walker = TraceWalker::new();
    let view = walker
        .walk(&bytes, &WalkLimits::default())
        .expect("valid OTLP");
    let expr_read = FieldExpr::parse(expr).unwrap_or_else(|error| panic!("{expr}: {error}"));
    assert_eq!(expr_read.matches(&view.span(0)), expected, "{expr}");
}

#[test]
fn fields_compare_with_literals_of_their_type() {
    for expr in [
        "name = \"GET /cart\"",
        "span:name != `POST`",
        "kind = server",
        "status = error && statusMessage = \"boom\"",
        "duration = 150ms",
        "duration > 0.1s && duration < 1m1s",
        "span.http.response.status_code >= 500",
        "span.http.response.status_code = 503.0",
        ".ratio = 0.5",
        "span.retry",
        "span.retry = true",
        "span.\"with space\" = \"yes\"",
        ".both = \"span\"",
        "resource.both = \"resource\"",
        ".zone = \"eu\"",
        "event:name = \"exception\" && event.type = \"E1\"",
        "resource.service.name =~ \"check.*\"",
        "span.list = \"b\" && span.list = 7",
        "span.list != \"c\"",
        "span.absent = nil && span.ratio != nil",
        "!(name = \"x\") && !(false || name = \"y\")",
        "span.http.response.status_code % 100 = 3",
        "1 + 2 * 3 ^ 2 = 19",
        "-1 - -2 = 1",
        "2 ^ 3 ^ 2 = 512",
        "7 / 2 = 3.5 && 8 / 2 = 4",
        "span:id = \"0202020202020202\"",
    ] {
        check(expr, true);
    }
}

#[test]
fn what_is_missing_or_of_another_type_matches_nothing() {
    for expr in [
        "span.absent = 1",
        "span.absent != 1",
        "span.absent !~ \"x\"",
        "span.absent + 1 > 0",
        "span.ratio = \"0.5\"",
        "span.ratio != \"x\"",
        "span.ratio =~ \".*\"",
        "resource.service.name =~ \"check\"",
        "resource.service.name !~ \"check.*\"",
        "span.list != \"b\"",
        "span.list !~ \"a|b\"",
        "span.zone = \"eu\"",
        "span.absent",
        "span.ratio = nil",
        "event:name != \"exception\"",
    ] {
        check(expr, false);
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, told) in [
        (
            "",
            "line 1, col 1: expected a field or a value, found the end",
        ),
        ("name = 5", "line 1, col 9: expected text, found a number"),
        (
            "duration",
            "line 1, col 9: expected true or false, found a number",
        ),
        ("name =\n  ~", "line 2, col 3: an unexpected character"),
        ("span. = 1", "line 1, col 1: \"span.\" names no attribute"),
        (
            "foo.bar = 1",
            "line 1, col 1: \"foo\" is no scope: span, resource, event, link or instrumentation",
        ),
        ("foo = 1", "line 1, col 1: \"foo\" is no field of a span"),
        ("kind < server", "line 1, col 14: a kind has no order"),
        (
            "name = nil",
            "line 1, col 11: only an attribute is compared with nil",
        ),
        (
            "resource.service.name = nil",
            "line 1, col 28: resource.service.name is never nil",
        ),
        (
            "(name = \"a\"",
            "line 1, col 12: expected \")\", found the end",
        ),
        (
            "name =~ \"(\"",
            "line 1, col 9: no regular expression: unclosed group",
        ),
        (
            "duration > 5x",
            "line 1, col 12: no number, nor a duration such as 1h2m or 100ms",
        ),
        (
            "name = \"a",
            "line 1, col 8: text without a closing quote, or with an unknown escape",
        ),
        (
            "parent.x = 1",
            "line 1, col 1: parent is not known while a trace is still coming in",
        ),
        (
            "name = \"a\" name",
            "line 1, col 12: expected the end, found \"name\"",
        ),
        (
            "name && true",
            "line 1, col 9: expected true or false, found text",
        ),
    ] {
        assert_eq!(
            FieldExpr::parse(text).expect_err(text).to_string(),
            told,
            "{text}"
        );
    }
}

#[test]
fn endless_texts_are_refused_or_read_without_recursion() {
    let deep = format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(
        FieldExpr::parse(&deep)
            .expect_err("too deep")
            .told
            .contains("deeper than 64")
    );
    assert!(
        FieldExpr::parse(&"!".repeat(10_000))
            .expect_err("too deep")
            .told
            .contains("deeper than 64")
    );
    assert!(FieldExpr::parse(&"-".repeat(10_000)).is_err());
    assert!(FieldExpr::parse(&format!("1 = 1{}", "^1".repeat(10_000))).is_err());
    let wide = format!("true{}", "||true".repeat(5_000));
    assert!(FieldExpr::parse(&wide).is_ok());
    let sum = format!("1{} = 10000", "+1".repeat(9_999));
    check(&sum, true);
    assert!(
        FieldExpr::parse(&" ".repeat(40_000))
            .expect_err("too long")
            .told
            .contains("over the limit")
    );
    let regex = format!("name =~ \"{}\"", "a".repeat(2_000));
    assert!(
        FieldExpr::parse(&regex)
            .expect_err("too long")
            .told
            .contains("over the limit")
    );
    assert!(FieldExpr::parse("name =~ \"(a{1000}){1000}\"").is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z.\"`0-9=!~<>&|(){} +*/^%-]{0,60}") {
        let bytes = span().encode_to_vec();
        let mut walker = TraceWalker::new();
        let view = walker.walk(&bytes, &WalkLimits::default()).expect("valid OTLP");
        if let Ok(expr) = FieldExpr::parse(&text) {
            std::hint::black_box(expr.matches(&view.span(0)));
        }
    }
}
