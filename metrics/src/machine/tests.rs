//! The machine record by record.

use bus::{Header, Partition, RequestHash, Topic};
use bytes::Bytes;
use telemetry::derived::{DeltaValue, DerivedRecord, SeriesDelta, TenantDelta, WindowDelta};

use super::*;
use crate::{MatchOp, Matcher, Value};

pub(crate) const OF: TopicPartition = TopicPartition {
    topic: Topic::Points,
    partition: Partition(0),
};

pub(crate) fn record(offset: u64, unix_ms: i64, kind: Kind, payload: Bytes) -> Record {
    Record {
        of: OF,
        offset: Offset(offset),
        appended_at: RecordTime { unix_ms },
        header: Header {
            tenant: Tenant::default_tenant(),
            kind,
            accepted_at: RecordTime::default(),
            n_items: 1,
            request_hash: RequestHash(u128::from(offset)),
            part: 0,
            historic: false,
        },
        payload,
    }
}

/// An epoch that adds `count` to one series.
pub(crate) fn derived(source: u32, (previous_end, end): (u64, u64), count: f64) -> DerivedRecord {
    let window = WindowDelta {
        start_unix_ms: 0,
        end_unix_ms: 10_000,
        value: DeltaValue::Count(count),
    };
    let series = SeriesDelta {
        name: "calls".to_owned(),
        labels: vec![("service_name".to_owned(), "shop".to_owned())],
        windows: vec![window],
        exemplars: Vec::new(),
    };
    DerivedRecord {
        source_partition: source,
        previous_end,
        end,
        part: 0,
        is_last: true,
        complete_to: RecordTime {
            unix_ms: end as i64,
        },
        tenants: vec![TenantDelta {
            tenant: Tenant::default_tenant(),
            series: vec![series],
        }],
    }
}

fn total(machine: &PointsMachine) -> f64 {
    let Some(head) = machine.head().get(&Tenant::default_tenant()) else {
        return 0.0;
    };
    let calls = Matcher {
        name: "__name__".to_owned(),
        op: MatchOp::Equal,
        value: "calls".to_owned(),
    };
    let rows = head.select(&[calls]).into_iter();
    rows.flat_map(|id| head.row(id, i64::MIN, i64::MAX).windows)
        .map(|window| match window.value {
            Value::Float(value) => value,
            Value::Histogram(_) => f64::NAN,
        })
        .sum()
}

#[track_caller]
fn apply(machine: &mut PointsMachine, offset: u64, record_of: &DerivedRecord) {
    let payload = record_of.encode().into();
    let applied = machine.apply(&record(offset, 0, Kind::Derived, payload));
    assert!(applied.expect("it goes on").is_none());
}

#[test]
fn each_epoch_counts_once_and_a_gap_is_told() {
    let mut machine = PointsMachine::new(OF, 1);
    let first = derived(0, (0, 10), 1.0);
    let second = derived(0, (10, 20), 2.0);
    apply(&mut machine, 1, &first);
    apply(&mut machine, 2, &first);
    apply(&mut machine, 3, &second);
    apply(&mut machine, 4, &first);
    apply(&mut machine, 5, &second);
    assert_eq!((total(&machine), machine.derived_gaps()), (3.0, 0));
    apply(&mut machine, 6, &derived(1, (0, 5), 4.0));
    assert_eq!((total(&machine), machine.derived_gaps()), (7.0, 0));
    apply(&mut machine, 7, &derived(0, (30, 40), 8.0));
    assert_eq!((total(&machine), machine.derived_gaps()), (15.0, 1));
    let complete_to: Vec<i64> = machine.applied().map(|a| a.complete_to.unix_ms).collect();
    assert_eq!(complete_to, [40, 5]);
}

#[test]
fn parts_of_an_epoch_count_once_each_and_the_last_completes_it() {
    let mut machine = PointsMachine::new(OF, 1);
    let part = |part: u32, count: f64| DerivedRecord {
        part,
        is_last: part == 2,
        ..derived(0, (0, 10), count)
    };
    let complete_to =
        |machine: &PointsMachine| machine.applied().next().map(|a| a.complete_to.unix_ms);
    // two owners write the same epoch
    for (offset, number) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
        apply(&mut machine, offset, &part(number, 1.0));
    }
    assert_eq!(
        (total(&machine), complete_to(&machine)),
        (2.0, Some(i64::MIN))
    );
    apply(&mut machine, 5, &part(2, 1.0));
    apply(&mut machine, 6, &part(0, 1.0));
    apply(&mut machine, 7, &part(2, 1.0));
    assert_eq!((total(&machine), complete_to(&machine)), (3.0, Some(10)));
    assert_eq!(machine.derived_gaps(), 0);
}

#[test]
fn what_cannot_be_read_is_a_dead_letter() {
    let mut machine = PointsMachine::new(OF, 1);
    let garbage = record(1, 0, Kind::Derived, Bytes::from_static(&[1, 255]));
    assert!(machine.apply(&garbage).expect("it goes on").is_none());
    let letters: Vec<u64> = machine.dead_letters.iter().map(|l| l.offset.0).collect();
    assert_eq!(letters, [1]);
    let foreign = record(2, 0, Kind::Control, Bytes::from_static(&[9, 0, 1, 0]));
    assert!(
        machine.apply(&foreign).is_err(),
        "another release's control record"
    );
}

#[test]
fn beyond_a_cap_deltas_stay_exact_in_the_overflow_series() {
    let mut machine = PointsMachine::new(OF, 1);
    let limits = Limits {
        series_max: 2,
        ..Limits::default()
    };
    let control = record(0, 0, Kind::Control, limits.encode());
    assert!(machine.apply(&control).expect("it goes on").is_none());
    for n in 0..10u64 {
        let mut epoch = derived(0, (n, n + 1), 1.0);
        epoch.tenants[0].series[0].labels[0].1 = format!("shop-{n}");
        apply(&mut machine, n + 1, &epoch);
    }
    assert_eq!(total(&machine), 10.0);
    let head = machine
        .head()
        .get(&Tenant::default_tenant())
        .expect("series");
    assert_eq!(head.n_series(), 3);
    let totals = machine.totals().map(|(_, totals)| *totals).next();
    let expected = Totals {
        accepted: 10,
        stored: 10,
        overflowed: 8,
        ..Totals::default()
    };
    assert_eq!(totals, Some(expected));
}

fn gauge(name: &str, unix_ms: i64, value: f64) -> Bytes {
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric,
        number_data_point,
    };
    use prost::Message;
    let point = NumberDataPoint {
        time_unix_nano: unix_ms as u64 * 1_000_000,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: name.to_owned(),
        data: Some(metric::Data::Gauge(Gauge {
            data_points: vec![point],
        })),
        ..Metric::default()
    };
    let scope = ScopeMetrics {
        metrics: vec![metric],
        ..ScopeMetrics::default()
    };
    let resource = ResourceMetrics {
        scope_metrics: vec![scope],
        ..ResourceMetrics::default()
    };
    MetricsData {
        resource_metrics: vec![resource],
    }
    .encode_to_vec()
    .into()
}

#[test]
fn re_sent_requests_and_old_samples_are_counted_and_imports_keep_their_times() {
    let mut machine = PointsMachine::new(OF, 1);
    let now = 10_000_000;
    let mut send = |offset: u64, hash: u128, unix_ms: i64, historic: bool| {
        let mut record = record(offset, now, Kind::Otlp, gauge("a", unix_ms, 1.0));
        record.header.request_hash = RequestHash(hash);
        record.header.historic = historic;
        assert!(machine.apply(&record).expect("it goes on").is_none());
    };
    send(1, 1, now, false);
    send(2, 1, now, false);
    send(3, 3, now - 600_001, false);
    send(4, 4, now - 600_000, false);
    send(5, 5, 0, true);
    let mut garbage = record(6, now, Kind::RemoteWrite1, Bytes::from_static(&[255]));
    garbage.header.n_items = 7;
    assert!(machine.apply(&garbage).expect("it goes on").is_none());
    let totals = machine.totals().map(|(_, totals)| *totals).next();
    let expected = Totals {
        accepted: 12,
        stored: 3,
        duplicates: 1,
        too_old: 1,
        dead_lettered: 7,
        ..Totals::default()
    };
    assert_eq!(totals, Some(expected));
    let sealed = machine.head().get(&Tenant::default_tenant());
    let times: Vec<i64> = sealed
        .map(|head| head.row(head.select(&[])[0], i64::MIN, i64::MAX).floats)
        .into_iter()
        .flatten()
        .map(|(at, _)| at)
        .collect();
    assert_eq!(times, [0, now - 600_000, now]);
}

/// First and end offsets of what is sealed in 700 seconds, a record each.
fn sealed_in_700_s(mut machine: PointsMachine) -> Vec<(u64, u64)> {
    let mut ends = Vec::new();
    for s in 0..700u64 {
        let tick = record(s, s as i64 * 1_000, Kind::Tick, Bytes::new());
        let sealed = machine.apply(&tick).expect("it goes on");
        ends.extend(sealed.map(|seal| (seal.first_offset.0, seal.end_offset.0)));
    }
    ends
}

#[test]
fn a_head_is_sealed_each_five_minutes() {
    let ends = sealed_in_700_s(PointsMachine::new(OF, 1));
    assert_eq!(ends, [(0, 300), (300, 600)]);
}

#[test]
fn stored_heads_say_where_heads_end_as_far_as_they_follow_each_other() {
    let stored = |first: u64, end: u64| StoredHead {
        first_offset: Offset(first),
        end_offset: Offset(end),
        record_time: RecordTime {
            unix_ms: end as i64 * 1_000,
        },
    };
    let of_another_log = StoredHead {
        record_time: RecordTime { unix_ms: 77 },
        ..stored(0, 20)
    };
    let timed = vec![(0, 300), (300, 600)];
    for (heads, expected) in [
        (vec![stored(0, 20)], vec![(0, 20), (20, 300), (300, 600)]),
        (
            vec![stored(0, 20), stored(20, 30)],
            vec![(0, 20), (20, 30), (30, 300), (300, 600)],
        ),
        (vec![stored(0, 300), stored(300, 600)], timed.clone()),
        (vec![stored(0, 650)], timed.clone()),
        (vec![stored(10, 290), stored(301, 320)], timed.clone()),
        (vec![of_another_log], timed),
    ] {
        let mut machine = PointsMachine::new(OF, 1);
        machine.seal_as(heads.clone());
        assert_eq!(sealed_in_700_s(machine), expected, "{heads:?}");
    }
}

#[test]
fn a_head_is_full_by_its_points_and_by_its_labels_only_when_both_are_too_much() {
    #[track_caller]
    fn check(series_mib: u64, points_mib: u64, n_partitions: u32, expected: bool) {
        let held = HeadBytes {
            series: series_mib << 20,
            points: points_mib << 20,
        };
        let told = format!("{series_mib} + {points_mib} MiB of {n_partitions}");
        assert_eq!(
            is_full(held, n_partitions, POINT_BYTES_MAX),
            expected,
            "{told}"
        );
    }
    check(0, 63, 2, false);
    check(1, 64, 2, true);
    // a million series, 2 samples each
    check(180, 38, 2, false);
    check(180, 179, 2, false);
    check(180, 180, 2, true);
    check(400, 112, 2, true);
    check(400, 111, 2, false);
    // however many partitions there are, what one is always allowed is enough to be worth a block
    check(10, 20, 1_024, false);
    check(40, 24, 1_024, true);
    check(0, 64, 0, true);
}

/// A field whose body is shorter than 128 B.
fn field(number: u8, bodies: &[&[u8]]) -> Vec<u8> {
    let body = bodies.concat();
    [&[number << 3 | 2, body.len() as u8], &body[..]].concat()
}

/// Each series of the head with its floats.
fn told(machine: &PointsMachine) -> Vec<String> {
    let head = machine
        .head()
        .get(&Tenant::default_tenant())
        .expect("a head");
    let line = |id: crate::series::SeriesId| {
        let labels: Vec<String> = head
            .series()
            .labels(id)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let row = head.row(id, i64::MIN, i64::MAX);
        format!("{} {:?} {:?}", labels.join(","), row.floats, row.windows)
    };
    let mut lines: Vec<String> = head.select(&[]).into_iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn series_of_remote_write_are_their_labels_whatever_bytes_they_came_with_before() {
    let label = |name: &str, value: &str| {
        field(
            1,
            &[
                &field(1, &[name.as_bytes()]),
                &field(2, &[value.as_bytes()]),
            ],
        )
    };
    let sample =
        |value: f64, unix_ms: u8| field(2, &[&[0x09], &value.to_le_bytes(), &[0x10, unix_ms]]);
    let (up, a, b) = (
        label("__name__", "up"),
        label("job", "a"),
        label("job", "b"),
    );
    let mut machine = PointsMachine::new(OF, 1);
    for (offset, at) in [10u8, 20, 30].into_iter().enumerate() {
        let t = f64::from(at);
        let payload = [
            field(1, &[&up, &a, &sample(t, at)]),
            // the same labels in another order: the later sample of a time counts
            field(1, &[&a, &up, &sample(t + 1.0, at)]),
            // labels that stand behind the sample belong to the series
            field(1, &[&up, &sample(t + 2.0, at), &b]),
            field(1, &[&up, &sample(t + 3.0, at), &sample(t + 4.0, at + 1)]),
        ];
        let record = record(
            offset as u64,
            30,
            Kind::RemoteWrite1,
            payload.concat().into(),
        );
        assert!(machine.apply(&record).expect("it goes on").is_none());
    }
    assert_eq!(
        told(&machine),
        [
            "__name__=up [(10, 13.0), (11, 14.0), (20, 23.0), (21, 24.0), (30, 33.0), (31, 34.0)] []",
            "__name__=up,job=a [(10, 11.0), (20, 21.0), (30, 31.0)] []",
            "__name__=up,job=b [(10, 12.0), (20, 22.0), (30, 32.0)] []",
        ]
    );
    let totals = machine.totals().map(|(_, totals)| *totals).next();
    assert_eq!(totals.map(|t| (t.accepted, t.stored)), Some((15, 15)));
}

#[test]
fn points_of_otlp_are_told_apart_by_resource_metric_kind_and_attributes() {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use prost::Message;

    let text = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    };
    let point = |cpu: &str, value: f64, unix_ms: u64| NumberDataPoint {
        attributes: vec![text("cpu", cpu)],
        time_unix_nano: unix_ms * 1_000_000,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let metric = |name: &str, data: metric::Data| Metric {
        name: name.to_owned(),
        data: Some(data),
        ..Metric::default()
    };
    let resource = |service: &str, metrics: Vec<Metric>| ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![text("service.name", service), text("zone", "x")],
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            metrics,
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    };
    let delta = |points: Vec<NumberDataPoint>| {
        metric::Data::Sum(Sum {
            data_points: points,
            aggregation_temporality: 1,
            is_monotonic: false,
        })
    };
    let gauge = |points: Vec<NumberDataPoint>| {
        metric::Data::Gauge(Gauge {
            data_points: points,
        })
    };
    let mut machine = PointsMachine::new(OF, 1);
    for (offset, at) in [10u64, 20].into_iter().enumerate() {
        let t = at as f64;
        let request = MetricsData {
            resource_metrics: vec![
                resource(
                    "a",
                    vec![
                        metric(
                            "load",
                            gauge(vec![point("0", t, at), point("1", t + 1.0, at)]),
                        ),
                        metric("load", delta(vec![point("0", t + 2.0, at)])),
                    ],
                ),
                resource(
                    "b",
                    vec![metric("load", gauge(vec![point("0", t + 3.0, at)]))],
                ),
            ],
        };
        let payload = request.encode_to_vec().into();
        let record = record(offset as u64, 30, Kind::Otlp, payload);
        assert!(machine.apply(&record).expect("it goes on").is_none());
    }
    let lines = told(&machine);
    let of_load: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("__name__=load,"))
        .collect();
    let expected = [
        "cpu=0,job=a,service_name=a [(10, 10.0), (20, 20.0)] []",
        "cpu=0,job=a,service_name=a [] [Window { start_unix_ms: 10, end_unix_ms: 10, value: Float(12.0) }, \
         Window { start_unix_ms: 20, end_unix_ms: 20, value: Float(22.0) }]",
        "cpu=0,job=b,service_name=b [(10, 13.0), (20, 23.0)] []",
        "cpu=1,job=a,service_name=a [(10, 11.0), (20, 21.0)] []",
    ];
    assert_eq!(of_load, expected);
    let infos = lines.iter().filter(|line| line.contains("target_info"));
    let infos: Vec<&String> = infos.collect();
    assert_eq!(infos.len(), 2, "{lines:?}");
    assert!(
        infos
            .iter()
            .all(|line| line.contains("[(10, 1.0), (20, 1.0)]"))
    );
}
