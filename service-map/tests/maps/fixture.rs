//! A map of real size: 1,238 services and 4,271 edges.

use serde_json::Value;
use service_map::graph::cluster::{Choice, Group};
use service_map::graph::measure::Measure;
use service_map::graph::rows::EdgeRow;

pub(crate) const RANGE_S: f64 = 3_600.0;

/// The edges of the map; none where the fixtures are not there.
pub(crate) fn rows() -> Option<Vec<EdgeRow>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/fixtures/map/jaeger-ui-large.json"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        #[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
        {
            eprintln!("SKIPPED: no fixture at {path}");
        }
        return None;
    };
    let edges: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let row = |edge: &Value| EdgeRow {
        client: edge["parent"].as_str().expect("a name").to_owned(),
        server: edge["child"].as_str().expect("a name").to_owned(),
        now: Measure {
            calls: edge["callCount"].as_f64().expect("a number"),
            ..Measure::default()
        },
        ..EdgeRow::default()
    };
    Some(edges.iter().map(row).collect())
}

pub(crate) fn choice(group: Group, nodes_max: usize) -> Choice {
    Choice::everything(group, nodes_max, RANGE_S)
}
