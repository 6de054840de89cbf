//! Where items stand in their layers: lines as straight as may be (Brandes and Köpf), and everything that stood before at its old place where that is free.

mod straight;

use super::proper::Proper;
use super::{GAP, LINE_GAP, NODE_H, Spot};

/// Passes in which wishes spread from what stood before to what is new.
const SPREADS: usize = 8;
/// How much an item's wish counts against others': what stood before, what is new, points of lines.
const KEPT: i64 = 10_000;
const NEW: i64 = 100;
const POINT: i64 = 1;

/// The middle of every item.
pub(super) fn place(proper: &Proper, before: &[Option<Spot>]) -> Vec<i32> {
    let straight = straight::place(proper);
    let wishes = wished(proper, before);
    let wish = |item: usize| {
        let weight = match before.get(item) {
            Some(Some(_)) => KEPT,
            Some(None) => NEW,
            None => POINT,
        };
        let straight = straight.get(item).copied().unwrap_or(0);
        (wishes[item].unwrap_or(straight), weight)
    };
    let mut ys = vec![0; proper.place.len()];
    for items in &proper.layers {
        let wishes: Vec<(i32, i64)> = items.iter().map(|item| wish(*item)).collect();
        for (item, y) in items.iter().zip(settled(proper, items, &wishes)) {
            ys[*item] = y;
        }
    }
    ys
}

/// Where items would stand by what stood before: at their old place, else between their neighbours. None of all without a previous layout.
pub(super) fn wished(proper: &Proper, before: &[Option<Spot>]) -> Vec<Option<i32>> {
    let mut ys: Vec<Option<i32>> = vec![None; proper.place.len()];
    for (y, spot) in ys.iter_mut().zip(before) {
        *y = spot.map(|spot| spot.y.saturating_add(NODE_H / 2));
    }
    let is_kept = |item: usize| before.get(item).is_some_and(Option::is_some);
    if !before.iter().any(Option::is_some) {
        return ys;
    }
    for _ in 0..SPREADS {
        for item in (0..ys.len()).filter(|item| !is_kept(*item)) {
            let neighbours = proper.before[item].iter().chain(&proper.after[item]);
            let known = neighbours.filter_map(|(other, _)| ys[*other].map(i64::from));
            let (mut n, mut sum) = (0, 0);
            known.for_each(|y| (n, sum) = (n + 1, sum + y));
            if n > 0 {
                ys[item] = i32::try_from(sum / n).ok();
            }
        }
    }
    ys
}

/// From the middle of an item to that of the next one below it, at least.
fn apart(proper: &Proper, above: usize, below: usize) -> i32 {
    let half = |item| if proper.is_point(item) { 0 } else { NODE_H / 2 };
    let gap = if proper.is_point(above) || proper.is_point(below) {
        LINE_GAP
    } else {
        GAP
    };
    half(above) + gap + half(below)
}

/// Places in the given order, apart as they must be, as near to their wishes as can be: the least sum of weighted squares (pooling of those in each other's
/// way).
fn settled(proper: &Proper, items: &[usize], wishes: &[(i32, i64)]) -> Vec<i32> {
    struct Pool {
        sum: i64,
        weight: i64,
        n: usize,
    }
    impl Pool {
        fn place(&self) -> i64 {
            self.sum.div_euclid(self.weight)
        }
    }
    let mut offsets = Vec::with_capacity(items.len());
    let mut offset: i64 = 0;
    for (at, item) in items.iter().enumerate() {
        if let Some(above) = at.checked_sub(1).and_then(|at| items.get(at)) {
            offset += i64::from(apart(proper, *above, *item));
        }
        offsets.push(offset);
    }
    let mut pools: Vec<Pool> = Vec::new();
    for ((wish, weight), offset) in wishes.iter().zip(&offsets) {
        let mut pool = Pool {
            sum: (i64::from(*wish) - offset) * weight,
            weight: *weight,
            n: 1,
        };
        while let Some(above) = pools.last()
            && above.place() >= pool.place()
        {
            pool.sum += above.sum;
            pool.weight += above.weight;
            pool.n += above.n;
            pools.pop();
        }
        pools.push(pool);
    }
    let places = pools
        .iter()
        .flat_map(|pool| std::iter::repeat_n(pool.place(), pool.n));
    places
        .zip(&offsets)
        .map(|(place, offset)| i32::try_from(place + offset).unwrap_or(i32::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_overlaps_and_wishes_that_fit_are_met(
            wishes in proptest::collection::vec((-2000i32..2000, 1i64..100), 1..30),
        ) {
            let n = wishes.len();
            let proper = Proper::of(&[], &vec![0; n]);
            let items: Vec<usize> = (0..n).collect();
            let ys = settled(&proper, &items, &wishes);
            for pair in ys.windows(2) {
                prop_assert!(pair[1] - pair[0] >= super::super::ROW);
            }
            let again: Vec<(i32, i64)> = ys.iter().map(|y| (*y, 1)).collect();
            prop_assert_eq!(settled(&proper, &items, &again), ys);
        }
    }
}
