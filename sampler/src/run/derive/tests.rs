use std::collections::{BTreeMap, BTreeSet};

use bus::Offset;
use bus::machine::LedgerEntry;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use telemetry::derived::{DeltaValue, WindowDelta};
use telemetry::wire::{TraceWalker, WalkLimits};
use telemetry::{ShardClock, ShardTime, SpanId};

use super::*;
use crate::red::{Exemplars, RedDeltas};
use crate::shard::LateCounts;

const N_PARTITIONS: u32 = 3;
/// Record time before the record that closed the epoch.
const COMPLETE_TO: RecordTime = RecordTime {
    unix_ms: 1_700_000_000_123,
};

/// The epoch of partition 7 from one offset to another, and what it adds.
fn epoch(previous_end: u64, end: u64, tenants: Vec<TenantDelta>) -> SealedEpoch {
    let end_offset = Offset(end);
    let red = RedDeltas {
        tenants,
        ..RedDeltas::default()
    };
    let entry = LedgerEntry {
        end_offset,
        first_offset: end_offset,
        sealed_at: ShardTime::default(),
        clock: ShardClock {
            last: Some(COMPLETE_TO),
            ..ShardClock::default()
        },
        horizon: ShardTime::default(),
        chain: Vec::new(),
        seen: Vec::new(),
        stage: Bytes::new(),
    };
    SealedEpoch {
        partition: Partition(7),
        previous_end: Offset(previous_end),
        end_offset,
        sealed_at: ShardTime::default(),
        kept: Vec::new(),
        dead_letters: Vec::new(),
        totals: Vec::new(),
        decided: Vec::new(),
        n_late: LateCounts::default(),
        red,
        entry,
    }
}

fn series(name: &str, labels: &[(&str, &str)], n_windows: usize) -> SeriesDelta {
    let window = |start_unix_ms: i64| WindowDelta {
        start_unix_ms,
        end_unix_ms: start_unix_ms + 10_000,
        value: DeltaValue::Count(1.0),
    };
    let labels = labels
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    SeriesDelta {
        name: name.to_owned(),
        labels: labels.collect(),
        windows: (0..).step_by(10_000).take(n_windows).map(window).collect(),
        exemplars: Vec::new(),
    }
}

fn of_tenant(name: &str, series: Vec<SeriesDelta>) -> TenantDelta {
    TenantDelta {
        tenant: name.parse().expect("a tenant"),
        series,
    }
}

/// Series of many services, each with so many windows.
fn services(n: usize, n_windows: usize) -> Vec<SeriesDelta> {
    let one = |n| {
        series(
            "calls",
            &[("service_name", &format!("shop-{n:04}"))],
            n_windows,
        )
    };
    (0..n).map(one).collect()
}

/// The records of an epoch by partition, as a reader decodes them.
fn told(epoch: &SealedEpoch, exemplars: &ExemplarsOfEpoch) -> BTreeMap<u32, Vec<DerivedRecord>> {
    let mut told: BTreeMap<u32, Vec<DerivedRecord>> = BTreeMap::new();
    for draft in drafts(epoch, exemplars, N_PARTITIONS) {
        assert_eq!(
            (draft.to.topic, draft.header.kind),
            (Topic::Points, Kind::Derived)
        );
        let record = DerivedRecord::decode(&draft.payload).expect("a derived record");
        let n_series: usize = record.tenants.iter().map(|delta| delta.series.len()).sum();
        assert_eq!(draft.header.n_items as usize, n_series);
        told.entry(draft.to.partition.0).or_default().push(record);
    }
    told
}

fn told_alone(epoch: &SealedEpoch) -> BTreeMap<u32, Vec<DerivedRecord>> {
    told(epoch, &ExemplarsOfEpoch::default())
}

fn names_of(told: &BTreeMap<u32, Vec<DerivedRecord>>) -> Vec<u32> {
    told.keys().copied().collect()
}

#[test]
fn an_epoch_without_spans_is_told_to_every_partition() {
    let told = told_alone(&epoch(40, 50, Vec::new()));
    assert_eq!(names_of(&told), [0, 1, 2]);
    let empty = DerivedRecord {
        source_partition: 7,
        previous_end: 40,
        end: 50,
        part: 0,
        is_last: true,
        complete_to: COMPLETE_TO,
        tenants: Vec::new(),
    };
    assert!(told.values().all(|records| *records == [empty.clone()]));
}

#[test]
fn a_partition_to_which_nothing_goes_is_told_of_the_epoch_too() {
    let told = told_alone(&epoch(0, 9, vec![of_tenant("a", services(1, 1))]));
    assert_eq!(names_of(&told), [0, 1, 2]);
    let n_empty = told
        .values()
        .filter(|records| records[0].tenants.is_empty());
    assert_eq!(n_empty.count(), 2);
    for records in told.values() {
        assert_eq!(
            (records.len(), records[0].part, records[0].is_last),
            (1, 0, true)
        );
    }
}

#[test]
fn parts_are_numbered_name_the_epoch_and_only_the_last_is_marked() {
    let all = vec![
        of_tenant("a", services(400, 10)),
        of_tenant("b", services(50, 10)),
    ];
    let told = told_alone(&epoch(40, 50, all));
    assert_eq!(names_of(&told), [0, 1, 2]);
    for records in told.values() {
        assert!(records.len() > 2, "{}", records.len());
        for (record, part) in records.iter().zip(0..) {
            assert_eq!(record.part, part);
            assert_eq!(record.is_last, part as usize + 1 == records.len());
            assert_eq!(
                (record.source_partition, record.complete_to),
                (7, COMPLETE_TO)
            );
            assert_eq!((record.previous_end, record.end), (40, 50));
            let n_windows = record.tenants.iter().flat_map(|delta| &delta.series);
            let n_windows: usize = n_windows.map(|series| series.windows.len()).sum();
            assert!((1..WINDOWS_MAX + 10).contains(&n_windows), "{n_windows}");
        }
    }
}

#[test]
fn parts_together_are_what_the_epoch_adds_each_series_once_and_in_order() {
    let all = vec![
        of_tenant("a", services(400, 3)),
        of_tenant("b", services(50, 30)),
    ];
    let told = told_alone(&epoch(0, 50, all.clone()));
    let mut found = BTreeMap::new();
    for records in told.values() {
        let of_record = |record: &DerivedRecord| record.tenants.clone();
        let tenants: Vec<TenantDelta> = records.iter().flat_map(of_record).collect();
        let keys = tenants.iter().flat_map(|delta| {
            let labels = delta.series.iter().map(|one| one.labels.clone());
            labels.map(|labels| (delta.tenant.clone(), labels))
        });
        assert!(keys.is_sorted());
        for delta in tenants {
            for one in delta.series {
                let key = (delta.tenant.clone(), one.labels.clone());
                assert_eq!(found.insert(key, one), None, "a series is told twice");
            }
        }
    }
    let sent = all.into_iter().flat_map(|delta| {
        let tenant = delta.tenant;
        let series = delta.series.into_iter();
        series.map(move |one| ((tenant.clone(), one.labels.clone()), one))
    });
    assert_eq!(found, sent.collect());
}

/// Partitions that have anything of an epoch of one tenant with these series.
fn writers(tenant: &str, all: Vec<SeriesDelta>) -> BTreeSet<u32> {
    let told = told_alone(&epoch(0, 1, vec![of_tenant(tenant, all)]));
    let has_some = |(_, records): &(u32, Vec<DerivedRecord>)| !records[0].tenants.is_empty();
    let some = told.into_iter().filter(has_some);
    some.map(|(partition, _)| partition).collect()
}

#[test]
fn a_series_is_told_to_the_partition_of_its_service_whatever_else_it_says() {
    let mut met = BTreeSet::new();
    for n in 0..20 {
        let service = format!("shop-{n}");
        let calls = |other: &str| series("calls", &[("a", other), ("service_name", &service)], 1);
        let edge = series("edges", &[("client", &service), ("server", "other")], 1);
        let info = series("info", &[("host_name", "h"), ("service_name", &service)], 1);
        let of_service = writers("a", vec![calls("x"), calls("y"), edge, info]);
        // xxh3-64 of the tenant, a zero byte and the service, as formats/derived-record.md says
        let hash = xxh3_64(format!("a\0{service}").as_bytes());
        assert_eq!(of_service, [(hash % 3) as u32].into());
        met.extend(of_service);
    }
    assert_eq!(met.len(), N_PARTITIONS as usize, "every partition has some");
    let of = |tenant: &str| writers(tenant, vec![series("c", &[("service_name", "s")], 1)]);
    let tenants = ["a", "b", "c", "d", "e", "f"].map(of);
    assert!(
        tenants.iter().any(|one| *one != tenants[0]),
        "tenants apart"
    );
    // who has neither label has a partition too
    assert_eq!(
        writers("a", vec![series("c", &[("server", "s")], 1)]).len(),
        1
    );
}

#[test]
fn epochs_that_follow_each_other_are_a_chain_in_every_partition() {
    let all = || vec![of_tenant("a", services(2, 1))];
    let epochs = [
        epoch(0, 10, all()),
        epoch(10, 25, Vec::new()),
        epoch(25, 26, all()),
    ];
    let mut reached = BTreeMap::new();
    for told in epochs.iter().map(told_alone) {
        assert_eq!(names_of(&told), [0, 1, 2]);
        for (partition, records) in told {
            let previous_end = reached.insert(partition, records[0].end);
            assert_eq!(records[0].previous_end, previous_end.unwrap_or(0));
        }
    }
    assert!(reached.into_values().all(|end| end == 26));
}

/// Exemplars of a kept span of a service, in a series that the epoch has not counted.
fn exemplars_alone(service: &str) -> ExemplarsOfEpoch {
    let value = AnyValue {
        value: Some(any_value::Value::StringValue(service.to_owned())),
    };
    let attributes = vec![KeyValue {
        key: "service.name".to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }];
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        end_time_unix_nano: 5_000_000,
        ..Span::default()
    };
    let data = TracesData {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    let bytes = data.encode_to_vec();
    let mut walker = TraceWalker::new();
    let view = walker.walk(&bytes, &WalkLimits::trusted()).expect("valid");
    let mut exemplars = Exemplars::default();
    exemplars.see(&"a".parse().expect("a tenant"), &view);
    exemplars.join(&[], COMPLETE_TO)
}

#[test]
fn an_exemplar_goes_where_its_series_goes_also_without_a_count() {
    for n in 0..5 {
        let service = format!("shop-{n}");
        let labels = [("service_name", service.as_str())];
        let counted = writers("a", vec![series("calls", &labels, 1)]);
        let told = told(&epoch(0, 1, Vec::new()), &exemplars_alone(&service));
        assert_eq!(names_of(&told), [0, 1, 2]);
        for (partition, records) in told {
            let all = records.iter().flat_map(|record| &record.tenants);
            let ids = all.flat_map(|delta| &delta.series).flat_map(|series| {
                let exemplars = series.exemplars.iter();
                exemplars.map(|one| one.span_id)
            });
            let expected = counted.contains(&partition).then_some(SpanId([2; 8]));
            assert_eq!(ids.collect::<Vec<_>>(), Vec::from_iter(expected));
        }
    }
}
