//! Traces come back exactly, whole, and once.

use blocks::testing::{FaultRates, Faulty};
use blocks::{Blocks, Local};
use proptest::prelude::*;
use prost::Message;

use telemetry::wire::SpanKind;

use super::epoch::build_epoch;
use super::*;
use crate::fixtures::{Subject, any_trace, epoch, id, kept, plain, sampling, spans_of, tenant};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_field_of_every_span_comes_back(traces in proptest::collection::vec(any_trace(id(0)), 1..5)) {
        runtime().block_on(async {
            let subject = Subject::new(Config::default()).await;
            let traces: Vec<KeptTrace> = traces.iter().zip(1u8..).map(|(trace, n)| {
                let mut trace = trace.clone();
                let spans = trace.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans).flat_map(|scope| &mut scope.spans);
                spans.for_each(|span| span.trace_id = id(n).0.to_vec());
                kept(id(n), &trace, false)
            }).collect();
            subject.store.write_epoch(&tenant(), epoch(9, 10), traces.clone()).await.unwrap();
            let subject = subject.reopened().await;
            for trace in &traces {
                let found = subject.store.find(&tenant(), trace.id).await.unwrap().unwrap();
                let expected = StoredTrace { tenant: tenant(), id: trace.id, traces_data: found.traces_data.clone(), sampling: trace.sampling.clone(), late: false };
                assert_eq!(found, expected);
                assert_eq!(spans_of(&found.traces_data), spans_of(&trace.traces_data));
            }
        });
    }

    #[test]
    fn parts_in_several_epochs_come_back_as_one_trace_with_each_span_once(trace in any_trace(id(1)), cut in 0usize..8, again in any::<bool>()) {
        runtime().block_on(async {
            let subject = Subject::new(Config::default()).await;
            let (mut first, mut second) = (trace.clone(), trace.clone());
            let mut n = 0;
            for (a, b) in first.resource_spans.iter_mut().zip(&mut second.resource_spans).flat_map(|(a, b)| a.scope_spans.iter_mut().zip(&mut b.scope_spans)) {
                let (begin, end) = (n, n + a.spans.len());
                a.spans.truncate(cut.clamp(begin, end) - begin + usize::from(again));
                b.spans.drain(..cut.clamp(begin, end) - begin);
                n = end;
            }
            subject.store.write_epoch(&tenant(), epoch(1, 10), vec![kept(id(1), &first, false)]).await.unwrap();
            subject.store.write_epoch(&tenant(), epoch(2, 20), vec![kept(id(1), &second, true)]).await.unwrap();
            let found = subject.store.find(&tenant(), id(1)).await.unwrap().unwrap();
            assert!(found.late);
            let mut expected = spans_of(&trace.encode_to_vec());
            expected.dedup();
            assert_eq!(spans_of(&found.traces_data), expected);
        });
    }
}

#[tokio::test]
async fn an_epoch_written_again_is_there_once() {
    let subject = Subject::new(Config::default()).await;
    let traces = vec![kept(id(1), &plain(id(1), &[("shop", "buy", 5)]), false)];
    assert_eq!(
        subject
            .store
            .write_epoch(&tenant(), epoch(1, 10), traces.clone())
            .await
            .unwrap(),
        Put::New
    );
    assert_eq!(
        subject
            .store
            .write_epoch(&tenant(), epoch(1, 10), traces.clone())
            .await
            .unwrap(),
        Put::Same
    );
    let subject = subject.reopened().await;
    assert_eq!(
        subject
            .store
            .write_epoch(&tenant(), epoch(1, 10), traces)
            .await
            .unwrap(),
        Put::Same
    );
    assert_eq!(
        subject.store.metrics().traces.get(),
        0,
        "nothing new since it was opened"
    );
}

#[tokio::test]
async fn the_content_of_an_epoch_is_its_traces_whatever_their_order_and_compression() {
    let traces: Vec<KeptTrace> = (1..100)
        .map(|n| kept(id(n), &plain(id(n), &[("shop", "buy", n.into())]), false))
        .collect();
    let (mut reversed, mut repeated) = (traces.clone(), traces.clone());
    reversed.reverse();
    repeated.push(traces[0].clone());
    let content = |traces: &[KeptTrace], level| build_epoch(traces, level, |_| {}).unwrap().0;
    assert_eq!(content(&traces, 3), content(&reversed, 1));
    assert_eq!(content(&traces, 3), content(&repeated, 3));
    let mut other = traces.clone();
    other[7].sampling = sampling("other");
    assert_ne!(content(&traces, 3), content(&other, 3));
}

#[tokio::test]
async fn other_content_of_one_epoch_is_found_too() {
    let subject = Subject::new(Config::default()).await;
    let traces = |n| vec![kept(id(n), &plain(id(n), &[("shop", "buy", 5)]), false)];
    subject
        .store
        .write_epoch(&tenant(), epoch(1, 10), traces(1))
        .await
        .unwrap();
    let put = subject
        .store
        .write_epoch(&tenant(), epoch(1, 10), traces(2))
        .await
        .unwrap();
    assert!(matches!(put, Put::Beside(_)), "{put:?}");
    for n in [1, 2] {
        assert!(
            subject
                .store
                .find(&tenant(), id(n))
                .await
                .unwrap()
                .is_some()
        );
    }
    assert!(
        subject
            .store
            .find(&tenant(), id(3))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        subject
            .store
            .find(&"other".parse().unwrap(), id(1))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn an_epoch_is_stored_once_however_often_its_put_fails() {
    for seed in 1..40 {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::open(
            dir.path().to_owned(),
            blocks::Config::default(),
            Clock::host(),
            blocks::Metrics::default(),
        )
        .await
        .unwrap();
        let faulty = Blocks::Faulty(Faulty::new(
            local.clone(),
            seed,
            FaultRates {
                before: 50,
                after: 50,
                torn: 90,
            },
        ));
        let store = loop {
            if let Ok(store) =
                TraceStore::open(faulty.clone(), Config::default(), Clock::host()).await
            {
                break store;
            }
        };
        let traces = vec![kept(id(1), &plain(id(1), &[("shop", "buy", 5)]), false)];
        for n in 1..4 {
            while store
                .write_epoch(&tenant(), epoch(n, 10), traces.clone())
                .await
                .is_err()
            {}
        }
        let store = TraceStore::open(Blocks::Local(local), Config::default(), Clock::host())
            .await
            .unwrap();
        assert_eq!(
            store.inner.catalog.read().visible().count(),
            3,
            "seed {seed}"
        );
        assert!(
            store.find(&tenant(), id(1)).await.unwrap().is_some(),
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn services_and_operations_are_those_of_all_visible_blocks() {
    let subject = Subject::new(Config::default()).await;
    let store = &subject.store;
    for (n, spans) in [
        [("shop", "buy", 1), ("db", "select", 2)],
        [("shop", "pay", 1), ("mail", "buy", 2)],
    ]
    .iter()
    .enumerate()
    {
        let n = n as u8 + 1;
        store
            .write_epoch(
                &tenant(),
                epoch(n.into(), 10),
                vec![kept(id(n), &plain(id(n), spans), false)],
            )
            .await
            .unwrap();
    }
    assert_eq!(
        store.services(&tenant()).await.unwrap(),
        ["db", "mail", "shop"]
    );
    let names = async |service: Option<&str>, kind| {
        let operations = store.operations(&tenant(), service, kind).await.unwrap();
        operations
            .into_iter()
            .map(|operation| operation.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(None, None).await, ["buy", "pay", "select"]);
    assert_eq!(
        names(Some("shop"), Some(SpanKind::Server)).await,
        ["buy", "pay"]
    );
    assert_eq!(names(Some("shop"), Some(SpanKind::Client)).await, [""; 0]);
}

#[tokio::test]
async fn bytes_that_are_no_otlp_are_refused_with_the_trace() {
    let subject = Subject::new(Config::default()).await;
    let trace = KeptTrace {
        traces_data: bytes::Bytes::from_static(b"\x0a\xff"),
        ..kept(id(7), &plain(id(7), &[]), false)
    };
    let told = subject
        .store
        .write_epoch(&tenant(), epoch(1, 10), vec![trace])
        .await
        .unwrap_err();
    assert!(
        matches!(told, WriteError::NotOtlp { id, .. } if id == crate::fixtures::id(7)),
        "{told}"
    );
}
