//! Which group an entity belongs to.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::communities::{Communities, Members};
use super::{Choice, Group};
use crate::entity::{Entity, Kind};
use crate::graph::Graph;

/// Share of services that namespaces must hold to be what a large map is grouped by.
const NAMESPACED_MIN: f64 = 0.8;

/// The group of each kept entity that has one. What is found of communities is noted in `known`.
pub(super) fn of(
    graph: &Graph,
    choice: &Choice,
    kept: &BTreeSet<NodeIndex>,
    known: &mut Communities,
) -> BTreeMap<NodeIndex, String> {
    match choice.group {
        Group::None => BTreeMap::new(),
        Group::Namespace => by_namespace(graph, kept),
        Group::Team => by_team(graph, kept),
        Group::Community => by_community(graph, kept, choice.range_s, known),
        Group::Host => by_host(graph, kept),
        Group::Service if kept.len() <= choice.nodes_max => BTreeMap::new(),
        Group::Service if is_namespaced(graph, kept) => by_namespace(graph, kept),
        Group::Service => by_community(graph, kept, choice.range_s, known),
    }
}

/// Two namespaces or more hold nearly all services.
fn is_namespaced(graph: &Graph, kept: &BTreeSet<NodeIndex>) -> bool {
    let services = kept
        .iter()
        .filter_map(|at| graph.node(*at))
        .filter(|node| node.entity.kind == Kind::Service);
    let (mut n, mut n_in, mut namespaces) = (0.0, 0.0, BTreeSet::new());
    for node in services {
        n += 1.0;
        if !node.namespace.is_empty() {
            n_in += 1.0;
            namespaces.insert(&node.namespace);
        }
    }
    namespaces.len() >= 2 && n_in >= NAMESPACED_MIN * n
}

fn by_namespace(graph: &Graph, kept: &BTreeSet<NodeIndex>) -> BTreeMap<NodeIndex, String> {
    let namespace = |at: NodeIndex| graph.node(at).map_or("", |node| &node.namespace);
    grouped(graph, kept, |at| {
        (!namespace(at).is_empty()).then(|| format!("namespace:{}", namespace(at)))
    })
}

/// Services by who owns them, else by namespace.
fn by_team(graph: &Graph, kept: &BTreeSet<NodeIndex>) -> BTreeMap<NodeIndex, String> {
    grouped(graph, kept, |at| {
        let node = graph.node(at)?;
        let of = |kind: &str, name: &str| (!name.is_empty()).then(|| format!("{kind}:{name}"));
        of("team", &node.team).or_else(|| of("namespace", &node.namespace))
    })
}

/// Services by the host that runs most of them. What is inferred runs nowhere that anybody knows.
fn by_host(graph: &Graph, kept: &BTreeSet<NodeIndex>) -> BTreeMap<NodeIndex, String> {
    let host = |at: &NodeIndex| {
        let node = graph.node(*at).filter(|node| !node.host.is_empty())?;
        Some((*at, Entity::new(Kind::Host, &*node.host).to_string()))
    };
    kept.iter().filter_map(host).collect()
}

/// Services by what `own` says; databases and queues with their callers if those are of one group; peers outside by domain.
fn grouped(
    graph: &Graph,
    kept: &BTreeSet<NodeIndex>,
    own: impl Fn(NodeIndex) -> Option<String>,
) -> BTreeMap<NodeIndex, String> {
    let group = |at: &NodeIndex| {
        let node = graph.node(*at)?;
        match node.entity.kind {
            Kind::Service | Kind::Host => own(*at),
            Kind::External => domain(&node.entity.name),
            Kind::User => None,
            Kind::Database | Kind::Queue => {
                let callers = graph.inner().neighbors_directed(*at, Direction::Incoming);
                let groups: BTreeSet<Option<String>> = callers.map(&own).collect();
                let mut groups = groups.into_iter();
                let first = groups.next().flatten();
                first.filter(|_| groups.next().is_none())
            }
        }
    };
    kept.iter()
        .filter_map(|at| Some((*at, group(at)?)))
        .collect()
}

fn by_community(
    graph: &Graph,
    kept: &BTreeSet<NodeIndex>,
    range_s: f64,
    known: &mut Communities,
) -> BTreeMap<NodeIndex, String> {
    let external = |at: &NodeIndex| {
        let node = graph.node(*at)?;
        let is_external = node.entity.kind == Kind::External;
        is_external.then(|| domain(&node.entity.name)).flatten()
    };
    let inside: Vec<NodeIndex> = kept
        .iter()
        .copied()
        .filter(|at| external(at).is_none())
        .collect();
    let places: BTreeMap<NodeIndex, usize> = inside.iter().copied().zip(0..).collect();
    let edges: Vec<(usize, usize, f64)> = graph
        .inner()
        .edge_references()
        .filter_map(|edge| {
            let (from, to) = (places.get(&edge.source())?, places.get(&edge.target())?);
            let rate = edge.weight().now.calls / range_s.max(1.0);
            Some((*from, *to, libm::log1p(rate.max(0.0))))
        })
        .collect();
    let members = Members::of(graph, &inside);
    members.find(&edges, known);
    let of_inside = inside
        .iter()
        .zip(&members.entities)
        .filter_map(|(at, entity)| {
            let name = known.name_of.get(*entity)?;
            Some((*at, format!("community:{name}")))
        });
    let of_outside = kept.iter().filter_map(|at| Some((*at, external(at)?)));
    of_inside.chain(of_outside).collect()
}

/// The last two parts of a host's name, as a group; none for addresses and single words.
fn domain(name: &str) -> Option<String> {
    let host = name.rsplit_once(':').map_or(name, |(host, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            host
        } else {
            name
        }
    });
    let is_address = host.contains(':')
        || host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let mut parts = host.rsplit('.').filter(|part| !part.is_empty());
    let (top, second) = (parts.next()?, parts.next()?);
    (!is_address).then(|| format!("domain:{second}.{top}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_told_from_addresses_and_words() {
        for (name, expected) in [
            ("api.eu.stripe.com:443", Some("domain:stripe.com")),
            ("stripe.com", Some("domain:stripe.com")),
            ("10.1.2.3:80", None),
            ("10.1.2.3", None),
            ("localhost", None),
            ("[::1]:80", None),
            ("", None),
            ("a..b:80", Some("domain:a.b")),
            ("a.b:x", None),
        ] {
            assert_eq!(domain(name).as_deref(), expected, "{name}");
        }
    }
}
