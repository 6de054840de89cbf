//! Files that a person imports.

use bytes::Bytes;
use collector::{Format, Holds};
use telemetry::Tenant;

use crate::corpus::{body, gzip, request, spans, spans_of, zstd};
use crate::memory_log::Mood;
use crate::server::Server;
use prost::Message;

#[tokio::test]
async fn a_file_is_unpacked_by_its_first_bytes() {
    let server = Server::start(|config| config.limits.inflated_max = 10_000).await;
    let tenant = Tenant::default_tenant();
    let unpack = |file: Vec<u8>| server.collector.unpack(&tenant, Bytes::from(file));
    for file in [b"{}".to_vec(), gzip(b"{}"), zstd(b"{}")] {
        assert_eq!(unpack(file).await.expect("sound"), "{}");
    }
    let damaged = unpack(gzip(b"{}")[..12].to_vec()).await.expect_err("cut");
    assert_eq!(damaged.http_status, 400);
    let bomb = unpack(zstd(&[0; 20_000])).await.expect_err("too large");
    assert_eq!((bomb.http_status, bomb.retry_in), (413, None));
}

#[tokio::test]
async fn an_imported_file_is_historic_in_the_log() {
    let server = Server::start(|_| {}).await;
    let mut mixed = spans(10);
    mixed[4].span_id = Vec::new();
    let file = Bytes::from(request("shop", mixed).encode_to_vec());
    let import = |file| {
        let tenant = "acme".parse().expect("a plain name");
        server
            .collector
            .import(tenant, Holds::Traces, Format::Protobuf, file)
    };
    let imported = import(file.clone()).await.expect("taken");
    assert!(imported.message.contains("span_id"), "{}", imported.message);
    assert_eq!((imported.accepted, imported.rejected), (9, 1));
    let drafts = server.log.take();
    assert_eq!(spans_of(&drafts).len(), 9);
    let is_right =
        |draft: &bus::Draft| draft.header.historic && draft.header.tenant.as_str() == "acme";
    assert!(drafts.iter().all(is_right));

    server
        .log
        .set(Mood::Refuses(|| bus::PublishError::ReadOnly));
    let refused = import(file).await.expect_err("read-only");
    assert!(refused.http_status == 503 && refused.retry_in.is_some());
    let tenant = Tenant::default_tenant();
    let json = server
        .collector
        .import(tenant, Holds::Traces, Format::Json, body(1).into())
        .await;
    assert_eq!(json.expect_err("no JSON").http_status, 400);
}

#[tokio::test]
async fn points_of_a_file_are_historic_in_the_log_too() {
    let server = Server::start(|_| {}).await;
    let file = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[
        {"timeUnixNano":"1600000000000000000","asDouble":1.5},{"timeUnixNano":"1600000010000000000","asInt":"2"}]}}]}]}]}"#;
    let imported = server.collector.import(
        Tenant::default_tenant(),
        Holds::Metrics,
        Format::Json,
        Bytes::from_static(file.as_bytes()),
    );
    let imported = imported.await.expect("taken");
    assert_eq!((imported.accepted, imported.rejected), (2, 0));
    let drafts = server.log.take();
    let is_right = |draft: &bus::Draft| {
        draft.header.historic && draft.to.topic == bus::Topic::Points && draft.header.n_items == 2
    };
    assert!(drafts.len() == 1 && drafts.iter().all(is_right));
}
