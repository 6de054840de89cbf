//! The order within layers: few crossings, and as it was before where that costs little.

use super::Spot;
use super::proper::{Proper, Side};

/// Sweeps at most, without and with a previous layout, and sweeps without a gain that end them.
const SWEEPS_MAX: usize = 24;
const SWEEPS_KEPT_MAX: usize = 8;
const IDLE_MAX: usize = 4;
/// Rounds of swapping neighbours in one sweep.
const SWAPS_MAX: usize = 8;
/// With a previous layout a sweep must leave at most this share of crossings.
const ACCEPTED_PERCENT: u64 = 95;
/// ... and may change places of at most this share of what stood before.
const MOVED_MAX_PERCENT: usize = 5;

pub(super) fn order(proper: &mut Proper, before: &[Option<Spot>]) {
    let is_kept = before.iter().any(Option::is_some);
    begin(proper, before);
    let mut best = proper.layers.clone();
    let mut fewest = crossings(proper);
    let began = ranks_of_kept(proper, before);
    let (sweeps_max, enough) = if is_kept {
        (SWEEPS_KEPT_MAX, ACCEPTED_PERCENT)
    } else {
        (SWEEPS_MAX, 100)
    };
    let mut idle = 0;
    for sweep in 0..sweeps_max {
        if fewest == 0 || idle == IDLE_MAX {
            break;
        }
        let side = if sweep % 2 == 0 {
            Side::Before
        } else {
            Side::After
        };
        medians(proper, side);
        swap_neighbours(proper);
        let now = crossings(proper);
        let is_better = now < fewest && now <= fewest / 100 * enough + fewest % 100 * enough / 100;
        if is_better && !(is_kept && moves_too_much(&began, &ranks_of_kept(proper, before))) {
            best = proper.layers.clone();
            fewest = now;
            idle = 0;
        } else {
            idle += 1;
        }
    }
    for (layer, items) in best.into_iter().enumerate() {
        proper.set_layer(layer, items);
    }
}

/// The order to begin with: that of before, what is new at the mean of its neighbours. Without one, as walking down from the entries meets them.
fn begin(proper: &mut Proper, before: &[Option<Spot>]) {
    if before.iter().any(Option::is_some) {
        return begin_as_before(proper, before);
    }
    let mut met = vec![usize::MAX; proper.place.len()];
    let mut n_met = 0;
    for layer in 0..proper.layers.len() {
        for item in proper.layers[layer].clone() {
            let mut due = vec![item];
            while let Some(at) = due.pop() {
                if met[at] == usize::MAX {
                    met[at] = n_met;
                    n_met += 1;
                    due.extend(proper.after[at].iter().rev().map(|(next, _)| *next));
                }
            }
        }
    }
    for layer in 0..proper.layers.len() {
        let mut items = proper.layers[layer].clone();
        items.sort_by_key(|item| met[*item]);
        proper.set_layer(layer, items);
    }
}

fn begin_as_before(proper: &mut Proper, before: &[Option<Spot>]) {
    let ys = super::place::wished(proper, before);
    for layer in 0..proper.layers.len() {
        let mut items = proper.layers[layer].clone();
        items.sort_by_key(|item| (ys[*item].unwrap_or(i32::MAX), *item));
        proper.set_layer(layer, items);
    }
}

/// The order of what stood before, layer by layer.
fn ranks_of_kept(proper: &Proper, before: &[Option<Spot>]) -> Vec<Vec<usize>> {
    let is_kept = |item: &usize| before.get(*item).is_some_and(Option::is_some);
    let of_layer = |items: &Vec<usize>| items.iter().copied().filter(is_kept).collect();
    proper.layers.iter().map(of_layer).collect()
}

/// Whether more than a few of what stood before changed their place among each other.
fn moves_too_much(before: &[Vec<usize>], after: &[Vec<usize>]) -> bool {
    let moved = before
        .iter()
        .zip(after)
        .flat_map(|(before, after)| before.iter().zip(after))
        .filter(|(before, after)| before != after)
        .count();
    let all: usize = before.iter().map(Vec::len).sum();
    moved * 100 > all * MOVED_MAX_PERCENT
}

/// Puts each layer into the order of the medians of its neighbours on one side. Items without neighbours keep their places.
fn medians(proper: &mut Proper, side: Side) {
    let n_layers = proper.layers.len();
    let layers: Vec<usize> = match side {
        Side::Before => (1..n_layers).collect(),
        Side::After => (0..n_layers.saturating_sub(1)).rev().collect(),
    };
    for layer in layers {
        let items = proper.layers[layer].clone();
        let mut movable: Vec<(u64, usize)> = items
            .iter()
            .filter_map(|item| Some((median(proper, *item, side)?, *item)))
            .collect();
        movable.sort_by_key(|(median, _)| *median); // stable
        let mut next = movable.into_iter().map(|(_, item)| item);
        let sorted = items
            .iter()
            .map(|item| {
                if proper.neighbours(*item, side).is_empty() {
                    *item
                } else {
                    next.next().unwrap_or(*item)
                }
            })
            .collect();
        proper.set_layer(layer, sorted);
    }
}

/// Twice the place in the middle of the neighbours, by weight.
fn median(proper: &Proper, item: usize, side: Side) -> Option<u64> {
    let mut places: Vec<(usize, u32)> = proper
        .neighbours(item, side)
        .iter()
        .map(|(other, weight)| (proper.place[*other], *weight))
        .collect();
    places.sort_unstable();
    let all: u64 = places.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut sum = 0;
    let mut lower = None;
    for (place, weight) in places {
        sum += u64::from(weight) * 2;
        if let Some(lower) = lower {
            return Some(lower + place as u64);
        }
        if sum == all {
            lower = Some(place as u64); // just the half: the middle lies between this one and the next
        } else if sum > all {
            return Some(2 * place as u64);
        }
    }
    lower.map(|place| 2 * place)
}

/// Swaps neighbours in a layer as long as that takes crossings away.
fn swap_neighbours(proper: &mut Proper) {
    for _ in 0..SWAPS_MAX {
        let mut swapped = false;
        for layer in 0..proper.layers.len() {
            for at in 1..proper.layers[layer].len() {
                let (a, b) = (proper.layers[layer][at - 1], proper.layers[layer][at]);
                let (kept, turned) = [Side::Before, Side::After]
                    .into_iter()
                    .map(|side| crossings_of(proper, a, b, side))
                    .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                if turned < kept {
                    proper.layers[layer].swap(at - 1, at);
                    proper.place[a] = at;
                    proper.place[b] = at - 1;
                    swapped = true;
                }
            }
        }
        if !swapped {
            break;
        }
    }
}

/// Weighted crossings of the edges of two neighbours: as they stand, and turned.
fn crossings_of(proper: &Proper, a: usize, b: usize, side: Side) -> (u64, u64) {
    let (mut kept, mut turned) = (0, 0);
    for (of_a, weight_a) in proper.neighbours(a, side) {
        for (of_b, weight_b) in proper.neighbours(b, side) {
            let weight = u64::from(*weight_a) * u64::from(*weight_b);
            match proper.place[*of_a].cmp(&proper.place[*of_b]) {
                std::cmp::Ordering::Greater => kept += weight,
                std::cmp::Ordering::Less => turned += weight,
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    (kept, turned)
}

/// Weighted crossings of all layers.
pub(super) fn crossings(proper: &Proper) -> u64 {
    (1..proper.layers.len())
        .map(|layer| crossings_between(proper, layer))
        .fold(0, u64::saturating_add)
}

/// Of the edges into a layer: each with those that began further down and end further up (a tree of sums over places).
fn crossings_between(proper: &Proper, layer: usize) -> u64 {
    let mut edges: Vec<(usize, usize, u64)> = Vec::new();
    for item in &proper.layers[layer] {
        for (other, weight) in &proper.before[*item] {
            edges.push((
                proper.place[*other],
                proper.place[*item],
                u64::from(*weight),
            ));
        }
    }
    edges.sort_unstable();
    let n_places = proper.layers[layer].len();
    let mut sums = vec![0u64; n_places + 1];
    let (mut crossings, mut total) = (0u64, 0u64);
    for (_, to, weight) in edges {
        // weight that ended at `to` or above so far
        let (mut at, mut above) = (to + 1, 0);
        while at > 0 {
            above += sums[at];
            at &= at - 1;
        }
        crossings = crossings.saturating_add(weight.saturating_mul(total - above));
        total += weight;
        let mut at = to + 1;
        while at <= n_places {
            sums[at] += weight;
            at += at & at.wrapping_neg();
        }
    }
    crossings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::Line;

    fn proper(n_left: usize, n_right: usize, edges: &[(usize, usize, u32)]) -> Proper {
        let lines: Vec<Line> = edges
            .iter()
            .map(|(from, to, weight)| Line {
                from: *from,
                to: n_left + to,
                weight: *weight,
            })
            .collect();
        let ranks: Vec<i32> = (0..n_left + n_right)
            .map(|item| i32::from(item >= n_left))
            .collect();
        Proper::of(&lines, &ranks)
    }

    #[test]
    fn crossings_go_away() {
        let mut proper = proper(3, 3, &[(0, 2, 1), (1, 1, 1), (2, 0, 1)]);
        assert_eq!(crossings(&proper), 3);
        order(&mut proper, &[None; 6]);
        assert_eq!(crossings(&proper), 0);
    }

    proptest! {
        #[test]
        fn crossings_are_those_of_every_pair(
            edges in proptest::collection::btree_set((0usize..6, 0usize..6), 0..20),
            weights in proptest::collection::vec(1u32..9, 20),
        ) {
            let edges: Vec<_> = edges.into_iter().zip(weights).map(|((a, b), w)| (a, b, w)).collect();
            let mut naive = 0;
            for (a, b, w) in &edges {
                for (c, d, v) in &edges {
                    if a < c && b > d {
                        naive += u64::from(w * v);
                    }
                }
            }
            let mut proper = proper(6, 6, &edges);
            prop_assert_eq!(crossings(&proper), naive);
            order(&mut proper, &[None; 12]);
            prop_assert!(crossings(&proper) <= naive);
        }
    }
}
