//! What of a graph is drawn: filtered, then folded into clusters until it fits on a screen.
//!
//! In: a graph and what a person chose. Out: a picture of at most so many nodes, each an entity or a cluster of them, and what it leaves out.

mod communities;
mod filter;
mod fold;
mod groups;

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::state::{State, Verdict};
use super::{Graph, Node};
use crate::entity::{Entity, Kind, Named};

pub use communities::Communities;
pub use filter::in_environment;

use fold::{REST, clusters, fold_the_rest, folded, label_of};

/// By what entities are put together.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Each entity by itself, until they are too many: then namespaces, else communities.
    #[default]
    Service,
    Namespace,
    /// By who owns them; what nobody is said to own by namespace.
    Team,
    Community,
    Host,
    /// Each by itself; too many become one.
    None,
}

impl Group {
    pub const ALL: [Self; 6] = [
        Self::Service,
        Self::Namespace,
        Self::Team,
        Self::Community,
        Self::Host,
        Self::None,
    ];

    /// The word in questions and settings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Namespace => "namespace",
            Self::Team => "team",
            Self::Community => "community",
            Self::Host => "host",
            Self::None => "none",
        }
    }
}

/// Which nodes are wanted at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Only {
    #[default]
    All,
    /// What warns or is bad.
    Problems,
    /// What was not there before, or does otherwise than before.
    Changed,
}

/// What a person chose.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub group: Group,
    /// Ids of clusters that stay open.
    pub expand: BTreeSet<String>,
    /// What must be there, with its neighbours within `hops`; empty for everything.
    pub focus: Vec<Named>,
    pub hops: u32,
    pub only: Only,
    /// Services that ran in this environment and what they called; none for every one.
    pub env: Option<String>,
    /// A part of names, in any case, that works as `focus` does; empty for everything.
    pub q: String,
    pub nodes_max: usize,
    /// Length of the range: rates are per second.
    pub range_s: f64,
}

impl Choice {
    /// Everything there is, in groups.
    #[must_use]
    pub fn everything(group: Group, nodes_max: usize, range_s: f64) -> Self {
        Self {
            group,
            expand: BTreeSet::new(),
            focus: Vec::new(),
            hops: 1,
            only: Only::All,
            env: None,
            q: String::new(),
            nodes_max,
            range_s,
        }
    }
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Picture {
    /// In order of ids.
    pub nodes: Vec<Drawn>,
    /// In order of ends, which are places in `nodes`; no loops but of one entity.
    pub edges: Vec<DrawnEdge>,
    /// Every group of two or more, in order of ids, folded or not.
    pub clusters: Vec<Cluster>,
    /// Entities that the filter left out, and those inside folded clusters.
    pub n_filtered: usize,
    pub n_clustered: usize,
}

/// A node of a picture: an entity, or a cluster of entities.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    pub id: String,
    pub kind: Kind,
    pub label: String,
    /// The group that it belongs to, or is.
    pub cluster: Option<String>,
    /// Entities in it: 1 unless it is a cluster.
    pub n: usize,
    pub is_inferred: bool,
    pub is_deployed: bool,
    /// Environments of its services.
    pub environments: BTreeSet<String>,
    pub now: Measure,
    pub base: Measure,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DrawnEdge {
    pub from: usize,
    pub to: usize,
    pub is_async: bool,
    pub now: Measure,
    pub verdict: Verdict,
    pub first_seen_unix_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub id: String,
    pub label: String,
    /// Entities of it that were not filtered away.
    pub n: usize,
    pub worst: State,
    pub is_folded: bool,
}

/// Which entity is drawn in which node. Made of one graph, it draws others of the same entities alike: frames of a film.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Ids of nodes: the entity's own, or that of its cluster.
    drawn_in: BTreeMap<Entity, String>,
    group_of: BTreeMap<Entity, String>,
    clusters: Vec<Cluster>,
    n_filtered: usize,
    communities: Communities,
}

/// Draws `graph` as `choice` says.
#[must_use]
pub fn picture(graph: &Graph, choice: &Choice) -> Picture {
    Plan::of(graph, choice, Communities::default()).draw(graph)
}

impl Plan {
    /// Beginning with the communities that were found before, and with what was folded, if there is any.
    #[must_use]
    pub fn of(graph: &Graph, choice: &Choice, mut communities: Communities) -> Self {
        let kept = filter::kept(graph, choice);
        let mut group_of = groups::of(graph, choice, &kept.nodes, &mut communities);
        let clusters = clusters(graph, &kept.nodes, &group_of);
        let folded = folded(
            graph,
            choice,
            &kept,
            &group_of,
            &clusters,
            &communities.folded,
        );
        if choice.group == Group::Service && choice.expand.is_empty() {
            communities.folded.clone_from(&folded);
        }
        let mut drawn_in: BTreeMap<NodeIndex, String> = BTreeMap::new();
        for at in &kept.nodes {
            let cluster = group_of.get(at).filter(|id| folded.contains(*id));
            let is_inside = cluster.is_some() && !kept.pinned.contains(at);
            let own = || graph.node(*at).map(|node| node.entity.to_string());
            let id = cluster.filter(|_| is_inside).cloned().or_else(own);
            drawn_in.insert(*at, id.unwrap_or_default());
        }
        fold_the_rest(graph, choice.nodes_max, &mut drawn_in, &mut group_of);
        let by_entity = |of: BTreeMap<NodeIndex, String>| -> BTreeMap<Entity, String> {
            let named = |(at, id)| Some((graph.node(at)?.entity.clone(), id));
            of.into_iter().filter_map(named).collect()
        };
        Self {
            n_filtered: graph.n_nodes() - kept.nodes.len(),
            drawn_in: by_entity(drawn_in),
            group_of: by_entity(group_of),
            clusters: clusters
                .into_values()
                .map(|cluster| Cluster {
                    is_folded: folded.contains(&cluster.id),
                    ..cluster
                })
                .collect(),
            communities,
        }
    }

    /// The communities that were found, or handed in where none were looked for; with what is folded now.
    #[must_use]
    pub fn communities(&self) -> &Communities {
        &self.communities
    }

    /// The picture of a graph. Entities that the plan does not know are not drawn.
    #[must_use]
    pub fn draw(&self, graph: &Graph) -> Picture {
        let mut picture = draw(graph, &self.drawn_in, &self.group_of);
        picture.n_filtered = self.n_filtered;
        picture.clusters = self.clusters.clone();
        note_the_rest(&mut picture);
        picture
    }
}

fn draw(
    graph: &Graph,
    drawn_in: &BTreeMap<Entity, String>,
    group_of: &BTreeMap<Entity, String>,
) -> Picture {
    let mut drawn: BTreeMap<&str, Drawn> = BTreeMap::new();
    for node in graph.nodes() {
        let Some(id) = drawn_in.get(&node.entity) else {
            continue;
        };
        match drawn.get_mut(id.as_str()) {
            Some(cluster) => cluster.join(node),
            None => {
                drawn.insert(id, Drawn::first(id, node, group_of.get(&node.entity)));
            }
        }
    }
    let places: BTreeMap<&str, usize> = drawn.keys().zip(0..).map(|(id, n)| (*id, n)).collect();
    let place = |node: &Node| {
        let id = drawn_in.get(&node.entity)?;
        let is_cluster = drawn.get(id.as_str())?.n > 1;
        Some((places.get(id.as_str()).copied()?, is_cluster))
    };
    let mut edges: BTreeMap<(usize, usize), DrawnEdge> = BTreeMap::new();
    for (from, to, edge) in graph.edges() {
        let (Some((from, is_cluster)), Some((to, _))) = (place(from), place(to)) else {
            continue;
        };
        if from == to && is_cluster {
            continue; // inside it
        }
        let drawn = edges.entry((from, to)).or_insert_with(|| DrawnEdge {
            from,
            to,
            is_async: true,
            now: Measure::default(),
            verdict: Verdict::default(),
            first_seen_unix_ms: None,
        });
        drawn.join(edge);
    }
    let n_clustered = drawn
        .values()
        .filter(|node| node.n > 1)
        .map(|node| node.n)
        .sum();
    Picture {
        nodes: drawn.into_values().collect(),
        edges: edges.into_values().collect(),
        clusters: Vec::new(),
        n_filtered: 0,
        n_clustered,
    }
}

/// Lists the cluster of the rest, if there is one.
fn note_the_rest(picture: &mut Picture) {
    if let Some(rest) = picture.nodes.iter().find(|node| node.id == REST) {
        picture.clusters.push(Cluster {
            id: REST.to_owned(),
            label: rest.label.clone(),
            n: rest.n,
            worst: rest.verdict.state,
            is_folded: true,
        });
        picture.clusters.sort_by(|a, b| a.id.cmp(&b.id));
    }
}

impl Drawn {
    fn first(id: &str, node: &Node, group: Option<&String>) -> Self {
        let is_entity = node.entity.to_string() == id;
        let is_host = id.starts_with("host:");
        Self {
            id: id.to_owned(),
            kind: if is_entity || !is_host {
                node.entity.kind
            } else {
                Kind::Host
            },
            label: if is_entity {
                node.entity.name.clone()
            } else {
                label_of(id)
            },
            cluster: group.cloned(),
            n: 1,
            is_inferred: node.is_inferred,
            is_deployed: node.is_deployed,
            environments: node.environments.clone(),
            now: node.now.clone(),
            base: node.base.clone(),
            verdict: node.verdict.clone(),
        }
    }

    /// A further entity of a cluster. It is of the kind of its first by the order of kinds.
    fn join(&mut self, node: &Node) {
        self.n += 1;
        if self.kind != Kind::Host {
            self.kind = self.kind.min(node.entity.kind);
        }
        self.is_inferred &= node.is_inferred;
        self.is_deployed |= node.is_deployed;
        self.environments.extend(node.environments.iter().cloned());
        self.now.add(&node.now);
        self.base.add(&node.base);
        if node.verdict.state > self.verdict.state {
            self.verdict = node.verdict.clone();
        }
    }
}

impl DrawnEdge {
    fn join(&mut self, edge: &super::Edge) {
        self.is_async &= edge.is_async;
        self.now.add(&edge.now);
        if edge.verdict.state > self.verdict.state {
            self.verdict = edge.verdict.clone();
        }
        self.first_seen_unix_ms = match (self.first_seen_unix_ms, edge.first_seen_unix_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

#[cfg(test)]
mod tests;
