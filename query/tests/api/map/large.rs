//! A map of real size through the port: 1,238 services and 4,271 edges.

use std::time::Duration;

use serde_json::Value;

use super::derived::{BEGIN_MS, Epoch};
use crate::fixtures::folder;
use crate::served::{NOW_UNIX_MS, Served};

/// The longest that the usual map may take, in whatever build, on a machine that does other work too.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// Edges of the map; none where the fixtures are not there.
fn edges() -> Option<Vec<Value>> {
    let path = folder()?.join("map/jaeger-ui-large.json");
    let text = std::fs::read_to_string(path).expect("a file");
    Some(serde_json::from_str(&text).expect("a list"))
}

/// Every edge in one window.
fn epoch(edges: &[Value], begin_ms: i64) -> Epoch {
    let mut epoch = Epoch::default();
    for edge in edges {
        let name = |name: &str| edge[name].as_str().expect("a name");
        let calls = format!("{}>{}", name("parent"), name("child"));
        let n = edge["callCount"].as_u64().expect("a number").clamp(1, 100);
        let n = u32::try_from(n).expect("few");
        epoch.calls(&calls, begin_ms, (n, 0), 0.05);
    }
    epoch
}

#[tokio::test]
#[ignore = "tells figures"]
async fn figures_of_a_map_that_is_busy_in_every_window() {
    let Some(edges) = edges() else { return };
    let served = Served::start().await;
    for n in 0..30 {
        let begin_ms = BEGIN_MS - 10_000 * (29 - i64::from(n));
        epoch(&edges, begin_ms)
            .write(&served, u64::from(n as u32))
            .await;
    }
    let clock = telemetry::Clock::host();
    for _ in 0..3 {
        let begin = clock.monotonic();
        let answer = served.get("/api/tracewell/v1/map").await;
        assert_eq!(answer.status, 200);
        #[expect(clippy::print_stdout, reason = "a figure to be read")]
        {
            println!(
                "a map of 1,238 services in 30 windows: {:?}",
                clock.monotonic() - begin
            );
        }
    }
}

#[tokio::test]
async fn a_map_of_1238_services_is_answered_in_time_and_with_equal_bytes() {
    let Some(edges) = edges() else { return };
    let served = Served::start().await;
    epoch(&edges, BEGIN_MS).write(&served, 0).await;
    let clock = telemetry::Clock::host();
    let mut fastest = Duration::MAX;
    // each at another time, so that none is an answer of before
    for ago_ms in [0, 1_000, 2_000, 3_000, 4_000] {
        let path = format!("/api/tracewell/v1/map?at={}", NOW_UNIX_MS - ago_ms);
        let begin = clock.monotonic();
        let first = served.get(&path).await;
        fastest = fastest.min(clock.monotonic() - begin);
        assert_eq!(first.text, served.get(&path).await.text);
        let body = first.json();
        let nodes = body["nodes"].as_array().expect("nodes");
        let n = nodes
            .iter()
            .map(|node| node["n"].as_u64().expect("a number"));
        assert_eq!(n.sum::<u64>(), 1_238);
        assert!(nodes.len() <= 300);
    }
    assert!(
        fastest <= ANSWER_MAX,
        "the fastest of five answers took {fastest:?}"
    );
}
