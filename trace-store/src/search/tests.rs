//! Search against a search that looks at everything: equal traces, in equal order, on pages of any size.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use proptest::collection::vec;
use proptest::prelude::*;
use telemetry::wire::{SpanKind, StatusCode};

use super::*;
use crate::fixtures::{Subject, epoch, id, kept, plain, spans_of, tag, tenant};
use crate::{Config, KeptTrace};

/// A span told by few small numbers, so that conditions meet and starts are equal often.
#[derive(Debug, Clone)]
struct SmallSpan {
    service: u8,
    name: u8,
    kind: i32,
    status: i32,
    start: u64,
    duration: u64,
    /// Where a tag is (span, resource, scope, event, link), its key and its value.
    tags: Vec<(u8, u8, u8)>,
}

fn small_span() -> impl Strategy<Value = SmallSpan> {
    (
        0u8..3,
        0u8..3,
        0i32..6,
        0i32..3,
        0u64..12,
        0u64..4,
        vec((0u8..5, 0u8..2, 0u8..2), 0..3),
    )
        .prop_map(
            |(service, name, kind, status, start, duration, tags)| SmallSpan {
                service,
                name,
                kind,
                status,
                start,
                duration,
                tags,
            },
        )
}

/// Parts of traces: which trace, which epoch, spans.
fn parts() -> impl Strategy<Value = Vec<(u8, u64, Vec<SmallSpan>)>> {
    vec((1u8..14, 1u64..6, vec(small_span(), 1..4)), 1..24)
}

fn filter() -> impl Strategy<Value = Filter> {
    use prop::option::of;
    let names = (of(0u8..4), of(0u8..4), vec((0u8..2, 0u8..2), 0..2));
    let numbers = (
        of(0u64..4),
        of(0u64..4),
        of(0u64..12),
        of(0u64..12),
        of(0i32..6),
        of(0i32..3),
        prop::bool::weighted(0.2),
    );
    (names, numbers).prop_map(
        |(
            (service, name, tags),
            (
                duration_min_ns,
                duration_max_ns,
                start_min_unix_ns,
                start_max_unix_ns,
                kind,
                status,
                error,
            ),
        )| {
            let mut tags: Vec<_> = tags
                .into_iter()
                .map(|(key, value)| (format!("k{key}"), format!("v{value}")))
                .collect();
            if error {
                tags.push(("error".into(), "true".into()));
            }
            Filter {
                service: service.map(|n| format!("s{n}")),
                operation: name.map(|n| format!("o{n}")),
                tags,
                duration_min_ns,
                duration_max_ns,
                start_min_unix_ns,
                start_max_unix_ns,
                kind: kind.map(SpanKind::from_number),
                status: status.map(StatusCode::from_number),
            }
        },
    )
}

fn message(trace: TraceId, span_id: u64, small: &SmallSpan) -> ResourceSpans {
    let tags = |place| {
        small
            .tags
            .iter()
            .filter(move |tag| tag.0 == place)
            .map(|(_, key, value)| tag(&format!("k{key}"), &format!("v{value}")))
            .collect::<Vec<_>>()
    };
    let span = Span {
        trace_id: trace.0.to_vec(),
        span_id: (span_id + 1).to_be_bytes().to_vec(),
        name: format!("o{}", small.name),
        kind: small.kind,
        status: Some(Status {
            code: small.status,
            ..Status::default()
        }),
        start_time_unix_nano: small.start,
        end_time_unix_nano: small.start + small.duration,
        attributes: tags(0),
        events: vec![Event {
            attributes: tags(3),
            ..Event::default()
        }],
        links: vec![Link {
            trace_id: vec![1; 16],
            span_id: vec![1; 8],
            attributes: tags(4),
            ..Link::default()
        }],
        ..Span::default()
    };
    let mut resource = tags(1);
    resource.push(tag("service.name", &format!("s{}", small.service)));
    ResourceSpans {
        resource: Some(Resource {
            attributes: resource,
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                attributes: tags(2),
                ..InstrumentationScope::default()
            }),
            spans: vec![span],
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

/// The test of a span as the text of the contract says it, on what it was made from.
fn meets(small: &SmallSpan, filter: &Filter) -> bool {
    let has_tag = |(key, value): &(String, String)| match key.as_str() {
        "error" => small.status == 2,
        _ => small
            .tags
            .iter()
            .any(|(_, k, v)| *key == format!("k{k}") && *value == format!("v{v}")),
    };
    filter
        .service
        .as_ref()
        .is_none_or(|service| *service == format!("s{}", small.service))
        && filter
            .operation
            .as_ref()
            .is_none_or(|name| *name == format!("o{}", small.name))
        && filter.kind.is_none_or(|kind| kind as i32 == small.kind)
        && filter
            .status
            .is_none_or(|status| status as i32 == small.status)
        && (filter.duration_min_ns.unwrap_or(0)..=filter.duration_max_ns.unwrap_or(u64::MAX))
            .contains(&small.duration)
        && (filter.start_min_unix_ns.unwrap_or(0)..=filter.start_max_unix_ns.unwrap_or(u64::MAX))
            .contains(&small.start)
        && filter.tags.iter().all(has_tag)
}

async fn pages(subject: &Subject, filter: &Filter, limit: usize) -> Vec<StoredTrace> {
    let mut query = SearchQuery {
        filter: filter.clone(),
        limit,
        cursor: None,
    };
    let mut traces = Vec::new();
    for _ in 0..200 {
        let page = subject.store.search(&tenant(), &query).await.unwrap();
        assert!(page.traces.len() <= limit);
        traces.extend(page.traces);
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor.to_string().parse().unwrap()),
            None => return traces,
        }
    }
    panic!("pages without end")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn search_finds_what_a_look_at_everything_finds(parts in parts(), filters in vec(filter(), 6), limit in 1usize..5, merged in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let subject = Subject::new(Config::default()).await;
            let mut traces: std::collections::BTreeMap<u8, Vec<&SmallSpan>> = std::collections::BTreeMap::new();
            let mut epochs: std::collections::BTreeMap<u64, Vec<KeptTrace>> = std::collections::BTreeMap::new();
            for ((n, end_offset, spans), part) in parts.iter().zip(0u64..) {
                let late = traces.contains_key(n);
                traces.entry(*n).or_default().extend(spans);
                let resource_spans = spans.iter().zip(0..).map(|(small, i)| message(id(*n), part * 10 + i, small)).collect();
                epochs.entry(*end_offset).or_default().push(kept(id(*n), &TracesData { resource_spans }, late));
            }
            for (end_offset, traces) in epochs {
                subject.store.write_epoch(&tenant(), epoch(end_offset, end_offset * 10), traces).await.unwrap();
            }
            if merged {
                subject.store.write_epoch(&tenant(), epoch(9, 1_000), Vec::new()).await.unwrap();
                subject.store.maintain(&mut crate::Maintenance::default()).await.unwrap();
            }
            for filter in &filters {
                let mut expected: Vec<Cursor> = traces.iter().filter(|(_, spans)| spans.iter().any(|span| meets(span, filter)))
                    .map(|(n, spans)| Cursor { start_unix_ns: spans.iter().map(|span| span.start).min().unwrap(), id: id(*n) }).collect();
                expected.sort();
                let found = pages(&subject, filter, limit).await;
                assert_eq!(found.iter().map(|trace| trace.id).collect::<Vec<_>>(), expected.iter().map(|cursor| cursor.id).collect::<Vec<_>>(), "{filter:?}");
                for trace in found {
                    assert_eq!(spans_of(&trace.traces_data).len(), traces[&trace.id.0[0]].len(), "whole, not the part that matched");
                }
            }
        });
    }
}

#[tokio::test]
async fn a_search_that_used_up_its_bytes_says_so_and_goes_on() {
    let subject = Subject::new(Config {
        search_bytes_max: 100,
        ..Config::default()
    })
    .await;
    let traces = (1..60)
        .map(|n| {
            kept(
                id(n),
                &plain(id(n), &[("shop", "buy", 5), ("db", "select", 6)]),
                false,
            )
        })
        .collect();
    subject
        .store
        .write_epoch(&tenant(), epoch(1, 10), traces)
        .await
        .unwrap();
    // Each condition is met by some span, both by none: the summaries cannot rule it out.
    let filter = Filter {
        service: Some("shop".into()),
        start_min_unix_ns: Some(6),
        ..Filter::default()
    };
    let query = SearchQuery {
        filter: filter.clone(),
        limit: 10,
        cursor: None,
    };
    let page = subject.store.search(&tenant(), &query).await.unwrap();
    assert_eq!(
        (page.traces.len(), page.partial),
        (
            0,
            Some(Partial {
                limit: true,
                n_damaged: 0
            })
        )
    );
    assert_eq!(pages(&subject, &filter, 10).await, []);
    assert_eq!(pages(&subject, &Filter::default(), 10).await.len(), 59);
}

#[tokio::test]
async fn only_one_span_that_meets_everything_is_a_match() {
    let subject = Subject::new(Config::default()).await;
    subject
        .store
        .write_epoch(
            &tenant(),
            epoch(1, 10),
            vec![kept(
                id(1),
                &plain(id(1), &[("shop", "buy", 5), ("db", "select", 6)]),
                false,
            )],
        )
        .await
        .unwrap();
    let find = async |service: &str, operation: &str| {
        let filter = Filter {
            service: Some(service.into()),
            operation: Some(operation.into()),
            ..Filter::default()
        };
        pages(&subject, &filter, 10).await.len()
    };
    assert_eq!(find("shop", "buy").await, 1);
    assert_eq!(find("shop", "select").await, 0);
    assert_eq!(find("db", "select").await, 1);
}
