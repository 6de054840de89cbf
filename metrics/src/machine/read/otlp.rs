//! OTLP metrics (`MetricsData`) of a record. In: views of its payload. Out: points in the nouns of [`crate::otlp`].

use std::borrow::Cow;
use std::fmt::Write as _;

use telemetry::wire::{
    Attributes, BucketsView, DataView, ExemplarView, ExpHistogramPointView, HistogramPointView,
    MetricsView, NumberPointView, PointsView, ResourceMetricsView, SummaryPointView, Temporality,
    ValueView,
};

use crate::fold::Fold;
use crate::otlp::{Data, Kind, Metric, MetricFold, Point, PointExemplar, ResourceLabels};

/// Bit of a point's flags: no recorded value.
const NO_VALUE: u32 = 1;
/// Scales that an exponential histogram may have: another is taken as the nearest (delivery.md §8, B18).
const SCALES: (i32, i32) = (-10, 20);

pub(super) fn fold(view: &MetricsView<'_>, fold: &mut Fold<'_>) {
    for resource in view.resources() {
        fold_resource(&resource, fold);
    }
}

fn fold_resource(view: &ResourceMetricsView<'_>, fold: &mut Fold<'_>) {
    let labels = ResourceLabels::new(&texts(view.attributes()));
    let mut lists = Lists::default();
    let mut newest_unix_ns = None;
    for metric in view.scopes().flat_map(|scope| scope.metrics()) {
        let Some(data) = metric.data() else { continue };
        let described = Metric {
            name: metric.name,
            unit: metric.unit,
            description: metric.description,
            kind: kind(&data),
        };
        let metric = MetricFold::new(&described, &labels, fold);
        let newest = fold_points(data, &mut lists, &metric, fold);
        newest_unix_ns = newest_unix_ns.max(newest);
    }
    if let Some(newest) = newest_unix_ns {
        labels.fold_infos((newest / 1_000_000) as i64, fold);
    }
}

fn kind(data: &DataView<'_>) -> Kind {
    let delta = |temporality: Temporality| temporality == Temporality::DELTA;
    match *data {
        DataView::Gauge { .. } => Kind::Gauge,
        DataView::Sum {
            temporality,
            is_monotonic,
            ..
        } => Kind::Sum {
            monotonic: is_monotonic,
            delta: delta(temporality),
        },
        DataView::Histogram { temporality, .. } => Kind::Histogram {
            delta: delta(temporality),
        },
        DataView::ExpHistogram { temporality, .. } => Kind::ExpHistogram {
            delta: delta(temporality),
        },
        DataView::Summary { .. } => Kind::Summary,
    }
}

/// Lists of a point's numbers, used again from point to point.
#[derive(Default)]
struct Lists {
    bounds: Vec<f64>,
    counts: Vec<u64>,
    negative: Vec<u64>,
    quantiles: Vec<(f64, f64)>,
}

/// What is shared by all points, whatever they say.
struct Common<'v> {
    times: (u64, u64),
    flags: u32,
    attributes: Attributes<'v>,
}

/// Folds every point; returns the newest time.
fn fold_points(
    data: DataView<'_>,
    lists: &mut Lists,
    metric: &MetricFold<'_>,
    fold: &mut Fold<'_>,
) -> Option<u64> {
    let mut newest = None;
    let mut take = |common: Common<'_>, exemplars: &[PointExemplar], data: Data<'_>| {
        let (start_unix_ns, time_unix_ns) = common.times;
        newest = newest.max(Some(time_unix_ns));
        let point = Point {
            attributes: &texts(common.attributes),
            start_unix_ns,
            time_unix_ns,
            no_value: common.flags & NO_VALUE != 0,
            data,
            exemplars,
        };
        metric.fold(&point, fold);
    };
    match data {
        DataView::Gauge { points } | DataView::Sum { points, .. } => numbers(points, &mut take),
        DataView::Histogram { points, .. } => {
            points.for_each(|point| histogram(&point, lists, &mut take));
        }
        DataView::ExpHistogram { points, .. } => {
            points.for_each(|point| exponential(&point, lists, &mut take));
        }
        DataView::Summary { points } => {
            points.for_each(|point| summary(&point, lists, &mut take));
        }
    }
    newest
}

fn numbers<'v>(
    points: PointsView<'v, NumberPointView<'v>>,
    take: &mut impl FnMut(Common<'v>, &[PointExemplar], Data<'_>),
) {
    for point in points {
        let no_value = point.flags & NO_VALUE != 0;
        let value = match point.value {
            Some(value) => value.as_f64(),
            None if no_value => 0.0,
            None => continue,
        };
        let common = Common {
            times: (point.start_unix_ns, point.unix_ns),
            flags: point.flags,
            attributes: point.attributes(),
        };
        take(common, &exemplars(point.exemplars()), Data::Number(value));
    }
}

fn histogram<'v>(
    point: &HistogramPointView<'v>,
    lists: &mut Lists,
    take: &mut impl FnMut(Common<'v>, &[PointExemplar], Data<'_>),
) {
    refill(&mut lists.bounds, point.explicit_bounds());
    refill(&mut lists.counts, point.bucket_counts());
    let data = Data::Histogram {
        count: point.count,
        sum: point.sum,
        bounds: &lists.bounds,
        counts: &lists.counts,
    };
    let common = Common {
        times: (point.start_unix_ns, point.unix_ns),
        flags: point.flags,
        attributes: point.attributes(),
    };
    take(common, &exemplars(point.exemplars()), data);
}

fn exponential<'v>(
    point: &ExpHistogramPointView<'v>,
    lists: &mut Lists,
    take: &mut impl FnMut(Common<'v>, &[PointExemplar], Data<'_>),
) {
    let (least, most) = SCALES;
    let positive_offset = side(point.positive, &mut lists.counts);
    let negative_offset = side(point.negative, &mut lists.negative);
    let data = Data::ExpHistogram {
        scale: point.scale.clamp(least, most),
        count: point.count,
        sum: point.sum,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: (positive_offset, &lists.counts),
        negative: (negative_offset, &lists.negative),
    };
    let common = Common {
        times: (point.start_unix_ns, point.unix_ns),
        flags: point.flags,
        attributes: point.attributes(),
    };
    take(common, &exemplars(point.exemplars()), data);
}

fn summary<'v>(
    point: &SummaryPointView<'v>,
    lists: &mut Lists,
    take: &mut impl FnMut(Common<'v>, &[PointExemplar], Data<'_>),
) {
    let quantiles = point.quantiles().map(|at| (at.quantile, at.value));
    refill(&mut lists.quantiles, quantiles);
    let data = Data::Summary {
        count: point.count,
        sum: point.sum,
        quantiles: &lists.quantiles,
    };
    let common = Common {
        times: (point.start_unix_ns, point.unix_ns),
        flags: point.flags,
        attributes: point.attributes(),
    };
    take(common, &[], data);
}

fn refill<T>(list: &mut Vec<T>, with: impl Iterator<Item = T>) {
    list.clear();
    list.extend(with);
}

/// Fills in the counts of a side and returns the index of its first bucket.
fn side(buckets: Option<BucketsView<'_>>, counts: &mut Vec<u64>) -> i32 {
    counts.clear();
    buckets.map_or(0, |buckets| {
        counts.extend(buckets.counts());
        buckets.offset
    })
}

fn exemplars<'v>(views: impl Iterator<Item = ExemplarView<'v>>) -> Vec<PointExemplar> {
    views.filter_map(|view| exemplar(&view)).collect()
}

fn exemplar(view: &ExemplarView<'_>) -> Option<PointExemplar> {
    let value = view.value?.as_f64();
    let ids = [("span_id", view.span_id), ("trace_id", view.trace_id)];
    let ids = ids
        .into_iter()
        .filter(|(_, id)| !id.is_empty())
        .map(|(name, id)| (name.to_owned(), hex(id)));
    let filtered = view
        .filtered_attributes()
        .map(|(name, value)| (name.to_owned(), value.text().into_owned()));
    let mut labels: Vec<(String, String)> = ids.chain(filtered).collect();
    labels.sort();
    Some(PointExemplar {
        unix_ns: view.unix_ns,
        value,
        labels,
    })
}

/// Keys as they were sent, values as text.
fn texts(attributes: Attributes<'_>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    attributes.map(pair).collect()
}

fn pair<'a>((key, value): (&'a str, ValueView<'a>)) -> (Cow<'a, str>, Cow<'a, str>) {
    (Cow::Borrowed(key), value.text())
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
            write!(out, "{byte:02x}").expect("a String takes all text");
            out
        })
}
