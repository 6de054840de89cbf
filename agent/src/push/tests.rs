//! Sending to a real gRPC server that answers as it is told.

use std::time::Duration;

use http::Uri;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::*;
use crate::batch::{batches, decode};
use crate::instrument::SYSTEM_DISK_IO;
use crate::push::fake_collector::FakeCollector;
use crate::sheet::Sheet;

const TIMEOUT: Duration = Duration::from_secs(10);

fn batch(value: u64) -> Batch {
    let mut sheet = Sheet::for_test();
    sheet.put(&SYSTEM_DISK_IO, value, &[]);
    sheet.put(&SYSTEM_DISK_IO, value, &[("n", 2.into())]);
    batches(vec![sheet], Clock::host().wall().unix_ms).remove(0)
}

fn request(batch: &Batch) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: decode(batch),
    }
}

async fn answer(fake: &FakeCollector) -> Answer {
    fake.during(|uri| async { Client::new(uri, TIMEOUT).send(batch(7).body).await })
        .await
}

fn with_retry_info(code: Code) -> Status {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(3)));
    Status::with_error_details(code, "busy", details)
}

#[tokio::test]
async fn a_request_arrives_as_it_was_made() {
    let fake = FakeCollector::default();
    let made = batch(7);
    let received = fake
        .during(|uri| async {
            let taken = Client::new(uri, TIMEOUT).send(made.body.clone()).await;
            assert!(
                matches!(taken, Answer::Taken { n_rejected: 0, .. }),
                "{taken:?}"
            );
            fake.received(1).await
        })
        .await;
    assert_eq!(received, [request(&made)]);
}

#[tokio::test]
async fn points_that_the_collector_names_are_rejected() {
    let taken = Answer::Taken {
        n_rejected: 1,
        problem: "told so".to_owned(),
    };
    assert_eq!(answer(&FakeCollector::rejecting(1)).await, taken);
    let negative = answer(&FakeCollector::rejecting(-1)).await;
    assert!(matches!(negative, Answer::Taken { n_rejected: 0, .. }));
}

#[tokio::test]
async fn the_time_that_a_collector_names_is_read() {
    for code in [Code::Unavailable, Code::ResourceExhausted] {
        let told = answer(&FakeCollector::answering([with_retry_info(code)])).await;
        let Answer::Later { after, problem } = told else {
            panic!("{code:?}: {told:?}")
        };
        assert_eq!(after, Some(Duration::from_secs(3)));
        assert!(problem.contains("busy"), "{problem}");
    }
    let told = answer(&FakeCollector::answering([Status::resource_exhausted(
        "no",
    )]))
    .await;
    assert!(matches!(told, Answer::Refused { .. }), "{told:?}");
}

#[tokio::test]
async fn nobody_at_the_address_means_later() {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = free.local_addr().expect("bound");
    drop(free);
    let uri: Uri = format!("http://{address}").parse().expect("an address");
    let told = Client::new(uri, TIMEOUT).send(batch(7).body).await;
    assert!(
        matches!(told, Answer::Later { after: None, .. }),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_was_not_taken_is_sent_again_before_what_came_later() {
    let fake = FakeCollector::answering([Status::unavailable("starting")]);
    let outbox = Outbox::new(&Config::default(), Clock::host());
    let made = [batch(1), batch(2)];
    outbox.put(made.to_vec());
    let stop = CancellationToken::new();
    let received = fake
        .during(|uri| async {
            let scenario = async {
                let received = fake.received(3).await;
                stop.cancel();
                received
            };
            let sending = run(outbox.clone(), Client::new(uri, TIMEOUT), stop.clone());
            tokio::join!(sending, scenario).1
        })
        .await;
    let [first, second] = made.each_ref().map(request);
    assert_eq!(received, [first.clone(), first, second]);
    assert_eq!(outbox.counts().sent, 4);
    assert!(outbox.counts().dropped().iter().all(|(_, n)| *n == 0));
}

#[tokio::test]
async fn what_is_refused_for_good_is_counted_and_not_sent_again() {
    let fake = FakeCollector::answering([Status::invalid_argument("no")]);
    let outbox = Outbox::new(&Config::default(), Clock::host());
    outbox.put(vec![batch(1), batch(2)]);
    let stop = CancellationToken::new();
    stop.cancel();
    let n_received = fake
        .during(|uri| async {
            run(outbox.clone(), Client::new(uri, TIMEOUT), stop).await;
            fake.received(2).await.len()
        })
        .await;
    assert_eq!(n_received, 2, "a stop sends what waits");
    assert_eq!(outbox.counts().sent, 2);
    assert_eq!(outbox.counts().dropped()[1], ("refused", 2));
    assert_eq!(outbox.counts().buffer_bytes, 0);
}
