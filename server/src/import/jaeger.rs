//! Jaeger UI JSON (`{"data":[{"traceID","spans","processes"}]}`, as Jaeger's `/api/traces` writes it) read as OTLP JSON.
//! Tags that stand for OTLP fields become those fields again, as the OpenTelemetry Jaeger translation says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// Why a document is no Jaeger JSON.
#[derive(Debug, thiserror::Error)]
#[error("not Jaeger JSON: {0}")]
pub(crate) struct JaegerJsonError(#[from] serde_json::Error);

#[derive(Debug, Deserialize)]
struct Document {
    data: Vec<Trace>,
}

#[derive(Debug, Deserialize)]
struct Trace {
    spans: Vec<Span>,
    #[serde(default)]
    processes: BTreeMap<String, Process>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    #[serde(default)]
    service_name: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(default, rename = "parentSpanID")]
    parent_span_id: String,
    #[serde(default)]
    operation_name: String,
    #[serde(default)]
    references: Vec<Reference>,
    /// µs since the Unix epoch.
    #[serde(default)]
    start_time: u64,
    /// µs.
    #[serde(default)]
    duration: u64,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    logs: Vec<LogEntry>,
    #[serde(default, rename = "processID")]
    process_id: String,
    process: Option<Process>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    ref_type: String,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Debug, Deserialize)]
struct LogEntry {
    /// µs since the Unix epoch.
    #[serde(default)]
    timestamp: u64,
    #[serde(default)]
    fields: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
struct Tag {
    key: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    value: Value,
}

/// Reads a document and writes it as OTLP JSON, a `resourceSpans` entry a span.
///
/// # Errors
/// When the text is no JSON or not of Jaeger's shape.
pub(crate) fn to_otlp_json(document: &[u8]) -> Result<Value, JaegerJsonError> {
    let document: Document = serde_json::from_slice(document)?;
    let none = Process::default();
    let mut resource_spans = Vec::new();
    for trace in &document.data {
        for span in &trace.spans {
            let process = span
                .process
                .as_ref()
                .or_else(|| trace.processes.get(&span.process_id))
                .unwrap_or(&none);
            resource_spans
                .push(json!({ "resource": resource(process), "scopeSpans": [scope_spans(span)] }));
        }
    }
    Ok(json!({ "resourceSpans": resource_spans }))
}

fn resource(process: &Process) -> Value {
    let service = (!process.service_name.is_empty())
        .then(|| json!({"key": "service.name", "value": {"stringValue": process.service_name}}));
    let attributes: Vec<Value> = service
        .into_iter()
        .chain(process.tags.iter().map(attribute))
        .collect();
    json!({ "attributes": attributes })
}

fn scope_spans(span: &Span) -> Value {
    let tag = |names: [&str; 2]| {
        span.tags
            .iter()
            .find(|tag| names.contains(&tag.key.as_str()))
            .map_or(String::new(), |tag| text(&tag.value))
    };
    let scope = json!({"name": tag(["otel.scope.name", "otel.library.name"]), "version": tag(["otel.scope.version", "otel.library.version"])});
    json!({ "scope": scope, "spans": [otlp_span(span)] })
}

/// Tags that stand for fields of an OTLP span.
const FIELDS: [&str; 9] = [
    "span.kind",
    "otel.status_code",
    "otel.status_description",
    "w3c.tracestate",
    "otel.scope.name",
    "otel.scope.version",
    "otel.library.name",
    "otel.library.version",
    "error",
];

fn otlp_span(span: &Span) -> Value {
    let tag = |name: &str| {
        span.tags
            .iter()
            .find(|tag| tag.key == name)
            .map_or(String::new(), |tag| text(&tag.value))
    };
    let is_parent = |r: &&Reference| r.ref_type == "CHILD_OF" && r.trace_id == span.trace_id;
    let parent = span.references.iter().find(is_parent);
    let parent_id = parent.map_or(span.parent_span_id.as_str(), |reference| &reference.span_id);
    let links = span
        .references
        .iter()
        .filter(|r| parent.is_none_or(|parent| !std::ptr::eq(parent, *r)));
    let kept = |tag: &&Tag| {
        !FIELDS.contains(&tag.key.as_str())
            || (tag.key == "error" && status_of_error(tag).is_none())
    };
    json!({
        "traceId": padded(&span.trace_id, 32),
        "spanId": padded(&span.span_id, 16),
        "parentSpanId": if parent_id.is_empty() { String::new() } else { padded(parent_id, 16) },
        "traceState": tag("w3c.tracestate"),
        "name": span.operation_name,
        "kind": kind(&tag("span.kind")),
        "startTimeUnixNano": ns(span.start_time),
        "endTimeUnixNano": ns(span.start_time.saturating_add(span.duration)),
        "attributes": span.tags.iter().filter(kept).map(attribute).collect::<Vec<_>>(),
        "events": span.logs.iter().map(event).collect::<Vec<_>>(),
        "links": links.map(|r| json!({"traceId": padded(&r.trace_id, 32), "spanId": padded(&r.span_id, 16)})).collect::<Vec<_>>(),
        "status": { "code": status(span, &tag("otel.status_code")), "message": tag("otel.status_description") },
    })
}

fn status(span: &Span, otel: &str) -> u8 {
    match otel {
        "OK" => 1,
        "ERROR" => 2,
        _ => span
            .tags
            .iter()
            .filter(|tag| tag.key == "error")
            .find_map(status_of_error)
            .unwrap_or(0),
    }
}

/// What an `error` tag says of the status; none if it is no flag, and then it stays an attribute.
fn status_of_error(tag: &Tag) -> Option<u8> {
    match text(&tag.value).as_str() {
        "true" => Some(2),
        "false" => Some(0),
        _ => None,
    }
}

fn kind(text: &str) -> u8 {
    match text {
        "internal" => 1,
        "server" => 2,
        "client" => 3,
        "producer" => 4,
        "consumer" => 5,
        _ => 0,
    }
}

fn event(entry: &LogEntry) -> Value {
    let name = entry
        .fields
        .iter()
        .find(|field| field.key == "event")
        .map_or(String::new(), |field| text(&field.value));
    let rest = entry
        .fields
        .iter()
        .filter(|field| field.key != "event")
        .map(attribute);
    json!({"timeUnixNano": ns(entry.timestamp), "name": name, "attributes": rest.collect::<Vec<_>>()})
}

fn attribute(tag: &Tag) -> Value {
    let value = match (tag.kind.as_str(), &tag.value) {
        ("bool", Value::Bool(flag)) => json!({"boolValue": flag}),
        ("int64", value) => json!({"intValue": text(value)}),
        ("float64", value) => json!({"doubleValue": value}),
        ("binary", Value::String(base64)) => json!({"bytesValue": base64}),
        (_, value) => json!({"stringValue": text(value)}),
    };
    json!({"key": tag.key, "value": value})
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn padded(id: &str, digits: usize) -> String {
    format!("{id:0>digits$}")
}

fn ns(us: u64) -> String {
    us.saturating_mul(1_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jaeger_span_becomes_an_otlp_span() {
        let document = json!({"data": [{
            "traceID": "ab",
            "spans": [{
                "traceID": "ab", "spanID": "2", "operationName": "get", "startTime": 1_000, "duration": 5, "processID": "p1",
                "references": [
                    {"refType": "FOLLOWS_FROM", "traceID": "cd", "spanID": "9"},
                    {"refType": "CHILD_OF", "traceID": "ab", "spanID": "1"}
                ],
                "tags": [
                    {"key": "span.kind", "type": "string", "value": "client"},
                    {"key": "error", "type": "bool", "value": true},
                    {"key": "rows", "type": "int64", "value": 3}
                ],
                "logs": [{"timestamp": 1_001, "fields": [{"key": "event", "type": "string", "value": "found"}]}]
            }],
            "processes": {"p1": {"serviceName": "shop", "tags": [{"key": "zone", "type": "string", "value": "a"}]}}
        }]});
        let otlp = to_otlp_json(document.to_string().as_bytes()).expect("valid");
        let span = &otlp["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], "000000000000000000000000000000ab");
        assert_eq!(span["parentSpanId"], "0000000000000001");
        assert_eq!(
            (&span["kind"], &span["status"]["code"]),
            (&json!(3), &json!(2))
        );
        assert_eq!(
            (&span["startTimeUnixNano"], &span["endTimeUnixNano"]),
            (&json!("1000000"), &json!("1005000"))
        );
        assert_eq!(
            span["attributes"],
            json!([{"key": "rows", "value": {"intValue": "3"}}])
        );
        assert_eq!(
            span["links"],
            json!([{"traceId": "000000000000000000000000000000cd", "spanId": "0000000000000009"}])
        );
        assert_eq!(span["events"][0]["name"], "found");
        let resource = &otlp["resourceSpans"][0]["resource"]["attributes"];
        assert_eq!(resource[0]["value"]["stringValue"], "shop");
    }

    #[test]
    fn what_is_no_jaeger_json_is_refused() {
        assert!(to_otlp_json(b"{}").is_err());
        assert!(to_otlp_json(b"{\"data\":[{\"spans\":[{}]}]}").is_err());
    }
}
