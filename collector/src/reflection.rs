//! gRPC server reflection, so that a client such as grpcurl needs no files: which services a port has, and what their messages are.
//!
//! In: encoded descriptor sets (collector/proto/README.md). Out: the two versions of the service that clients ask for.

use tonic::service::Routes;
use tonic_reflection::server::Builder;

/// OTLP's services for traces and metrics.
pub(crate) const OTLP: &[u8] = include_bytes!("../proto/otlp.binpb");

/// Whose paths go to [`reflection`].
pub const REFLECTION_SERVICES: [&str; 2] = [
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// Reflection over health and the services of `sets`. Cheap to clone.
///
/// # Panics
/// When a set is no `FileDescriptorSet`: each is part of the program.
#[must_use]
pub fn reflection(sets: &[&[u8]]) -> Routes {
    let builder = || {
        let health = tonic_health::pb::FILE_DESCRIPTOR_SET;
        sets.iter()
            .chain([&health])
            .fold(Builder::configure(), |builder, set| {
                builder.register_encoded_file_descriptor_set(set)
            })
    };
    let is_whole = "descriptors are part of the program";
    Routes::new(builder().build_v1().expect(is_whole))
        .add_service(builder().build_v1alpha().expect(is_whole))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
    };
    use opentelemetry_proto::tonic::metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, exponential_histogram_data_point::Buckets, metric::Data,
        number_data_point,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status, span::Event, span::Link,
    };
    use prost::Message;
    use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};
    use prost_types::field_descriptor_proto::Type;
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::*;
    use crate::otlp_grpc::SERVICES;

    fn set() -> FileDescriptorSet {
        FileDescriptorSet::decode(OTLP).expect("a set")
    }

    /// All messages by full name, nested ones too.
    fn messages() -> BTreeMap<String, DescriptorProto> {
        let mut found = BTreeMap::new();
        let files = set().file;
        let mut left: Vec<(String, DescriptorProto)> = files
            .into_iter()
            .flat_map(|file| {
                let package = format!(".{}", file.package());
                file.message_type
                    .into_iter()
                    .map(move |message| (package.clone(), message))
            })
            .collect();
        while let Some((parent, message)) = left.pop() {
            let name = format!("{parent}.{}", message.name());
            left.extend(
                message
                    .nested_type
                    .iter()
                    .map(|one| (name.clone(), one.clone())),
            );
            found.insert(name, message);
        }
        found
    }

    /// Counts the fields of `bytes`, a message called `name`, and of all messages in it. Each has to be in the descriptors.
    fn n_fields(
        messages: &BTreeMap<String, DescriptorProto>,
        name: &str,
        mut bytes: &[u8],
    ) -> usize {
        let message = messages.get(name).unwrap_or_else(|| panic!("no {name}"));
        let mut n = 0;
        while !bytes.is_empty() {
            let (tag, wire_type) = decode_key(&mut bytes).expect("a key");
            let field = message
                .field
                .iter()
                .find(|field| field.number() == tag as i32);
            let field = field.unwrap_or_else(|| panic!("{name} has no field {tag}"));
            let before = bytes;
            skip_field(wire_type, tag, &mut bytes, DecodeContext::default()).expect("a field");
            n += 1;
            if field.r#type() == Type::Message {
                assert_eq!(wire_type, WireType::LengthDelimited);
                let mut value = &before[..before.len() - bytes.len()];
                prost::encoding::decode_varint(&mut value).expect("a length");
                n += n_fields(messages, field.type_name(), value);
            }
        }
        n
    }

    fn attributes() -> Vec<KeyValue> {
        let any = |value| AnyValue { value: Some(value) };
        let one = KeyValue {
            key: "k".to_owned(),
            value: Some(any(Value::IntValue(1))),
            ..Default::default()
        };
        let list = Value::KvlistValue(KeyValueList { values: vec![one] });
        let all = ArrayValue {
            values: vec![
                any(list),
                any(Value::BytesValue(vec![1])),
                any(Value::DoubleValue(1.0)),
                any(Value::BoolValue(true)),
                any(Value::StringValue("v".to_owned())),
            ],
        };
        vec![KeyValue {
            key: "k".to_owned(),
            value: Some(any(Value::ArrayValue(all))),
            ..Default::default()
        }]
    }

    fn resource() -> Option<Resource> {
        Some(Resource {
            attributes: attributes(),
            dropped_attributes_count: 1,
            ..Default::default()
        })
    }

    fn scope() -> Option<InstrumentationScope> {
        Some(InstrumentationScope {
            name: "n".to_owned(),
            version: "1".to_owned(),
            attributes: attributes(),
            dropped_attributes_count: 1,
        })
    }

    #[test]
    fn services_are_those_that_take_something() {
        let served: Vec<String> = set()
            .file
            .iter()
            .flat_map(|file| {
                file.service
                    .iter()
                    .map(|service| format!("{}.{}", file.package(), service.name()))
            })
            .collect();
        assert_eq!(served, SERVICES);
    }

    #[test]
    fn every_field_of_a_request_is_described() {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![1; 8],
            trace_state: "a=b".to_owned(),
            parent_span_id: vec![2; 8],
            flags: 1,
            name: "n".to_owned(),
            kind: 2,
            start_time_unix_nano: 1,
            end_time_unix_nano: 2,
            attributes: attributes(),
            dropped_attributes_count: 1,
            events: vec![Event {
                time_unix_nano: 1,
                name: "e".to_owned(),
                attributes: attributes(),
                dropped_attributes_count: 1,
            }],
            dropped_events_count: 1,
            links: vec![Link {
                trace_id: vec![1; 16],
                span_id: vec![1; 8],
                trace_state: "a=b".to_owned(),
                attributes: attributes(),
                dropped_attributes_count: 1,
                flags: 1,
            }],
            dropped_links_count: 1,
            status: Some(Status {
                message: "m".to_owned(),
                code: 2,
            }),
        };
        let scope_spans = vec![ScopeSpans {
            scope: scope(),
            spans: vec![span],
            schema_url: "u".to_owned(),
        }];
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: resource(),
                scope_spans,
                schema_url: "u".to_owned(),
            }],
        };
        let messages = messages();
        let name = ".opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest";
        assert!(n_fields(&messages, name, &request.encode_to_vec()) > 60);

        let number = NumberDataPoint {
            attributes: attributes(),
            start_time_unix_nano: 1,
            time_unix_nano: 2,
            value: Some(number_data_point::Value::AsInt(1)),
            flags: 1,
            ..Default::default()
        };
        let buckets = Some(Buckets {
            offset: 1,
            bucket_counts: vec![1],
        });
        let point = ExponentialHistogramDataPoint {
            attributes: attributes(),
            time_unix_nano: 2,
            count: 1,
            sum: Some(1.0),
            scale: 3,
            zero_count: 1,
            positive: buckets.clone(),
            negative: buckets,
            min: Some(1.0),
            max: Some(1.0),
            zero_threshold: 1.0,
            ..Default::default()
        };
        let metrics = [
            Data::Gauge(Gauge {
                data_points: vec![number],
            }),
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![point],
                aggregation_temporality: 1,
            }),
        ]
        .map(|data| Metric {
            name: "m".to_owned(),
            unit: "s".to_owned(),
            description: "d".to_owned(),
            data: Some(data),
            ..Default::default()
        });
        let scope_metrics = vec![ScopeMetrics {
            scope: scope(),
            metrics: metrics.to_vec(),
            schema_url: "u".to_owned(),
        }];
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: resource(),
                scope_metrics,
                schema_url: "u".to_owned(),
            }],
        };
        let name = ".opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest";
        assert!(n_fields(&messages, name, &request.encode_to_vec()) > 60);
    }
}
