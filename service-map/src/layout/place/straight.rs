//! Brandes and Köpf, "Fast and Simple Horizontal Coordinate Assignment" (2001): items are aligned with the median of their neighbours four times, from both
//! ends of the layers and from both ends of each, and stand in the middle of the four.

use std::collections::BTreeSet;

use super::super::proper::{Proper, Side};
use super::apart;

/// The middle of every item.
pub(super) fn place(proper: &Proper) -> Vec<i32> {
    let conflicts = conflicts(proper);
    let mut four = Vec::with_capacity(4);
    for side in [Side::Before, Side::After] {
        for is_turned in [false, true] {
            let blocks = align(proper, side, is_turned, &conflicts);
            four.push(compact(proper, &blocks, is_turned));
        }
    }
    line_up(&mut four);
    let middle = |item: usize| {
        let mut ys: Vec<i64> = four
            .iter()
            .map(|(_, ys)| ys.get(item).copied().unwrap_or(0))
            .collect();
        ys.sort_unstable();
        let two: i64 = ys.iter().skip(1).take(2).sum();
        i32::try_from(two.div_euclid(2)).unwrap_or(0)
    };
    (0..proper.place.len()).map(middle).collect()
}

/// Edges that cross a piece of a long line: the line stays straight, they do not.
fn conflicts(proper: &Proper) -> BTreeSet<(usize, usize)> {
    let mut conflicts = BTreeSet::new();
    for items in proper.layers.iter().skip(1) {
        let inner = |item: usize| {
            let (from, _) = proper.before[item].first()?;
            (proper.is_point(item) && proper.is_point(*from)).then_some(proper.place[*from])
        };
        let (mut begin, mut low) = (0, 0);
        for (at, item) in items.iter().enumerate() {
            let ends = inner(*item);
            let is_last = at + 1 == items.len();
            if ends.is_none() && !is_last {
                continue;
            }
            let high = ends.unwrap_or(usize::MAX);
            for other in items.iter().take(at + 1).skip(begin) {
                for (from, _) in &proper.before[*other] {
                    let place = proper.place[*from];
                    let is_inner = proper.is_point(*other) && proper.is_point(*from);
                    if (place < low || place > high) && !is_inner {
                        conflicts.insert((*from, *other));
                    }
                }
            }
            begin = at + 1;
            low = ends.unwrap_or(low);
        }
    }
    conflicts
}

/// The block that each item is part of: the item that it begins with.
fn align(
    proper: &Proper,
    side: Side,
    is_turned: bool,
    conflicts: &BTreeSet<(usize, usize)>,
) -> Vec<usize> {
    let n_items = proper.place.len();
    let mut root: Vec<usize> = (0..n_items).collect();
    let mut is_taken = vec![false; n_items];
    let mut layers: Vec<&Vec<usize>> = proper.layers.iter().collect();
    if side == Side::After {
        layers.reverse();
    }
    let is_conflict = |a, b| conflicts.contains(&(a, b)) || conflicts.contains(&(b, a));
    for items in layers {
        let mut last: Option<usize> = None; // place of the neighbour that was aligned last
        let mut align_one = |item: usize| {
            let mut neighbours: Vec<usize> = proper
                .neighbours(item, side)
                .iter()
                .map(|(other, _)| *other)
                .collect();
            neighbours.sort_unstable_by_key(|other| proper.place[*other]);
            let n = neighbours.len();
            let mut medians = if n == 0 {
                Vec::new()
            } else {
                vec![(n - 1) / 2, n / 2]
            };
            if is_turned {
                medians.reverse();
            }
            for median in medians {
                let Some(other) = neighbours.get(median).copied() else {
                    continue;
                };
                let place = proper.place[other];
                let is_beyond = match last {
                    None => true,
                    Some(last) if is_turned => place < last,
                    Some(last) => place > last,
                };
                if root[item] == item && !is_taken[other] && is_beyond && !is_conflict(other, item)
                {
                    is_taken[other] = true;
                    root[item] = root[other];
                    last = Some(place);
                }
            }
        };
        if is_turned {
            items.iter().rev().for_each(|item| align_one(*item));
        } else {
            items.iter().for_each(|item| align_one(*item));
        }
    }
    root
}

/// Packs blocks: each as far up as those above it let it (down, if turned), then pulled towards what follows. Width, and the middle of every item.
fn compact(proper: &Proper, root: &[usize], is_turned: bool) -> (i64, Vec<i64>) {
    let n_items = root.len();
    let mut above: Vec<Vec<(usize, i64)>> = vec![Vec::new(); n_items];
    let mut below: Vec<Vec<(usize, i64)>> = vec![Vec::new(); n_items];
    for items in &proper.layers {
        for pair in items.windows(2) {
            let &[first, second] = pair else { continue };
            let gap = i64::from(apart(proper, first, second));
            let (first, second) = if is_turned {
                (root[second], root[first])
            } else {
                (root[first], root[second])
            };
            below[first].push((second, gap));
            above[second].push((first, gap));
        }
    }
    let sequence = in_order(root, &above, &below);
    let mut ys = vec![0i64; n_items];
    for block in &sequence {
        let highest = above[*block].iter().map(|(other, gap)| ys[*other] + gap);
        ys[*block] = highest.max().unwrap_or(0);
    }
    for block in sequence.iter().rev() {
        let lowest = below[*block].iter().map(|(other, gap)| ys[*other] - gap);
        if let Some(lowest) = lowest.min() {
            ys[*block] = ys[*block].max(lowest);
        }
    }
    let sign = if is_turned { -1 } else { 1 };
    let all: Vec<i64> = root.iter().map(|block| ys[*block] * sign).collect();
    let (low, high) = (all.iter().min(), all.iter().max());
    (high.unwrap_or(&0) - low.unwrap_or(&0), all)
}

/// Blocks from top to bottom: each after all that lie above it.
fn in_order(
    root: &[usize],
    above: &[Vec<(usize, i64)>],
    below: &[Vec<(usize, i64)>],
) -> Vec<usize> {
    let mut n_above: Vec<usize> = above.iter().map(Vec::len).collect();
    let is_block = |item: &usize| root[*item] == *item;
    let mut sequence: Vec<usize> = (0..root.len())
        .filter(is_block)
        .filter(|block| n_above[*block] == 0)
        .collect();
    let mut at = 0;
    while let Some(block) = sequence.get(at).copied() {
        for (other, _) in &below[block] {
            n_above[*other] -= 1;
            if n_above[*other] == 0 {
                sequence.push(*other);
            }
        }
        at += 1;
    }
    sequence
}

/// Moves the four so that they begin (or end, if they were packed from there) where the narrowest does.
fn line_up(four: &mut [(i64, Vec<i64>)]) {
    let narrowest = four.iter().min_by_key(|(width, _)| *width);
    let Some((_, ys)) = narrowest else { return };
    let (low, high) = (
        ys.iter().min().copied().unwrap_or(0),
        ys.iter().max().copied().unwrap_or(0),
    );
    for (at, (_, ys)) in four.iter_mut().enumerate() {
        let by = if at % 2 == 0 {
            low - ys.iter().min().copied().unwrap_or(0)
        } else {
            high - ys.iter().max().copied().unwrap_or(0)
        };
        ys.iter_mut().for_each(|y| *y += by);
    }
}
