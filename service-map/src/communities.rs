//! Communities: groups of nodes that call each other more than others (Louvain, resolution 1).
//!
//! In: an undirected weighted graph by node numbers. Out: the number of each node's community. Nodes are looked at in order, so there is no chance in it.

/// Rounds over all nodes of one level, and levels, at most. Each round only improves; real graphs need a few.
const ROUNDS_MAX: usize = 16;
const LEVELS_MAX: usize = 8;
/// Improvements below this share of all weight end a search: they are rounding.
const GAIN_MIN: f64 = 1e-9;

/// Share of a node's weight that another community must be better by, where communities were known before.
const STAY: f64 = 0.1;

/// A graph for the search: for each node its neighbours with weights, each edge in both lists; loops apart.
struct Level {
    neighbours: Vec<Vec<(usize, f64)>>,
    /// Weight inside a node: of what was merged into it.
    inside: Vec<f64>,
}

/// The community of each of `n_nodes` nodes, numbered from 0 in order of their first nodes. Edges that name no node are ignored, weights that are no
/// positive number too.
#[must_use]
pub fn louvain(n_nodes: usize, edges: &[(usize, usize, f64)]) -> Vec<usize> {
    let alone: Vec<usize> = (0..n_nodes).collect();
    search(n_nodes, edges, alone, 0.0)
}

/// The same, beginning with communities that were found before: a node leaves its own only for one that is clearly better.
#[must_use]
pub fn louvain_from(n_nodes: usize, edges: &[(usize, usize, f64)], before: &[usize]) -> Vec<usize> {
    let mut start = numbered(before);
    let n_known = start.iter().max().map_or(0, |max| max + 1);
    start.extend((n_known..).take(n_nodes.saturating_sub(before.len())));
    start.truncate(n_nodes);
    search(n_nodes, edges, numbered(&start), STAY)
}

fn search(
    n_nodes: usize,
    edges: &[(usize, usize, f64)],
    mut start: Vec<usize>,
    mut stay: f64,
) -> Vec<usize> {
    let mut level = Level::of(n_nodes, edges);
    let mut communities: Vec<usize> = (0..n_nodes).collect();
    for _ in 0..LEVELS_MAX {
        let of_level = level.search(start, stay);
        let numbers = numbered(&of_level);
        let n_groups = numbers.iter().max().map_or(0, |max| max + 1);
        for community in &mut communities {
            *community = numbers.get(*community).copied().unwrap_or(0);
        }
        if n_groups == numbers.len() {
            break; // everything is alone
        }
        level = level.merged(&numbers);
        start = (0..n_groups).collect();
        stay = 0.0;
    }
    numbered(&communities)
}

/// Numbers from 0 in order of first appearance.
fn numbered(groups: &[usize]) -> Vec<usize> {
    let mut numbers = std::collections::BTreeMap::new();
    groups
        .iter()
        .map(|group| {
            let next = numbers.len();
            *numbers.entry(*group).or_insert(next)
        })
        .collect()
}

impl Level {
    fn of(n_nodes: usize, edges: &[(usize, usize, f64)]) -> Self {
        let mut level = Self {
            neighbours: vec![Vec::new(); n_nodes],
            inside: vec![0.0; n_nodes],
        };
        for (a, b, weight) in edges {
            if *a < n_nodes && *b < n_nodes && *weight > 0.0 && weight.is_finite() {
                level.add(*a, *b, *weight);
            }
        }
        level.join_parallel();
        level
    }

    fn add(&mut self, a: usize, b: usize, weight: f64) {
        if a == b {
            if let Some(inside) = self.inside.get_mut(a) {
                *inside += weight;
            }
            return;
        }
        for (at, other) in [(a, b), (b, a)] {
            if let Some(list) = self.neighbours.get_mut(at) {
                list.push((other, weight));
            }
        }
    }

    fn join_parallel(&mut self) {
        for list in &mut self.neighbours {
            list.sort_by_key(|(other, _)| *other); // stable: weights add up in the order they came
            list.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    kept.1 += later.1;
                }
                same
            });
        }
    }

    /// Moves nodes to the neighbouring community that gains most until none gains.
    fn search(&self, mut community: Vec<usize>, stay: f64) -> Vec<usize> {
        let n_nodes = self.neighbours.len();
        let degrees: Vec<f64> = (0..n_nodes).map(|at| self.degree(at)).collect();
        let all: f64 = degrees.iter().sum();
        let mut totals = vec![0.0; n_nodes];
        for (group, degree) in community.iter().zip(&degrees) {
            if let Some(total) = totals.get_mut(*group) {
                *total += degree;
            }
        }
        let mut to = vec![0.0; n_nodes];
        for _ in 0..ROUNDS_MAX {
            let mut moved = false;
            for at in 0..n_nodes {
                let degree = degrees.get(at).copied().unwrap_or(0.0);
                let least = GAIN_MIN * all + stay * degree;
                let best = self.best(at, (all, least), (&community, &degrees, &totals), &mut to);
                let own = community.get(at).copied().unwrap_or(at);
                if best != own {
                    for (group, change) in [(own, -degree), (best, degree)] {
                        if let Some(total) = totals.get_mut(group) {
                            *total += change;
                        }
                    }
                    if let Some(slot) = community.get_mut(at) {
                        *slot = best;
                    }
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        community
    }

    /// The community that a node should be in: its own, unless another gains at least so much more; of equals the lowest.
    fn best(
        &self,
        at: usize,
        (all, least): (f64, f64),
        (community, degrees, totals): (&[usize], &[f64], &[f64]),
        to: &mut [f64],
    ) -> usize {
        let own = community.get(at).copied().unwrap_or(at);
        let degree = degrees.get(at).copied().unwrap_or(0.0);
        let list = self.neighbours.get(at).map_or(&[][..], |list| list);
        let group_of = |other: usize| community.get(other).copied().unwrap_or(other);
        for (other, weight) in list {
            if let Some(slot) = to.get_mut(group_of(*other)) {
                *slot += weight;
            }
        }
        let gain = |group: usize, to: &[f64]| {
            let without = if group == own { degree } else { 0.0 };
            let total = totals.get(group).copied().unwrap_or(0.0) - without;
            to.get(group).copied().unwrap_or(0.0) - total * degree / all
        };
        let mut best = (own, gain(own, to) + least);
        let mut groups: Vec<usize> = list.iter().map(|(other, _)| group_of(*other)).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in &groups {
            let gained = gain(*group, to);
            if gained > best.1 {
                best = (*group, gained);
            }
        }
        for group in groups {
            if let Some(slot) = to.get_mut(group) {
                *slot = 0.0;
            }
        }
        best.0
    }

    fn degree(&self, at: usize) -> f64 {
        let list = self.neighbours.get(at).map_or(&[][..], |list| list);
        let outside: f64 = list.iter().map(|(_, weight)| weight).sum();
        outside + 2.0 * self.inside.get(at).copied().unwrap_or(0.0)
    }

    /// The graph of communities, `numbers` giving each node's.
    fn merged(&self, numbers: &[usize]) -> Self {
        let n_groups = numbers.iter().max().map_or(0, |max| max + 1);
        let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
        let mut edges = Vec::new();
        for (at, list) in self.neighbours.iter().enumerate() {
            let own = self.inside.get(at).copied().unwrap_or(0.0);
            edges.push((number(at), number(at), own));
            let once = list.iter().filter(|(other, _)| at < *other);
            edges.extend(once.map(|(other, weight)| (number(at), number(*other), *weight)));
        }
        Self::of(n_groups, &edges)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Share of weight inside communities minus what chance would put there.
    fn modularity(edges: &[(usize, usize, f64)], communities: &[usize]) -> f64 {
        let all: f64 = edges.iter().map(|(_, _, weight)| weight).sum();
        let n = communities.iter().max().map_or(0, |max| max + 1);
        let (mut inside, mut total) = (vec![0.0; n], vec![0.0; n]);
        for (a, b, weight) in edges {
            total[communities[*a]] += weight;
            total[communities[*b]] += weight;
            if communities[*a] == communities[*b] {
                inside[communities[*a]] += weight;
            }
        }
        let of = |(inside, total): (&f64, &f64)| {
            let share = total / (2.0 * all);
            inside / all - share * share
        };
        inside.iter().zip(&total).map(of).sum()
    }

    #[test]
    fn cliques_with_a_bridge_are_communities() {
        let mut edges = Vec::new();
        for group in 0..3usize {
            for a in 0..4 {
                for b in 0..a {
                    edges.push((group * 4 + a, group * 4 + b, 1.0));
                }
            }
        }
        edges.extend([(0, 4, 1.0), (4, 8, 1.0)]);
        let expected = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
        assert_eq!(louvain(12, &edges), expected);
        assert!(modularity(&edges, &expected) > 0.5);
    }

    #[test]
    fn nothing_and_nonsense_are_fine() {
        assert_eq!(louvain(0, &[]), Vec::<usize>::new());
        let nonsense = [(0, 9, 1.0), (0, 1, f64::NAN), (0, 1, -1.0), (1, 1, 1.0)];
        assert_eq!(louvain(2, &nonsense), [0, 1]);
    }

    #[test]
    fn communities_of_before_stay_where_that_is_nearly_as_good() {
        // a path of four: 0 1 | 2 3, with 1 drawn to either side by nearly the same
        let edges = |left: f64, right: f64| [(0, 1, left), (1, 2, right), (2, 3, 3.0)];
        assert_eq!(louvain(4, &edges(3.0, 2.9)), [0, 0, 1, 1]);
        let before = [7, 7, 9, 9];
        assert_eq!(louvain_from(4, &edges(2.9, 3.0), &before), [0, 0, 1, 1]);
        // what is clearly elsewhere moves
        let moved = louvain_from(4, &edges(0.1, 30.0), &before);
        assert_eq!(moved[1], moved[2]);
        // what is new is alone at first
        assert_eq!(louvain_from(3, &[(0, 1, 1.0)], &[5, 5]), [0, 0, 1]);
        assert_eq!(louvain_from(0, &[], &[1, 2]), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn communities_are_no_worse_than_none_and_have_no_gaps(
            edges in proptest::collection::vec((0usize..30, 0usize..30, 1u32..100), 1..120),
        ) {
            let edges: Vec<_> = edges.into_iter().map(|(a, b, w)| (a, b, f64::from(w))).collect();
            let found = louvain(30, &edges);
            let alone: Vec<usize> = (0..30).collect();
            prop_assert!(modularity(&edges, &found) >= modularity(&edges, &alone) - 1e-9);
            prop_assert_eq!(numbered(&found), found.clone());
            prop_assert_eq!(louvain(30, &edges), found);
        }
    }
}
