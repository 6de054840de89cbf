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

/// Calls of an operation that are kept alike: those that failed, or the rest.
struct Stratum<'a> {
    is_failed: bool,
    total: f64,
    /// Those that were seen.
    spans: Vec<&'a Seen>,
    weight: f64,
}

fn of_operation(mut operation: Key, counted: Measure, spans: &[&Seen]) -> Shares {
    operation.push(String::new());
    if spans.is_empty() {
        let count = Some(Count::of(counted.calls, 1.0, (0, 0)));
        let measure = counted;
        return Shares::from([(operation, Share { measure, count })]);
    }
    // what failed is kept more often than the rest, so each has its own shares
    let is_failed = |span: &&Seen| span.fault.is_some();
    let (failed, rest): (Vec<&Seen>, _) = spans.iter().copied().partition(is_failed);
    let strata = [
        Stratum::of(true, counted.failed, failed),
        Stratum::of(false, counted.calls - counted.failed, rest),
    ];
    let mut parts: BTreeMap<Key, Measure> = BTreeMap::new();
    for stratum in &strata {
        stratum.share_out(&mut parts, &operation);
    }
    let share = |(key, measure): (Key, Measure)| {
        let [failed, rest] = &strata;
        let failed = failed.count(&key, &operation);
        let count = Some(failed.plus(rest.count(&key, &operation)));
        (key, Share { measure, count })
    };
    parts.into_iter().map(share).collect()
}

impl<'a> Stratum<'a> {
    fn of(is_failed: bool, counted: f64, spans: Vec<&'a Seen>) -> Self {
        Self {
            is_failed,
            // what is open may be in a trace already and in no series yet
            total: counted.max(spans.len() as f64),
            weight: spans.iter().map(|span| span.weight).sum(),
            spans,
        }
    }

    /// Gives each instance its part, by the weight of its spans; all of it to the one without a name if there are none.
    fn share_out(&self, parts: &mut BTreeMap<Key, Measure>, unknown: &Key) {
        let mut add = |key: &Key, calls: f64, duration_s: Option<f64>| {
            let measure = parts.entry(key.clone()).or_default();
            measure.calls += calls;
            measure.failed += if self.is_failed { calls } else { 0.0 };
            if let Some(duration_s) = duration_s {
                measure.server.observe_weighted(duration_s, calls);
            }
        };
        if self.spans.is_empty() && self.total > 0.0 {
            add(unknown, self.total, None);
        }
        for span in &self.spans {
            let calls = self.total * span.weight / self.weight;
            add(&span.key, calls, Some(span.duration_s));
        }
    }

    /// How many of an instance there are.
    fn count(&self, key: &Key, unknown: &Key) -> Count {
        let of_key = self.spans.iter().filter(|span| span.key == *key);
        let (n, weight) = of_key.fold((0, 0.0), |(n, sum), span| (n + 1, sum + span.weight));
        let share = if self.spans.is_empty() {
            f64::from(u8::from(key == unknown))
        } else {
            weight / self.weight
        };
        Count::of(self.total, share, (self.spans.len(), n))
    }
}

#[cfg(test)]
mod tests;
