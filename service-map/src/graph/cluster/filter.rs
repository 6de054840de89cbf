//! Which entities are wanted, and which of them must be seen by themselves.

use std::collections::BTreeSet;

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::{Choice, Only};
use crate::graph::{Edge, Graph, Node};
use crate::reach::around;

/// p95 and rate against the hour before that are a change.
const CHANGED_TIMES: f64 = 2.0;
/// Calls below which rates are not compared.
const CALLS_MIN: f64 = 20.0;

pub(super) struct Kept {
    pub(super) nodes: BTreeSet<NodeIndex>,
    /// Focused, matching and problem nodes: they stay out of clusters.
    pub(super) pinned: BTreeSet<NodeIndex>,
}

pub(super) fn kept(graph: &Graph, choice: &Choice) -> Kept {
    let mut nodes: BTreeSet<NodeIndex> = graph.inner().node_indices().collect();
    let mut pinned = BTreeSet::new();
    let wanted = [focused(graph, choice), matching(graph, choice)];
    for wanted in wanted.into_iter().flatten() {
        let near = around(graph, &wanted, choice.hops);
        nodes.retain(|at| near.contains(at));
        pinned.extend(wanted);
    }
    let problems = of_kind(graph, |node| node.verdict.state.is_problem(), |_| false);
    match choice.only {
        Only::All => {}
        Only::Problems => {
            let wanted = of_kind(
                graph,
                |node| node.verdict.state.is_problem(),
                |edge| edge.verdict.state.is_problem(),
            );
            nodes.retain(|at| wanted.contains(at));
        }
        Only::Changed => {
            let wanted = of_kind(graph, is_changed_node, is_changed_edge);
            nodes.retain(|at| wanted.contains(at));
        }
    }
    pinned.extend(problems);
    pinned.retain(|at| nodes.contains(at));
    Kept { nodes, pinned }
}

/// None if nothing is focused; empty if what is focused is not there.
fn focused(graph: &Graph, choice: &Choice) -> Option<BTreeSet<NodeIndex>> {
    let found = choice.focus.iter().filter_map(|entity| graph.find(entity));
    (!choice.focus.is_empty()).then(|| found.collect())
}

fn matching(graph: &Graph, choice: &Choice) -> Option<BTreeSet<NodeIndex>> {
    let wanted = choice.q.to_lowercase();
    let matches = |node: &Node| node.entity.to_string().to_lowercase().contains(&wanted);
    (!wanted.is_empty()).then(|| of_kind(graph, matches, |_| false))
}

/// Nodes that are meant, and both ends of edges that are.
fn of_kind(
    graph: &Graph,
    node: impl Fn(&Node) -> bool,
    edge: impl Fn(&Edge) -> bool,
) -> BTreeSet<NodeIndex> {
    let inner = graph.inner();
    let nodes = inner
        .node_indices()
        .filter(|at| graph.node(*at).is_some_and(&node));
    let ends = inner
        .edge_references()
        .filter(|at| edge(at.weight()))
        .flat_map(|at| [at.source(), at.target()]);
    nodes.chain(ends).collect()
}

fn is_changed_node(node: &Node) -> bool {
    node.is_deployed || node.verdict.state.is_problem()
}

/// New, or of another rate or duration than before.
fn is_changed_edge(edge: &Edge) -> bool {
    if edge.base.is_empty() {
        return !edge.now.is_empty();
    }
    let (Some(now), Some(before)) = (edge.now.p95(), edge.base.p95()) else {
        return false;
    };
    let enough = edge.now.calls >= CALLS_MIN && edge.base.calls >= CALLS_MIN;
    enough && (now > before * CHANGED_TIMES || before > now * CHANGED_TIMES)
}
