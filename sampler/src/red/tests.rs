use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, TracesData, span,
};
use prost::Message;
use telemetry::derived::{DeltaValue, Exemplar, SeriesDelta};
use telemetry::wire::{TraceWalker, WalkLimits};

use super::*;

const T: RecordTime = RecordTime {
    unix_ms: 1_700_000_001_000,
};

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(OtlpValue::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn span(name: &str, kind: span::SpanKind, duration_ms: u64) -> Span {
    let end_unix_ns = T.unix_ms as u64 * 1_000_000;
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: end_unix_ns - duration_ms * 1_000_000,
        end_time_unix_nano: end_unix_ns,
        ..Span::default()
    }
}

fn sent(attributes: Vec<KeyValue>, spans: Vec<Span>) -> ResourceSpans {
    ResourceSpans {
        resource: Some(OtlpResource {
            attributes,
            ..OtlpResource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

fn observe_all(red: &mut Red, resource_spans: Vec<ResourceSpans>) {
    observe_of(&Tenant::default_tenant(), red, resource_spans);
}

fn observe_of(tenant: &Tenant, red: &mut Red, resource_spans: Vec<ResourceSpans>) {
    let bytes = TracesData { resource_spans }.encode_to_vec();
    let mut walker = TraceWalker::new();
    let view = walker.walk(&bytes, &WalkLimits::trusted()).expect("valid");
    red.begin_record();
    for span in view.spans() {
        red.observe(tenant, &span, T, false);
    }
}

fn tenant(name: &str) -> Tenant {
    name.parse().expect("a tenant")
}

/// Name, labels as text, count or number of windows.
fn told(deltas: &RedDeltas) -> Vec<(String, String, f64)> {
    let series = deltas.tenants.iter().flat_map(|tenant| &tenant.series);
    series
        .map(|series| {
            let labels: Vec<String> = series
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let counted = series.windows.iter().map(|window| match &window.value {
                DeltaValue::Histogram(histogram) => histogram.count(),
                DeltaValue::Count(count) => *count,
                DeltaValue::Seen => 1.0,
            });
            (series.name.clone(), labels.join(","), counted.sum())
        })
        .collect()
}

fn of_name<'a>(told: &'a [(String, String, f64)], name: &str) -> Vec<(&'a str, f64)> {
    let named = told.iter().filter(|(found, ..)| found == name);
    named
        .map(|(_, labels, count)| (labels.as_str(), *count))
        .collect()
}

#[test]
fn spans_count_by_service_name_kind_and_status_and_entries_by_instance() {
    let mut red = Red::default();
    let shop = |instance: &str| {
        vec![
            attribute("service.name", "shop"),
            attribute("service.version", "2"),
            attribute("service.instance.id", instance),
            attribute("host.name", "h1"),
        ]
    };
    let failed = Span {
        status: Some(Status {
            code: 2,
            ..Status::default()
        }),
        ..span("GET /a/17", span::SpanKind::Server, 30)
    };
    let spans = vec![
        span("GET /a/17", span::SpanKind::Server, 10),
        span("GET /a/18", span::SpanKind::Server, 20),
        span("SELECT", span::SpanKind::Client, 5),
        failed,
    ];
    observe_all(&mut red, vec![sent(shop("a"), spans)]);
    let root = Span {
        parent_span_id: Vec::new(),
        ..span("job", span::SpanKind::Internal, 1)
    };
    observe_all(&mut red, vec![sent(shop("b"), vec![root])]);
    let deltas = red.take(Arc::default());
    let told = told(&deltas);
    let common = "service_name=shop,service_version=2,";
    let labels = |rest: &str| format!("{common}{rest}");
    let expected = [
        (
            labels("span_kind=SPAN_KIND_CLIENT,span_name=SELECT,status_code=STATUS_CODE_UNSET"),
            1.0,
        ),
        (
            labels("span_kind=SPAN_KIND_INTERNAL,span_name=job,status_code=STATUS_CODE_UNSET"),
            1.0,
        ),
        (
            labels(
                "span_kind=SPAN_KIND_SERVER,span_name=GET /a/{id},status_code=STATUS_CODE_ERROR",
            ),
            1.0,
        ),
        (
            labels(
                "span_kind=SPAN_KIND_SERVER,span_name=GET /a/{id},status_code=STATUS_CODE_UNSET",
            ),
            2.0,
        ),
    ];
    let expected: Vec<(&str, f64)> = expected.iter().map(|(l, n)| (l.as_str(), *n)).collect();
    assert_eq!(of_name(&told, SPAN_DURATION), expected);
    assert_eq!(
        of_name(&told, INSTANCE_DURATION),
        [
            (
                "service_instance_id=a,service_name=shop,span_kind=SPAN_KIND_SERVER,status_code=STATUS_CODE_ERROR",
                1.0
            ),
            (
                "service_instance_id=a,service_name=shop,span_kind=SPAN_KIND_SERVER,status_code=STATUS_CODE_UNSET",
                2.0
            ),
            (
                "service_instance_id=b,service_name=shop,span_kind=SPAN_KIND_INTERNAL,status_code=STATUS_CODE_UNSET",
                1.0
            ),
        ]
    );
    assert_eq!(
        of_name(&told, INSTANCE_INFO),
        [
            (
                "host_name=h1,service_instance_id=a,service_name=shop,service_version=2",
                1.0
            ),
            (
                "host_name=h1,service_instance_id=b,service_name=shop,service_version=2",
                1.0
            ),
        ]
    );
    assert_eq!(
        red.take(Arc::default()),
        RedDeltas::default(),
        "an epoch begins empty"
    );
}

#[test]
fn a_span_stands_for_as_many_as_its_sender_says() {
    let mut red = Red::default();
    let quarter = Span {
        trace_state: "ot=th:c".to_owned(),
        ..span("a", span::SpanKind::Server, 10)
    };
    let whole = span("a", span::SpanKind::Server, 10);
    observe_all(&mut red, vec![sent(Vec::new(), vec![quarter, whole])]);
    let told = told(&red.take(Arc::default()));
    let labels = "service_name=unknown_service,span_kind=SPAN_KIND_SERVER,span_name=a,status_code=STATUS_CODE_UNSET";
    assert_eq!(of_name(&told, SPAN_DURATION), [(labels, 5.0)]);
}

#[test]
fn names_beyond_the_limit_count_together_and_nothing_is_lost() {
    let mut red = Red::default();
    let n_spans = SERIES_OF_SERVICE_MAX + 500;
    let spans = (0..n_spans).map(|n| span(&format!("op-{n}"), span::SpanKind::Client, 1));
    let service = vec![attribute("service.name", "wild")];
    observe_all(&mut red, vec![sent(service, spans.collect())]);
    let deltas = red.take(Arc::default());
    assert_eq!(deltas.n_overflowed, 500);
    let told = told(&deltas);
    let counted = of_name(&told, SPAN_DURATION);
    assert_eq!(counted.len(), SERIES_OF_SERVICE_MAX as usize + 1);
    assert_eq!(
        counted.iter().map(|(_, n)| n).sum::<f64>(),
        f64::from(n_spans)
    );
    let overflow = counted.iter().find(|(labels, _)| labels.contains(OVERFLOW));
    assert_eq!(overflow.map(|(_, n)| *n), Some(500.0));
}

/// Spans of one service, each of a name of its own.
fn wild(service: usize, n_spans: u32) -> ResourceSpans {
    let spans = (0..n_spans).map(|n| span(&format!("op-{n}"), span::SpanKind::Client, 1));
    let service = vec![attribute("service.name", &format!("wild-{service}"))];
    sent(service, spans.collect())
}

#[test]
fn a_tenant_with_too_many_series_takes_none_from_the_others() {
    let mut red = Red::default();
    let [greedy, modest] = ["greedy", "modest"].map(tenant);
    let n_services = (SERIES_OF_TENANT_MAX / SERIES_OF_SERVICE_MAX) as usize;
    for service in 0..n_services {
        let sent = wild(service, SERIES_OF_SERVICE_MAX);
        observe_of(&greedy, &mut red, vec![sent]);
    }
    observe_of(&modest, &mut red, vec![wild(0, 10)]);
    assert_eq!(red.n_overflowed, 0);
    observe_of(&greedy, &mut red, vec![wild(n_services, 3)]);
    assert_eq!(red.n_overflowed, 3);
    observe_of(&modest, &mut red, vec![wild(1, 10)]);
    observe_of(&greedy, &mut red, vec![wild(0, 10)]); // what it has goes on counting by name
    assert_eq!(red.n_overflowed, 3);
    let deltas = red.take(Arc::default());
    let [of_greedy, of_modest] = deltas.tenants.as_slice() else {
        panic!("two tenants");
    };
    let n_series = |delta: &TenantDelta| {
        let spans = delta.series.iter().filter(|one| one.name == SPAN_DURATION);
        spans.count()
    };
    assert_eq!((&of_greedy.tenant, &of_modest.tenant), (&greedy, &modest));
    assert_eq!(n_series(of_greedy), SERIES_OF_TENANT_MAX as usize + 1);
    assert_eq!(n_series(of_modest), 20);
}

#[test]
fn all_tenants_together_have_no_more_series_than_fit() {
    let mut red = Red::default();
    let n_services = (SERIES_OF_TENANT_MAX / SERIES_OF_SERVICE_MAX) as usize;
    for name in ["one", "two"].map(tenant) {
        for service in 0..n_services {
            observe_of(&name, &mut red, vec![wild(service, SERIES_OF_SERVICE_MAX)]);
        }
    }
    assert_eq!(red.n_overflowed, 0);
    observe_of(&tenant("three"), &mut red, vec![wild(0, 10)]);
    assert_eq!(red.n_overflowed, 10);
    assert!(
        red.size() > crate::shard::EPOCH_COUNTS_MAX,
        "the epoch ends"
    );
}

/// One request of an edge from `front` to a peer.
fn request(server: &str) -> Counted<'_> {
    let edge = service_map::edge::Edge {
        client: "front",
        server,
        connection: service_map::edge::Connection::Virtual,
        virtual_node: Some(service_map::edge::Side::Server),
    };
    Counted::Request(service_map::edge::Request {
        edge,
        failed: false,
        weight: 1.0,
        window_ms: 0,
        client_ns: Some(1),
        server_ns: None,
        queue_ns: None,
    })
}

/// One end of a service whose other end nobody knows.
fn alone(service: &str) -> Counted<'_> {
    Counted::Unpaired(Unpaired {
        side: service_map::edge::Side::Client,
        service,
        weight: 1.0,
        window_ms: 0,
    })
}

#[test]
fn a_tenant_with_too_many_edges_takes_none_from_the_others() {
    let [greedy, modest] = ["greedy", "modest"].map(tenant);
    for of in [request, alone] {
        let mut red = Red::default();
        for n in 0..EDGES_OF_TENANT_MAX + 5 {
            red.count(&greedy, of(&format!("node-{n}")));
        }
        assert_eq!(red.n_edges_overflowed, 5);
        for n in 0..5 {
            red.count(&modest, of(&format!("node-{n}")));
            red.count(&greedy, of(&format!("node-{n}")));
        }
        assert_eq!(red.n_edges_overflowed, 5);
        let deltas = red.take(Arc::default());
        let counts = |delta: &TenantDelta| -> f64 {
            let windows = delta.series.iter().flat_map(|one| &one.windows);
            let counts = windows.filter_map(|window| match window.value {
                DeltaValue::Count(n) => Some(n),
                DeltaValue::Histogram(_) | DeltaValue::Seen => None,
            });
            counts.sum()
        };
        let counted: Vec<f64> = deltas.tenants.iter().map(counts).collect();
        assert_eq!(counted, [(EDGES_OF_TENANT_MAX + 10) as f64, 5.0]);
    }
}

#[test]
fn all_tenants_together_have_no_more_edges_than_fit() {
    let mut red = Red::default();
    for name in 0..EDGES_MAX / EDGES_OF_TENANT_MAX as usize {
        let of = tenant(&format!("tenant-{name}"));
        for n in 0..EDGES_OF_TENANT_MAX {
            red.count(&of, request(&format!("node-{n}")));
        }
    }
    assert_eq!(red.n_edges_overflowed, 0);
    red.count(&tenant("late"), request("node-0"));
    assert_eq!(red.n_edges_overflowed, 1);
}

#[test]
fn names_that_differ_in_ids_alone_are_one_series_and_none_too_many() {
    let mut red = Red::default();
    let spans = (0..3_000).map(|n| span(&format!("GET /users/{n}"), span::SpanKind::Server, 1));
    let service = vec![attribute("service.name", "shop")];
    observe_all(&mut red, vec![sent(service, spans.collect())]);
    let deltas = red.take(Arc::default());
    assert_eq!(deltas.n_overflowed, 0);
    let labels = "service_name=shop,span_kind=SPAN_KIND_SERVER,span_name=GET /users/{id},status_code=STATUS_CODE_UNSET";
    assert_eq!(of_name(&told(&deltas), SPAN_DURATION), [(labels, 3_000.0)]);
}

#[test]
fn what_an_epoch_counts_apart_has_a_size() {
    let mut red = Red::default();
    let server = |name: &str| span(name, span::SpanKind::Server, 1);
    let of = |service: &str| vec![attribute("service.name", service)];
    observe_all(
        &mut red,
        vec![sent(of("a"), vec![server("x"), server("x"), server("y")])],
    );
    // a resource, its window, two names, one instance
    assert_eq!(red.size(), 5);
    observe_all(&mut red, vec![sent(of("a"), vec![server("x")])]);
    assert_eq!(red.size(), 5);
    observe_all(
        &mut red,
        vec![sent(of("b"), vec![span("x", span::SpanKind::Client, 1)])],
    );
    assert_eq!(red.size(), 8);
}

fn exemplars_of(kept: Vec<ResourceSpans>, tenants: &[TenantDelta]) -> exemplar::ExemplarsOfEpoch {
    let bytes = TracesData {
        resource_spans: kept,
    }
    .encode_to_vec();
    let mut walker = TraceWalker::new();
    let view = walker.walk(&bytes, &WalkLimits::trusted()).expect("valid");
    let mut exemplars = Exemplars::default();
    exemplars.see(&Tenant::default_tenant(), &view);
    exemplars.join(tenants, T)
}

/// A kept span: the first byte of its trace's id, and of its trace's randomness.
fn kept(name: &str, trace: u8, randomness: u8, duration_ms: u64) -> Span {
    let mut trace_id = vec![trace; 16];
    trace_id[9] = randomness;
    Span {
        trace_id,
        ..span(name, span::SpanKind::Server, duration_ms)
    }
}

#[test]
fn exemplars_are_the_luckiest_kept_span_of_each_octave() {
    let service = || vec![attribute("service.name", "shop")];
    let mut red = Red::default();
    let counted = vec![kept("a", 1, 0, 1), kept("b", 1, 0, 1)];
    observe_all(&mut red, vec![sent(service(), counted)]);
    let deltas = red.take(Arc::default());
    let mut spans = vec![
        kept("a", 1, 7, 100),
        kept("a", 2, 9, 110),
        kept("a", 3, 8, 120),
        kept("a", 4, 1, 900),
        kept("earlier", 5, 1, 2),
    ];
    let told = |spans: &[Span]| {
        let found = exemplars_of(vec![sent(service(), spans.to_vec())], &deltas.tenants);
        let series = &deltas.tenants[0].series;
        let place = |name: &str| {
            let is = |one: &SeriesDelta| {
                one.name == SPAN_DURATION && one.labels.iter().any(|(_, value)| value == name)
            };
            series.iter().position(is).expect("it was counted")
        };
        let ids = |exemplars: &[Exemplar]| {
            let told = exemplars.iter().map(|one| (one.trace_id.0[0], one.value));
            told.collect::<Vec<_>>()
        };
        assert_eq!(ids(found.of(0, place("a"))), [(4, 0.9), (2, 0.11)]);
        assert_eq!(ids(found.of(0, place("b"))), []);
        let alone: Vec<_> = found.alone().collect();
        assert_eq!(alone.len(), 1);
        assert_eq!(ids(&alone[0].1.exemplars), [(5, 0.002)]);
        let DeltaValue::Histogram(empty) = &alone[0].1.windows[0].value else {
            panic!("a histogram");
        };
        assert_eq!(empty.count(), 0.0);
        assert_eq!(found.n_exemplars(), 3);
        found
    };
    let first = told(&spans);
    spans.reverse();
    assert_eq!(first, told(&spans), "whatever the order");
}

#[test]
fn a_series_has_ten_exemplars_at_most_and_what_overflows_has_none() {
    let service = || vec![attribute("service.name", "wild")];
    let spans = (0..20).map(|n| kept("a", 1, 1, 1 << n));
    let found = exemplars_of(vec![sent(service(), spans.collect())], &[]);
    assert_eq!(found.n_exemplars(), EXEMPLARS_OF_SERIES_MAX);
    let mut red = Red::default();
    let many = (0..=SERIES_OF_SERVICE_MAX).map(|n| kept(&format!("op-{n}"), 1, 1, 1));
    observe_all(&mut red, vec![sent(service(), many.collect())]);
    let deltas = red.take(Arc::default());
    let beyond = kept(&format!("op-{SERIES_OF_SERVICE_MAX}"), 1, 1, 1);
    let found = exemplars_of(
        vec![sent(service(), vec![beyond, kept("op-0", 1, 1, 1)])],
        &deltas.tenants,
    );
    assert_eq!(found.n_exemplars(), 1);
}

#[test]
fn dimensions_tell_spans_apart_by_their_own_or_their_resources_attributes() {
    let names = ["http.route", "team"].map(str::to_owned);
    let dimensions = Arc::new(Dimensions::of(&names, SeriesMax::default()).expect("dimensions"));
    let mut red = Red::by(dimensions.clone());
    let resource = vec![attribute("service.name", "shop"), attribute("team", "blue")];
    let with = |name: &str, attributes: Vec<KeyValue>| Span {
        attributes,
        ..span(name, span::SpanKind::Server, 10)
    };
    let spans = vec![
        with("GET", vec![attribute("http.route", "/a")]),
        with("GET", vec![attribute("http.route", "/b")]),
        with(
            "GET",
            vec![attribute("http.route", "/b"), attribute("team", "red")],
        ),
        with("GET", vec![]),
        with("GET", vec![attribute("http.route", "/a")]),
    ];
    observe_all(&mut red, vec![sent(resource.clone(), spans.clone())]);
    let deltas = red.take(Arc::default());
    assert_eq!(deltas.dimensions, dimensions);
    let rest =
        "service_name=shop,span_kind=SPAN_KIND_SERVER,span_name=GET,status_code=STATUS_CODE_UNSET";
    let expected = [
        (format!("http_route=/a,{rest},team=blue"), 2.0),
        (format!("http_route=/b,{rest},team=blue"), 1.0),
        (format!("http_route=/b,{rest},team=red"), 1.0),
        (format!("{rest},team=blue"), 1.0),
    ];
    let all = told(&deltas);
    let expected: Vec<(&str, f64)> = expected.iter().map(|(l, n)| (l.as_str(), *n)).collect();
    assert_eq!(of_name(&all, SPAN_DURATION), expected);
    assert_eq!(of_name(&all, SPAN_SIZE).len(), 4);
    // exemplars find their series
    let bytes = TracesData {
        resource_spans: vec![sent(resource, spans)],
    }
    .encode_to_vec();
    let mut walker = TraceWalker::new();
    let view = walker.walk(&bytes, &WalkLimits::trusted()).expect("valid");
    let mut exemplars = Exemplars::by(dimensions);
    exemplars.see(&Tenant::default_tenant(), &view);
    let joined = exemplars.join(&deltas.tenants, T);
    assert_eq!((joined.n_exemplars(), joined.alone().count()), (4, 0));
}

#[test]
fn values_beyond_the_limit_of_a_service_count_together() {
    let names = ["user"].map(str::to_owned);
    let dimensions = Dimensions::of(&names, SeriesMax::default()).expect("dimensions");
    let mut red = Red::by(Arc::new(dimensions));
    let n = u64::from(SERIES_OF_SERVICE_MAX) + 10;
    let spans = (0..n).map(|user| Span {
        attributes: vec![attribute("user", &user.to_string())],
        ..span("GET", span::SpanKind::Server, 1)
    });
    let service = vec![attribute("service.name", "shop")];
    observe_all(&mut red, vec![sent(service, spans.collect())]);
    let deltas = red.take(Arc::default());
    assert_eq!(deltas.n_overflowed, 10);
    let all = told(&deltas);
    let counted = of_name(&all, SPAN_DURATION);
    assert_eq!(counted.len() as u64, n - 9);
    let beyond = counted.iter().find(|(labels, _)| labels.contains(OVERFLOW));
    assert!(beyond.is_some_and(|(labels, n)| !labels.contains("user=") && *n == 10.0));
}

#[test]
fn a_policy_may_have_fewer_series_counted_by_name() {
    let series_max = SeriesMax {
        of_tenant: 3,
        of_service: 2,
    };
    let dimensions = Dimensions::of(&[], series_max).expect("dimensions");
    let mut red = Red::by(Arc::new(dimensions));
    let names = ["a", "b", "c", "a"];
    for service in ["cart", "shop"] {
        let resource = vec![attribute("service.name", service)];
        let spans = names.map(|name| span(name, span::SpanKind::Server, 10));
        observe_all(&mut red, vec![sent(resource, spans.to_vec())]);
    }
    let deltas = red.take(Arc::default());
    assert_eq!(deltas.n_overflowed, 3, "c of cart; b and c of shop");
    let told = told(&deltas);
    let counted = of_name(&told, SPAN_DURATION).into_iter();
    let name = |labels: &str| {
        let label = labels
            .split(',')
            .find_map(|pair| pair.strip_prefix("span_name="));
        label.unwrap_or_default().to_owned()
    };
    let mut counted: Vec<(String, f64)> = counted.map(|(labels, n)| (name(labels), n)).collect();
    counted.sort_by(|(a, n), (b, m)| a.cmp(b).then(n.total_cmp(m)));
    let expected = [
        (OVERFLOW, 1.0),
        (OVERFLOW, 2.0),
        ("a", 2.0),
        ("a", 2.0),
        ("b", 1.0),
    ];
    assert_eq!(counted, expected.map(|(name, n)| (name.to_owned(), n)));
}

#[test]
fn series_that_memory_has_no_room_for_are_no_policy() {
    for (of_tenant, of_service) in [(0, 1), (1, 0), (100_001, 1), (1, 100_001)] {
        let series_max = SeriesMax {
            of_tenant,
            of_service,
        };
        let refused = Dimensions::of(&[], series_max).expect_err("it is none");
        assert!(refused.to_string().contains("1 to 100000"), "{refused}");
    }
}
