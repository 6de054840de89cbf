//! RED, worked out from the records of spans by another way than the shard's: decoded by prost, each span by itself, and added up by nobody.

use bus::Record;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message;

use crate::told::{Key, Said, labels};

/// Length of a window, in ms.
const WINDOW_MS: i64 = 10_000;
/// How far before its record, and behind it, a span may end and count where it ended, in ms.
const BEFORE_MS_MAX: i64 = 300_000;
const AFTER_MS_MAX: i64 = 30_000;

/// Series that this tells of.
pub(crate) fn is_red(name: &str) -> bool {
    name.starts_with("tracewell_") || name == "service_instance_info"
}

/// What the spans of records say, each of which is taken once. Returns how many spans there are.
pub(crate) fn say(records: &[&Record], said: &mut Said) -> u64 {
    let mut n_spans = 0;
    for record in records {
        let Ok(data) = TracesData::decode(record.payload.clone()) else {
            continue; // a dead letter
        };
        for resource_spans in data.resource_spans {
            let resource = resource_spans.resource.unwrap_or_default();
            let spans = resource_spans.scope_spans.into_iter();
            for span in spans.flat_map(|scope| scope.spans) {
                say_span(record, &resource, &span, said);
                n_spans += 1;
            }
        }
    }
    n_spans
}

fn say_span(record: &Record, resource: &Resource, span: &Span, said: &mut Said) {
    let key = |name: &str, labels: String, window_ms: i64| Key {
        tenant: record.header.tenant.to_string(),
        name: name.to_owned(),
        labels,
        window_ms,
    };
    let text = |name: &str| attribute(&resource.attributes, name);
    let (service, instance) = (service_of(resource), text("service.instance.id"));
    let environment = match text("deployment.environment.name") {
        "" => text("deployment.environment"),
        newer => newer,
    };
    let (kind, status) = (kind(span), status(span));
    let of_service = [
        ("service_name", service),
        ("service_namespace", text("service.namespace")),
        ("service_version", text("service.version")),
        ("deployment_environment", environment),
    ];
    let name = normal_name(&span.name);
    let of_span = [
        ("span_name", name.as_str()),
        ("span_kind", kind),
        ("status_code", status),
    ];
    let of_span = labels(&[&of_service[..], &of_span].concat());
    let of_instance = labels(&[
        ("service_name", service),
        ("service_instance_id", instance),
        ("span_kind", kind),
        ("status_code", status),
    ]);
    let on = [
        ("service_instance_id", instance),
        ("host_name", text("host.name")),
    ];
    let info = labels(&[&of_service[..], &on].concat());
    let (window_ms, weight) = (window_of(record, span), weight(&span.trace_state));
    let ns = duration_ns(span);
    let durations = key(
        "tracewell_span_duration_seconds",
        of_span.clone(),
        window_ms,
    );
    said.observe(durations, ns, weight);
    let bytes = key("tracewell_span_size_bytes_total", of_span, window_ms);
    said.count(bytes, span.encoded_len() as f64 * weight);
    if span.parent_span_id.is_empty() || matches!(span.kind, 2 | 5) {
        let entries = key(
            "tracewell_instance_duration_seconds",
            of_instance,
            window_ms,
        );
        said.observe(entries, ns, weight);
    }
    let seen_ms = floor(record.appended_at.unix_ms);
    said.see(key("service_instance_info", info, seen_ms));
}

/// A text among attributes; empty if there is none.
pub(crate) fn attribute<'a>(attributes: &'a [KeyValue], wanted: &str) -> &'a str {
    let found = attributes.iter().find(|one| one.key == wanted);
    match found.and_then(|one| one.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

/// A whole number among attributes.
pub(crate) fn number(attributes: &[KeyValue], wanted: &str) -> Option<i64> {
    let found = attributes.iter().find(|one| one.key == wanted)?;
    match found.value.as_ref()?.value {
        Some(Value::IntValue(number)) => Some(number),
        _ => None,
    }
}

pub(crate) fn service_of(resource: &Resource) -> &str {
    match attribute(&resource.attributes, "service.name") {
        "" => "unknown_service",
        name => name,
    }
}

pub(crate) fn duration_ns(span: &Span) -> u64 {
    let [start, end] = [span.start_time_unix_nano, span.end_time_unix_nano];
    end.saturating_sub(start)
}

/// How many spans a span stands for: `th` are the first of 14 hex digits of the share of spans that its sender left out.
pub(crate) fn weight(trace_state: &str) -> f64 {
    let fields = trace_state.strip_prefix("ot=").unwrap_or_default();
    let threshold = fields
        .split(';')
        .find_map(|field| field.strip_prefix("th:"));
    let digits = format!("{:0<14}", threshold.unwrap_or_default());
    let left_out = u64::from_str_radix(&digits, 16).expect("hex digits");
    let all = (1u64 << 56) as f64;
    all / (all - left_out as f64)
}

/// The window that a span counts in.
pub(crate) fn window_of(record: &Record, span: &Span) -> i64 {
    let end_ms = (span.end_time_unix_nano / 1_000_000) as i64;
    let t_ms = record.appended_at.unix_ms;
    let is_near = (t_ms - BEFORE_MS_MAX..=t_ms + AFTER_MS_MAX).contains(&end_ms);
    floor(if is_near || record.header.historic {
        end_ms
    } else {
        t_ms
    })
}

fn floor(unix_ms: i64) -> i64 {
    unix_ms - unix_ms.rem_euclid(WINDOW_MS)
}

/// The only ids in names of these tests are numbers behind the last slash.
fn normal_name(name: &str) -> String {
    match name.rsplit_once('/') {
        Some((path, id)) if id.parse::<u64>().is_ok() => format!("{path}/{{id}}"),
        _ => name.to_owned(),
    }
}

fn kind(span: &Span) -> &'static str {
    match span.kind {
        1 => "SPAN_KIND_INTERNAL",
        2 => "SPAN_KIND_SERVER",
        3 => "SPAN_KIND_CLIENT",
        4 => "SPAN_KIND_PRODUCER",
        5 => "SPAN_KIND_CONSUMER",
        _ => "SPAN_KIND_UNSPECIFIED",
    }
}

fn status(span: &Span) -> &'static str {
    match span.status.as_ref().map_or(0, |status| status.code) {
        1 => "STATUS_CODE_OK",
        2 => "STATUS_CODE_ERROR",
        _ => "STATUS_CODE_UNSET",
    }
}
