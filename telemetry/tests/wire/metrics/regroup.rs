//! Points by partition: valid `MetricsData`, the same points, in parts that fit.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use telemetry::wire::{MetricLimits, MetricRegroup, MetricsWalker};

use crate::oracle::generate::Seed;
use crate::oracle::metrics::{metrics, points};

#[test]
fn partitions_get_their_points_in_order_in_parts_that_fit() {
    let (mut walker, mut regroup) = (MetricsWalker::new(), MetricRegroup::new());
    let (mut n_accepted, mut n_sent) = (0, 0);
    for seed in 0..500 {
        let decoded = metrics(&mut Seed(seed));
        let request = decoded.encode_to_vec();
        let view = walker
            .walk(&request, &MetricLimits::trusted())
            .expect("valid");
        let n_partitions = 1 + seed % 7;
        let part_bytes_max = 300 + 200 * (seed as usize % 9);
        let mut found: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        regroup.regroup(
            &view,
            |identity| (identity % n_partitions) as u32,
            part_bytes_max,
            |partition, n_points, part| {
                let of_part = points(&MetricsData::decode(part).expect("valid OTLP"));
                assert_eq!(of_part.len(), n_points as usize);
                assert!(part.len() <= part_bytes_max || n_points == 1);
                found.entry(partition).or_default().extend(of_part);
            },
        );
        let found: Vec<Vec<u8>> = found.into_values().flatten().collect();
        assert_eq!(found.len(), view.n_points(), "seed {seed}");
        let sent = points(&decoded);
        n_accepted += found.len();
        n_sent += sent.len();
        if n_partitions == 1 {
            let mut left = sent.iter();
            assert!(found.iter().all(|point| left.any(|sent| sent == point)));
        } else {
            assert!(found.iter().all(|point| sent.contains(point)));
        }
    }
    assert!(
        n_accepted > n_sent / 4 && n_accepted < n_sent,
        "{n_accepted} of {n_sent}"
    );
}

/// One resource with these attributes, one scope.
fn of_resource(attributes: &[(&str, &str)], metrics: Vec<Metric>) -> MetricsData {
    let attribute = |(key, value): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue((*value).to_owned())),
        }),
        ..KeyValue::default()
    };
    MetricsData {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: attributes.iter().map(attribute).collect(),
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

#[test]
fn a_resource_too_large_for_a_part_is_split_by_points() {
    let point = |n: u64| NumberDataPoint {
        time_unix_nano: n,
        flags: 1,
        ..NumberDataPoint::default()
    };
    let metric = |n: u64| Metric {
        name: format!("m{n}"),
        data: Some(Data::Gauge(Gauge {
            data_points: (0..500).map(|k| point(500 * n + k)).collect(),
        })),
        ..Metric::default()
    };
    let decoded = of_resource(&[("service.name", "a")], (0..20).map(metric).collect());
    let request = decoded.encode_to_vec();
    let mut walker = MetricsWalker::new();
    let view = walker
        .walk(&request, &MetricLimits::default())
        .expect("valid");
    let (mut n_parts, mut found) = (0, Vec::new());
    MetricRegroup::new().regroup(
        &view,
        |_| 3,
        9_000,
        |partition, _, part| {
            assert_eq!(partition, 3);
            assert!(part.len() <= 9_000, "{} bytes", part.len());
            n_parts += 1;
            found.extend(points(&MetricsData::decode(part).expect("valid OTLP")));
        },
    );
    assert!(found == points(&decoded), "all of them, in order");
    assert!(n_parts < 2 + request.len() / 8_000, "{n_parts} parts");
}

#[test]
fn the_order_of_attributes_does_not_change_a_partition() {
    let (mut walker, mut regroup) = (MetricsWalker::new(), MetricRegroup::new());
    let mut identity_of = |keys: &[(&str, &str)]| {
        let metric = Metric {
            name: "m".to_owned(),
            data: Some(Data::Gauge(Gauge {
                data_points: vec![NumberDataPoint {
                    flags: 1,
                    ..NumberDataPoint::default()
                }],
            })),
            ..Metric::default()
        };
        let decoded = of_resource(keys, vec![metric]);
        let request = decoded.encode_to_vec();
        let view = walker
            .walk(&request, &MetricLimits::trusted())
            .expect("valid");
        let found = std::cell::Cell::new(None);
        let note = |identity| {
            found.set(Some(identity));
            0
        };
        regroup.regroup(&view, note, 1 << 20, |_, _, _| {});
        found.get().expect("it has points")
    };
    let one = identity_of(&[("service.name", "a"), ("host.name", "b"), ("color", "red")]);
    let same = identity_of(&[("host.name", "b"), ("color", "blue"), ("service.name", "a")]);
    let other = identity_of(&[("host.name", "a"), ("service.name", "b")]);
    assert_eq!(one, same);
    assert_ne!(one, other);
}
