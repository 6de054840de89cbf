//! Spans of operations by instance. They are not counted so: how many there are of an operation is exact, and which instances had them is known of kept and open
//! traces alone. In: counts by operation, and spans that were seen. Out: a share of each count for each instance, an estimate. Pure.

use std::collections::BTreeMap;

use service_map::graph::measure::Measure;

use super::count::Count;
use super::evidence::{Key, Seen};
use crate::map::spans::Groups;

/// What one row is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Share {
    pub(super) measure: Measure,
    /// How sure it is; none where it was counted itself.
    pub(super) count: Option<Count>,
}

pub(super) type Shares = BTreeMap<Key, Share>;

/// What was counted as it is.
pub(super) fn whole(counted: Groups) -> Shares {
    let share = |measure| Share {
        measure,
        count: None,
    };
    let all = counted.into_iter();
    all.map(|(key, measure)| (key, share(measure))).collect()
}

/// Counts by operation and kind, told apart by the instances of spans, whose keys begin with those. What has no span left is of the instance without a name.
pub(super) fn by_instance(counted: &Groups, spans: &[Seen]) -> Shares {
    let none = counted.keys().map(|key| (key.clone(), Vec::new()));
    let mut by_operation: BTreeMap<Key, Vec<&Seen>> = none.collect();
    for span in spans {
        let named = span.key.len().saturating_sub(1);
        let operation = span.key.iter().take(named).cloned().collect();
        by_operation.entry(operation).or_default().push(span);
    }
    let mut shares = Shares::new();
    for (operation, spans) in by_operation {
        let measure = counted.get(&operation).cloned().unwrap_or_default();
        shares.extend(of_operation(operation, measure, &spans));
    }
    shares
}

/// What an instance has of one operation, and by how many spans that is told.
#[derive(Default)]
struct Part {
    measure: Measure,
    n: usize,
}

impl Part {
    fn add(&mut self, calls: f64, is_failed: bool) {
        self.measure.calls += calls;
        self.measure.failed += if is_failed { calls } else { 0.0 };
    }
}

fn of_operation(mut operation: Key, counted: Measure, spans: &[&Seen]) -> Shares {
    operation.push(String::new());
    let mut parts: BTreeMap<Key, Part> = BTreeMap::new();
    if spans.is_empty() {
        let (measure, n) = (counted, 0);
        parts.insert(operation, Part { measure, n });
    } else {
        // what failed is kept more often than the rest, so each has its own shares
        let is_failed = |span: &&Seen| span.fault.is_some();
        let (failed, rest): (Vec<&Seen>, _) = spans.iter().copied().partition(is_failed);
        share_out(&mut parts, &operation, (counted.failed, true), &failed);
        let n_rest = counted.calls - counted.failed;
        share_out(&mut parts, &operation, (n_rest, false), &rest);
    }
    let total: f64 = parts.values().map(|part| part.measure.calls).sum();
    let share = |(key, part): (Key, Part)| {
        let share = if total > 0.0 {
            part.measure.calls / total
        } else {
            0.0
        };
        let share = Share {
            count: Some(Count::of(total, share, (spans.len(), part.n))),
            measure: part.measure,
        };
        (key, share)
    };
    parts.into_iter().map(share).collect()
}

/// Gives each instance its part of a count, by the weight of its spans; all of it to the one without a name if there are none.
fn share_out(
    parts: &mut BTreeMap<Key, Part>,
    unknown: &Key,
    (counted, is_failed): (f64, bool),
    spans: &[&Seen],
) {
    // what is open may be in a trace already and in no series yet
    let total = counted.max(spans.len() as f64);
    if spans.is_empty() && total > 0.0 {
        let part = parts.entry(unknown.clone()).or_default();
        part.add(total, is_failed);
    }
    let weight: f64 = spans.iter().map(|span| span.weight).sum();
    for span in spans {
        let calls = total * span.weight / weight;
        let part = parts.entry(span.key.clone()).or_default();
        part.add(calls, is_failed);
        part.measure.server.observe_weighted(span.duration_s, calls);
        part.n += 1;
    }
}

#[cfg(test)]
mod tests;
