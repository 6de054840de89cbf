//! Metrics as an agent sends them, and traces with resources.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::{Draft, Header, Kind, Log, Partition, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use telemetry::{RecordTime, Tenant};

use crate::served::Served;

type Pairs = Vec<(String, String)>;
/// Name, unit and attributes of a metric.
type Named<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// Name, unit, and whether it is a counter.
type Key = (String, String, bool);
type Points = BTreeMap<Key, Vec<NumberDataPoint>>;
/// A span as (service, more attributes of its resource, start and end in s after the trace's begin).
type Span<'a> = (&'a str, &'a [(&'a str, &'a str)], u64, u64);

/// Points by time, resource and metric: each reading has its own resources, as an agent sends them.
#[derive(Default)]
pub(super) struct Reported {
    resources: BTreeMap<(u64, Pairs), Points>,
}

fn owned(pairs: &[(&str, &str)]) -> Pairs {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn attributes(pairs: &[(String, String)]) -> Vec<KeyValue> {
    let attribute = |(key, value): &(String, String)| KeyValue {
        key: key.clone(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.clone())),
        }),
        ..KeyValue::default()
    };
    pairs.iter().map(attribute).collect()
}

impl Reported {
    pub(super) fn counter(
        &mut self,
        resource: &[(&str, &str)],
        named: Named<'_>,
        at_s: u64,
        value: f64,
    ) {
        self.point(resource, named, true, at_s, value);
    }

    pub(super) fn gauge(
        &mut self,
        resource: &[(&str, &str)],
        named: Named<'_>,
        at_s: u64,
        value: f64,
    ) {
        self.point(resource, named, false, at_s, value);
    }

    fn point(
        &mut self,
        resource: &[(&str, &str)],
        (name, unit, labels): Named<'_>,
        is_counter: bool,
        at_s: u64,
        value: f64,
    ) {
        let metrics = self.resources.entry((at_s, owned(resource))).or_default();
        let key = (name.to_owned(), unit.to_owned(), is_counter);
        metrics.entry(key).or_default().push(NumberDataPoint {
            attributes: attributes(&owned(labels)),
            time_unix_nano: at_s * 1_000_000_000,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        });
    }

    fn encoded(self) -> Vec<u8> {
        let metric = |((name, unit, is_counter), data_points): (
            (String, String, bool),
            Vec<NumberDataPoint>,
        )| Metric {
            name,
            unit,
            data: Some(if is_counter {
                Data::Sum(Sum {
                    data_points,
                    aggregation_temporality: 2,
                    is_monotonic: true,
                })
            } else {
                Data::Gauge(Gauge { data_points })
            }),
            ..Metric::default()
        };
        let resource = |((_, resource), metrics): ((u64, Pairs), Points)| ResourceMetrics {
            resource: Some(Resource {
                attributes: attributes(&resource),
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics: metrics.into_iter().map(metric).collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        };
        let resource_metrics = self.resources.into_iter().map(resource).collect();
        MetricsData { resource_metrics }.encode_to_vec()
    }

    /// Puts it into the log, and waits until so many series can be asked for.
    pub(super) async fn write(self, served: &Served, n_series: usize) {
        let tenant = Tenant::default_tenant();
        let draft = Draft {
            to: TopicPartition {
                topic: Topic::Points,
                partition: Partition(0),
            },
            header: Header {
                tenant: tenant.clone(),
                kind: Kind::Otlp,
                accepted_at: RecordTime::default(),
                n_items: 1,
                request_hash: RequestHash(1),
                part: 0,
                historic: false,
            },
            payload: self.encoded().into(),
        };
        served.log.append(vec![draft]).await.expect("appended");
        let all_there = async {
            loop {
                let found = served.series.series(&tenant, &[], i64::MIN, i64::MAX).await;
                if found.expect("series").len() >= n_series {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let there = tokio::time::timeout(Duration::from_secs(20), all_there).await;
        there.expect("the series are seen");
    }
}

/// A trace of spans as (service, more attributes of its resource, start and end in s after `at_s`). The first is the root and calls the others.
/// An attribute without a value takes one away.
pub(super) fn trace(id: u64, at_s: u64, spans: &[Span<'_>]) -> Bytes {
    calling(id, at_s, spans, &[])
}

/// A trace whose root says this of its calls.
pub(super) fn calling(id: u64, at_s: u64, spans: &[Span<'_>], of_root: &[(&str, &str)]) -> Bytes {
    let listed = |pairs: &mut dyn Iterator<Item = (&str, &str)>| -> Vec<serde_json::Value> {
        pairs
            .map(|(key, value)| serde_json::json!({"key": key, "value": {"stringValue": value}}))
            .collect()
    };
    let resource_spans: Vec<serde_json::Value> = spans
        .iter()
        .enumerate()
        .map(|(idx, (service, resource, start_s, end_s))| {
            let keys = std::iter::once(("service.name", *service)).chain(resource.iter().copied());
            let keys: BTreeMap<&str, &str> = keys.collect();
            let mut keys = keys.into_iter().filter(|(_, value)| !value.is_empty());
            let parent = if idx == 0 { String::new() } else { format!("{:016x}", 1) };
            let mut said = of_root.iter().copied().filter(|_| idx == 0);
            serde_json::json!({
                "resource": { "attributes": listed(&mut keys) },
                "scopeSpans": [{ "spans": [{
                    "traceId": format!("{id:032x}"), "spanId": format!("{:016x}", idx + 1), "parentSpanId": parent, "name": "op", "kind": 2,
                    "attributes": listed(&mut said),
                    "startTimeUnixNano": ((at_s + start_s) * 1_000_000_000).to_string(),
                    "endTimeUnixNano": ((at_s + end_s) * 1_000_000_000).to_string(),
                }] }],
            })
        })
        .collect();
    let json = serde_json::json!({ "resourceSpans": resource_spans });
    telemetry::wire::json::decode_traces(json.to_string().as_bytes())
        .expect("valid")
        .into()
}
