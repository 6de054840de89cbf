//! Exemplars of series: the traces that stand for their points. In: matchers and a range. Out: exemplars by series, from heads and blocks.

use std::collections::{BTreeMap, BTreeSet};

use telemetry::Tenant;

use super::{MetricsStore, SelectError};
use crate::block::read::ReadError;
use crate::row::Exemplar;
use crate::view::View;
use crate::{Labels, Matcher};

/// How long after an exemplar its block may be sealed, in ms: a trace is decided, then a head is sealed.
const EXEMPLAR_LATE_MS: i64 = 900_000;

/// Exemplars of one series, ascending in time.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesExemplars {
    pub labels: Labels,
    pub exemplars: Vec<Exemplar<()>>,
}

/// Exemplars, not yet in order.
type ExemplarsBySeries = BTreeMap<Labels, Vec<Exemplar<()>>>;

impl MetricsStore {
    /// Exemplars in (from, to] of series that all matchers agree with, in order of labels; also under the names that other tools know.
    ///
    /// # Errors
    /// When a block cannot be read.
    pub async fn exemplars(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> Result<Vec<SeriesExemplars>, SelectError> {
        let range = (from_unix_ms, to_unix_ms);
        let mut found = self.stored_exemplars(tenant, matchers, range).await?;
        let kept = self.config().red.kept_labels();
        for view in View::wanted(matchers) {
            let source = view.source_matchers(matchers, &kept);
            let of_source = self.stored_exemplars(tenant, &source, range).await?;
            for (labels, exemplars) in of_source {
                for exemplar in exemplars {
                    let shown = view.exemplar(&labels, exemplar.value, &kept);
                    let Some((labels, value)) = shown else {
                        continue;
                    };
                    if Matcher::all_match(matchers, &labels) {
                        let shown = Exemplar { value, ..exemplar };
                        found.entry(labels).or_default().push(shown);
                    }
                }
            }
        }
        let in_order = |(labels, mut exemplars): (Labels, Vec<Exemplar<()>>)| {
            exemplars.sort_by(|a, b| {
                a.unix_ms
                    .cmp(&b.unix_ms)
                    .then_with(|| a.labels.cmp(&b.labels))
            });
            exemplars.dedup();
            SeriesExemplars { labels, exemplars }
        };
        Ok(found.into_iter().map(in_order).collect())
    }

    /// Exemplars of series as the store has them.
    async fn stored_exemplars(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        (from_unix_ms, to_unix_ms): (i64, i64),
    ) -> Result<ExemplarsBySeries, SelectError> {
        let inside = |unix_ms: i64| from_unix_ms < unix_ms && unix_ms <= to_unix_ms;
        let mut found = ExemplarsBySeries::new();
        let mut blocks = self.parts(tenant, (i64::MIN, i64::MAX), |head| {
            let wanted: BTreeSet<_> = head.select(matchers).into_iter().collect();
            for exemplar in head.exemplars() {
                if wanted.contains(&exemplar.series) && inside(exemplar.unix_ms) {
                    let labels = head.series().owned_labels(exemplar.series);
                    found
                        .entry(labels)
                        .or_default()
                        .push(without_series(exemplar));
                }
            }
        });
        // A trace's exemplar comes when the trace is decided, so it may be older than the points of its block.
        let to_late_ms = to_unix_ms.saturating_add(EXEMPLAR_LATE_MS);
        blocks.retain(|block| {
            let (first, last) = (block.meta.sealed_first, block.meta.sealed_last);
            let sealed_then = first.unix_ms <= to_late_ms && last.unix_ms >= from_unix_ms;
            sealed_then || block.overlaps(from_unix_ms, to_unix_ms)
        });
        for block in blocks {
            let read = async {
                let opened = self.opened(&block).await?;
                let exemplars = opened.exemplars(&self.inner.blocks).await?;
                Ok::<_, ReadError>((opened, exemplars))
            };
            let (opened, exemplars) = match read.await {
                Ok(read) => read,
                Err(error) if self.is_replaced(&block, &error) => continue,
                Err(error) => return Err(error.into()),
            };
            if !exemplars.iter().any(|exemplar| inside(exemplar.unix_ms)) {
                continue;
            }
            let wanted = opened.index.select(matchers);
            for exemplar in &exemplars {
                if inside(exemplar.unix_ms) && wanted.binary_search(&exemplar.series).is_ok() {
                    let labels = opened.index.owned_labels(exemplar.series);
                    found
                        .entry(labels)
                        .or_default()
                        .push(without_series(exemplar));
                }
            }
        }
        Ok(found)
    }
}

fn without_series<S>(exemplar: &Exemplar<S>) -> Exemplar<()> {
    Exemplar {
        series: (),
        unix_ms: exemplar.unix_ms,
        value: exemplar.value,
        labels: exemplar.labels.clone(),
    }
}
