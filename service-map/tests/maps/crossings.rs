//! Lines cross about as seldom as in the layouts of rust-sugiyama, which orders the same layers by itself.
//!
//! Both get graphs in which every edge leads to the next layer, so that there is one right layering, and the order within the layers is all that differs:
//! what a layout of ours says of long edges is a point of its own here. Crossings of both are counted by one function of this test.

use rust_sugiyama::configure::Config;
use service_map::graph::Graph;
use service_map::graph::cluster::{Group, picture};
use service_map::layout::{Line, Sketch, Spots, lay_out};

use crate::fixture::{RANGE_S, choice, rows};
use crate::numbers::Numbers;

/// Crossings of ours for each hundred of theirs, at most.
const CROSSINGS_MAX_PERCENT: u64 = 110;
/// Nodes and edges of random graphs.
const SIZES: [(usize, usize); 4] = [(20, 40), (60, 100), (120, 240), (300, 450)];
const SEEDS: u64 = 6;
/// Drawn nodes of the map of real size, at most.
const NODES_MAX: usize = 300;

/// A graph in which every edge leads to the next layer, and every node that is not in the first one has an edge from the one before.
struct Layered {
    layer_of: Vec<usize>,
    edges: Vec<(usize, usize)>,
}

impl Layered {
    /// Layers are the longest ways from a source; long edges pass through nodes of their own. Of `edges` each leads to a higher number; nodes without any
    /// are left out.
    fn of(n_nodes: usize, edges: &[(usize, usize)]) -> Self {
        let mut edges = edges.to_vec();
        edges.sort_unstable();
        edges.dedup();
        let mut layers = vec![0; n_nodes];
        for (from, to) in &edges {
            layers[*to] = layers[*to].max(layers[*from] + 1); // whatever leads to `from` came before
        }
        let mut number = vec![None; n_nodes];
        let mut layered = Self {
            layer_of: Vec::new(),
            edges: Vec::new(),
        };
        for (from, to) in edges {
            let mut ends = [from, to]
                .map(|node| *number[node].get_or_insert_with(|| layered.add_node(layers[node])));
            for layer in layers[from] + 1..layers[to] {
                let point = layered.add_node(layer);
                layered.edges.push((ends[0], point));
                ends[0] = point;
            }
            layered.edges.push((ends[0], ends[1]));
        }
        layered
    }

    fn random((n_nodes, n_edges): (usize, usize), seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        let mut edge = || {
            let (a, b) = (numbers.below(n_nodes), numbers.below(n_nodes));
            (a.min(b), a.max(b))
        };
        let edges: Vec<(usize, usize)> = (0..n_edges)
            .map(|_| edge())
            .filter(|(from, to)| from != to)
            .collect();
        Self::of(n_nodes, &edges)
    }

    fn add_node(&mut self, layer: usize) -> usize {
        self.layer_of.push(layer);
        self.layer_of.len() - 1
    }

    /// Crossings if nodes stand in these rows, and in the order of these places in them. Rows must be the layers of this graph.
    fn crossings(&self, stands: &[(i64, i64)]) -> u64 {
        let mut rows: Vec<i64> = stands.iter().map(|(row, _)| *row).collect();
        rows.sort_unstable();
        rows.dedup();
        for (layer, (row, _)) in self.layer_of.iter().zip(stands) {
            assert_eq!(rows.get(*layer), Some(row), "another layering");
        }
        let mut from_layer = vec![Vec::new(); rows.len()];
        for (from, to) in &self.edges {
            from_layer[self.layer_of[*from]].push((stands[*from].1, stands[*to].1));
        }
        from_layer.iter().map(|edges| crossings(edges)).sum()
    }

    /// Where our layout puts each node: layer and place. All edges weigh the same, as they do for the other.
    fn ours(&self) -> Vec<(i64, i64)> {
        let line = |(from, to): &(usize, usize)| Line {
            from: *from,
            to: *to,
            weight: 1,
        };
        let mut edges: Vec<Line> = self.edges.iter().map(line).collect();
        edges.sort_by_key(|line| (line.from, line.to));
        let sketch = Sketch {
            nodes: (0..self.layer_of.len())
                .map(|node| format!("{node:06}"))
                .collect(),
            edges,
        };
        let layout = lay_out(&sketch, &Spots::new());
        let stands = layout.spots.values();
        stands
            .map(|spot| (spot.layer.into(), spot.y.into()))
            .collect()
    }

    /// Where rust-sugiyama puts each node. It lays out parts that hang together one by one, each from its own first row.
    fn theirs(&self) -> Vec<(i64, i64)> {
        let edges: Vec<(u32, u32)> = self
            .edges
            .iter()
            .map(|(from, to)| (*from as u32, *to as u32))
            .collect();
        let mut stands = vec![(0, 0); self.layer_of.len()];
        let mut left = 0;
        for (nodes, _, _) in rust_sugiyama::from_edges(&edges, &Config::default()) {
            let mut right = left;
            for (node, (x, y)) in nodes {
                // in hundredths
                let x = left + (x * 100.0) as i64;
                stands[node] = ((y * 100.0) as i64, x);
                right = right.max(x + 1);
            }
            left = right;
        }
        stands
    }
}

/// Pairs of edges between two rows that cross. Each edge is told by its two places.
fn crossings(edges: &[(i64, i64)]) -> u64 {
    let mut crossings = 0;
    for (at, (a, b)) in edges.iter().enumerate() {
        let crosses = |(c, d): &&(i64, i64)| (a < c && b > d) || (a > c && b < d);
        crossings += edges[..at].iter().filter(crosses).count() as u64;
    }
    crossings
}

/// The map of real size as it is drawn, without what runs backward.
fn drawn() -> Option<Layered> {
    let graph = Graph::build(&rows()?, &[]);
    let picture = picture(&graph, &choice(Group::Service, NODES_MAX));
    let sketch = Sketch::of(&picture, RANGE_S);
    let layers = lay_out(&sketch, &Spots::new()).spots;
    let layer = |node: usize| layers[&sketch.nodes[node]].layer;
    let mut sequence: Vec<usize> = (0..sketch.nodes.len()).collect();
    sequence.sort_by_key(|node| layer(*node));
    let mut place = vec![0; sequence.len()];
    for (at, node) in sequence.iter().enumerate() {
        place[*node] = at;
    }
    let forward = sketch
        .edges
        .iter()
        .filter(|line| layer(line.from) < layer(line.to));
    let edges: Vec<(usize, usize)> = forward
        .map(|line| (place[line.from], place[line.to]))
        .collect();
    Some(Layered::of(place.len(), &edges))
}

/// Crossings of all graphs: ours and theirs.
#[track_caller]
fn check(name: &str, graphs: &[Layered]) {
    let sum = |stands: fn(&Layered) -> Vec<(i64, i64)>| -> u64 {
        graphs
            .iter()
            .map(|graph| graph.crossings(&stands(graph)))
            .sum()
    };
    let (ours, theirs) = (sum(Layered::ours), sum(Layered::theirs));
    #[expect(clippy::print_stdout, reason = "figures to be read")]
    {
        println!("{name}: {ours} crossings, {theirs} of rust-sugiyama");
    }
    assert!(
        ours * 100 <= theirs * CROSSINGS_MAX_PERCENT,
        "{name}: {ours} crossings, {theirs} of rust-sugiyama"
    );
}

#[test]
fn lines_of_random_graphs_cross_about_as_seldom_as_elsewhere() {
    for size in SIZES {
        let of_seed = |seed| Layered::random(size, seed);
        let graphs: Vec<Layered> = (1..=SEEDS).map(of_seed).collect();
        check(&format!("{} nodes, {} edges", size.0, size.1), &graphs);
    }
}

#[test]
fn lines_of_a_large_map_cross_about_as_seldom_as_elsewhere() {
    let Some(graph) = drawn() else { return };
    check("the map of 1,238 services", &[graph]);
}
