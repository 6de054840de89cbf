//! Which entities are wanted, and which of them must be seen by themselves.

use std::collections::BTreeSet;

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::{Choice, Only};
use crate::entity::Kind;
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
    if let Some(env) = &choice.env {
        let there = in_environment(graph, env);
        nodes.retain(|at| there.contains(at));
    }
    let wanted = [focused(graph, choice), matching(graph, choice)];
    for mut wanted in wanted.into_iter().flatten() {
        if choice.env.is_some() {
            wanted.retain(|at| nodes.contains(at)); // who is elsewhere has no neighbours here
        }
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
    let found = choice.focus.iter();
    let found = found.filter_map(|named| graph.find_named(named));
    (!choice.focus.is_empty()).then(|| found.collect())
}

fn matching(graph: &Graph, choice: &Choice) -> Option<BTreeSet<NodeIndex>> {
    let wanted = choice.q.to_lowercase();
    let matches = |node: &Node| node.entity.text().to_lowercase().contains(&wanted);
    (!wanted.is_empty()).then(|| of_kind(graph, matches, |_| false))
}

/// Services that ran in an environment, and what of other kinds they call or are called by.
#[must_use]
pub fn in_environment(graph: &Graph, env: &str) -> BTreeSet<NodeIndex> {
    let nodes = graph.inner().node_indices();
    let services: BTreeSet<NodeIndex> = nodes
        .filter(|at| {
            let node = graph.node(*at);
            node.is_some_and(|node| node.environments.contains(env))
        })
        .collect();
    let is_other = |at: &NodeIndex| {
        let node = graph.node(*at);
        node.is_some_and(|node| node.entity.kind != Kind::Service)
    };
    let near = around(graph, &services, 1).into_iter();
    near.filter(|at| services.contains(at) || is_other(at))
        .collect()
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
