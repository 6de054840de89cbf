//! A map of real size: 1,238 services and 4,271 edges. It is drawn alike each time, and stays where it is when a few edges come or go.

use std::collections::BTreeSet;

use serde_json::Value;
use service_map::graph::Graph;
use service_map::graph::cluster::{Choice, Group, Only, picture};
use service_map::graph::measure::Measure;
use service_map::graph::rows::EdgeRow;
use service_map::layout::{Layout, ROW, Sketch, Spots, lay_out};

const RANGE_S: f64 = 3_600.0;

/// The edges of the map; none where the fixtures are not there.
fn rows() -> Option<Vec<EdgeRow>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/fixtures/map/jaeger-ui-large.json"
    );
    let text = std::fs::read_to_string(path).ok()?;
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

fn choice(group: Group, nodes_max: usize) -> Choice {
    Choice {
        group,
        expand: BTreeSet::new(),
        focus: Vec::new(),
        env: None,
        hops: 1,
        only: Only::All,
        q: String::new(),
        nodes_max,
        range_s: RANGE_S,
    }
}

#[test]
fn a_large_map_is_drawn_on_one_screen_and_always_alike() {
    let Some(mut rows) = rows() else { return };
    let drawn = |rows: &[EdgeRow]| {
        let graph = Graph::build(rows, &[]);
        assert_eq!((graph.n_nodes(), graph.edges().count()), (1_238, 4_271));
        let picture = picture(&graph, &choice(Group::Service, 300));
        let layout = lay_out(&Sketch::of(&picture, RANGE_S), &Spots::new());
        (picture, layout)
    };
    let first = drawn(&rows);
    assert!(first.0.nodes.len() <= 300, "{}", first.0.nodes.len());
    let n: usize = first.0.nodes.iter().map(|node| node.n).sum();
    assert_eq!(n, 1_238);
    rows.reverse();
    assert_eq!(drawn(&rows), first);
}

/// Share of nodes of both layouts that moved by more than a row, or to another layer.
fn moved(before: &Layout, after: &Layout) -> f64 {
    let both = before
        .spots
        .iter()
        .filter_map(|(id, spot)| Some((spot, after.spots.get(id)?)));
    let (mut n, mut n_moved) = (0.0, 0.0);
    for (before, after) in both {
        n += 1.0;
        if before.layer != after.layer || (before.y - after.y).abs() > ROW {
            n_moved += 1.0;
        }
    }
    n_moved / n
}

/// A generator of numbers that needs no crate: the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % n
    }
}

/// The sketch with one edge in twenty taken away, or with as many new ones.
fn changed(sketch: &Sketch, seed: u64, add: bool) -> Sketch {
    let mut numbers = Numbers(seed);
    let mut changed = sketch.clone();
    let n = sketch.edges.len() / 20;
    if add {
        for _ in 0..n {
            let (from, to) = (
                numbers.below(sketch.nodes.len()),
                numbers.below(sketch.nodes.len()),
            );
            changed.edges.push(service_map::layout::Line {
                from,
                to,
                weight: 1 + numbers.below(20) as u32,
            });
        }
        changed.edges.sort_by_key(|line| (line.from, line.to));
        changed.edges.dedup_by_key(|line| (line.from, line.to));
    } else {
        for _ in 0..n {
            let at = numbers.below(changed.edges.len());
            changed.edges.remove(at);
        }
    }
    changed
}

#[test]
fn a_twentieth_of_the_edges_moves_less_than_a_tenth_of_the_nodes() {
    let Some(rows) = rows() else { return };
    let graph = Graph::build(&rows, &[]);
    for nodes_max in [300, 100] {
        let picture = picture(&graph, &choice(Group::Service, nodes_max));
        let sketch = Sketch::of(&picture, RANGE_S);
        let before = lay_out(&sketch, &Spots::new());
        for seed in 0..6 {
            for add in [true, false] {
                let after = lay_out(&changed(&sketch, seed, add), &before.spots);
                let moved = moved(&before, &after);
                assert!(moved < 0.10, "{nodes_max} {seed} {add}: {moved}");
            }
        }
    }
}
