//! Two times against each other: which calls came, went, or go otherwise.

use std::collections::{BTreeMap, BTreeSet};

use crate::entity::Entity;
use crate::graph::Graph;
use crate::graph::measure::Measure;

/// z from which a call counts as changed (correlation: a step is anomalous at 4).
pub const Z_MIN: f64 = 4.0;
/// Floors of scales: of a rate in 1/s, of a share, of a duration in s; and the share of a value that is always noise.
const RATE_FLOOR: f64 = 0.1;
const RATIO_FLOOR: f64 = 0.01;
const SECONDS_FLOOR: f64 = 0.001;
const NOISE: f64 = 0.05;
/// Calls on both sides below which shares and durations are not compared.
const CALLS_MIN: f64 = 20.0;

/// What is different at b.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Diff {
    /// Each list in order of ends.
    pub added: Vec<Change>,
    pub removed: Vec<Change>,
    pub changed: Vec<Change>,
}

/// A call at a and at b; a value is none where there was nothing to count.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub from: Entity,
    pub to: Entity,
    pub rate: [f64; 2],
    pub error_ratio: [Option<f64>; 2],
    pub p95: [Option<f64>; 2],
    /// How far b is from a, in units of what is usual noise; the largest of rate, errors and p95, with its sign.
    pub z: f64,
}

/// Compares graphs of two ranges of so many seconds.
#[must_use]
pub fn diff((a, a_s): (&Graph, f64), (b, b_s): (&Graph, f64)) -> Diff {
    let (at_a, at_b) = (edges(a), edges(b));
    let keys: BTreeSet<_> = at_a.keys().chain(at_b.keys()).collect();
    let none = Measure::default();
    let mut diff = Diff::default();
    for key in keys {
        let (before, after) = (at_a.get(key), at_b.get(key));
        let change = change(
            key,
            (before.unwrap_or(&&none), a_s),
            (after.unwrap_or(&&none), b_s),
        );
        match (before, after) {
            (None, Some(_)) => diff.added.push(change),
            (Some(_), None) => diff.removed.push(change),
            _ if change.z.abs() >= Z_MIN => diff.changed.push(change),
            _ => {}
        }
    }
    diff
}

type Ends<'a> = (&'a Entity, &'a Entity);

fn edges(graph: &Graph) -> BTreeMap<Ends<'_>, &Measure> {
    let counted = graph.edges().filter(|(_, _, edge)| !edge.now.is_empty());
    counted
        .map(|(from, to, edge)| ((&from.entity, &to.entity), &edge.now))
        .collect()
}

fn change(ends: &Ends<'_>, (a, a_s): (&Measure, f64), (b, b_s): (&Measure, f64)) -> Change {
    let rate = [a.calls / a_s.max(1.0), b.calls / b_s.max(1.0)];
    let error_ratio = [a.error_ratio(), b.error_ratio()];
    let p95 = [a.p95(), b.p95()];
    let enough = a.calls >= CALLS_MIN && b.calls >= CALLS_MIN;
    let both = |pair: [Option<f64>; 2], floor| match pair {
        [Some(a), Some(b)] if enough => z(a, b, floor),
        _ => 0.0,
    };
    let all = [
        z(rate[0], rate[1], RATE_FLOOR),
        both(error_ratio, RATIO_FLOOR),
        both(p95, SECONDS_FLOOR),
    ];
    let largest = all.into_iter().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    Change {
        from: ends.0.clone(),
        to: ends.1.clone(),
        rate,
        error_ratio,
        p95,
        z: largest.unwrap_or(0.0),
    }
}

fn z(a: f64, b: f64, floor: f64) -> f64 {
    (b - a) / (a.abs() * NOISE).max(floor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::rows::EdgeRow;

    fn graph(edges: &[(&str, &str, u32, u32, f64)]) -> Graph {
        let row = |(client, server, calls, failed, seconds): &(&str, &str, u32, u32, f64)| {
            let mut now = Measure {
                calls: f64::from(*calls),
                failed: f64::from(*failed),
                ..Measure::default()
            };
            (0..*calls).for_each(|_| now.server.observe(*seconds));
            EdgeRow {
                client: (*client).to_owned(),
                server: (*server).to_owned(),
                now,
                ..EdgeRow::default()
            }
        };
        let rows: Vec<EdgeRow> = edges.iter().map(row).collect();
        Graph::build(&rows, &[])
    }

    #[test]
    fn calls_come_go_and_change() {
        let a = graph(&[
            ("a", "b", 300, 0, 0.1),
            ("a", "c", 300, 0, 0.1),
            ("a", "d", 300, 0, 0.1),
            ("a", "e", 300, 0, 0.1),
            ("a", "f", 300, 0, 0.1),
        ]);
        let b = graph(&[
            ("a", "b", 310, 1, 0.1),
            ("a", "d", 300, 30, 0.1),
            ("a", "e", 300, 0, 0.2),
            ("a", "f", 30, 0, 0.1),
            ("a", "g", 1, 0, 0.1),
        ]);
        let diff = diff((&a, 300.0), (&b, 300.0));
        let names = |changes: &[Change]| {
            let name = |change: &Change| change.to.name.clone();
            changes.iter().map(name).collect::<String>()
        };
        let told = [&diff.added, &diff.removed, &diff.changed].map(|list| names(list));
        assert_eq!(told, ["g", "c", "def"]);
        let z: Vec<f64> = diff.changed.iter().map(|change| change.z).collect();
        assert!(z[0] > 0.0 && z[1] > 0.0 && z[2] < 0.0, "{z:?}");
    }

    #[test]
    fn ranges_of_different_length_compare_by_rate() {
        let a = graph(&[("a", "b", 3000, 0, 0.1)]);
        let b = graph(&[("a", "b", 300, 0, 0.1)]);
        assert_eq!(diff((&a, 3000.0), (&b, 300.0)), Diff::default());
    }
}
