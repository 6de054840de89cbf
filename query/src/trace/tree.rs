//! How the spans of a trace hang together, from their ids alone. Pure; nothing recurses, so a chain of any length is only a loop.
//!
//! Senders write what they like: a span that is its own parent, cycles, two roots, none. Every span gets one place: under its parent, or
//! as a root. A cycle is cut at its earliest span.

use std::collections::HashMap;

use telemetry::SpanId;

/// One span as the tree sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) start_unix_ns: u64,
}

/// Where a span hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Has no parent.
    Root,
    /// Its parent is the span with this index.
    Under(usize),
    /// Its parent is not in this trace.
    Orphan,
    /// Names itself as parent, and is shown as a root.
    OwnParent,
    /// Its parents lead back to it, and it is where the circle was cut.
    Cut,
}

/// The place of every span, in the order of `links`.
pub(crate) fn places(links: &[Link]) -> Vec<Place> {
    let mut by_id: HashMap<SpanId, usize> = HashMap::with_capacity(links.len());
    for (index, link) in links.iter().enumerate() {
        // A client and its server may share an id (Zipkin): the first stands for both.
        by_id.entry(link.id).or_insert(index);
    }
    let mut places: Vec<Place> = links.iter().map(|link| place(link, &by_id)).collect();
    for index in cuts(links, &places) {
        if let Some(place) = places.get_mut(index) {
            *place = Place::Cut;
        }
    }
    places
}

fn place(link: &Link, by_id: &HashMap<SpanId, usize>) -> Place {
    match link.parent {
        None => Place::Root,
        Some(parent) if parent == link.id => Place::OwnParent,
        Some(parent) => by_id
            .get(&parent)
            .map_or(Place::Orphan, |&index| Place::Under(index)),
    }
}

/// The earliest span of every cycle. Each span is walked over once: `walk` says in which walk it was first met.
fn cuts(links: &[Link], places: &[Place]) -> Vec<usize> {
    let mut walks = vec![0_usize; links.len()];
    let mut cuts = Vec::new();
    for start in 0..links.len() {
        let walk = start + 1;
        let mut at = start;
        while walks.get(at) == Some(&0) {
            walks[at] = walk;
            match places.get(at) {
                Some(Place::Under(parent)) => at = *parent,
                _ => break,
            }
        }
        let closes_a_circle =
            matches!(places.get(at), Some(Place::Under(_))) && walks.get(at) == Some(&walk);
        if closes_a_circle {
            cuts.push(earliest_of_cycle(links, places, at));
        }
    }
    cuts
}

fn earliest_of_cycle(links: &[Link], places: &[Place], on_cycle: usize) -> usize {
    let mut earliest = on_cycle;
    let mut at = on_cycle;
    while let Some(Place::Under(parent)) = places.get(at) {
        at = *parent;
        if at == on_cycle {
            break;
        }
        let key = |index: usize| links.get(index).map(|link| (link.start_unix_ns, index));
        if key(at) < key(earliest) {
            earliest = at;
        }
    }
    earliest
}

/// Index of the span that stands for the trace: the earliest true root, else the earliest of what hangs below nothing.
pub(crate) fn root(links: &[Link], places: &[Place]) -> Option<usize> {
    let rank = |place: &Place| match place {
        Place::Root => Some(0),
        Place::OwnParent => Some(1),
        Place::Orphan | Place::Cut => Some(2),
        Place::Under(_) => None,
    };
    let ranked = places.iter().zip(links).enumerate();
    let candidates =
        ranked.filter_map(|(index, (place, link))| Some((rank(place)?, link.start_unix_ns, index)));
    candidates.min().map(|(_, _, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(id: u64, parent: Option<u64>, start_unix_ns: u64) -> Link {
        let id_of = |n: u64| SpanId(n.to_be_bytes());
        Link {
            id: id_of(id),
            parent: parent.map(id_of),
            start_unix_ns,
        }
    }

    #[track_caller]
    fn check(links: &[Link], expected: &[Place], expected_root: Option<usize>) {
        let found = places(links);
        assert_eq!(found, expected);
        assert_eq!(root(links, &found), expected_root);
    }

    #[test]
    fn every_span_has_a_place() {
        use Place::{Cut, Orphan, OwnParent, Root, Under};
        check(&[], &[], None);
        check(
            &[link(1, None, 5), link(2, Some(1), 1)],
            &[Root, Under(0)],
            Some(0),
        );
        check(
            &[link(1, None, 5), link(2, None, 4)],
            &[Root, Root],
            Some(1),
        );
        check(
            &[link(1, Some(9), 5), link(2, Some(1), 1)],
            &[Orphan, Under(0)],
            Some(0),
        );
        check(&[link(1, Some(1), 5)], &[OwnParent], Some(0));
        check(
            &[link(1, Some(2), 5), link(2, Some(1), 4)],
            &[Under(1), Cut],
            Some(1),
        );
        check(
            &[
                link(3, Some(2), 0),
                link(2, Some(1), 4),
                link(1, Some(2), 4),
            ],
            &[Under(1), Cut, Under(1)],
            Some(1),
        );
        check(
            &[link(1, None, 0), link(1, None, 0), link(2, Some(1), 0)],
            &[Root, Root, Under(0)],
            Some(0),
        );
    }

    #[test]
    fn a_chain_of_100_000_and_a_circle_of_as_many_end() {
        let n = 100_000;
        let chain: Vec<Link> = (0..n)
            .map(|i| link(i + 1, (i > 0).then_some(i), i))
            .collect();
        assert_eq!(
            places(&chain)
                .iter()
                .filter(|p| matches!(p, Place::Under(_)))
                .count(),
            n as usize - 1
        );
        let circle: Vec<Link> = (0..n)
            .map(|i| link(i + 1, Some((i + 1) % n + 1), i))
            .collect();
        let found = places(&circle);
        assert_eq!(found.iter().filter(|p| **p == Place::Cut).count(), 1);
        assert_eq!(root(&circle, &found), Some(0));
    }
}
