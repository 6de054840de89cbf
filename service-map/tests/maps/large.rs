//! The map of real size is drawn alike each time, and stays where it is when a few edges come or go: of what is drawn, and of what was counted.

use service_map::graph::Graph;
use service_map::graph::cluster::{Communities, Group, Plan, picture};
use service_map::graph::measure::Measure;
use service_map::graph::rows::EdgeRow;
use service_map::layout::{Layout, Line, ROW, Sketch, Spots, lay_out};

use crate::fixture::{RANGE_S, choice, rows};
use crate::numbers::Numbers;

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

/// Share of the nodes before that are not drawn any more.
fn gone(before: &Layout, after: &Layout) -> f64 {
    let is_gone = |id: &&String| !after.spots.contains_key(*id);
    let n_gone = before.spots.keys().filter(is_gone).count();
    n_gone as f64 / before.spots.len() as f64
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
            changed.edges.push(Line {
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

/// The rows with one edge in twenty taken away, or with as many new ones between services that are there.
fn recounted(rows: &[EdgeRow], seed: u64, add: bool) -> Vec<EdgeRow> {
    let mut numbers = Numbers(seed);
    let mut recounted = rows.to_vec();
    for _ in 0..rows.len() / 20 {
        if add {
            let client = rows[numbers.below(rows.len())].client.clone();
            let server = rows[numbers.below(rows.len())].server.clone();
            let calls = rows[numbers.below(rows.len())].now.calls;
            recounted.push(EdgeRow {
                client,
                server,
                now: Measure {
                    calls,
                    ..Measure::default()
                },
                ..EdgeRow::default()
            });
        } else {
            recounted.remove(numbers.below(recounted.len()));
        }
    }
    recounted
}

/// What is drawn of rows after something else was: its layout, and its communities for the next time.
fn redrawn(
    rows: &[EdgeRow],
    nodes_max: usize,
    (spots, communities): (&Spots, Communities),
) -> (Layout, Communities) {
    let graph = Graph::build(rows, &[]);
    let plan = Plan::of(&graph, &choice(Group::Service, nodes_max), communities);
    let sketch = Sketch::of(&plan.draw(&graph), RANGE_S);
    (lay_out(&sketch, spots), plan.communities().clone())
}

#[test]
fn a_twentieth_of_what_was_counted_moves_less_than_a_tenth_of_the_nodes() {
    let Some(rows) = rows() else { return };
    for nodes_max in [300, 100] {
        let (before, communities) =
            redrawn(&rows, nodes_max, (&Spots::new(), Communities::default()));
        for seed in 0..6 {
            for add in [true, false] {
                let recounted = recounted(&rows, seed, add);
                let known = (&before.spots, communities.clone());
                let (after, _) = redrawn(&recounted, nodes_max, known);
                let (moved, gone) = (moved(&before, &after), gone(&before, &after));
                assert!(moved < 0.10, "{nodes_max} {seed} {add}: {moved}");
                assert!(gone < 0.10, "{nodes_max} {seed} {add}: {gone} are gone");
            }
        }
    }
}
