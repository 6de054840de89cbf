//! How far something reaches on the graph: neighbours within hops, and everyone above who waits for it.

use std::collections::{BTreeSet, VecDeque};

use petgraph::Direction;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;

/// Nodes within so many calls of `from`, in either direction, `from` included.
#[must_use]
pub fn around(graph: &Graph, from: &BTreeSet<NodeIndex>, hops: u32) -> BTreeSet<NodeIndex> {
    let mut seen = from.clone();
    let mut border: Vec<NodeIndex> = from.iter().copied().collect();
    for _ in 0..hops {
        let mut next = Vec::new();
        for at in border {
            for other in graph.inner().neighbors_undirected(at) {
                if seen.insert(other) {
                    next.push(other);
                }
            }
        }
        border = next;
    }
    seen
}

/// Everyone who calls `of`, and their callers: whom it makes wait or fail. Not `of` itself.
#[must_use]
pub fn blast_radius(graph: &Graph, of: NodeIndex) -> BTreeSet<NodeIndex> {
    let mut seen = BTreeSet::from([of]);
    let mut due = VecDeque::from([of]);
    while let Some(at) = due.pop_front() {
        let callers = graph.inner().neighbors_directed(at, Direction::Incoming);
        for caller in callers {
            if seen.insert(caller) {
                due.push_back(caller);
            }
        }
    }
    seen.remove(&of);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Entity;
    use crate::graph::rows::EdgeRow;

    fn graph() -> Graph {
        // a → b → c → d, x → c, c → b
        let edge = |(client, server): (&str, &str)| EdgeRow {
            client: client.to_owned(),
            server: server.to_owned(),
            ..EdgeRow::default()
        };
        let pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("x", "c"), ("c", "b")];
        Graph::build(&pairs.map(edge), &[])
    }

    fn names(graph: &Graph, of: &BTreeSet<NodeIndex>) -> String {
        let nodes = of.iter().filter_map(|at| graph.node(*at));
        nodes.map(|node| &*node.entity.name).collect()
    }

    #[test]
    fn hops_go_both_ways_and_a_blast_goes_up() {
        let graph = graph();
        let at = |name: &str| graph.find(&Entity::service(name)).expect("it is there");
        let around = |hops| names(&graph, &around(&graph, &[at("c")].into(), hops));
        assert_eq!([0, 1, 2, 9].map(around), ["c", "bcdx", "abcdx", "abcdx"]);
        let blast = |name| names(&graph, &blast_radius(&graph, at(name)));
        assert_eq!(["a", "b", "d"].map(blast), ["", "acx", "abcx"]);
    }
}
