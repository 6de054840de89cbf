//! Making a selection: each source is asked which series it has, and equal labels become one. In: matchers. Out: series in order of labels, with parts.

use hashbrown::HashMap;
use telemetry::Tenant;
use tokio::runtime::Handle;

use super::parts::{Part, Parts};
use super::shown::Shown;
use super::{Ranges, Selected, Selection, Source};
use crate::block::read::Opened;
use crate::head::TenantHead;
use crate::labels::key::{Fixed, LabelsKey};
use crate::series::{Kind, SeriesId};
use crate::{Labels, Matcher, MetricsStore, SelectError};

/// Bytes of a series beside its labels, and how many more while a selection is made.
const SERIES_BYTES: usize = size_of::<Selected>();
const PLANNED_BYTES: usize = 2 * size_of::<(LabelsKey, u32)>();
/// Series between two looks at what it costs.
const CHECK_EVERY: usize = 1_024;

/// Whether it may go on, when it holds so many bytes.
pub(crate) type Check<'a, E> = &'a dyn Fn(usize) -> Result<(), E>;

impl Selection {
    /// The series that all matchers agree with, under the names that they have in the store and under those that other tools know.
    pub(crate) fn plan<E: From<SelectError>>(
        (store, tenant): (&MetricsStore, &Tenant),
        matchers: &[Matcher],
        ranges: Ranges,
        check: Check<'_, E>,
    ) -> Result<Self, E> {
        let mut selection = Self::plan_stored((store, tenant), matchers, ranges, check)?;
        selection.shown = Shown::plan((store, tenant), matchers, ranges, check)?;
        let of_views = selection.shown.iter().map(Shown::n_points);
        selection.n_points += of_views.sum::<u64>();
        Ok(selection)
    }

    /// The same under the names that series have in the store.
    pub(super) fn plan_stored<E: From<SelectError>>(
        (store, tenant): (&MetricsStore, &Tenant),
        matchers: &[Matcher],
        ranges: Ranges,
        check: Check<'_, E>,
    ) -> Result<Self, E> {
        let mut plan = Plan {
            ranges,
            places: HashMap::default(),
            series: Vec::new(),
            found: Vec::new(),
            packed: String::new(),
            bytes: 0,
            n_points: 0,
            has_windows: false,
            check,
        };
        let sources = store.snapshot(tenant, ranges.widest());
        for (number, source) in sources.iter().enumerate() {
            plan.checked()?;
            match source {
                Source::Block(block) => {
                    let opened = Handle::current().block_on(store.opened(block));
                    let opened = opened.map_err(|error| E::from(error.into()))?;
                    plan.block(number, &opened, matchers)?;
                }
                head => {
                    let in_head = |of: &TenantHead| Some(plan.head(number, of, matchers));
                    head.look(tenant, in_head).unwrap_or(Ok(()))?;
                }
            }
        }
        let (series, parts) = in_order(plan.series, &plan.found);
        Ok(Self {
            store: store.clone(),
            tenant: tenant.clone(),
            ranges,
            sources,
            series,
            parts,
            shown: Vec::new(),
            has_windows: plan.has_windows,
            n_points: plan.n_points,
            bytes: plan.bytes,
        })
    }
}

struct Plan<'a, E> {
    ranges: Ranges,
    places: HashMap<LabelsKey, u32, Fixed>,
    series: Vec<Selected>,
    found: Vec<(u32, Part)>,
    packed: String,
    bytes: usize,
    n_points: u64,
    has_windows: bool,
    check: Check<'a, E>,
}

impl<E> Plan<'_, E> {
    fn block(&mut self, source: usize, opened: &Opened, matchers: &[Matcher]) -> Result<(), E> {
        let index = &opened.index;
        for series in index.select(matchers) {
            let kind = index.kind(series);
            let range = self.ranges.of(kind);
            let (mut n_points, mut bytes) = (0, 0);
            for chunk in index.chunks_in(series, range.from, range.to) {
                n_points += index.n_points(chunk) as u64;
                bytes += index.bytes_in_memory(chunk);
            }
            if n_points == 0 {
                continue;
            }
            self.n_points += n_points;
            let part = Part::new(source, kind, series);
            index.pack(series, &mut self.packed);
            self.add(part, bytes)?;
        }
        Ok(())
    }

    fn head(&mut self, source: usize, head: &TenantHead, matchers: &[Matcher]) -> Result<(), E> {
        let series = head.series();
        let bytes = head.bytes() / series.len().max(1) as u64;
        for SeriesId(id) in head.select(matchers) {
            let part = Part::new(source, series.kind(SeriesId(id)), id);
            series.pack(SeriesId(id), &mut self.packed);
            self.add(part, bytes)?;
        }
        Ok(())
    }

    /// Adds a part of the series whose labels are packed.
    fn add(&mut self, part: Part, bytes: u64) -> Result<(), E> {
        let next = self.series.len() as u32;
        let key = LabelsKey::of(&self.packed);
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            let labels = Labels::from_packed(&self.packed);
            self.bytes += SERIES_BYTES + labels.bytes();
            self.series.push(Selected { labels, bytes });
        } else if let Some(known) = self.series.get_mut(place as usize) {
            known.bytes += bytes;
        }
        self.has_windows |= part.kind() == Kind::Windows;
        self.bytes += size_of::<Part>();
        self.found.push((place, part));
        if self.found.len().is_multiple_of(CHECK_EVERY) {
            self.checked()?;
        }
        Ok(())
    }

    fn checked(&self) -> Result<(), E> {
        (self.check)(self.bytes + self.series.len() * PLANNED_BYTES)
    }
}

/// Series in order of labels. A block has them so, but for those whose labels sort before the name.
fn in_order(mut series: Vec<Selected>, found: &[(u32, Part)]) -> (Vec<Selected>, Parts) {
    let mut order: Vec<u32> = (0..series.len() as u32).collect();
    if !series.is_sorted_by(|a, b| a.labels <= b.labels) {
        let labels = |place: &u32| series.get(*place as usize).map(|one| &one.labels);
        order.sort_by(|a, b| labels(a).cmp(&labels(b)));
    }
    let mut ranks = vec![0u32; series.len()];
    for (rank, place) in (0u32..).zip(&order) {
        if let Some(slot) = ranks.get_mut(*place as usize) {
            *slot = rank;
        }
    }
    let parts = Parts::new(found, &ranks);
    let mut ranked: Vec<(u32, Selected)> = ranks.into_iter().zip(series.drain(..)).collect();
    ranked.sort_unstable_by_key(|(rank, _)| *rank);
    let series = ranked.into_iter().map(|(_, one)| one).collect();
    (series, parts)
}
