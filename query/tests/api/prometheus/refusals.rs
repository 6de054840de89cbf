//! What is not answered: the status, the type and the words.

use std::time::Duration;

use query::Config;
use serde_json::json;
use telemetry::Tenant;

use super::names::shop;
use crate::served::{Answer, Served};

#[track_caller]
fn check(answer: &Answer, (status, kind): (u16, &str), words: &str) {
    let json = answer.json();
    assert_eq!(
        (answer.status, &json["errorType"]),
        (status, &json!(kind)),
        "{}",
        answer.text
    );
    assert_eq!(json["status"], "error");
    let told = json["error"].as_str().expect("words");
    assert!(told.contains(words), "{told:?} has no {words:?}");
    assert!(answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let served = shop().await;
    let deep = "(".repeat(20_000);
    let long = "a".repeat(40_000);
    for (path, parameters, words) in [
        (
            "query",
            vec![("query", "sum(")],
            "invalid parameter \"query\"",
        ),
        ("query", vec![], "invalid parameter \"query\""),
        ("query", vec![("query", deep.as_str())], ""),
        (
            "query",
            vec![("query", "up"), ("time", "noon")],
            "invalid parameter \"time\": cannot parse \"noon\" to a valid timestamp",
        ),
        (
            "query",
            vec![("query", "up"), ("timeout", "fast")],
            "invalid parameter \"timeout\": cannot parse \"fast\" to a valid duration",
        ),
        (
            "query",
            vec![("query", "up"), ("timeout", "-1")],
            "invalid parameter \"timeout\"",
        ),
        (
            "query",
            vec![("query", "up"), ("lookback_delta", "x")],
            "lookback_delta",
        ),
        (
            "query",
            vec![("query", "up"), ("limit", "-1")],
            "limit must be non-negative",
        ),
        (
            "query",
            vec![("query", "limitk(1, up)")],
            "promql-experimental-functions",
        ),
        (
            "query_range",
            vec![("query", "up"), ("end", "1"), ("step", "1")],
            "invalid parameter \"start\"",
        ),
        (
            "query_range",
            vec![("query", "up"), ("start", "2"), ("end", "1"), ("step", "1")],
            "end timestamp must not be before start time",
        ),
        (
            "query_range",
            vec![("query", "up"), ("start", "0"), ("end", "1")],
            "invalid parameter \"step\"",
        ),
        (
            "query_range",
            vec![("query", "up"), ("start", "0"), ("end", "1"), ("step", "0")],
            "zero or negative query resolution step",
        ),
        (
            "query_range",
            vec![
                ("query", "up"),
                ("start", "0"),
                ("end", "1"),
                ("step", "-5"),
            ],
            "zero or negative query resolution step",
        ),
        (
            "query_range",
            vec![
                ("query", "up"),
                ("start", "0"),
                ("end", "11001"),
                ("step", "1"),
            ],
            "exceeded maximum resolution",
        ),
        (
            "query_range",
            vec![
                ("query", "up"),
                ("start", "0"),
                ("end", "2764800"),
                ("step", "1h"),
            ],
            "31",
        ),
        (
            "query_range",
            vec![
                ("query", "\"a\""),
                ("start", "0"),
                ("end", "1"),
                ("step", "1"),
            ],
            "string",
        ),
        ("series", vec![], "no match[] parameter provided"),
        (
            "series",
            vec![("match[]", "{a=\"\"}")],
            "must contain at least one non-empty matcher",
        ),
        ("series", vec![("match[]", "rate(a[1m])")], "selector"),
        (
            "series",
            vec![("match[]", "up"), ("start", "2"), ("end", "1")],
            "end timestamp must not be before start time",
        ),
        ("labels", vec![("match[]", "{a=~\"(\"}")], ""),
        (
            "query_exemplars",
            vec![("query", "up"), ("start", "2"), ("end", "1")],
            "end timestamp must not be before start timestamp",
        ),
        ("metadata", vec![("limit", "x")], "limit"),
        (
            "status/tsdb",
            vec![("limit", "0")],
            "limit must be a positive number",
        ),
        ("rules", vec![("type", "x")], "not supported value \"x\""),
        ("query", vec![("query", long.as_str())], "32"),
    ] {
        let answer = served
            .get_with(&format!("/api/v1/{path}"), &parameters)
            .await;
        check(&answer, (400, "bad_data"), words);
    }
    let default = Tenant::default_tenant();
    for (length, words) in [(100_000, ""), (200_000, "131072")] {
        let text = "a".repeat(length);
        let answer = served
            .post_form("/api/v1/query", &default, &[("query", &text)])
            .await;
        check(&answer, (400, "bad_data"), words);
    }
    check(
        &served.get("/api/v1/label/%ff/values").await,
        (400, "bad_data"),
        "",
    );
}

#[tokio::test]
async fn limits_have_their_types() {
    let config = Config {
        answer_bytes_max: 64,
        ..Config::default()
    };
    let small = Served::with(config).await;
    let answer = small
        .get_with(
            "/api/v1/query_range",
            &[
                ("query", "vector(1)"),
                ("start", "0"),
                ("end", "100"),
                ("step", "1"),
            ],
        )
        .await;
    check(&answer, (422, "execution"), "bytes");
    let late = Served::start().await;
    let parameters = [
        ("query", "sum_over_time(vector(1)[1h:1s])"),
        ("start", "0"),
        ("end", "10000"),
        ("step", "1"),
        ("timeout", "1ms"),
    ];
    let answer = late.get_with("/api/v1/query_range", &parameters).await;
    check(&answer, (503, "timeout"), "timed out");
    let busy = Served::with(Config {
        running_max: 0,
        queue_wait: Duration::ZERO,
        ..Config::default()
    })
    .await;
    check(
        &busy.get("/api/v1/query?query=up").await,
        (429, "unavailable"),
        "waited",
    );
    check(
        &busy.get("/api/v1/nothing").await,
        (404, "not_found"),
        "Prometheus",
    );
}
