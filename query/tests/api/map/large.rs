//! A map of real size through the port: 1,238 services and 4,271 edges.

use serde_json::Value;

use super::derived::{BEGIN_MS, Epoch};
use crate::fixtures::folder;
use crate::served::{NOW_UNIX_MS, Served};

#[tokio::test]
async fn a_map_of_1238_services_is_answered_with_equal_bytes() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("map/jaeger-ui-large.json")).expect("a file");
    let edges: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let served = Served::start().await;
    let mut epoch = Epoch::default();
    for edge in &edges {
        let name = |name: &str| edge[name].as_str().expect("a name");
        let calls = format!("{}>{}", name("parent"), name("child"));
        let n = u32::try_from(edge["callCount"].as_u64().expect("a number").min(100)).expect("few");
        epoch.calls(&calls, BEGIN_MS, (n.max(1), 0), 0.05);
    }
    epoch.write(&served, 0).await;
    let path = format!("/api/tracewell/v1/map?at={NOW_UNIX_MS}");
    let clock = telemetry::Clock::host();
    let begin = clock.monotonic();
    let first = served.get(&path).await;
    let first_took = clock.monotonic() - begin;
    let begin = clock.monotonic();
    let again = served.get(&path).await;
    #[expect(clippy::print_stdout, reason = "a figure to be read")]
    {
        println!(
            "a map of 1,238 services: {first_took:?}, again {:?}, {} bytes",
            clock.monotonic() - begin,
            first.text.len()
        );
    }
    assert_eq!(first.text, again.text);
    let body = first.json();
    let n: u64 = body["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| node["n"].as_u64().expect("a number"))
        .sum();
    assert_eq!(n, 1_238);
    assert!(body["nodes"].as_array().expect("nodes").len() <= 300);
}
