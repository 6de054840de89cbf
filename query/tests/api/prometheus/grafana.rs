//! What Grafana asks its Prometheus data source for, as it asks it, and what it reads of the answers.
//!
//! Its server sends queries as forms with times as seconds that may have a fraction; its editor asks for names, values and series with `limit`; what knows
//! GET alone is told by 405, after which it asks again by GET.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use telemetry::Tenant;

use super::names::shop;
use crate::served::Answer;

const START: &str = "1485451800.5";
const END: &str = "1485452760.639";

/// The envelope that every answer is read with.
#[derive(Debug, Deserialize)]
struct Envelope<T> {
    status: String,
    data: T,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found<T> {
    result_type: String,
    result: T,
}

/// Seconds, and a number as text.
type Point = (f64, String);
type Metric = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
struct OverTime {
    metric: Metric,
    values: Vec<Point>,
}

#[derive(Debug, Deserialize)]
struct AtOnce {
    metric: Metric,
    value: Point,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exemplars {
    series_labels: Metric,
    exemplars: Vec<Exemplar>,
}

#[derive(Debug, Deserialize)]
struct Exemplar {
    labels: Metric,
    value: String,
    timestamp: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Build {
    version: String,
    application: String,
}

#[derive(Debug, Deserialize)]
struct About {
    #[serde(rename = "type")]
    kind: String,
    help: String,
    unit: String,
}

#[track_caller]
fn data<T: DeserializeOwned>(answer: &Answer) -> T {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let read: Envelope<T> = serde_json::from_str(&answer.text).expect(&answer.text);
    assert_eq!(read.status, "success");
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    assert!(read.infos.is_empty(), "{:?}", read.infos);
    read.data
}

#[tokio::test]
async fn queries_come_as_forms() {
    let served = shop().await;
    let post = async |path: &str, form: &[(&str, &str)]| {
        let path = format!("/prometheus/api/v1/{path}");
        let tenant = Tenant::default_tenant();
        served.post_form(&path, &tenant, form).await
    };
    // the button "Save & test"
    let health = post(
        "query",
        &[("query", "1+1"), ("time", "4"), ("timeout", "60s")],
    )
    .await;
    let health: Found<Point> = data(&health);
    assert_eq!(health.result_type, "scalar");
    assert_eq!(health.result, (4.0, "2".to_owned()));

    let query = "sum by (service) (calls_total)";
    let range = [
        ("end", END),
        ("query", query),
        ("start", START),
        ("step", "15"),
        ("timeout", "30s"),
    ];
    let found: Found<Vec<OverTime>> = data(&post("query_range", &range).await);
    assert_eq!(
        (found.result_type.as_str(), found.result.len()),
        ("matrix", 2)
    );
    assert_eq!(found.result[0].metric["service"], "cart");
    assert!(found.result.iter().all(|series| {
        let numbers = series.values.iter().map(|(_, value)| value.parse::<f64>());
        !series.values.is_empty() && numbers.into_iter().all(|number| number.is_ok())
    }));
    let parts_of_a_second = [("step", "0.5"), ("start", "1485452700.25"), ("end", END)];
    let mut form = vec![("query", query)];
    form.extend(parts_of_a_second);
    let found: Found<Vec<OverTime>> = data(&post("query_range", &form).await);
    assert_eq!(found.result[1].values[1].0, 1_485_452_700.75);

    let found: Found<Vec<AtOnce>> = data(&post("query", &[("query", query), ("time", END)]).await);
    assert_eq!(found.result_type, "vector");
    let shop = found
        .result
        .iter()
        .find(|one| one.metric["service"] == "shop");
    assert_eq!(shop.map(|one| one.value.1.as_str()), Some("3"));

    let form = [
        ("query", "rate(calls_total[5m])"),
        ("start", START),
        ("end", END),
    ];
    let found: Vec<Exemplars> = data(&post("query_exemplars", &form).await);
    assert_eq!(found[0].series_labels["service"], "shop");
    let exemplar = &found[0].exemplars[0];
    assert_eq!(exemplar.labels["trace_id"].len(), 32);
    assert_eq!(
        (exemplar.value.as_str(), exemplar.timestamp > 1e9),
        ("0.25", true)
    );
}

#[tokio::test]
async fn the_editor_lists_names_values_and_series() {
    let served = shop().await;
    let times = [
        ("start", "1485440000"),
        ("end", "1485452732"),
        ("limit", "40000"),
    ];
    let asked = |more: &[(&'static str, &'static str)]| {
        let mut all = times.to_vec();
        all.extend_from_slice(more);
        all
    };
    let tenant = Tenant::default_tenant();
    let post = async |path: &str, form: &[(&str, &str)]| {
        let path = format!("/prometheus/api/v1/{path}");
        served.post_form(&path, &tenant, form).await
    };
    let get = async |path: &str, parameters: &[(&str, &str)]| {
        let path = format!("/prometheus/api/v1/{path}");
        served.get_with(&path, parameters).await
    };
    let names: Vec<String> = data(&post("labels", &asked(&[])).await);
    assert!(names.contains(&"service".to_owned()), "{names:?}");
    let names: Vec<String> = data(&post("labels", &asked(&[("match[]", "calls_total")])).await);
    assert_eq!(names, ["__name__", "env", "service"]);

    let by_post = post("label/__name__/values", &asked(&[])).await;
    assert_eq!(by_post.status, 405);
    let metrics: Vec<String> = data(&get("label/__name__/values", &asked(&[])).await);
    assert!(metrics.contains(&"heat.degrees".to_owned()), "{metrics:?}");
    let of_metric = asked(&[("match[]", "{__name__=\"calls_total\",env!=\"\"}")]);
    let values: Vec<String> = data(&get("label/service/values", &of_metric).await);
    assert_eq!(values, ["shop"]);
    let hosts: Vec<String> = data(&get("label/U__host_2e_name/values", &asked(&[])).await);
    assert_eq!(hosts, ["a"]);

    let series: Vec<Metric> =
        data(&post("series", &asked(&[("match[]", "{__name__!=\"\"}")])).await);
    assert_eq!(series.len(), 3, "{series:?}");
    let about: BTreeMap<String, Vec<About>> = data(&get("metadata", &[("limit", "40000")]).await);
    let about = &about["calls_total"][0];
    let told = (
        about.kind.as_str(),
        about.help.as_str(),
        about.unit.as_str(),
    );
    assert_eq!(told, ("counter", "Calls", "1"));
}

#[tokio::test]
async fn what_the_server_can_do_is_asked_by_get() {
    let served = shop().await;
    let build: Build = data(&served.get("/prometheus/api/v1/status/buildinfo").await);
    assert_ne!(build.application, "Grafana Mimir");
    assert_eq!(build.version.split('.').count(), 3);
    // alerting reads both, and asks for rules of one kind
    for (path, list) in [
        ("rules", "groups"),
        ("rules?type=alert", "groups"),
        ("rules?type=record", "groups"),
        ("alerts", "alerts"),
    ] {
        let path = format!("/prometheus/api/v1/{path}");
        let read: BTreeMap<String, Vec<Value>> = data(&served.get(&path).await);
        assert_eq!(read[list].len(), 0, "{path}");
    }
}

#[derive(Debug, Deserialize)]
struct Provisioning {
    #[serde(rename = "apiVersion")]
    api_version: u32,
    datasources: Vec<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    uid: String,
    #[serde(rename = "type")]
    kind: String,
    url: String,
    json_data: serde_json::Value,
}

#[tokio::test]
async fn each_provisioned_source_answers_at_its_url() {
    let text = include_str!("../../../../deploy/grafana/datasources.yaml");
    let read: Provisioning = serde_yaml_ng::from_str(text).expect("data sources");
    assert_eq!(read.api_version, 1);
    let uids: Vec<&str> = read
        .datasources
        .iter()
        .map(|one| one.uid.as_str())
        .collect();
    let served = shop().await;
    for source in &read.datasources {
        let mount = source.url.strip_prefix("http://127.0.0.1:16686");
        let mount = mount.expect("the default address of the query port");
        // what Grafana asks to see whether it is there
        let health = match source.kind.as_str() {
            "prometheus" => "/api/v1/query?query=1%2B1&time=4",
            "jaeger" => "/api/services",
            other => panic!("a source of kind {other}"),
        };
        let answer = served.get(&format!("{mount}{health}")).await;
        assert_eq!(answer.status, 200, "{}: {}", source.uid, answer.text);
        // sources that are linked to are there
        let linked = source.json_data.to_string();
        for uid in linked.split("\"datasourceUid\":\"").skip(1) {
            let uid = uid.split('"').next().unwrap_or_default();
            assert!(uids.contains(&uid), "{uid}");
        }
    }
}
