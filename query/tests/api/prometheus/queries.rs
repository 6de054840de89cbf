//! Queries at an instant and over a range, by GET and POST, with their options.

use serde_json::{Value, json};
use telemetry::Tenant;

use super::names::shop;
use super::written::{BucketSpan, Histogram, TimeSeries, WriteRequest, labels, write};
use crate::served::{NOW_UNIX_MS, Served};

const AT: &str = "1485452731.639";

#[tokio::test]
async fn a_query_is_answered_in_every_type() {
    let served = shop().await;
    let at: f64 = AT.parse().expect("seconds");
    for (query, expected) in [
        (
            "1 / 0",
            json!({ "resultType": "scalar", "result": [at, "+Inf"] }),
        ),
        (
            "\"text\"",
            json!({ "resultType": "string", "result": [at, "text"] }),
        ),
        (
            "sum(calls_total)",
            json!({ "resultType": "vector", "result": [{ "metric": {}, "value": [at, "10"] }] }),
        ),
        ("nobody", json!({ "resultType": "vector", "result": [] })),
        (
            "calls_total{service=\"shop\"}[2m]",
            json!({ "resultType": "matrix", "result": [{
                "metric": { "__name__": "calls_total", "service": "shop", "env": "a" },
                "values": [[at - 60.0, "1"], [at, "3"]],
            }] }),
        ),
    ] {
        let by_get = served
            .get_with("/api/v1/query", &[("query", query), ("time", AT)])
            .await;
        assert_eq!(by_get.status, 200, "{query}: {}", by_get.text);
        assert_eq!(by_get.json()["data"], expected, "{query}");
        let form = [("query", query), ("time", "2017-01-26T17:45:31.639Z")];
        let by_post = served
            .post_form("/prometheus/api/v1/query", &Tenant::default_tenant(), &form)
            .await;
        assert_eq!(by_post.json()["data"], expected, "{query}");
    }
}

#[tokio::test]
async fn a_range_has_a_value_at_each_step() {
    let served = shop().await;
    let parameters = [
        ("query", "sum by (service) (calls_total)"),
        ("start", "1485452671.639"),
        ("end", AT),
        ("step", "1m"),
    ];
    let answer = served.get_with("/api/v1/query_range", &parameters).await;
    let (first, last) = (1_485_452_671.639, 1_485_452_731.639);
    let expected = json!({ "resultType": "matrix", "result": [
        { "metric": { "service": "cart" }, "values": [[last, "7"]] },
        { "metric": { "service": "shop" }, "values": [[first, "1"], [last, "3"]] },
    ] });
    assert_eq!(answer.json()["data"], expected, "{}", answer.text);
}

#[tokio::test]
async fn options_of_a_query_count() {
    let served = shop().await;
    let ask = async |parameters: &[(&str, &str)]| {
        let mut all = vec![("query", "calls_total")];
        all.extend_from_slice(parameters);
        served.get_with("/api/v1/query", &all).await.json()
    };
    let n = |json: &Value| json["data"]["result"].as_array().map(Vec::len);
    assert_eq!(n(&ask(&[]).await), Some(2), "now");
    assert_eq!(n(&ask(&[("lookback_delta", "30s")]).await), Some(0));
    let cut = ask(&[("limit", "1")]).await;
    assert_eq!(
        (n(&cut), &cut["warnings"]),
        (Some(1), &json!(["results truncated due to limit"]))
    );
    assert_eq!(ask(&[("limit", "2")]).await["warnings"], Value::Null);
    let stats = ask(&[("stats", "all")]).await;
    assert_eq!(
        stats["data"]["stats"]["samples"]["totalQueryableSamples"],
        2
    );
    assert_eq!(ask(&[]).await["data"]["stats"], Value::Null);
}

#[tokio::test]
async fn annotations_are_warnings_and_infos() {
    let served = shop().await;
    let rate = served
        .get_with(
            "/api/v1/query",
            &[("query", "rate({__name__=\"heat.degrees\"}[1d])")],
        )
        .await
        .json();
    let infos = rate["infos"].to_string();
    assert!(infos.contains("metric might not be a counter"), "{rate}");
    let quantile = served
        .get_with("/api/v1/query", &[("query", "quantile(7, calls_total)")])
        .await
        .json();
    let warnings = quantile["warnings"].to_string();
    assert!(
        warnings.contains("quantile value should be between 0 and 1"),
        "{quantile}"
    );
}

#[tokio::test]
async fn native_histograms_are_answered_with_their_buckets() {
    let served = Served::start().await;
    let histogram = |timestamp| Histogram {
        count: 3,
        sum: 4.5,
        schema: 0,
        positive_spans: vec![BucketSpan {
            offset: 0,
            length: 2,
        }],
        positive_deltas: vec![1, 1],
        timestamp,
    };
    let one = TimeSeries {
        labels: labels(&[("__name__", "latency")]),
        histograms: vec![histogram(NOW_UNIX_MS - 1_000)],
        ..TimeSeries::default()
    };
    let request = WriteRequest {
        timeseries: vec![one],
        metadata: vec![],
    };
    write(&served, &Tenant::default_tenant(), 1, request).await;
    let answer = served
        .get_with("/api/v1/query", &[("query", "latency")])
        .await;
    let buckets = json!([[0, "0.5", "1", "1"], [0, "1", "2", "2"]]);
    let expected = json!({ "count": "3", "sum": "4.5", "buckets": buckets });
    assert_eq!(
        answer.json()["data"]["result"][0]["histogram"][1],
        expected,
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn texts_are_formatted_and_taken_apart() {
    let served = Served::start().await;
    let formatted = served
        .get_with("/api/v1/format_query", &[("query", "sum  by(a)(up)")])
        .await;
    assert_eq!(
        formatted.json()["data"],
        "sum by (a) (up)",
        "{}",
        formatted.text
    );
    let tree = served
        .get_with("/api/v1/parse_query", &[("query", "up + 1")])
        .await;
    assert_eq!(tree.json()["data"]["type"], "binaryExpr", "{}", tree.text);
}

#[tokio::test]
async fn an_answer_from_a_store_that_still_reads_says_so() {
    let told = "the store still reads what the log has: points that were accepted may be missing";
    for (reads, partial) in [(false, Some("lag")), (true, None)] {
        let served = Served::reading(query::Config::default(), reads).await;
        for path in ["query?query=up", "labels", "series?match[]=up", "metadata"] {
            let answer = served.get(&format!("/api/v1/{path}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.header("x-tracewell-partial"), partial, "{path}");
            let warnings = &answer.json()["warnings"];
            assert_eq!(
                warnings.to_string().contains(told),
                !reads,
                "{path}: {warnings}"
            );
        }
    }
}

#[tokio::test]
async fn features_are_on_when_they_are_named() {
    let features = vec!["promql-experimental-functions".to_owned()];
    let served = Served::with(query::Config {
        promql_features: features.try_into().expect("features"),
        ..query::Config::default()
    })
    .await;
    let answer = served
        .get_with("/api/v1/query", &[("query", "limitk(1, vector(7))")])
        .await;
    assert_eq!(
        answer.json()["data"]["result"][0]["value"][1],
        "7",
        "{}",
        answer.text
    );
    let flags = served.get("/api/v1/status/flags").await.json();
    assert_eq!(
        flags["data"]["enable-feature"],
        "promql-experimental-functions"
    );
    let unknown: Result<query::PromqlFeatures, _> = vec!["nothing".to_owned()].try_into();
    assert!(unknown.is_err());
}
