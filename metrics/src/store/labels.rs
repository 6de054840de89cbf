//! What there is, without its points: series, names and values of labels, metadata, and who makes how many series.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashSet;
use telemetry::Tenant;

use super::{MetricsStore, SelectError};
use crate::block::read::{Opened, ReadError, leave_the_loop};
use crate::catalog::KnownBlock;
use crate::head::TenantHead;
use crate::labels::NAME;
use crate::labels::key::{Fixed, LabelsKey};
use crate::row::Metadata;
use crate::view::{VIEWS, View};
use crate::{Labels, Matcher};

/// Newest blocks of a tenant that are asked what metrics are.
const METADATA_BLOCKS_MAX: usize = 64;

/// A name and how many series have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    pub name: String,
    pub n: u64,
}

/// Who makes how many series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cardinality {
    pub n_series: u64,
    pub n_label_pairs: u64,
    /// Most series first.
    pub series_by_metric: Vec<Counted>,
    /// Most distinct values first.
    pub values_by_label: Vec<Counted>,
    /// Bytes of the distinct values of a label; most first.
    pub bytes_by_label: Vec<Counted>,
    /// `name=value`; most series first.
    pub series_by_pair: Vec<Counted>,
}

impl MetricsStore {
    /// Calls `in_head` with what memory has of a tenant, then `in_block` with each block that overlaps (from, to].
    async fn each_part<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        (from, to): (i64, i64),
        in_head: impl Fn(&TenantHead, &mut T),
        in_block: impl Fn(&Opened, &mut T) + Clone + Send + 'static,
        mut found: T,
    ) -> Result<T, SelectError> {
        for block in self.parts(tenant, (from, to), |head| in_head(head, &mut found)) {
            let opened = match self.opened(&block).await {
                Ok(opened) => opened,
                // Its merge is newer than the list of blocks; what it had is there.
                Err(error) if self.is_replaced(&block, &error) => continue,
                Err(error) => return Err(error.into()),
            };
            let in_block = in_block.clone();
            found = leave_the_loop(move || {
                in_block(&opened, &mut found);
                found
            })
            .await?;
        }
        Ok(found)
    }

    /// Blocks of a tenant that overlap (from, to] and are not in memory; each head is looked at by `in_head`.
    pub(super) fn parts(
        &self,
        tenant: &Tenant,
        (from, to): (i64, i64),
        mut in_head: impl FnMut(&TenantHead),
    ) -> Vec<Arc<KnownBlock>> {
        let catalog = self.inner.catalog.read();
        let mut blocks = catalog.of_tenant(tenant);
        blocks.retain(|block| block.overlaps(from, to));
        for (partition, live) in self.inner.live.read().iter() {
            live.look(|state| {
                if let Some(begin) = state.begin() {
                    blocks.retain(|block| {
                        block.meta.partition != partition.0 || block.meta.end_offset <= begin.0
                    });
                }
                state.heads(tenant).for_each(&mut in_head);
            });
        }
        blocks
    }

    /// Labels of every series that all matchers agree with and that has points in (from, to], in order; also under the names that other tools know.
    ///
    /// # Errors
    /// When a block cannot be read.
    pub async fn series(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> Result<Vec<Labels>, SelectError> {
        let range = (from_unix_ms, to_unix_ms);
        let mut all = self.stored_series(tenant, matchers, range).await?;
        let shown = self.shown_series(tenant, matchers, range).await?;
        if !shown.is_empty() {
            all.extend(shown);
            all.sort();
            all.dedup();
        }
        Ok(all)
    }

    /// Series of views.
    async fn shown_series(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        range: (i64, i64),
    ) -> Result<Vec<Labels>, SelectError> {
        let mut all = Vec::new();
        let kept = self.config().red.kept_labels();
        for view in View::wanted(matchers) {
            let source = view.source_matchers(matchers, &kept);
            let source = self.stored_series(tenant, &source, range).await?;
            let shown = source.iter();
            let shown = shown.flat_map(|labels| view.shown_labels(labels, &kept));
            all.extend(shown.filter(|labels| Matcher::all_match(matchers, labels)));
        }
        Ok(all)
    }

    /// Series as the store has them.
    async fn stored_series(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        range: (i64, i64),
    ) -> Result<Vec<Labels>, SelectError> {
        type Found = (HashSet<LabelsKey, Fixed>, Vec<Labels>, String);
        let in_head = |head: &TenantHead, (seen, all, packed): &mut Found| {
            for id in head.select(matchers) {
                if head.row(id, range.0, range.1).n_points() > 0 {
                    head.series().pack(id, packed);
                    if seen.insert(LabelsKey::of(packed)) {
                        all.push(Labels::from_packed(packed));
                    }
                }
            }
        };
        let matchers = matchers.to_vec();
        let in_block = move |opened: &Opened, (seen, all, packed): &mut Found| {
            for series in in_range(opened, &matchers, range) {
                opened.index.pack(series, packed);
                if seen.insert(LabelsKey::of(packed)) {
                    all.push(Labels::from_packed(packed));
                }
            }
        };
        let (_, mut all, _) = self
            .each_part(tenant, range, in_head, in_block, Found::default())
            .await?;
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Names of labels of those series, in order.
    ///
    /// # Errors
    /// As [`MetricsStore::series`].
    pub async fn label_names(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> Result<Vec<String>, SelectError> {
        let range = (from_unix_ms, to_unix_ms);
        let in_head = |head: &TenantHead, names: &mut BTreeSet<String>| {
            for id in head.select(matchers) {
                for (name, _) in head.series().labels(id) {
                    if !names.contains(name) {
                        names.insert(name.to_owned());
                    }
                }
            }
        };
        let (asked, matchers) = (matchers.to_vec(), matchers.to_vec());
        let in_block = move |opened: &Opened, names: &mut BTreeSet<String>| {
            let series = in_range(opened, &matchers, range);
            let found = opened.index.names_among(&series);
            names.extend(found.into_iter().map(str::to_owned));
        };
        let stored = self.each_part(tenant, range, in_head, in_block, BTreeSet::new());
        let mut names = stored.await?;
        for labels in self.shown_series(tenant, &asked, range).await? {
            names.extend(labels.iter().map(|(name, _)| name.to_owned()));
        }
        Ok(names.into_iter().collect())
    }

    /// Values of a label in those series, in order.
    ///
    /// # Errors
    /// As [`MetricsStore::series`].
    pub async fn label_values(
        &self,
        tenant: &Tenant,
        name: &str,
        matchers: &[Matcher],
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> Result<Vec<String>, SelectError> {
        let range = (from_unix_ms, to_unix_ms);
        let in_head = |head: &TenantHead, values: &mut BTreeSet<String>| {
            for id in head.select(matchers) {
                let pair = head.series().labels(id).find(|(at, _)| *at == name);
                if let Some((_, value)) = pair
                    && !values.contains(value)
                {
                    values.insert(value.to_owned());
                }
            }
        };
        let asked = matchers.to_vec();
        let (matchers, label) = (matchers.to_vec(), name.to_owned());
        let in_block = move |opened: &Opened, values: &mut BTreeSet<String>| {
            let series = in_range(opened, &matchers, range);
            let found = opened.index.values_among(&label, &series);
            values.extend(found.into_iter().map(str::to_owned));
        };
        let stored = self.each_part(tenant, range, in_head, in_block, BTreeSet::new());
        let mut values = stored.await?;
        for labels in self.shown_series(tenant, &asked, range).await? {
            let value = labels.get(name);
            values.extend((!value.is_empty()).then(|| value.to_owned()));
        }
        if name == NAME && asked.is_empty() {
            // whoever lists names is shown those of views as well
            let shown = VIEWS.iter().filter(|view| values.contains(view.source));
            values.extend(shown.map(|view| view.name.to_owned()).collect::<Vec<_>>());
        }
        Ok(values.into_iter().collect())
    }

    /// What metrics are, by name, as it was said last, in the newest blocks: senders repeat it.
    ///
    /// # Errors
    /// When a block cannot be read.
    pub async fn metadata(
        &self,
        tenant: &Tenant,
    ) -> Result<BTreeMap<String, Metadata>, SelectError> {
        let mut newest = BTreeMap::new();
        let everything = (i64::MIN, i64::MAX);
        let mut blocks = self.parts(tenant, everything, |head| {
            newest.extend(head.metadata().clone());
        });
        blocks.sort_by_key(|block| block.meta.sealed_last);
        let n_old = blocks.len().saturating_sub(METADATA_BLOCKS_MAX);
        blocks.drain(..n_old);
        let mut all = BTreeMap::new();
        for block in blocks {
            match self.metadata_of(&block).await {
                Ok(of_block) => all.extend(of_block),
                Err(error) if self.is_replaced(&block, &error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        all.extend(newest);
        Ok(all)
    }

    async fn metadata_of(&self, block: &KnownBlock) -> Result<Vec<(String, Metadata)>, ReadError> {
        self.opened(block).await?.metadata(&self.inner.blocks).await
    }

    /// Who makes how many of the series in (from, to]; lists have at most `limit` lines.
    ///
    /// # Errors
    /// When a block cannot be read.
    pub async fn cardinality(
        &self,
        tenant: &Tenant,
        from_unix_ms: i64,
        to_unix_ms: i64,
        limit: usize,
    ) -> Result<Cardinality, SelectError> {
        let range = (from_unix_ms, to_unix_ms);
        let all = self.stored_series(tenant, &[], range).await?;
        Ok(leave_the_loop(move || count(&all, limit)).await?)
    }
}

fn in_range(opened: &Opened, matchers: &[Matcher], (from, to): (i64, i64)) -> Vec<u32> {
    let mut series = opened.index.select(matchers);
    series.retain(|series| opened.index.chunks_in(*series, from, to).next().is_some());
    series
}

fn count(all: &[Labels], limit: usize) -> Cardinality {
    let mut by_metric: BTreeMap<&str, u64> = BTreeMap::new();
    let mut by_pair: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for labels in all {
        *by_metric.entry(labels.name()).or_default() += 1;
        for pair in labels.iter() {
            *by_pair.entry(pair).or_default() += 1;
        }
    }
    let mut values: BTreeMap<&str, u64> = BTreeMap::new();
    let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, value) in by_pair.keys() {
        *values.entry(name).or_default() += 1;
        *bytes.entry(name).or_default() += value.len() as u64;
    }
    let pairs = by_pair.iter().filter(|((name, _), _)| *name != NAME);
    Cardinality {
        n_series: all.len() as u64,
        n_label_pairs: by_pair.len() as u64,
        series_by_pair: most(
            pairs.map(|((name, value), n)| (format!("{name}={value}"), *n)),
            limit,
        ),
        series_by_metric: most(owned(by_metric), limit),
        values_by_label: most(owned(values), limit),
        bytes_by_label: most(owned(bytes), limit),
    }
}

fn owned(counts: BTreeMap<&str, u64>) -> impl Iterator<Item = (String, u64)> {
    counts.into_iter().map(|(name, n)| (name.to_owned(), n))
}

/// Most first, then by name.
fn most(counts: impl Iterator<Item = (String, u64)>, limit: usize) -> Vec<Counted> {
    let mut all: Vec<Counted> = counts.map(|(name, n)| Counted { name, n }).collect();
    all.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.name.cmp(&b.name)));
    all.truncate(limit);
    all
}
