//! Answers against Prometheus' own OpenAPI document.

use serde_json::{Value, json};
use telemetry::Tenant;

use super::names::shop;
use crate::fixtures::folder;
use crate::schema::Schemas;

/// Routes of the document with parameters that make an answer of each kind.
const ASKED: &[(&str, &str)] = &[
    ("/query", "query=calls_total&stats=all"),
    ("/query", "query=calls_total&limit=1"),
    ("/query", "query=calls_total[1h]"),
    ("/query", "query=1"),
    ("/query", "query=rate({%22heat.degrees%22}[3h])"),
    (
        "/query_range",
        "query=calls_total&start=1485452000&end=1485453000&step=60",
    ),
    ("/query_exemplars", "query=calls_total"),
    ("/format_query", "query=a%2Bb"),
    ("/parse_query", "query=a%2Bb"),
    ("/labels", ""),
    ("/series", "match[]=calls_total"),
    ("/metadata", ""),
    ("/targets", ""),
    ("/targets/metadata", ""),
    ("/rules", ""),
    ("/alerts", ""),
    ("/alertmanagers", ""),
    ("/status/config", ""),
    ("/status/runtimeinfo", ""),
    ("/status/flags", ""),
    ("/status/tsdb", ""),
    ("/status/walreplay", ""),
];

fn document() -> Option<Schemas> {
    let text = std::fs::read_to_string(folder()?.join("openapi/prometheus-http-api-3.1.yaml"));
    let document = serde_yaml_ng::from_str(&text.expect("the document"));
    Some(Schemas(document.expect("YAML")))
}

#[track_caller]
fn check(schemas: &Schemas, path: &str, body: &Value) {
    let schema = schemas.of_answer(path);
    assert!(schema.is_object(), "{path} is in the document");
    assert_eq!(schemas.fault(&schema, body, path), None, "{body}");
}

#[tokio::test]
async fn answers_are_what_prometheus_document_says() {
    let Some(schemas) = document() else { return };
    let served = shop().await;
    for (path, parameters) in ASKED {
        let answer = served.get(&format!("/api/v1{path}?{parameters}")).await;
        assert_eq!(answer.status, 200, "{path}?{parameters}: {}", answer.text);
        check(&schemas, path, &answer.json());
        if schemas.0["paths"][path]["post"].is_object() {
            let pairs: Vec<_> = form_urlencoded::parse(parameters.as_bytes())
                .into_owned()
                .collect();
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            let tenant = Tenant::default_tenant();
            let posted = served
                .post_form(&format!("/api/v1{path}"), &tenant, &pairs)
                .await;
            check(&schemas, path, &posted.json());
        }
    }
    let values = served.get("/api/v1/label/service/values").await.json();
    check(&schemas, "/label/{name}/values", &values);
    // Beyond the document, our own name says who answers.
    let mut build = served.get("/api/v1/status/buildinfo").await.json();
    let ours = build["data"]
        .as_object_mut()
        .and_then(|data| data.remove("application"));
    assert_eq!(ours, Some(json!("tracewell")));
    check(&schemas, "/status/buildinfo", &build);
    // The document says that a string comes with its time as a string; Prometheus itself sends a number there, as we do.
    let string = served.get("/api/v1/query?query=%22text%22").await.json();
    assert!(string["data"]["result"][0].is_number(), "{string}");
    // The checker itself sees what is wrong.
    let wrong = json!({ "status": "success", "data": { "resultType": "scalar", "result": [1] } });
    assert!(
        schemas
            .fault(&schemas.of_answer("/query"), &wrong, "x")
            .is_some()
    );
}

#[tokio::test]
async fn refusals_are_what_prometheus_document_says() {
    let Some(schemas) = document() else { return };
    let served = shop().await;
    let schema = json!({ "$ref": "#/components/schemas/Error" });
    for path in [
        "query?query=(",
        "series",
        "nothing",
        "label/a/values?start=x",
    ] {
        let answer = served.get(&format!("/api/v1/{path}")).await;
        assert_ne!(answer.status, 200, "{path}");
        assert_eq!(schemas.fault(&schema, &answer.json(), path), None, "{path}");
    }
}
