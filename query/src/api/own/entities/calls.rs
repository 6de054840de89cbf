//! What the map knows of an entity: its requests, and who calls whom around it. In: an id and a range. Out: the node that it is, if it is one.

use serde::Serialize;
use service_map::entity::{Entity, Kind, Named};
use service_map::graph::{Direction, Graph, Node, NodeIndex};
use telemetry::Tenant;
use telemetry::entity::{EntityId, EntityKind};

use super::super::services::call::Call;
use super::super::services::numbers::Numbers;
use crate::Query;
use crate::map::range::{Range, Until};
use crate::map::rows::rows;
use crate::refusal::Refusal;
use crate::trace::found::Marks;
use crate::work::off_thread;

/// Neighbours that are listed, in each direction; those with most calls.
const NEIGHBOURS_MAX: usize = 1_000;

/// A node of the map and its calls.
pub(super) struct OnMap {
    pub(super) entity: Entity,
    pub(super) red: Red,
    /// Its own calls first, then those that it answers; most calls first.
    pub(super) calls: Vec<Neighbour>,
    pub(super) is_cut: bool,
}

/// Requests that came to it; of a user those that it sent.
#[derive(Debug, Serialize)]
pub(super) struct Red {
    #[serde(flatten)]
    numbers: Numbers,
    p95_base: Option<f64>,
    state: &'static str,
    state_rule: Option<&'static str>,
    /// Only its callers say that it is there.
    inferred: bool,
}

pub(super) struct Neighbour {
    /// `calls` or `called_by`.
    pub(super) relation: &'static str,
    pub(super) entity: Entity,
    pub(super) call: Call,
}

/// The node of an entity. Calls are known by name: of a service in several environments they are those of all.
pub(super) async fn on_map(
    query: &Query,
    tenant: &Tenant,
    id: &EntityId,
    times: (Range, Until),
    marks: &mut Marks,
) -> Result<Option<OnMap>, Refusal> {
    let named = Named::of(id);
    if named.0.is_empty() || id.kind() == EntityKind::Host {
        return Ok(None); // hosts stand on the map as groups of services alone
    }
    let rows = rows(query, tenant, times.0, marks).await?;
    let id = id.clone();
    off_thread(move || {
        let graph = rows.graph();
        let at = graph.find_named(&named);
        let node = at.and_then(|at| Some((at, graph.node(at)?)));
        let found = node.filter(|(_, node)| is_of(node, &id));
        Ok(found.map(|(at, node)| OnMap::of(&graph, at, node, times)))
    })
    .await
}

/// Whether a service ran in the environment and namespace that its id says, if it says any.
fn is_of(node: &Node, id: &EntityId) -> bool {
    if id.kind() != EntityKind::Service || id.n_parts() == 1 {
        return true;
    }
    let (env, namespace) = (id.part(0), id.part(1));
    (env.is_empty() || node.environments.contains(env))
        && (namespace.is_empty() || node.namespace == namespace)
}

impl OnMap {
    fn of(graph: &Graph, at: NodeIndex, node: &Node, times: (Range, Until)) -> Self {
        let mut calls = neighbours(graph, at, Direction::Outgoing, times);
        let called_by = neighbours(graph, at, Direction::Incoming, times);
        let is_cut = calls.len().max(called_by.len()) > NEIGHBOURS_MAX;
        calls.truncate(NEIGHBOURS_MAX);
        calls.extend(called_by.into_iter().take(NEIGHBOURS_MAX));
        Self {
            entity: node.entity.clone(),
            red: Red::of(node, times.0),
            calls,
            is_cut: is_cut || graph.n_refused() > 0,
        }
    }
}

fn neighbours(
    graph: &Graph,
    at: NodeIndex,
    direction: Direction,
    times: (Range, Until),
) -> Vec<Neighbour> {
    let own = graph.node(at).map(|node| node.entity.kind);
    let neighbour = |(node, edge): (&Node, _)| {
        let (relation, callee) = match direction {
            Direction::Outgoing => ("calls", Some(node.entity.kind)),
            Direction::Incoming => ("called_by", own),
        };
        Neighbour {
            relation,
            entity: node.entity.clone(),
            call: Call::of(callee.unwrap_or(Kind::Service), edge, times),
        }
    };
    let mut found: Vec<Neighbour> = graph.neighbours(at, direction).map(neighbour).collect();
    found.sort_by(|a, b| {
        let rate = b.call.numbers.rate.total_cmp(&a.call.numbers.rate);
        rate.then_with(|| a.entity.cmp(&b.entity))
    });
    found
}

impl Red {
    fn of(node: &Node, range: Range) -> Self {
        Self {
            numbers: Numbers::of(&node.now, range),
            p95_base: node.base.p95(),
            state: node.verdict.state.word(),
            state_rule: node.verdict.rule,
            inferred: node.is_inferred,
        }
    }
}
