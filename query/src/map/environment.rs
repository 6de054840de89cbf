//! What belongs to an environment: services that ran there, as they say of themselves, and what of other kinds is next to them (docs/decisions/191). Pure.

use std::collections::BTreeSet;

use service_map::entity::Entity;
use service_map::graph::Graph;
use service_map::graph::cluster::in_environment;

/// The entities of the environment that is asked for; all of them, where none is.
pub(crate) struct Environment(Option<BTreeSet<Entity>>);

impl Environment {
    /// As one or several graphs have it.
    pub(crate) fn of(name: Option<&str>, graphs: &[&Graph]) -> Self {
        let entities = |name| {
            let of_all = graphs.iter().flat_map(|graph| entities(graph, name));
            of_all.collect()
        };
        Self(name.map(entities))
    }

    pub(crate) fn has(&self, entity: &Entity) -> bool {
        self.0.as_ref().is_none_or(|there| there.contains(entity))
    }
}

fn entities(graph: &Graph, environment: &str) -> Vec<Entity> {
    let nodes = in_environment(graph, environment).into_iter();
    let nodes = nodes.filter_map(|at| graph.node(at));
    nodes.map(|node| node.entity.clone()).collect()
}
