//! Series of a view: which series of its source belong together, and what is shown of them. In: a selection of the source. Out: series of the view.

use std::collections::BTreeMap;

use telemetry::Tenant;

use super::each::slices;
use super::plan::Check;
use super::{Ranges, Selection};
use crate::view::{Part, View};
use crate::{Labels, Matcher, MetricsStore, Points, SelectError, SeriesData, Window};

/// Bytes of a label of a group, with its text.
const GROUP_LABEL_BYTES: usize = 96;

pub(super) struct Shown {
    view: &'static View,
    matchers: Vec<Matcher>,
    source: Box<Selection>,
    /// Labels, without `le`, with the series of the source that add up to them.
    groups: BTreeMap<Labels, Vec<usize>>,
}

impl Shown {
    pub(super) fn plan<E: From<SelectError>>(
        of: (&MetricsStore, &Tenant),
        matchers: &[Matcher],
        ranges: Ranges,
        check: Check<'_, E>,
    ) -> Result<Vec<Self>, E> {
        let mut shown = Vec::new();
        let kept = of.0.config().red.kept_labels();
        for view in View::wanted(matchers) {
            let source = view.source_matchers(matchers, &kept);
            let source = Selection::plan_stored(of, &source, ranges, check)?;
            if source.series.is_empty() {
                continue;
            }
            let mut groups: BTreeMap<Labels, Vec<usize>> = BTreeMap::new();
            for (idx, series) in source.series.iter().enumerate() {
                if let Some(labels) = view.labels_of(&series.labels, &kept) {
                    groups.entry(labels).or_default().push(idx);
                }
            }
            shown.push(Self {
                view,
                matchers: matchers.to_vec(),
                source: Box::new(source),
                groups,
            });
        }
        Ok(shown)
    }

    pub(super) fn n_points(&self) -> u64 {
        self.source.n_points
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let groups = self.groups.keys();
        let groups: usize = groups
            .map(|labels| (labels.len() + 2) * GROUP_LABEL_BYTES)
            .sum();
        self.source.bytes + groups + self.source.series.len() * size_of::<usize>()
    }

    /// Hands over each series of the view.
    pub(super) fn each<E: From<SelectError>>(
        &self,
        take: &mut dyn FnMut(SeriesData) -> Result<(), E>,
    ) -> Result<(), E> {
        let groups: Vec<(&Labels, &Vec<usize>)> = self.groups.iter().collect();
        for slice in slices(groups.iter().map(|(_, members)| self.bytes_of(members))) {
            let groups = groups.get(slice).unwrap_or_default();
            let members: Vec<usize> = groups.iter().flat_map(|(_, m)| *m).copied().collect();
            let mut read = self.source.read(&members)?.into_iter();
            for (labels, members) in groups {
                let of_group = read.by_ref().take(members.len()).flatten();
                let (mut windows, mut samples) = (Vec::<Window>::new(), Vec::new());
                for points in of_group {
                    match points {
                        Points::Windows(more) => windows.extend(more),
                        Points::Samples(more) => samples.push(more),
                    }
                }
                if matches!(self.view.part, Part::Seen) {
                    let seen = self.view.show_seen(labels, samples, &self.matchers);
                    seen.map_or(Ok(()), &mut *take)?;
                    continue;
                }
                for series in self.view.show(labels, windows, &self.matchers) {
                    take(series)?;
                }
            }
        }
        Ok(())
    }

    fn bytes_of(&self, members: &[usize]) -> u64 {
        let series = members
            .iter()
            .filter_map(|idx| self.source.series.get(*idx));
        series.map(|series| series.bytes).sum()
    }
}
