//! Where things are drawn: layers from callers on the left to callees on the right, crossings few, lines straight.
//!
//! In: nodes, weighted edges, and where nodes stood before. Out: whole numbers for every box and line. The same input gives the same output on every machine,
//! and a change of a few edges leaves nearly everything where it was: nobody finds their way on a map that moves.

mod layers;
mod order;
mod place;
mod proper;
mod route;

use std::collections::BTreeMap;

use crate::graph::cluster::{DrawnEdge, Picture};

/// Width and height of a box; the least gap between two boxes of a layer, and beside a line that passes; from a layer to the next.
pub const NODE_W: i32 = 160;
pub const NODE_H: i32 = 40;
pub const GAP: i32 = 16;
pub const LINE_GAP: i32 = 8;
pub const COLUMN: i32 = 280;
/// From a box to the next one below it.
pub const ROW: i32 = NODE_H + GAP;
/// Weight of an edge at most, so that products of weights add up without overflow.
pub const WEIGHT_MAX: u32 = 1_000;
/// Steps of weight for each e-fold of rate.
const STEPS_PER_E: f64 = 4.0;
/// Share of nodes that must have stood before, and share of weight that must still run to the right, for a previous layout to be kept to.
const KEPT_MIN_PERCENT: u64 = 50;
const BACKWARD_MAX_PERCENT: u64 = 25;

/// What is to be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sketch {
    /// Ids, ascending.
    pub nodes: Vec<String>,
    /// Between places in `nodes`; each pair once.
    pub edges: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub from: usize,
    pub to: usize,
    /// How much it matters: 1 to [`WEIGHT_MAX`].
    pub weight: u32,
}

/// Where a node stands: its layer, and the upper edge of its box, on a plane that has no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spot {
    pub layer: i32,
    pub y: i32,
}

/// Where nodes stood before, by id.
pub type Spots = BTreeMap<String, Spot>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    pub w: i32,
    pub h: i32,
    /// Upper left corners, in order of the sketch's nodes; none is negative.
    pub nodes: Vec<(i32, i32)>,
    /// Points that a line goes through, in order of the sketch's edges.
    pub edges: Vec<Vec<(i32, i32)>>,
    /// To be handed in the next time.
    pub spots: Spots,
}

impl Sketch {
    /// What is to be drawn of a picture of `range_s`; an edge matters more the more calls it carries.
    #[must_use]
    pub fn of(picture: &Picture, range_s: f64) -> Self {
        let line = |edge: &DrawnEdge| {
            let rate = (edge.now.calls / range_s.max(1.0)).max(0.0);
            let steps = libm::floor(STEPS_PER_E * libm::log1p(rate));
            Line {
                from: edge.from,
                to: edge.to,
                // a float beyond the bound becomes the bound
                weight: 1 + steps.clamp(0.0, f64::from(WEIGHT_MAX - 1)) as u32,
            }
        };
        Self {
            nodes: picture.nodes.iter().map(|node| node.id.clone()).collect(),
            edges: picture.edges.iter().map(line).collect(),
        }
    }
}

/// Lays out a sketch. Edges that name no node get no points.
#[must_use]
pub fn lay_out(sketch: &Sketch, previous: &Spots) -> Layout {
    let before = before(sketch, previous);
    let lines = layers::lines(sketch);
    let ranks = layers::assign(sketch.nodes.len(), &lines, &before);
    let (ranks, before) = if before.iter().any(Option::is_some) && is_outdated(&lines, &ranks) {
        let none = vec![None; before.len()];
        (layers::assign(none.len(), &lines, &none), none)
    } else {
        (ranks, before)
    };
    let mut proper = proper::Proper::of(&lines, &ranks);
    order::order(&mut proper, &before);
    let ys = place::place(&proper, &before);
    let is_fresh = !before.iter().any(Option::is_some);
    route::draw(sketch, &lines, &ranks, &proper, &ys, is_fresh)
}

/// Spots of the sketch's nodes before; none of all if too few have one.
fn before(sketch: &Sketch, previous: &Spots) -> Vec<Option<Spot>> {
    let all: Vec<Option<Spot>> = sketch
        .nodes
        .iter()
        .map(|id| previous.get(id).copied())
        .collect();
    let n_kept = all.iter().flatten().count() as u64;
    if n_kept * 100 < all.len() as u64 * KEPT_MIN_PERCENT {
        return vec![None; all.len()];
    }
    all
}

/// Whether too much runs against the layers that were kept.
fn is_outdated(lines: &[Line], ranks: &[i32]) -> bool {
    let of = |lines: &mut dyn Iterator<Item = &Line>| -> u64 {
        lines.map(|line| u64::from(line.weight)).sum()
    };
    let all = of(&mut lines.iter());
    let is_backward = |line: &&Line| ranks[line.from] >= ranks[line.to];
    let fresh = layers::assign(ranks.len(), lines, &vec![None; ranks.len()]);
    let would_be = |line: &&Line| fresh[line.from] >= fresh[line.to];
    let backward = of(&mut lines.iter().filter(is_backward));
    let least = of(&mut lines.iter().filter(would_be));
    backward.saturating_sub(least) * 100 > all * BACKWARD_MAX_PERCENT
}

#[cfg(test)]
mod tests;
