//! A layered graph in which every edge leads to the next layer: long edges pass through points of their own.

use std::collections::BTreeMap;

use super::Line;

/// Points that long edges pass through, at most. The longest edges beyond it are drawn straight, through whatever is there.
const POINTS_MAX: usize = 20_000;

/// Items are nodes (the first ones, by their number) and points of edges.
pub(super) struct Proper {
    pub(super) n_nodes: usize,
    /// Items of each layer from left to right, each from top to bottom. Layers without items are left out.
    pub(super) layers: Vec<Vec<usize>>,
    /// Place of each item in its layer.
    pub(super) place: Vec<usize>,
    /// Number of each item's layer.
    pub(super) layer_of: Vec<usize>,
    /// Neighbours in the layer before and in the next, with weights.
    pub(super) before: Vec<Vec<(usize, u32)>>,
    pub(super) after: Vec<Vec<(usize, u32)>>,
    /// Points of each line, from left to right; empty for short and backward ones.
    pub(super) points: Vec<Vec<usize>>,
}

impl Proper {
    pub(super) fn of(lines: &[Line], ranks: &[i32]) -> Self {
        let numbers = numbers(ranks);
        let number = |node: usize| numbers.get(&ranks[node]).copied().unwrap_or(0);
        let n_nodes = ranks.len();
        let mut proper = Self {
            n_nodes,
            layers: vec![Vec::new(); numbers.len()],
            place: Vec::new(),
            layer_of: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            points: vec![Vec::new(); lines.len()],
        };
        for node in 0..n_nodes {
            proper.add_item(number(node));
        }
        let mut forward: Vec<(usize, &Line)> = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| number(line.from) < number(line.to))
            .collect();
        forward.sort_by_key(|(at, line)| (number(line.to) - number(line.from), *at));
        for (at, line) in forward {
            proper.add_line(at, line);
        }
        proper
    }

    fn add_item(&mut self, layer: usize) -> usize {
        let item = self.place.len();
        self.place.push(self.layers[layer].len());
        self.layer_of.push(layer);
        self.layers[layer].push(item);
        self.before.push(Vec::new());
        self.after.push(Vec::new());
        item
    }

    fn add_line(&mut self, at: usize, line: &Line) {
        let (first, last) = (self.layer_of[line.from], self.layer_of[line.to]);
        let n_points = last - first - 1;
        if self.place.len() - self.n_nodes + n_points > POINTS_MAX {
            return;
        }
        let mut from = line.from;
        for layer in first + 1..last {
            let point = self.add_item(layer);
            self.points[at].push(point);
            self.join(from, point, line.weight);
            from = point;
        }
        self.join(from, line.to, line.weight);
    }

    fn join(&mut self, left: usize, right: usize, weight: u32) {
        self.after[left].push((right, weight));
        self.before[right].push((left, weight));
    }

    pub(super) fn is_point(&self, item: usize) -> bool {
        item >= self.n_nodes
    }

    /// Puts the items of a layer into this order.
    pub(super) fn set_layer(&mut self, layer: usize, items: Vec<usize>) {
        for (place, item) in items.iter().enumerate() {
            self.place[*item] = place;
        }
        self.layers[layer] = items;
    }

    pub(super) fn neighbours(&self, item: usize, side: Side) -> &[(usize, u32)] {
        match side {
            Side::Before => &self.before[item],
            Side::After => &self.after[item],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// Layers in use, numbered from 0.
fn numbers(ranks: &[i32]) -> BTreeMap<i32, usize> {
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.into_iter().zip(0..).collect()
}
