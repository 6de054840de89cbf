//! Lines between boxes, and everything moved to where coordinates begin at 0.

use super::proper::Proper;
use super::{COLUMN, Layout, Line, NODE_H, NODE_W, ROW, Sketch, Spot, Spots};

/// How high a line that runs backward curves above its ends, and how much more for each layer that it passes, at most so many.
const ARC: i32 = 40;
const ARC_LAYER: i32 = 8;
const ARC_LAYERS_MAX: i32 = 12;

pub(super) fn draw(
    sketch: &Sketch,
    lines: &[Line],
    ranks: &[i32],
    proper: &Proper,
    ys: &[i32],
    is_fresh: bool,
) -> Layout {
    let first = ranks.iter().min().copied().unwrap_or(0);
    let corner = |node: usize| {
        let x = ranks[node].saturating_sub(first).saturating_mul(COLUMN);
        (x, ys[node] - NODE_H / 2)
    };
    let x_of_layer = |layer: usize| {
        let node = proper.layers.get(layer).and_then(|items| items.first());
        node.map_or(0, |_| layer_x(proper, ranks, layer, first))
    };
    let nodes: Vec<(i32, i32)> = (0..ranks.len()).map(corner).collect();
    let mut drawn = lines.iter().zip(&proper.points);
    let mut edges: Vec<Vec<(i32, i32)>> = Vec::with_capacity(sketch.edges.len());
    for edge in &sketch.edges {
        let is_known = edge.from.max(edge.to) < nodes.len();
        let points = if !is_known {
            Vec::new()
        } else if edge.from == edge.to {
            arc(nodes[edge.from], nodes[edge.from], 0)
        } else {
            let points = drawn.next().map_or(&[][..], |(_, points)| points);
            let passed = points
                .iter()
                .map(|point| (x_of_layer(proper.layer_of[*point]), ys[*point]));
            let span = ranks[edge.from].saturating_sub(ranks[edge.to]);
            if span < 0 {
                forward(nodes[edge.from], nodes[edge.to], passed)
            } else {
                arc(nodes[edge.from], nodes[edge.to], span)
            }
        };
        edges.push(points);
    }
    let ids = sketch.nodes.iter().zip(ranks).zip(&nodes);
    let spots: Spots = ids
        .map(|((id, layer), (_, y))| {
            let (layer, y) = (*layer, *y);
            (id.clone(), Spot { layer, y })
        })
        .collect();
    moved_to_0(nodes, edges, spots, is_fresh)
}

/// Upper left x of the boxes of a numbered layer: points of lines stand where boxes of their layer do, in the middle.
fn layer_x(proper: &Proper, ranks: &[i32], layer: usize, first: i32) -> i32 {
    let node = proper.layers[layer]
        .iter()
        .find(|item| !proper.is_point(**item));
    let rank = node.map_or(first, |node| ranks[*node]);
    rank.saturating_sub(first).saturating_mul(COLUMN) + NODE_W / 2
}

/// From the right side of a box to the left one of another.
fn forward(
    from: (i32, i32),
    to: (i32, i32),
    passed: impl Iterator<Item = (i32, i32)>,
) -> Vec<(i32, i32)> {
    std::iter::once((from.0 + NODE_W, from.1 + NODE_H / 2))
        .chain(passed)
        .chain([(to.0, to.1 + NODE_H / 2)])
        .collect()
}

/// From the top of a box to that of another, above both.
fn arc(from: (i32, i32), to: (i32, i32), span: i32) -> Vec<(i32, i32)> {
    let y = from.1.min(to.1) - ARC - ARC_LAYER * span.min(ARC_LAYERS_MAX);
    let (right, left) = (from.0 + NODE_W * 3 / 4, to.0 + NODE_W / 4);
    vec![(right, from.1), (right, y), (left, y), (left, to.1)]
}

fn moved_to_0(
    mut nodes: Vec<(i32, i32)>,
    mut edges: Vec<Vec<(i32, i32)>>,
    mut spots: Spots,
    is_fresh: bool,
) -> Layout {
    let all = nodes.iter().chain(edges.iter().flatten());
    let mut top = all.map(|(_, y)| *y).min().unwrap_or(0);
    if is_fresh {
        spots.values_mut().for_each(|spot| spot.y -= top);
    } else {
        // whole rows, so that a line above everything else seldom moves the rest
        top = top.div_euclid(ROW) * ROW;
    }
    let (mut w, mut h) = (0, 0);
    for (x, y) in edges.iter_mut().flatten() {
        *y -= top;
        (w, h) = (w.max(*x), h.max(*y));
    }
    for (x, y) in &mut nodes {
        *y -= top;
        (w, h) = (w.max(*x + NODE_W), h.max(*y + NODE_H));
    }
    Layout {
        w,
        h,
        nodes,
        edges,
        spots,
    }
}
