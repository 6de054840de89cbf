//! One walk over a request of metrics: checks all that prost checks, cuts what is over a limit, finds the points, leaves out those that no store can use.
//!
//! In: `MetricsData` from anywhere. Out: a [`MetricsView`], or why the whole is refused. The steady state allocates nothing.

use super::super::entry::Marks;
use super::super::fault::{Stop, WalkError};
use super::super::limit::WalkLimits;
use super::super::proto::Extent;
use super::super::schema::METRICS_DATA;
use super::check::check;
use super::entry::{Entries, MetricEntry, PointEntry, ResourceEntry};
use super::fields::{Bodies, Fields, Wire};
use super::identity::identity;
use super::judge::{self, Judged};
use super::limit::{MetricLimits, RejectedPoints};
use super::rewrite;
use super::runs::KnownRuns;
use super::view::{MetricView, ResourceMetricsView, ScopeMetricsView};

/// Buffers larger than this are not kept from walk to walk, in bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Walks requests, one at a time.
#[derive(Debug, Default)]
pub struct MetricsWalker {
    entries: Entries,
    rejected: RejectedPoints,
    known: KnownRuns,
    /// The request written anew, where parts of it were over a limit or in pieces.
    rewritten: Vec<u8>,
}

/// A request that was walked.
#[derive(Debug, Clone, Copy)]
pub struct MetricsView<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) entries: &'a Entries,
    rejected: &'a RejectedPoints,
}

impl<'a> MetricsView<'a> {
    /// All that was sent, rejected points as well.
    pub fn resources(&self) -> impl Iterator<Item = ResourceMetricsView<'a>> + use<'a> {
        resources(self.bytes)
    }

    /// Points that were accepted.
    #[must_use]
    pub fn n_points(&self) -> usize {
        self.entries.points.len()
    }

    /// What was left out.
    #[must_use]
    pub fn rejected(&self) -> &'a RejectedPoints {
        self.rejected
    }
}

fn resources<'a>(bytes: &'a [u8]) -> impl Iterator<Item = ResourceMetricsView<'a>> + use<'a> {
    let whole = Extent {
        start: 0,
        end: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
    };
    let bodies = Bodies::within(bytes, whole, 1);
    bodies.map(move |extent| ResourceMetricsView::read(bytes, extent))
}

impl MetricsWalker {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks `bytes` and finds their points.
    ///
    /// # Errors
    /// When prost would refuse the bytes, or there are more items than `limits` allow.
    pub fn walk<'a>(
        &'a mut self,
        bytes: &'a [u8],
        limits: &MetricLimits,
    ) -> Result<MetricsView<'a>, WalkError> {
        let is_rewritten = self.check(bytes, limits)?;
        let bytes = if is_rewritten { &self.rewritten } else { bytes };
        Pass {
            bytes,
            limits,
            entries: &mut self.entries,
            rejected: &mut self.rejected,
            n_points: 0,
        }
        .metrics_data()
        .map_err(|stop| stop.into_error(limits.items_max))?;
        Ok(MetricsView {
            bytes,
            entries: &self.entries,
            rejected: &self.rejected,
        })
    }

    /// Checks `bytes` of our own log, which were walked on their way in: no limit, no point judged. What is shown is all there is, and it cannot be
    /// regrouped.
    ///
    /// # Errors
    /// When prost would refuse the bytes.
    pub fn read<'a>(&'a mut self, bytes: &'a [u8]) -> Result<MetricsView<'a>, WalkError> {
        let is_rewritten = self.check(bytes, &MetricLimits::trusted())?;
        Ok(MetricsView {
            bytes: if is_rewritten { &self.rewritten } else { bytes },
            entries: &self.entries,
            rejected: &self.rejected,
        })
    }

    /// Begins anew. Tells whether the request had to be written anew.
    fn check(&mut self, bytes: &[u8], limits: &MetricLimits) -> Result<bool, WalkError> {
        self.entries.clear();
        self.rejected.clear();
        self.rewritten.clear();
        self.rewritten.shrink_to(KEPT_BYTES_MAX);
        let n_bytes = bytes.len();
        if u32::try_from(n_bytes).is_err() {
            return Err(WalkError::TooLarge { n_bytes });
        }
        let of_values = limits.of_values();
        self.known.hold_under(limits, false);
        let marks = check(bytes, METRICS_DATA, limits, &of_values, &mut self.known)
            .map_err(|fault| Stop::from(fault).into_error(limits.items_max))?;
        let is_rewritten = marks.is_dirty() || marks.has(Marks::DEEP);
        if is_rewritten {
            self.rewrite(bytes, limits, &of_values)?;
        }
        Ok(is_rewritten)
    }

    /// Writes the request anew and checks the result like any other.
    #[cold]
    fn rewrite(
        &mut self,
        bytes: &[u8],
        limits: &MetricLimits,
        of_values: &WalkLimits,
    ) -> Result<(), WalkError> {
        let out = &mut self.rewritten;
        rewrite::metrics_data(bytes, limits, of_values, &mut self.rejected, out);
        let n_bytes = out.len();
        if u32::try_from(n_bytes).is_err() {
            return Err(WalkError::TooLarge { n_bytes });
        }
        let checked = check(out, METRICS_DATA, limits, of_values, &mut self.known);
        checked.map_err(|fault| Stop::from(fault).into_error(limits.items_max))?;
        Ok(())
    }
}

/// Where the pass is, for messages.
#[derive(Clone, Copy)]
struct Path {
    resource_idx: usize,
    scope_idx: usize,
    metric_idx: usize,
}

struct Pass<'a, 'w> {
    bytes: &'a [u8],
    limits: &'w MetricLimits,
    entries: &'w mut Entries,
    rejected: &'w mut RejectedPoints,
    /// Points seen, accepted or not.
    n_points: u32,
}

impl Pass<'_, '_> {
    fn metrics_data(mut self) -> Result<(), Stop> {
        for (resource_idx, resource) in resources(self.bytes).enumerate() {
            self.resource(resource_idx, &resource)?;
        }
        Ok(())
    }

    fn resource(
        &mut self,
        resource_idx: usize,
        view: &ResourceMetricsView<'_>,
    ) -> Result<(), Stop> {
        self.count_around()?;
        let n_rejected = self.rejected.n_points();
        let points_start = self.entries.points.len() as u32;
        let entry = ResourceEntry {
            extent: view.extent(),
            head: view.head(),
            identity: identity(view.attributes()),
            points_start,
            ..ResourceEntry::default()
        };
        self.entries.resources.push(entry);
        for (scope_idx, scope) in view.scopes().enumerate() {
            self.scope((resource_idx, scope_idx), &scope)?;
        }
        if self.is_too_large(entry.head.body) {
            let whole = format!("resource_metrics[{resource_idx}].resource");
            self.reject_since(points_start, &whole);
        }
        let points_end = self.entries.points.len() as u32;
        let is_whole = n_rejected == self.rejected.n_points();
        if let Some(entry) = self.entries.resources.last_mut() {
            entry.points_end = points_end;
            entry.is_whole = is_whole;
        }
        Ok(())
    }

    fn scope(&mut self, at: (usize, usize), view: &ScopeMetricsView<'_>) -> Result<(), Stop> {
        let (resource_idx, scope_idx) = at;
        self.count_around()?;
        let points_start = self.entries.points.len() as u32;
        self.entries.scopes.push(view.head());
        for (metric_idx, metric) in view.metrics().enumerate() {
            let path = Path {
                resource_idx,
                scope_idx,
                metric_idx,
            };
            self.metric(path, &metric)?;
        }
        if self.is_too_large(view.head().body) {
            let path = format!("resource_metrics[{resource_idx}].scope_metrics[{scope_idx}].scope");
            self.reject_since(points_start, &path);
        }
        Ok(())
    }

    fn metric(&mut self, path: Path, view: &MetricView<'_>) -> Result<(), Stop> {
        self.count_around()?;
        let (Some((data_number, data_extent)), Some(data)) = (view.data_at(), view.data()) else {
            return Ok(());
        };
        let (scope_idx, metric_idx) = (self.entries.scopes.len(), self.entries.metrics.len());
        self.entries.metrics.push(MetricEntry {
            extent: view.extent(),
            data_number,
            data: data_extent,
        });
        let mut of_metric = judge::metric(view, &data, self.limits);
        if of_metric.is_ok() && self.head_bytes(view) > self.limits.item_bytes_max {
            of_metric = Err("larger than 512 KiB without its points");
        }
        let (limits, mut point_idx, mut is_over) = (self.limits, 0, false);
        judge::points(data, limits, |extent, of_point| {
            is_over |= self.n_points == limits.items_max;
            if is_over {
                return;
            }
            self.n_points += 1;
            if self.is_taken(path, point_idx, of_metric, of_point) {
                self.entries.points.push(PointEntry {
                    extent,
                    scope_idx: scope_idx.saturating_sub(1) as u32,
                    metric_idx: metric_idx as u32,
                });
            }
            point_idx += 1;
        });
        if is_over {
            return Err(Stop::TooManyItems);
        }
        Ok(())
    }

    /// Bytes of a metric without its data.
    fn head_bytes(&self, view: &MetricView<'_>) -> u32 {
        let (extent, data) = (view.extent(), view.data_at());
        extent
            .len()
            .saturating_sub(data.map_or(0, |(_, data)| data.len()))
    }

    fn is_taken(
        &mut self,
        path: Path,
        point_idx: u32,
        of_metric: Judged,
        of_point: Judged,
    ) -> bool {
        let (Err(reason), is_metric) = (of_metric.and(of_point), of_metric.is_err()) else {
            return true;
        };
        let Path {
            resource_idx,
            scope_idx,
            metric_idx,
        } = path;
        let of = format!(
            "resource_metrics[{resource_idx}].scope_metrics[{scope_idx}].metrics[{metric_idx}]"
        );
        // a reason begins with the name of a field, or is about the whole
        let dot = if reason.contains(": ") { "." } else { ": " };
        let points = &mut self.rejected.points;
        if is_metric {
            points.add(1, format_args!("{of}{dot}{reason}"));
        } else {
            points.add(
                1,
                format_args!("{of}.data_points[{point_idx}]{dot}{reason}"),
            );
        }
        false
    }

    fn is_too_large(&self, body: Option<Extent>) -> bool {
        body.unwrap_or_default().len() > self.limits.item_bytes_max
    }

    /// Leaves out the points accepted since there were `points_start`: what they were sent under is too large.
    #[cold]
    fn reject_since(&mut self, points_start: u32, path: &str) {
        let n_points = self.entries.points.len() as u32 - points_start;
        self.entries.points.truncate(points_start as usize);
        let told = format_args!("{path}: larger than 512 KiB");
        self.rejected.points.add(n_points, told);
    }

    /// One more message around points, if it is allowed.
    fn count_around(&self) -> Result<(), Stop> {
        if self.entries.n_around() >= self.limits.items_max as usize {
            return Err(Stop::TooManyItems);
        }
        Ok(())
    }
}

/// Bytes of a message without the messages of one field.
pub(super) fn bytes_without(bytes: &[u8], extent: Extent, numbers: &[u64]) -> usize {
    let others =
        Fields::within(bytes, extent).filter(|field| is_other(field.number, field.wire, numbers));
    others.map(|field| field.extent.len() as usize).sum()
}

/// Appends the fields of a message without the messages of some.
pub(super) fn put_without(bytes: &[u8], extent: Extent, numbers: &[u64], out: &mut Vec<u8>) {
    for field in Fields::within(bytes, extent) {
        if is_other(field.number, field.wire, numbers) {
            out.extend_from_slice(field.extent.of(bytes));
        }
    }
}

fn is_other(number: u64, wire: Wire, numbers: &[u64]) -> bool {
    !(matches!(wire, Wire::Body(_)) && numbers.contains(&number))
}
