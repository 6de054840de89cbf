//! Series as they are known now: what the store has, and what spans have added since. In: names, labels, a range. Out: series whose windows add up, each
//! window in exactly one of the two.

use ::metrics::derived::native;
use ::metrics::{
    Labels, MatchOp, Matcher, Points, Samples, SelectOptions, SeriesData, Value, Window,
};
use futures::future::try_join_all;
use telemetry::Tenant;
use telemetry::derived::{DeltaValue, SeriesDelta, WindowDelta};

use super::range::{Range, WINDOW_MS};
use crate::Query;
use crate::live::LiveCounts;
use crate::refusal::Refusal;
use crate::trace::found::Marks;

/// Points that one metric may have in a slice of a range.
const POINTS_MAX: u64 = 5_000_000;
/// How often both sides are read again because an epoch went from one to the other meanwhile.
const READS_MAX: usize = 4;

/// Series of a metric with these labels, and every point whose window may begin in the range.
pub(crate) async fn series(
    query: &Query,
    tenant: &Tenant,
    name: &str,
    labels: &[(&str, &str)],
    range: Range,
    live: Option<&mut Marks>,
) -> Result<Vec<SeriesData>, Refusal> {
    let mut found = all_series(query, tenant, &[name], labels, range, live).await?;
    Ok(found.pop().unwrap_or_default())
}

/// The same of several metrics, in their order.
pub(crate) async fn all_series(
    query: &Query,
    tenant: &Tenant,
    names: &[&str],
    labels: &[(&str, &str)],
    range: Range,
    live: Option<&mut Marks>,
) -> Result<Vec<Vec<SeriesData>>, Refusal> {
    let Some(marks) = live else {
        return stored(query, tenant, names, labels, range).await;
    };
    let mut n_reads = 0;
    loop {
        let before = applied(query);
        let counts = counts(query, tenant, names, marks).await;
        let mut found = stored(query, tenant, names, labels, range).await?;
        n_reads += 1;
        if n_reads < READS_MAX && applied(query) != before {
            continue; // an epoch may be in both, or in neither
        }
        let to_partition = |partition: u32| {
            let place = usize::try_from(partition).ok()?;
            before.get(place).copied().flatten()
        };
        for delta in counts.beyond(to_partition) {
            let place = names.iter().position(|name| *name == delta.name);
            let of_name = place.and_then(|place| found.get_mut(place));
            if let Some(of_name) = of_name.filter(|_| has(delta, labels)) {
                of_name.push(known(delta));
            }
        }
        return Ok(found);
    }
}

/// Up to where the store has the epochs of each partition of spans.
fn applied(query: &Query) -> Vec<Option<u64>> {
    let series = &query.0.series;
    (0..series.n_source_partitions())
        .map(|partition| series.applied_to(partition))
        .collect()
}

/// What is live. Without it an answer is what it was some seconds ago, which is said, and no reason to refuse it.
async fn counts(query: &Query, tenant: &Tenant, names: &[&str], marks: &mut Marks) -> LiveCounts {
    let counts = query.0.sources.live.counts(tenant, names).await;
    let (counts, missing) = match counts {
        Ok(counts) => {
            let missing = counts.partial.map(|partial| partial.word());
            (counts, missing)
        }
        Err(error) => {
            tracing::warn!(code = "TW7004", %error, "what is live is not on the map");
            (LiveCounts::default(), Some("shard"))
        }
    };
    if let Some(missing) = missing.filter(|word| !marks.partial.contains(word)) {
        marks.partial.push(missing);
    }
    counts
}

async fn stored(
    query: &Query,
    tenant: &Tenant,
    names: &[&str],
    labels: &[(&str, &str)],
    range: Range,
) -> Result<Vec<Vec<SeriesData>>, Refusal> {
    let options = SelectOptions {
        samples_max: POINTS_MAX,
        ..SelectOptions::default()
    };
    let to_ms = range.to_ms.saturating_add(WINDOW_MS);
    let read = names.iter().map(async |name| {
        let matchers = matchers(name, labels);
        let selected = query
            .0
            .series
            .select(tenant, &matchers, range.from_ms, to_ms, options);
        selected.await.map_err(Refusal::from)
    });
    try_join_all(read).await
}

fn matchers(name: &str, labels: &[(&str, &str)]) -> Vec<Matcher> {
    let equal = |(name, value): (&str, &str)| Matcher {
        name: name.to_owned(),
        op: MatchOp::Equal,
        value: value.to_owned(),
    };
    [("__name__", name)]
        .into_iter()
        .chain(labels.iter().copied())
        .map(equal)
        .collect()
}

fn has(delta: &SeriesDelta, labels: &[(&str, &str)]) -> bool {
    let is = |(name, value): &(&str, &str)| {
        let found = delta.labels.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value) == *value
    };
    labels.iter().all(is)
}

/// A live series as the store would show it: info series are samples of 1, all others windows.
fn known(delta: &SeriesDelta) -> SeriesData {
    let pairs = delta.labels.iter();
    let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
    let is_seen = |window: &WindowDelta| matches!(window.value, DeltaValue::Seen);
    let points = if delta.windows.iter().any(is_seen) {
        Points::Samples(Samples {
            floats: delta.windows.iter().map(|w| (w.end_unix_ms, 1.0)).collect(),
            histograms: Vec::new(),
        })
    } else {
        Points::Windows(delta.windows.iter().filter_map(window).collect())
    };
    SeriesData {
        labels: Labels::new(pairs.chain([("__name__", delta.name.as_str())])),
        points,
    }
}

fn window(delta: &WindowDelta) -> Option<Window> {
    let value = match &delta.value {
        DeltaValue::Seen => return None,
        DeltaValue::Count(count) => Value::Float(*count),
        DeltaValue::Histogram(histogram) => Value::Histogram(native(histogram).into()),
    };
    Some(Window {
        start_unix_ms: delta.start_unix_ms,
        end_unix_ms: delta.end_unix_ms,
        value,
    })
}
