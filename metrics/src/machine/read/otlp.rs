//! OTLP metrics (`MetricsData`) of a record. In: views of its payload. Out: points in the nouns of [`crate::otlp`].

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;

use telemetry::wire::{
    Attributes, BucketsView, DataView, ExemplarView, ExpHistogramPointView, HistogramPointView,
    MetricsView, NumberPointView, PointsView, ResourceMetricsView, RunHash, SummaryPointView,
    Temporality, ValueView,
};

use crate::Value;
use crate::fold::Fold;
use crate::otlp::resource::INFO_VALUE;
use crate::otlp::{
    Data, Kind, Metric, MetricFold, Point, PointExemplar, ResourceLabels, unix_ms, window,
};

/// Bit of a point's flags: no recorded value.
const NO_VALUE: u32 = 1;
/// Scales that an exponential histogram may have: another is taken as the nearest.
const SCALES: (i32, i32) = (-10, 20);

pub(super) fn fold(view: &MetricsView<'_>, fold: &mut Fold<'_>) {
    for resource in view.resources() {
        fold_resource(&resource, fold);
    }
}

fn fold_resource(view: &ResourceMetricsView<'_>, fold: &mut Fold<'_>) {
    let resource = Resource {
        run: RunHash::of(view.resource_bytes()),
        view,
        labels: OnceCell::new(),
    };
    let mut lists = Lists::default();
    let mut newest_unix_ns = None;
    for view in view.scopes().flat_map(|scope| scope.metrics()) {
        let Some(data) = view.data() else { continue };
        let described = Metric {
            name: view.name,
            unit: view.unit,
            description: view.description,
            kind: kind(&data),
        };
        let telling = telling(&described);
        if !fold.head.is_told(telling) {
            described.tell(fold);
            fold.head.note_told(telling);
        }
        let metric = OfMetric {
            run: RunHash::joined([resource.run, telling]),
            described,
            resource: &resource,
            fold: OnceCell::new(),
        };
        let newest = fold_points(data, &mut lists, &metric, fold);
        newest_unix_ns = newest_unix_ns.max(newest);
    }
    if let Some(newest) = newest_unix_ns {
        resource.fold_infos(unix_ms(newest), fold);
    }
}

/// A resource, whose labels are read only if a series is new.
struct Resource<'v> {
    run: RunHash,
    view: &'v ResourceMetricsView<'v>,
    labels: OnceCell<ResourceLabels>,
}

impl Resource<'_> {
    fn labels(&self) -> &ResourceLabels {
        let read = || ResourceLabels::new(&texts(self.view.attributes()));
        self.labels.get_or_init(read)
    }

    fn fold_infos(&self, unix_ms: i64, fold: &mut Fold<'_>) {
        if let Some(infos) = fold.head.infos(self.run).map(<[_]>::to_vec) {
            for info in infos {
                fold.known_float(info, unix_ms, INFO_VALUE);
            }
        } else if let Some(infos) = self.labels().fold_infos(unix_ms, fold) {
            fold.head.note_infos(self.run, infos);
        }
    }
}

/// A metric of a resource, which is named only if a series is new.
struct OfMetric<'v> {
    /// Of all that its points share.
    run: RunHash,
    described: Metric<'v>,
    resource: &'v Resource<'v>,
    fold: OnceCell<MetricFold<'v>>,
}

impl OfMetric<'_> {
    /// The bytes that say which series a number belongs to, if they are all there is to read.
    fn run_of(&self, point: &NumberPointView<'_>) -> Option<RunHash> {
        let attributes = point.attribute_bytes()?;
        let is_plain = point.flags & NO_VALUE == 0 && !point.has_exemplars();
        is_plain.then(|| RunHash::joined([self.run, RunHash::of(attributes)]))
    }

    fn fold(&self, point: &Point<'_>, fold: &mut Fold<'_>) {
        let named = || MetricFold::new(&self.described, self.resource.labels());
        self.fold.get_or_init(named).fold(point, fold);
    }
}

/// What is said of a metric, in one hash.
fn telling(metric: &Metric<'_>) -> RunHash {
    let kind = match metric.kind {
        Kind::Gauge => [0, 0, 0],
        Kind::Sum { monotonic, delta } => [1, u8::from(monotonic), u8::from(delta)],
        Kind::Histogram { delta } => [2, 0, u8::from(delta)],
        Kind::ExpHistogram { delta } => [3, 0, u8::from(delta)],
        Kind::Summary => [4, 0, 0],
    };
    let texts = [metric.name, metric.unit, metric.description];
    let [name, unit, description] = texts.map(|text| RunHash::of(text.as_bytes()));
    RunHash::joined([name, unit, description, RunHash::of(&kind)])
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
    metric: &OfMetric<'_>,
    fold: &mut Fold<'_>,
) -> Option<u64> {
    let mut newest = None;
    if let DataView::Gauge { points } | DataView::Sum { points, .. } = data {
        return numbers(points, metric, fold);
    }
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
        DataView::Gauge { .. } | DataView::Sum { .. } => {}
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
    metric: &OfMetric<'_>,
    fold: &mut Fold<'_>,
) -> Option<u64> {
    let is_delta = metric.described.kind.is_delta();
    let mut newest = None;
    for point in points {
        let no_value = point.flags & NO_VALUE != 0;
        let value = match point.value {
            Some(value) => value.as_f64(),
            None if no_value => 0.0,
            None => continue,
        };
        newest = newest.max(Some(point.unix_ns));
        let run = metric.run_of(&point);
        let Some(known) = run.and_then(|run| fold.known(run)) else {
            let point = Point {
                attributes: &texts(point.attributes()),
                start_unix_ns: point.start_unix_ns,
                time_unix_ns: point.unix_ns,
                no_value,
                data: Data::Number(value),
                exemplars: &exemplars(point.exemplars()),
            };
            fold.noting(run, |fold| metric.fold(&point, fold));
            continue;
        };
        if is_delta {
            let window = window(point.start_unix_ns, point.unix_ns, Value::Float(value));
            fold.known_window(known, window);
        } else {
            fold.known_float(known, unix_ms(point.unix_ns), value);
        }
    }
    newest
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
