//! Views show what their sources have, in the tools' words.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::Buckets;

fn source(span_name: &str, version: &str, count: f64) -> SeriesData {
    let histogram = crate::Histogram {
        schema: 0,
        count,
        sum: 3.0 * count,
        // (2, 4]
        positive: Buckets {
            offset: 2,
            counts: vec![count],
        },
        ..crate::Histogram::default()
    };
    let labels = [
        (NAME, "tracewell_span_duration_seconds"),
        ("service_name", "shop"),
        ("service_version", version),
        ("span_kind", "SPAN_KIND_SERVER"),
        ("span_name", span_name),
        ("status_code", "STATUS_CODE_UNSET"),
    ];
    let window = Window {
        start_unix_ms: 0,
        end_unix_ms: 10_000,
        value: Value::Histogram(Arc::new(histogram)),
    };
    SeriesData {
        labels: Labels::new(labels),
        points: Points::Windows(vec![window]),
    }
}

fn matcher(name: &str, value: &str) -> Matcher {
    Matcher {
        name: name.to_owned(),
        op: MatchOp::Equal,
        value: value.to_owned(),
    }
}

/// What a view shows of series of its source, group by group.
fn grouped(view: &View, matchers: &[Matcher], source: &[SeriesData]) -> Vec<SeriesData> {
    let mut groups: BTreeMap<Labels, Vec<Window>> = BTreeMap::new();
    for series in source {
        let Points::Windows(windows) = &series.points else {
            continue;
        };
        let labels = view.labels_of(&series.labels, &[]).expect("it is shown");
        let group = groups.entry(labels);
        group.or_default().extend(windows.iter().cloned());
    }
    let shown = |(labels, windows)| view.show(&labels, windows, matchers);
    groups.into_iter().flat_map(shown).collect()
}

/// Labels without the name, and the only window's number.
fn shown(matchers: &[Matcher], source: &[SeriesData]) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    for view in View::wanted(matchers) {
        for series in grouped(view, matchers, source) {
            let labels: Vec<String> = series
                .labels
                .iter()
                .filter(|(name, _)| !matches!(*name, NAME | "span_kind" | "status_code"))
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let Points::Windows(windows) = &series.points else {
                continue;
            };
            if let [
                Window {
                    value: Value::Float(value),
                    ..
                },
            ] = windows.as_slice()
            {
                all.push((labels.join(" "), *value));
            }
        }
    }
    all
}

#[test]
fn labels_that_a_view_lacks_are_added_up() {
    let source = [
        source("get", "1", 2.0),
        source("get", "2", 3.0),
        source("put", "1", 7.0),
    ];
    let calls = matcher(NAME, "traces_spanmetrics_calls_total");
    assert_eq!(
        shown(std::slice::from_ref(&calls), &source),
        [
            ("service=shop span_name=get".to_owned(), 5.0),
            ("service=shop span_name=put".to_owned(), 7.0)
        ]
    );
    let matchers = [
        calls,
        matcher("span_name", "put"),
        matcher("service", "shop"),
    ];
    assert_eq!(
        shown(&matchers, &source),
        [("service=shop span_name=put".to_owned(), 7.0)]
    );
    let [view] = View::wanted(&matchers).collect::<Vec<_>>()[..] else {
        panic!("one view");
    };
    let names: Vec<String> = view
        .source_matchers(&matchers, &[])
        .into_iter()
        .map(|m| format!("{}={}", m.name, m.value))
        .collect();
    assert_eq!(
        names,
        [
            "__name__=tracewell_span_duration_seconds",
            "span_name=put",
            "service_name=shop"
        ]
    );
}

#[test]
fn classic_buckets_lie_inside_exponential_ones_and_units_are_the_tools() {
    let source = [source("get", "1", 8.0)];
    let name = |name: &str| matcher(NAME, name);
    let bucket = |le: &str| {
        let metric = name("traces_span_metrics_duration_milliseconds_bucket");
        let found = shown(&[metric, matcher("le", le)], &source);
        found.first().map(|(_, count)| *count)
    };
    assert_eq!(bucket("2000"), Some(0.0));
    assert_eq!(bucket("5000"), Some(8.0));
    assert_eq!(bucket("+Inf"), Some(8.0));
    assert_eq!(bucket("3000"), None);
    let sum = shown(
        &[name("traces_span_metrics_duration_milliseconds_sum")],
        &source,
    );
    assert_eq!(
        sum,
        [("service_name=shop span_name=get".to_owned(), 24_000.0)]
    );
}

#[test]
fn the_name_that_stands_for_many_is_marked() {
    let source = [source("__overflow__", "1", 1.0)];
    let calls = [matcher(NAME, "traces_span_metrics_calls_total")];
    let marked = "otel_metric_overflow=true service_name=shop span_name=__overflow__";
    assert_eq!(shown(&calls, &source), [(marked.to_owned(), 1.0)]);
}

#[test]
fn only_a_selector_that_says_something_of_the_name_means_views() {
    let n = |matchers: &[Matcher]| View::wanted(matchers).count();
    let regex = |value: &str| Matcher {
        name: NAME.to_owned(),
        op: MatchOp::Regex(regex::Regex::new(&format!("^(?:{value})$")).expect("a pattern")),
        value: value.to_owned(),
    };
    assert_eq!(n(&[matcher("job", "x")]), 0);
    assert_eq!(n(&[regex(".*")]), 0);
    assert_eq!(n(&[regex("traces_spanmetrics_.*")]), 6);
    assert_eq!(n(&[matcher(NAME, "up")]), 0);
    let bounds_ascend = VIEWS.iter().all(|view| match view.part {
        Part::Buckets { bounds, .. } => bounds.is_sorted(),
        _ => true,
    });
    assert!(bounds_ascend);
}

#[test]
fn labels_that_are_kept_stand_beside_those_of_the_tools() {
    let kept = ["service_version".to_owned(), "http_route".to_owned()];
    let view = VIEWS
        .iter()
        .find(|view| view.name == "traces_span_metrics_calls_total")
        .expect("a view");
    let labels = view.labels_of(&source("get", "2", 1.0).labels, &kept);
    let labels = labels.expect("it is shown");
    assert_eq!(
        (labels.get("service_version"), labels.get("http_route")),
        ("2", "")
    );
    let matchers = [matcher("service_version", "2"), matcher("other", "x")];
    let asked = view.source_matchers(&matchers, &kept);
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[test]
fn info_series_are_targets_and_hosts() {
    let of = |pairs: &[(&str, &str)]| {
        let own = [(NAME, "service_instance_info")];
        Labels::new(own.iter().chain(pairs).copied())
    };
    #[track_caller]
    fn check(name: &str, source: &Labels, expected: Option<&str>) {
        let view = VIEWS.iter().find(|view| view.name == name).expect("a view");
        let labels = view.labels_of(source, &[]).map(|labels| {
            let pairs = labels.iter().filter(|(name, _)| *name != NAME);
            let pairs: Vec<String> = pairs
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join(" ")
        });
        assert_eq!(labels.as_deref(), expected, "{name} {source:?}");
    }
    let shop = of(&[
        ("service_name", "cart"),
        ("service_namespace", "shop"),
        ("service_instance_id", "c1"),
        ("host_id", "h"),
        ("k8s_node_name", "n"),
    ]);
    let target = "host_id=h instance=c1 job=shop/cart k8s_node_name=n";
    check("target_info", &shop, Some(target));
    check("traces_target_info", &shop, Some(target));
    let node = "grafana_host_id=n host_source=k8s.node.name";
    check("traces_host_info", &shop, Some(node));
    let alone = of(&[("service_name", "cart"), ("host_id", "h")]);
    check("target_info", &alone, Some("host_id=h job=cart"));
    let host = "grafana_host_id=h host_source=host.id";
    check("traces_host_info", &alone, Some(host));
    check("traces_host_info", &of(&[("service_name", "cart")]), None);
    // instances on one host are one series of it
    let view = VIEWS
        .iter()
        .find(|view| view.name == "traces_host_info")
        .expect("a view");
    let samples = |times: &[i64]| Samples {
        floats: times.iter().map(|at| (*at, 1.0)).collect(),
        histograms: Vec::new(),
    };
    let labels = view.labels_of(&shop, &[]).expect("a host");
    let seen = [samples(&[10, 30]), samples(&[10, 20])];
    let shown = view.show_seen(&labels, seen, &[]).expect("it was seen");
    assert_eq!(shown.points, Points::Samples(samples(&[10, 20, 30])));
    let other = [matcher("host_source", "host.id")];
    assert_eq!(view.show_seen(&labels, [samples(&[10])], &other), None);
}
