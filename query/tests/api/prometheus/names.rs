//! Series, names, values, metadata, exemplars.

use serde_json::{Value, json};
use telemetry::Tenant;

use super::written::{Exemplar, Metadata, WriteRequest, labels, series, write};
use crate::served::{NOW_UNIX_MS, Served};

/// Two services with an exemplar, and a gauge with a name of more than letters.
pub(super) async fn shop() -> Served {
    let served = Served::start().await;
    let at = NOW_UNIX_MS - 60_000;
    let mut counter = series(
        &[
            ("__name__", "calls_total"),
            ("service", "shop"),
            ("env", "a"),
        ],
        &[(at - 60_000, 1.0), (at, 3.0)],
    );
    counter.exemplars = vec![Exemplar {
        labels: labels(&[("trace_id", "0af7651916cd43dd8448eb211c80319c")]),
        value: 0.25,
        timestamp: at,
    }];
    let request = WriteRequest {
        timeseries: vec![
            counter,
            series(
                &[("__name__", "calls_total"), ("service", "cart")],
                &[(at, 7.0)],
            ),
            series(
                &[("__name__", "heat.degrees"), ("host.name", "a")],
                &[(at - 7_200_000, 20.5)],
            ),
        ],
        metadata: vec![Metadata {
            kind: 1,
            metric_family_name: "calls_total".to_owned(),
            help: "Calls".to_owned(),
            unit: "1".to_owned(),
        }],
    };
    write(&served, &Tenant::default_tenant(), 1, request).await;
    served
}

#[track_caller]
fn data(answer: &crate::served::Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let json = answer.json();
    assert_eq!(json["status"], "success");
    json["data"].clone()
}

#[tokio::test]
async fn series_and_names_and_values_are_listed() {
    let served = shop().await;
    for (path, expected) in [
        (
            "/api/v1/labels",
            json!(["__name__", "env", "host.name", "service"]),
        ),
        (
            "/prometheus/api/v1/labels?match[]=calls_total",
            json!(["__name__", "env", "service"]),
        ),
        (
            "/api/v1/labels?match[]={service=\"cart\"}&match[]=heat.degrees&match[]={\"heat.degrees\"}",
            Value::Null,
        ),
        (
            "/api/v1/labels?match[]={service=\"cart\"}&match[]={\"heat.degrees\"}",
            json!(["__name__", "host.name", "service"]),
        ),
        ("/api/v1/label/service/values", json!(["cart", "shop"])),
        (
            "/api/v1/label/service/values?match[]={env=\"a\"}",
            json!(["shop"]),
        ),
        (
            "/api/v1/label/__name__/values",
            json!(["calls_total", "heat.degrees"]),
        ),
        ("/api/v1/label/host.name/values", json!(["a"])),
        ("/api/v1/label/U__host_2e_name/values", json!(["a"])),
        ("/api/v1/label/nobody/values", json!([])),
        (
            "/api/v1/series?match[]=calls_total",
            json!([
                { "__name__": "calls_total", "service": "cart" },
                { "__name__": "calls_total", "env": "a", "service": "shop" },
            ]),
        ),
        ("/api/v1/series?match[]={service=~\"nob.*\"}", json!([])),
        (
            "/api/v1/metadata",
            json!({ "calls_total": [{ "type": "counter", "help": "Calls", "unit": "1" }] }),
        ),
        ("/api/v1/metadata?metric=none", json!({})),
        ("/api/v1/metadata?limit=0", json!({})),
    ] {
        let answer = served.get(path).await;
        if expected.is_null() {
            assert_eq!(
                (answer.status, &answer.json()["errorType"]),
                (400, &json!("bad_data")),
                "{path}"
            );
        } else {
            let found = data(&answer);
            let sorted = |value: &Value| match value.as_array() {
                Some(list) => {
                    let mut list: Vec<String> = list.iter().map(Value::to_string).collect();
                    list.sort();
                    list
                }
                None => vec![value.to_string()],
            };
            assert_eq!(sorted(&found), sorted(&expected), "{path}");
        }
    }
}

#[tokio::test]
async fn lists_end_at_their_limit_and_in_their_range() {
    let served = shop().await;
    let cut = served.get("/api/v1/labels?limit=2").await;
    assert_eq!(data(&cut), json!(["__name__", "env"]));
    assert_eq!(
        cut.json()["warnings"],
        json!(["results truncated due to limit"])
    );
    let whole = served.get("/api/v1/labels?limit=4").await.json();
    assert_eq!(
        (whole["data"].as_array().map(Vec::len), &whole["warnings"]),
        (Some(4), &Value::Null)
    );
    let seconds = |ms: i64| (ms / 1_000).to_string();
    let (start, end) = (seconds(NOW_UNIX_MS - 600_000), seconds(NOW_UNIX_MS));
    for (start, end, n) in [("0", start.as_str(), 1), (&start, &end, 2)] {
        let asked = [
            ("match[]", "{__name__!=\"\"}"),
            ("start", start),
            ("end", end),
        ];
        let found = data(&served.get_with("/api/v1/series", &asked).await);
        assert_eq!(found.as_array().map(Vec::len), Some(n), "{start} to {end}");
    }
    let nobody: Tenant = "nobody".parse().expect("a tenant");
    let theirs = served.post_form("/api/v1/labels", &nobody, &[]).await;
    assert_eq!(data(&theirs), json!([]), "a tenant sees its own");
}

#[tokio::test]
async fn exemplars_lead_to_traces() {
    let served = shop().await;
    let asked = [(
        "query",
        "sum(rate(calls_total[5m])) / on () group_left () sum(calls_total)",
    )];
    let expected = json!([{
        "seriesLabels": { "__name__": "calls_total", "env": "a", "service": "shop" },
        "exemplars": [{
            "labels": { "trace_id": "0af7651916cd43dd8448eb211c80319c" },
            "value": "0.25",
            "timestamp": (NOW_UNIX_MS - 60_000) as f64 / 1_000.0,
        }],
    }]);
    assert_eq!(
        data(&served.get_with("/api/v1/query_exemplars", &asked).await),
        expected
    );
    let late = [
        ("query", "calls_total"),
        ("start", "2017-01-26T17:46:31.639Z"),
    ];
    assert_eq!(
        data(&served.get_with("/api/v1/query_exemplars", &late).await),
        json!([])
    );
}

#[tokio::test]
async fn the_state_of_the_store_is_told() {
    let served = shop().await;
    let status = data(&served.get("/api/v1/status/tsdb").await);
    assert_eq!(
        status["headStats"]["numSeries"], 2,
        "the gauge is older than two hours"
    );
    assert_eq!(
        status["seriesCountByMetricName"],
        json!([{ "name": "calls_total", "value": 2 }])
    );
    let one = data(&served.get("/api/v1/status/tsdb?limit=1").await);
    assert_eq!(
        one["labelValueCountByLabelName"].as_array().map(Vec::len),
        Some(1)
    );
    let build = data(&served.get("/api/v1/status/buildinfo").await);
    assert_eq!(
        (&build["version"], &build["application"]),
        (&json!("3.8.0"), &json!("tracewell"))
    );
    let replay = data(&served.get("/api/v1/status/walreplay").await);
    assert_eq!(replay, json!({ "min": 0, "max": 1, "current": 1 }));
    let flags = data(&served.get("/api/v1/status/flags").await);
    assert_eq!(flags["query.lookback-delta"], "5m");
    for path in [
        "targets",
        "targets/metadata",
        "alertmanagers",
        "rules",
        "rules?type=alert",
        "alerts",
        "status/config",
        "status/runtimeinfo",
    ] {
        data(&served.get(&format!("/api/v1/{path}")).await);
    }
}

#[tokio::test]
async fn other_servers_scrape_the_newest_samples() {
    let served = shop().await;
    for path in ["/federate", "/prometheus/federate"] {
        let answer = served
            .get_with(
                path,
                &[("match[]", "calls_total"), ("match[]", "{env=\"a\"}")],
            )
            .await;
        let at = NOW_UNIX_MS - 60_000;
        let expected = format!(
            "# TYPE calls_total untyped\ncalls_total{{env=\"a\",service=\"shop\",instance=\"\"}} 3 {at}\n\
             calls_total{{service=\"cart\",instance=\"\"}} 7 {at}\n"
        );
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (200, expected.as_str())
        );
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
    }
    let refused = served.get("/federate?match[]=rate(a[1m])").await;
    assert_eq!(
        (refused.status, &refused.json()["errorType"]),
        (400, &json!("bad_data"))
    );
}
