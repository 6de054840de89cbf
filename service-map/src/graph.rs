//! The graph of a range of time: who calls whom, and how that went.
//!
//! In: rows of edges and services, in any order. Out: a petgraph whose nodes and edges lie in order of their ids, so the same rows give the same graph.
//! This reads no series and draws nothing.

pub mod cluster;
pub mod frames;
pub mod measure;
pub mod rows;
pub mod state;

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::DiGraph;

pub use petgraph::Direction;
pub use petgraph::graph::NodeIndex;

use crate::entity::{Entity, Kind, Named};
use measure::Measure;
use rows::{EdgeRow, ServiceRow};
use state::{Verdict, judge};

/// Entities that a graph holds at most, and edges. What comes beyond them is counted and left out.
pub const NODES_MAX: usize = 20_000;
pub const EDGES_MAX: usize = 100_000;
/// The name of whoever calls from outside.
pub const USER: &str = "user";

/// An entity on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub entity: Entity,
    /// `service.namespace`; empty if it has none.
    pub namespace: String,
    /// Whose it is; empty if nothing says.
    pub team: String,
    /// Environments in which it ran; none if only others tell of it.
    pub environments: BTreeSet<String>,
    /// The host that runs most of it; empty if nothing says.
    pub host: String,
    /// Only its callers say that it is there.
    pub is_inferred: bool,
    /// A version came that was not there before.
    pub is_deployed: bool,
    /// Requests that came to it; of a user those that it sent.
    pub now: Measure,
    pub base: Measure,
    pub verdict: Verdict,
}

/// Calls of one entity to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Through a queue.
    pub is_async: bool,
    pub now: Measure,
    pub base: Measure,
    pub verdict: Verdict,
    pub first_seen_unix_ms: Option<i64>,
}

/// Who calls whom in a range.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    inner: DiGraph<Node, Edge>,
    index: BTreeMap<Entity, NodeIndex>,
    n_refused: u64,
}

impl Graph {
    /// Builds it. Rows beyond [`NODES_MAX`] and [`EDGES_MAX`] are counted in [`Graph::n_refused`].
    #[must_use]
    pub fn build(edges: &[EdgeRow], services: &[ServiceRow]) -> Self {
        let mut parts = Parts::default();
        let known = known_services(edges, services);
        for row in edges {
            if let Some((from, to)) = ends(row, &known) {
                parts.edge(from, to, row);
            }
        }
        for row in services {
            parts.service(row);
        }
        parts.finish()
    }

    #[must_use]
    pub fn inner(&self) -> &DiGraph<Node, Edge> {
        &self.inner
    }

    /// In order of entities.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.inner.node_weights()
    }

    #[must_use]
    pub fn n_nodes(&self) -> usize {
        self.inner.node_count()
    }

    /// (caller, callee, calls), in order of both.
    pub fn edges(&self) -> impl Iterator<Item = (&Node, &Node, &Edge)> {
        use petgraph::visit::EdgeRef;
        self.inner.edge_references().filter_map(|edge| {
            let from = self.inner.node_weight(edge.source())?;
            let to = self.inner.node_weight(edge.target())?;
            Some((from, to, edge.weight()))
        })
    }

    #[must_use]
    pub fn find(&self, entity: &Entity) -> Option<NodeIndex> {
        self.index.get(entity).copied()
    }

    /// The first of several names that is there.
    #[must_use]
    pub fn find_named(&self, named: &Named) -> Option<NodeIndex> {
        named.0.iter().find_map(|entity| self.find(entity))
    }

    #[must_use]
    pub fn node(&self, at: NodeIndex) -> Option<&Node> {
        self.inner.node_weight(at)
    }

    /// Whom a node calls, or who calls it, with those calls.
    pub fn neighbours(
        &self,
        at: NodeIndex,
        direction: Direction,
    ) -> impl Iterator<Item = (&Node, &Edge)> {
        use petgraph::visit::EdgeRef;
        let edges = self.inner.edges_directed(at, direction);
        edges.filter_map(move |edge| {
            let other = match direction {
                Direction::Outgoing => edge.target(),
                Direction::Incoming => edge.source(),
            };
            Some((self.node(other)?, edge.weight()))
        })
    }

    /// What was counted of the calls of one entity to another, if there were any.
    #[must_use]
    pub fn measure(&self, from: &Entity, to: &Entity) -> Option<&Measure> {
        let at = self.inner.find_edge(self.find(from)?, self.find(to)?)?;
        self.inner.edge_weight(at).map(|edge| &edge.now)
    }

    /// Rows that were one too many.
    #[must_use]
    pub fn n_refused(&self) -> u64 {
        self.n_refused
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.node_count() == 0
    }
}

/// Names that are services for sure, so that a caller's `peer.service` means them.
fn known_services<'a>(edges: &'a [EdgeRow], services: &'a [ServiceRow]) -> BTreeSet<&'a str> {
    let of_edge = |row: &'a EdgeRow| {
        let client = (row.virtual_node != "client").then_some(row.client.as_str());
        let has_server = row.virtual_node != "server" && row.connection != "database";
        [client, has_server.then_some(row.server.as_str())]
    };
    let of_edges = edges.iter().flat_map(of_edge).flatten();
    let of_services = services.iter().map(|row| row.name.as_str());
    of_edges
        .chain(of_services)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Who calls whom by a row; none if it is not drawn. Half-edges meet at their queue; the direct edge past it is what other tools know, and its halves have
/// rows of their own.
fn ends(row: &EdgeRow, known: &BTreeSet<&str>) -> Option<(Entity, Entity)> {
    let service = Entity::service;
    let (client, server) = match (row.connection.as_str(), row.virtual_node.as_str()) {
        ("messaging_system", "server") => {
            (service(&row.client), Entity::new(Kind::Queue, &row.server))
        }
        ("messaging_system", "client") => {
            (Entity::new(Kind::Queue, &row.client), service(&row.server))
        }
        ("messaging_system", _) => return None,
        ("database", _) => (
            service(&row.client),
            Entity::new(Kind::Database, &row.server),
        ),
        (_, "client") => (Entity::new(Kind::User, USER), service(&row.server)),
        (_, "server") if !known.contains(row.server.as_str()) => (
            service(&row.client),
            Entity::new(Kind::External, &row.server),
        ),
        _ => (service(&row.client), service(&row.server)),
    };
    let is_named = !client.name.is_empty() && !server.name.is_empty();
    is_named.then_some((client, server))
}

/// A graph that is still being gathered.
#[derive(Default)]
struct Parts {
    nodes: BTreeMap<Entity, NodeParts>,
    edges: BTreeMap<(Entity, Entity), Edge>,
    n_refused: u64,
}

#[derive(Default)]
struct NodeParts {
    row: Option<ServiceRow>,
    incoming: (Measure, Measure),
    outgoing: (Measure, Measure),
    /// A span of its own was seen.
    has_spans: bool,
}

impl Parts {
    fn edge(&mut self, from: Entity, to: Entity, row: &EdgeRow) {
        let n_new = [&from, &to]
            .into_iter()
            .filter(|entity| !self.nodes.contains_key(entity))
            .count();
        let key = (from, to);
        let is_new = !self.edges.contains_key(&key);
        if self.nodes.len() + n_new > NODES_MAX || (is_new && self.edges.len() >= EDGES_MAX) {
            self.n_refused += 1;
            return;
        }
        self.ends_of(&key, row);
        let edge = self.edges.entry(key).or_insert_with(|| Edge {
            is_async: row.connection == "messaging_system",
            now: Measure::default(),
            base: Measure::default(),
            verdict: Verdict::default(),
            first_seen_unix_ms: None,
        });
        edge.now.add(&row.now);
        edge.base.add(&row.base);
        edge.first_seen_unix_ms = match (edge.first_seen_unix_ms, row.first_seen_unix_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    fn ends_of(&mut self, (from, to): &(Entity, Entity), row: &EdgeRow) {
        let client = self.nodes.entry(from.clone()).or_default();
        client.has_spans |= from.kind == Kind::Service;
        client.outgoing.0.add(&row.now);
        client.outgoing.1.add(&row.base);
        let server = self.nodes.entry(to.clone()).or_default();
        server.has_spans |= to.kind == Kind::Service && !row.now.server.is_empty();
        server.incoming.0.add(&row.now);
        server.incoming.1.add(&row.base);
    }

    fn service(&mut self, row: &ServiceRow) {
        let entity = Entity::service(&row.name);
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&entity) {
            self.n_refused += 1;
            return;
        }
        let node = self.nodes.entry(entity).or_default();
        node.has_spans = true;
        node.row = Some(row.clone());
    }

    fn finish(self) -> Graph {
        let mut graph = Graph {
            n_refused: self.n_refused,
            ..Graph::default()
        };
        for (entity, parts) in self.nodes {
            let at = graph.inner.add_node(parts.finish(entity.clone()));
            graph.index.insert(entity, at);
        }
        for ((from, to), mut edge) in self.edges {
            edge.verdict = judge(&edge.now, &edge.base);
            if let (Some(from), Some(to)) = (graph.find(&from), graph.find(&to)) {
                graph.inner.add_edge(from, to, edge);
            }
        }
        graph
    }
}

impl NodeParts {
    fn finish(self, entity: Entity) -> Node {
        let row = self.row.unwrap_or_default();
        // what it says of itself, else what its callers say of it
        let (now, base) = if row.now.is_empty() && row.base.is_empty() {
            if entity.kind == Kind::User {
                self.outgoing
            } else {
                self.incoming
            }
        } else {
            (row.now.clone(), row.base.clone())
        };
        Node {
            is_inferred: !self.has_spans,
            is_deployed: row.is_deployed(),
            host: row.main_host().unwrap_or_default().to_owned(),
            namespace: row.namespace,
            team: row.team,
            environments: row.environments,
            verdict: judge(&now, &base),
            now,
            base,
            entity,
        }
    }
}

#[cfg(test)]
mod tests;
