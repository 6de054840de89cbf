//! Communities with names that last: what was found before is where the next search begins, and a community keeps its name as long as most of it stays.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use petgraph::graph::NodeIndex;

use crate::communities::{louvain, louvain_from};
use crate::entity::{Entity, Kind};
use crate::graph::Graph;

/// The community of each entity, by name, as it was found last, and which groups were folded then. To be handed in the next time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Communities {
    pub(super) name_of: BTreeMap<Entity, String>,
    /// Of entities and calls, whatever they weigh: the same are not searched again.
    structure: Option<u64>,
    /// Ids of the groups that were folded for want of room.
    pub(super) folded: BTreeSet<String>,
}

impl Communities {
    /// Entities that have one.
    #[must_use]
    pub fn n_entities(&self) -> usize {
        self.name_of.len()
    }
}

/// The entities that are searched for communities, in order.
pub(super) struct Members<'a> {
    pub(super) entities: Vec<&'a Entity>,
    /// Requests to each.
    calls: Vec<f64>,
}

impl<'a> Members<'a> {
    pub(super) fn of(graph: &'a Graph, nodes: &[NodeIndex]) -> Self {
        let found = || nodes.iter().filter_map(|at| graph.node(*at));
        Self {
            entities: found().map(|node| &node.entity).collect(),
            calls: found().map(|node| node.now.calls).collect(),
        }
    }

    /// Finds communities, and notes them in `known`.
    pub(super) fn find(&self, edges: &[(usize, usize, f64)], known: &mut Communities) {
        let structure = self.structure(edges);
        if known.structure == Some(structure) {
            return;
        }
        let found = match self.before(known) {
            Some(before) => louvain_from(self.entities.len(), edges, &before),
            None => louvain(self.entities.len(), edges),
        };
        let names = self.named(&found, known);
        let name_of = self.entities.iter().zip(&found).filter_map(|(entity, at)| {
            let name = names.get(at)?;
            Some(((*entity).clone(), name.clone()))
        });
        *known = Communities {
            name_of: name_of.collect(),
            structure: Some(structure),
            folded: std::mem::take(&mut known.folded),
        };
    }

    fn structure(&self, edges: &[(usize, usize, f64)]) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.entities.hash(&mut hasher);
        for (from, to, _) in edges {
            (from, to).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Numbers of the communities before, a number of its own for what had none; none if nothing had one.
    fn before(&self, known: &Communities) -> Option<Vec<usize>> {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut next = 0;
        let mut fresh = || {
            next += 1;
            next - 1
        };
        let number = |entity: &&Entity| match known.name_of.get(*entity) {
            Some(name) => *numbers.entry(name).or_insert_with(&mut fresh),
            None => fresh(),
        };
        let before = self.entities.iter().map(number).collect();
        (!numbers.is_empty()).then_some(before)
    }

    /// A name for each community: the one that most of its members had, if nobody has more of it; else that of its service with the most requests.
    fn named(&self, found: &[usize], known: &Communities) -> BTreeMap<usize, String> {
        let mut n_of: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        for (entity, at) in self.entities.iter().zip(found) {
            if let Some(name) = known.name_of.get(*entity) {
                *n_of.entry((*at, name)).or_default() += 1;
            }
        }
        let mut most: Vec<_> = n_of
            .into_iter()
            .map(|((at, name), n)| (n, at, name))
            .collect();
        most.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        let mut names: BTreeMap<usize, String> = BTreeMap::new();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for (_, at, name) in most {
            if !names.contains_key(&at) && taken.insert(name.to_owned()) {
                names.insert(at, name.to_owned());
            }
        }
        // services before others, the busiest first
        let mut busiest: Vec<usize> = (0..self.entities.len()).collect();
        let rank = |at: &usize| {
            let is_service = self
                .entities
                .get(*at)
                .is_some_and(|e| e.kind == Kind::Service);
            (is_service, self.calls.get(*at).copied().unwrap_or(0.0))
        };
        busiest.sort_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)) // stable: of equals the first
        });
        for member in busiest {
            let (Some(at), Some(entity)) = (found.get(member), self.entities.get(member)) else {
                continue;
            };
            let name = if entity.kind == Kind::Service {
                entity.name.clone()
            } else {
                entity.to_string()
            };
            if !names.contains_key(at) && taken.insert(name.clone()) {
                names.insert(*at, name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::measure::Measure;
    use crate::graph::rows::EdgeRow;

    fn graph(edges: &[(&str, &str, f64)]) -> Graph {
        let row = |(client, server, calls): &(&str, &str, f64)| EdgeRow {
            client: (*client).to_owned(),
            server: (*server).to_owned(),
            now: Measure {
                calls: *calls,
                ..Measure::default()
            },
            ..EdgeRow::default()
        };
        let rows: Vec<EdgeRow> = edges.iter().map(row).collect();
        Graph::build(&rows, &[])
    }

    fn found(edges: &[(&str, &str, f64)], known: &mut Communities) -> String {
        let graph = graph(edges);
        let nodes: Vec<NodeIndex> = graph.inner().node_indices().collect();
        let place = |name: &str| {
            let at = graph.find(&Entity::service(name)).expect("it is there");
            nodes
                .iter()
                .position(|node| *node == at)
                .expect("it is there")
        };
        let weighted: Vec<_> = edges
            .iter()
            .map(|(from, to, calls)| (place(from), place(to), *calls))
            .collect();
        Members::of(&graph, &nodes).find(&weighted, known);
        let told = known
            .name_of
            .iter()
            .map(|(entity, name)| format!("{}:{name}", entity.name));
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_last_as_long_as_most_of_a_community_does() {
        let mut known = Communities::default();
        let first = [
            ("a", "b", 9.0),
            ("b", "c", 8.0),
            ("x", "y", 9.0),
            ("c", "x", 1.0),
        ];
        assert_eq!(found(&first, &mut known), "a:b b:b c:b x:y y:y");
        // c is busier now, and z is new: the names stay
        let second = [
            ("a", "b", 9.0),
            ("b", "c", 80.0),
            ("x", "y", 9.0),
            ("x", "z", 50.0),
        ];
        assert_eq!(found(&second, &mut known), "a:b b:b c:b x:y y:y z:y");
        // the same calls, whatever they weigh, are not searched again
        let third = second.map(|(from, to, _)| (from, to, 1.0));
        assert_eq!(found(&third, &mut known), "a:b b:b c:b x:y y:y z:y");
    }
}
