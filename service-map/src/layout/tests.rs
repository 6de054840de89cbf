use proptest::prelude::*;

use super::*;

fn sketch(n_nodes: usize, pairs: &[(usize, usize)]) -> Sketch {
    let mut pairs: Vec<(usize, usize)> = pairs.to_vec();
    pairs.sort_unstable();
    pairs.dedup();
    Sketch {
        nodes: (0..n_nodes).map(|n| format!("service:s{n:05}")).collect(),
        edges: pairs
            .into_iter()
            .map(|(from, to)| Line {
                from,
                to,
                weight: 1 + (from * 7 + to * 13) as u32 % 20,
            })
            .collect(),
    }
}

fn fresh(sketch: &Sketch) -> Layout {
    lay_out(sketch, &Spots::new())
}

#[test]
fn nothing_and_one_and_a_loop_are_laid_out() {
    assert_eq!(fresh(&Sketch::default()), Layout::default());
    let one = fresh(&sketch(1, &[]));
    assert_eq!((one.w, one.h, one.nodes.len()), (NODE_W, NODE_H, 1));
    let with_loop = fresh(&sketch(1, &[(0, 0)]));
    assert_eq!(with_loop.edges[0].len(), 4);
    let astray = fresh(&sketch(1, &[(0, 7)]));
    assert_eq!(astray.edges, [Vec::new()]);
}

#[test]
fn a_chain_is_a_straight_line() {
    let layout = fresh(&sketch(4, &[(0, 1), (1, 2), (2, 3)]));
    let (xs, ys): (Vec<i32>, Vec<i32>) = layout.nodes.iter().copied().unzip();
    assert_eq!(xs, [0, COLUMN, 2 * COLUMN, 3 * COLUMN]);
    assert!(ys.iter().all(|y| *y == ys[0]), "{ys:?}");
}

#[test]
fn a_long_line_passes_the_boxes_between() {
    let layout = fresh(&sketch(3, &[(0, 1), (1, 2), (0, 2)]));
    let long = &layout.edges[1];
    assert_eq!(long.len(), 3);
    let (box_y, line_y) = (layout.nodes[1].1, long[1].1);
    assert!(line_y < box_y || line_y > box_y + NODE_H);
}

fn graphs() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
    (2usize..40).prop_flat_map(|n| {
        let edges = proptest::collection::vec((0..n, 0..n), 0..n * 3);
        (Just(n), edges)
    })
}

/// No two boxes overlap, nothing is negative, lines begin and end at their boxes.
fn is_sound(sketch: &Sketch, layout: &Layout) -> Result<(), TestCaseError> {
    let mut boxes = layout.nodes.clone();
    boxes.sort_unstable();
    for pair in boxes.windows(2) {
        prop_assert!(pair[0].0 != pair[1].0 || pair[1].1 - pair[0].1 >= ROW);
        prop_assert!(pair[0].0 == pair[1].0 || pair[1].0 - pair[0].0 >= COLUMN);
    }
    prop_assert!(boxes.iter().all(|(x, y)| *x >= 0 && *y >= 0));
    prop_assert!(
        boxes
            .iter()
            .all(|(x, y)| *x + NODE_W <= layout.w && *y + NODE_H <= layout.h)
    );
    for (edge, points) in sketch.edges.iter().zip(&layout.edges) {
        let inside = |point: (i32, i32), at: (i32, i32)| {
            (at.0..=at.0 + NODE_W).contains(&point.0) && (at.1..=at.1 + NODE_H).contains(&point.1)
        };
        prop_assert!(inside(points[0], layout.nodes[edge.from]));
        prop_assert!(inside(points[points.len() - 1], layout.nodes[edge.to]));
        prop_assert!(points.iter().all(|(x, y)| *x >= 0 && *y >= 0));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_graph_is_drawn_soundly_and_always_alike((n, edges) in graphs()) {
        let sketch = sketch(n, &edges);
        let layout = fresh(&sketch);
        is_sound(&sketch, &layout)?;
        prop_assert_eq!(fresh(&sketch), layout.clone());
        // what did not change does not move
        let again = lay_out(&sketch, &layout.spots);
        is_sound(&sketch, &again)?;
        prop_assert_eq!(lay_out(&sketch, &layout.spots), again);
    }

    #[test]
    fn a_new_node_leaves_the_others_in_their_layers((n, edges) in graphs(), to in 0usize..40) {
        let before = fresh(&sketch(n, &edges));
        let mut more = edges.clone();
        more.push((n, to % n));
        let sketch = sketch(n + 1, &more);
        let after = lay_out(&sketch, &before.spots);
        is_sound(&sketch, &after)?;
        for (id, spot) in &before.spots {
            prop_assert_eq!(after.spots[id].layer, spot.layer);
        }
    }

    #[test]
    fn any_previous_spots_are_survived(
        (n, edges) in graphs(),
        spots in proptest::collection::vec((any::<i16>(), any::<i16>()), 40),
    ) {
        let sketch = sketch(n, &edges);
        let previous: Spots = sketch.nodes.iter().cloned().zip(spots).map(|(id, (layer, y))| {
            (id, Spot { layer: i32::from(layer % 20), y: i32::from(y) })
        }).collect();
        let layout = lay_out(&sketch, &previous);
        is_sound(&sketch, &layout)?;
    }
}
