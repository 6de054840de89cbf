//! Layers: which edges run backward, and in which column each node stands.

use super::{Line, Sketch, Spot, WEIGHT_MAX};

/// Passes that pull nodes towards what they call.
const PULLS: usize = 4;
/// Passes over new nodes, each of which reaches one call further from those that stood before.
const REACHES: usize = 8;

/// The edges that count: between two different nodes, with a weight in bounds. In order of the sketch.
pub(super) fn lines(sketch: &Sketch) -> Vec<Line> {
    let n_nodes = sketch.nodes.len();
    let counts = |line: &&Line| line.from != line.to && line.from.max(line.to) < n_nodes;
    let bounded = |line: &Line| Line {
        weight: line.weight.clamp(1, WEIGHT_MAX),
        ..*line
    };
    sketch.edges.iter().filter(counts).map(bounded).collect()
}

/// The layer of each node. Edges to a lower or the same layer are drawn backward.
pub(super) fn assign(n_nodes: usize, lines: &[Line], before: &[Option<Spot>]) -> Vec<i32> {
    let ends = Ends::of(n_nodes, lines);
    let greedy = greedy_sequence(&ends, before);
    let sequence = if before.iter().any(Option::is_some) {
        kept_sequence(&ends, before, &greedy)
    } else {
        greedy
    };
    let mut place = vec![0; n_nodes];
    for (at, node) in sequence.iter().enumerate() {
        place[*node] = at;
    }
    let forward = ends.forward(&place);
    if before.iter().any(Option::is_some) {
        kept_layers(&forward, &sequence, before)
    } else {
        fresh_layers(&forward, &sequence)
    }
}

/// Edges by their ends.
struct Ends {
    out: Vec<Vec<(usize, u64)>>,
    into: Vec<Vec<(usize, u64)>>,
}

impl Ends {
    fn of(n_nodes: usize, lines: &[Line]) -> Self {
        let mut ends = Self {
            out: vec![Vec::new(); n_nodes],
            into: vec![Vec::new(); n_nodes],
        };
        for line in lines {
            ends.out[line.from].push((line.to, u64::from(line.weight)));
            ends.into[line.to].push((line.from, u64::from(line.weight)));
        }
        ends
    }

    /// Only those that lead to a later place.
    fn forward(&self, place: &[usize]) -> Self {
        let keep = |lists: &[Vec<(usize, u64)>], later: bool| {
            let of_node = |(at, list): (usize, &Vec<(usize, u64)>)| {
                let kept = list
                    .iter()
                    .filter(|(other, _)| (place[*other] > place[at]) == later);
                kept.copied().collect()
            };
            lists.iter().enumerate().map(of_node).collect()
        };
        Self {
            out: keep(&self.out, true),
            into: keep(&self.into, false),
        }
    }
}

/// A sequence with little weight running backward (Eades, Lin, Smyth): sinks last, sources first, else whoever sends most more than it gets.
/// Of equals the one that stood further left before comes first, then the lower id.
fn greedy_sequence(ends: &Ends, before: &[Option<Spot>]) -> Vec<usize> {
    let n_nodes = ends.out.len();
    let sum = |list: &[(usize, u64)]| list.iter().map(|(_, weight)| *weight as i64).sum::<i64>();
    let mut sends: Vec<i64> = ends.out.iter().map(|list| sum(list)).collect();
    let mut gets: Vec<i64> = ends.into.iter().map(|list| sum(list)).collect();
    let mut left: Vec<usize> = (0..n_nodes).collect();
    let stood = |node: usize| before[node].map_or(i32::MAX, |spot| spot.layer);
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let sink = left.iter().rposition(|node| sends[*node] == 0);
        let source = || left.iter().position(|node| gets[*node] == 0);
        let best = || {
            let rank = |at: &usize| {
                let node = left[*at];
                (gets[node] - sends[node], stood(node), node)
            };
            (0..left.len()).min_by_key(rank)
        };
        let (at, is_sink) = match sink {
            Some(at) => (at, true),
            None => (source().or_else(best).unwrap_or(0), false),
        };
        let node = left.remove(at);
        for (other, weight) in &ends.out[node] {
            gets[*other] -= *weight as i64;
        }
        for (other, weight) in &ends.into[node] {
            sends[*other] -= *weight as i64;
        }
        if is_sink { &mut tail } else { &mut head }.push(node);
    }
    head.extend(tail.into_iter().rev());
    head
}

/// A sequence in which everything that stood before keeps its column; new nodes stand after their callers, else before what they call.
fn kept_sequence(ends: &Ends, before: &[Option<Spot>], greedy: &[usize]) -> Vec<usize> {
    // two steps a layer, so that there is one between
    let mut keys: Vec<Option<i32>> = before
        .iter()
        .map(|spot| spot.map(|spot| spot.layer.saturating_mul(2)))
        .collect();
    for _ in 0..REACHES {
        let mut found = Vec::new();
        for node in (0..keys.len()).filter(|node| keys[*node].is_none()) {
            let known = |list: &[(usize, u64)]| -> Vec<i32> {
                list.iter().filter_map(|(other, _)| keys[*other]).collect()
            };
            let callers = known(&ends.into[node]).into_iter().max();
            let callees = known(&ends.out[node]).into_iter().min();
            let key = callers
                .map(|key| key.saturating_add(1))
                .or(callees.map(|key| key.saturating_sub(1)));
            found.extend(key.map(|key| (node, key)));
        }
        for (node, key) in found {
            keys[node] = Some(key);
        }
    }
    let mut sequence = greedy.to_vec();
    sequence.sort_by_key(|node| keys[*node].unwrap_or(0)); // stable
    sequence
}

/// The longest way from an entry; then nodes that send more than they get move right, to what they call.
fn fresh_layers(forward: &Ends, sequence: &[usize]) -> Vec<i32> {
    let mut layers = vec![0; sequence.len()];
    for node in sequence {
        let callers = forward.into[*node].iter();
        let after = callers.map(|(caller, _)| layers[*caller] + 1).max();
        layers[*node] = after.unwrap_or(0);
    }
    let sum = |list: &[(usize, u64)]| list.iter().map(|(_, weight)| weight).sum::<u64>();
    for _ in 0..PULLS {
        for node in sequence.iter().rev() {
            let callees = forward.out[*node].iter();
            let next = callees.map(|(callee, _)| layers[*callee] - 1).min();
            if let Some(next) = next
                && sum(&forward.out[*node]) > sum(&forward.into[*node])
            {
                layers[*node] = layers[*node].max(next);
            }
        }
    }
    spread_alone(forward, &mut layers);
    layers
}

/// Nodes without calls fill the layers one by one, so that they make no tower.
fn spread_alone(forward: &Ends, layers: &mut [i32]) {
    let n_layers = layers.iter().max().map_or(1, |max| max + 1);
    let mut next = 0;
    for (node, layer) in layers.iter_mut().enumerate() {
        if forward.out[node].is_empty() && forward.into[node].is_empty() {
            *layer = next % n_layers;
            next += 1;
        }
    }
}

/// What stood before stays. It gives way to a caller that now stands in its layer or right of it only where nothing that it calls must give way too: else
/// one edge could push half of the map, and is drawn backward instead.
fn kept_layers(forward: &Ends, sequence: &[usize], before: &[Option<Spot>]) -> Vec<i32> {
    let mut layers: Vec<Option<i32>> = vec![None; sequence.len()];
    for node in sequence {
        let callers = forward.into[*node].iter();
        let after = callers
            .filter_map(|(caller, _)| layers[*caller])
            .max()
            .map(|layer| layer.saturating_add(1));
        let callees = forward.out[*node].iter();
        let next = callees
            .filter_map(|(callee, _)| before[*callee])
            .map(|spot| spot.layer)
            .min();
        let is_free = |layer: i32| next.is_none_or(|next| layer < next);
        layers[*node] = match (before[*node].map(|spot| spot.layer), after) {
            (Some(stood), Some(after)) if stood < after && is_free(after) => Some(after),
            (Some(stood), _) => Some(stood),
            (None, Some(after)) => Some(after),
            (None, None) => Some(next.map_or(0, |next| next.saturating_sub(1))),
        };
    }
    layers.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pairs: &[(usize, usize, u32)]) -> Vec<Line> {
        let line = |(from, to, weight): &(usize, usize, u32)| Line {
            from: *from,
            to: *to,
            weight: *weight,
        };
        pairs.iter().map(line).collect()
    }

    #[track_caller]
    fn check(
        n_nodes: usize,
        pairs: &[(usize, usize, u32)],
        before: &[Option<i32>],
        expected: &[i32],
    ) {
        let mut spots: Vec<Option<Spot>> = before
            .iter()
            .map(|layer| layer.map(|layer| Spot { layer, y: 0 }))
            .collect();
        spots.resize(n_nodes, None);
        assert_eq!(assign(n_nodes, &lines(pairs), &spots), expected);
    }

    #[test]
    fn callers_stand_left_of_callees() {
        check(3, &[(0, 1, 1), (1, 2, 1), (0, 2, 1)], &[], &[0, 1, 2]);
        // 3 calls 2 alone and stands next to it
        check(4, &[(0, 1, 1), (1, 2, 1), (3, 2, 1)], &[], &[0, 1, 2, 1]);
        // the light edge of a cycle runs backward
        check(3, &[(0, 1, 5), (1, 2, 5), (2, 0, 1)], &[], &[0, 1, 2]);
        check(3, &[(0, 1, 1), (1, 2, 5), (2, 0, 5)], &[], &[2, 0, 1]);
        // alone
        check(4, &[(0, 1, 1)], &[], &[0, 1, 0, 1]);
        check(0, &[], &[], &[]);
    }

    #[test]
    fn what_stood_before_stays() {
        let chain = [(0, 1, 1), (1, 2, 1)];
        check(3, &chain, &[Some(0), Some(3), Some(4)], &[0, 3, 4]);
        // a new edge between two of one layer pushes one
        check(
            3,
            &[(0, 1, 1), (0, 2, 1), (1, 2, 1)],
            &[Some(0), Some(1), Some(1)],
            &[0, 1, 2],
        );
        // an edge against the layers is drawn backward
        check(
            3,
            &[(0, 1, 1), (1, 2, 1), (2, 0, 9)],
            &[Some(0), Some(1), Some(2)],
            &[0, 1, 2],
        );
        // a new caller of the first layer moves nobody, a new callee neither
        check(3, &[(2, 0, 1), (0, 1, 1)], &[Some(0), Some(1)], &[0, 1, -1]);
        check(3, &[(1, 2, 1), (0, 1, 1)], &[Some(0), Some(1)], &[0, 1, 2]);
    }
}
