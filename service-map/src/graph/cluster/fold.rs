//! Which groups are drawn as one node: those that were asked for, else the dullest, until everything fits.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;
use telemetry::entity::EntityId;

use super::filter::Kept;
use super::{Choice, Cluster, Group};
use crate::graph::Graph;
use crate::graph::state::State;

/// The cluster of what is dullest when nothing else makes room.
pub(super) const REST: &str = "rest";
/// Share of the room that may be used for what was folded before to open: a group does not fold and open again because a few nodes come and go.
const OPENED_MAX_PERCENT: usize = 90;

/// Groups of two or more.
pub(super) fn clusters(
    graph: &Graph,
    kept: &BTreeSet<NodeIndex>,
    group_of: &BTreeMap<NodeIndex, String>,
) -> BTreeMap<String, Cluster> {
    let mut clusters: BTreeMap<String, Cluster> = BTreeMap::new();
    for at in kept {
        let (Some(id), Some(node)) = (group_of.get(at), graph.node(*at)) else {
            continue;
        };
        let cluster = clusters.entry(id.clone()).or_insert_with(|| Cluster {
            id: id.clone(),
            label: label_of(id),
            n: 0,
            worst: State::Unknown,
            is_folded: false,
        });
        cluster.n += 1;
        cluster.worst = cluster.worst.max(node.verdict.state);
    }
    clusters.retain(|_, cluster| cluster.n > 1);
    clusters
}

/// What a person calls a cluster. A host is an entity, whose id is encoded.
pub(super) fn label_of(id: &str) -> String {
    match id.split_once(':') {
        Some(("host", key)) => {
            let host: Option<EntityId> = id.parse().ok();
            host.as_ref().map_or(key, EntityId::label).to_owned()
        }
        Some((_, label)) => label.to_owned(),
        None => id.to_owned(),
    }
}

/// Ids of clusters that are drawn as one node: all of a grouping that was asked for; else the dullest, until the rest fits. Of equally dull ones what was
/// folded before is first, and stays so while there is little room.
pub(super) fn folded(
    graph: &Graph,
    choice: &Choice,
    kept: &Kept,
    group_of: &BTreeMap<NodeIndex, String>,
    clusters: &BTreeMap<String, Cluster>,
    before: &BTreeSet<String>,
) -> BTreeSet<String> {
    let may = |id: &&String| !choice.expand.contains(*id);
    if choice.group != Group::Service {
        return clusters.keys().filter(may).cloned().collect();
    }
    let inside = inside(graph, kept, group_of);
    let mut dullest: Vec<(&Cluster, usize, f64)> = clusters
        .values()
        .filter(|cluster| may(&&cluster.id))
        .filter_map(|cluster| {
            let (n, calls) = inside.get(cluster.id.as_str())?;
            (*n > 1).then_some((cluster, *n, *calls))
        })
        .collect();
    dullest.sort_by(|(a, _, calls_a), (b, _, calls_b)| {
        let order = |cluster: &Cluster| (cluster.worst, !before.contains(&cluster.id));
        order(a)
            .cmp(&order(b))
            .then(calls_a.total_cmp(calls_b))
            .then_with(|| a.id.cmp(&b.id))
    });
    let mut n_drawn = kept.nodes.len();
    let mut folded = BTreeSet::new();
    for (cluster, n, _) in dullest {
        let room = if before.contains(&cluster.id) {
            choice.nodes_max * OPENED_MAX_PERCENT / 100
        } else {
            choice.nodes_max
        };
        if n_drawn > room {
            folded.insert(cluster.id.clone());
            n_drawn -= n - 1;
        }
    }
    folded
}

/// Entities that folding each group would hide, and their calls.
fn inside<'a>(
    graph: &Graph,
    kept: &Kept,
    group_of: &'a BTreeMap<NodeIndex, String>,
) -> BTreeMap<&'a str, (usize, f64)> {
    let mut inside: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (at, id) in group_of {
        if kept.nodes.contains(at) && !kept.pinned.contains(at) {
            let calls = graph.node(*at).map_or(0.0, |node| node.now.calls);
            let (n, total) = inside.entry(id).or_default();
            *n += 1;
            *total += calls;
        }
    }
    inside
}

/// If there is still too much, the dullest of what is drawn becomes one node.
pub(super) fn fold_the_rest(
    graph: &Graph,
    nodes_max: usize,
    drawn_in: &mut BTreeMap<NodeIndex, String>,
    group_of: &mut BTreeMap<NodeIndex, String>,
) {
    let mut drawn: BTreeMap<&str, (State, f64)> = BTreeMap::new();
    for (at, id) in &*drawn_in {
        let Some(node) = graph.node(*at) else {
            continue;
        };
        let (worst, calls) = drawn.entry(id).or_default();
        *worst = (*worst).max(node.verdict.state);
        *calls += node.now.calls;
    }
    if drawn.len() <= nodes_max {
        return;
    }
    let mut dullest: Vec<(&str, (State, f64))> = drawn.into_iter().collect();
    dullest.sort_by(|(id_a, (a, calls_a)), (id_b, (b, calls_b))| {
        a.cmp(b)
            .then(calls_a.total_cmp(calls_b))
            .then_with(|| id_a.cmp(id_b))
    });
    let n_rest = dullest.len() + 1 - nodes_max.max(1);
    let rest: BTreeSet<String> = dullest
        .into_iter()
        .take(n_rest)
        .map(|(id, _)| id.to_owned())
        .collect();
    for (at, id) in drawn_in {
        if rest.contains(id) {
            *id = REST.to_owned();
            group_of.insert(*at, REST.to_owned());
        }
    }
}
