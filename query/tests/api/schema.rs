//! Answers against the OpenAPI documents of those whose API they are; here those of v3 against Jaeger's.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fixtures::{folder, stored};

pub(crate) struct Schemas(pub(crate) Value);

impl Schemas {
    /// The first place where `value` is not what `schema` says, and `None` if it is. A field that the schema does not name is a fault.
    pub(crate) fn fault(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        if let Some(target) = schema["$ref"].as_str() {
            let name = target.rsplit('/').next().expect("a name");
            return self.fault(&self.0["components"]["schemas"][name], value, at);
        }
        if let Some(all) = schema["allOf"].as_array() {
            return all.iter().find_map(|schema| self.fault(schema, value, at));
        }
        for any in ["anyOf", "oneOf"] {
            if let Some(schemas) = schema[any].as_array() {
                let faults: Option<Vec<String>> = schemas
                    .iter()
                    .map(|schema| self.fault(schema, value, at))
                    .collect();
                return faults.map(|faults| faults.join(" | "));
            }
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Some(format!("{at} is none of {words:?}: {value}"));
        }
        match schema["type"].as_str() {
            // A schema without a word means anything.
            None if schema.is_object() => None,
            Some("object") => self.object_fault(schema, value, at),
            Some("array") => match value.as_array() {
                None => Some(format!("{at} is no array: {value}")),
                Some(items) if !Self::may_have(schema, items.len()) => {
                    Some(format!("{at} has {} items", items.len()))
                }
                Some(items) => items.iter().enumerate().find_map(|(i, item)| {
                    self.fault(&schema["items"], item, &format!("{at}[{i}]"))
                }),
            },
            Some("string") => (!value.is_string()).then(|| format!("{at} is no string: {value}")),
            Some("boolean") => {
                (!value.is_boolean()).then(|| format!("{at} is no boolean: {value}"))
            }
            Some("integer") => {
                (!value.is_i64() && !value.is_u64()).then(|| format!("{at} is no integer: {value}"))
            }
            Some("number") => (!value.is_number()).then(|| format!("{at} is no number: {value}")),
            other => Some(format!("{at}: the schema says {other:?}")),
        }
    }

    fn object_fault(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        let Some(object) = value.as_object() else {
            return Some(format!("{at} is no object: {value}"));
        };
        let required = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let missing = required
            .into_iter()
            .find(|name| !object.contains_key(*name))
            .map(|name| format!("{at}.{name} is missing"));
        missing.or_else(|| {
            object
                .iter()
                .find_map(|(name, value)| match &schema["properties"][name] {
                    Value::Null => match &schema["additionalProperties"] {
                        Value::Bool(true) => None,
                        others @ Value::Object(_) => {
                            self.fault(others, value, &format!("{at}.{name}"))
                        }
                        _ => Some(format!("{at}.{name} is not in the schema")),
                    },
                    property => self.fault(property, value, &format!("{at}.{name}")),
                })
        })
    }

    fn may_have(schema: &Value, n_items: usize) -> bool {
        let bound = |name: &str, otherwise| schema[name].as_u64().unwrap_or(otherwise);
        (bound("minItems", 0)..=bound("maxItems", u64::MAX)).contains(&(n_items as u64))
    }

    pub(crate) fn of_answer(&self, path: &str) -> Value {
        self.0["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            .clone()
    }
}

#[tokio::test]
async fn answers_of_v3_are_what_jaegers_document_says() {
    let Some(folder) = folder() else { return };
    let text =
        std::fs::read_to_string(folder.join("openapi/jaeger-api-v3.yaml")).expect("the document");
    let schemas = Schemas(serde_yaml_ng::from_str(&text).expect("YAML"));
    let (served, ids) = stored(&folder).await;
    let all: BTreeSet<_> = ids.values().flatten().collect();

    #[track_caller]
    fn check(schemas: &Schemas, path: &str, body: &Value) {
        let schema = schemas.of_answer(path);
        assert!(schema.is_object(), "{path} is in the document");
        assert_eq!(schemas.fault(&schema, body, path), None);
    }
    check(
        &schemas,
        "/api/v3/services",
        &served.get("/api/v3/services").await.json(),
    );
    check(
        &schemas,
        "/api/v3/operations",
        &served
            .get("/api/v3/operations?service=query12-service")
            .await
            .json(),
    );
    for id in all {
        check(
            &schemas,
            "/api/v3/traces/{traceId}",
            &served.get(&format!("/api/v3/traces/{id}")).await.json()["result"],
        );
    }
    let range = "query.startTimeMin=2017-01-26T15:46:31Z&query.startTimeMax=2017-01-26T17:46:31Z&query.searchDepth=1000";
    let found = served.get(&format!("/api/v3/traces?{range}")).await.json();
    assert!(
        found["result"]["resourceSpans"]
            .as_array()
            .is_some_and(|spans| spans.len() > 20)
    );
    check(&schemas, "/api/v3/traces", &found["result"]);
    let summaries = served
        .get(&format!("/api/v3/trace-summaries?{range}"))
        .await
        .json();
    assert!(
        summaries["summaries"]
            .as_array()
            .is_some_and(|summaries| summaries.len() > 20)
    );
    check(&schemas, "/api/v3/trace-summaries", &summaries);
    // The checker itself sees what is wrong.
    let wrong = serde_json::json!({ "summaries": [{ "traceId": 7 }] });
    assert!(
        schemas
            .fault(&schemas.of_answer("/api/v3/trace-summaries"), &wrong, "x")
            .is_some()
    );
}
