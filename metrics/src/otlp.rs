//! OTLP points as series, by the rules with which Prometheus takes in OTLP. In: a resource, a metric, a point. Out: samples and windows in the head.
//!
//! What these nouns are read from is not known here: the reader of a record fills them in.

pub mod name;
pub mod resource;

use std::borrow::Cow;

use crate::fold::Fold;
use crate::histogram::{Buckets, Histogram};
use crate::labels::NAME;
use crate::row::{Exemplar, HELP_BYTES_MAX, Metadata, MetricKind};
use crate::series::SeriesId;
use crate::window::at_schema;
use crate::{Value, Window};

pub use resource::ResourceLabels;

/// What is named by the value that a series ended.
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;
const NS_PER_MS: u64 = 1_000_000;

/// A metric of a resource.
#[derive(Debug, Clone, Copy)]
pub struct Metric<'a> {
    pub name: &'a str,
    pub unit: &'a str,
    pub description: &'a str,
    pub kind: Kind,
}

/// The five kinds; `delta` is said of what each point adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    Sum { monotonic: bool, delta: bool },
    Histogram { delta: bool },
    ExpHistogram { delta: bool },
    Summary,
}

impl Kind {
    /// Whether each point says what it adds.
    #[must_use]
    pub fn is_delta(self) -> bool {
        match self {
            Self::Gauge | Self::Summary => false,
            Self::Sum { delta, .. } | Self::Histogram { delta } | Self::ExpHistogram { delta } => {
                delta
            }
        }
    }
}

/// One point of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a> {
    /// Keys as they were sent, values as text.
    pub attributes: &'a [(Cow<'a, str>, Cow<'a, str>)],
    pub start_unix_ns: u64,
    pub time_unix_ns: u64,
    /// The flag says that there is nothing more to come.
    pub no_value: bool,
    pub data: Data<'a>,
    pub exemplars: &'a [PointExemplar],
}

/// What a point says.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    Number(f64),
    Histogram {
        count: u64,
        sum: Option<f64>,
        /// Upper bounds, ascending, without +Inf.
        bounds: &'a [f64],
        /// One more than bounds, or none.
        counts: &'a [u64],
    },
    ExpHistogram {
        scale: i32,
        count: u64,
        sum: Option<f64>,
        zero_count: u64,
        zero_threshold: f64,
        /// Index of the first bucket, and counts.
        positive: (i32, &'a [u64]),
        negative: (i32, &'a [u64]),
    },
    Summary {
        count: u64,
        sum: f64,
        quantiles: &'a [(f64, f64)],
    },
}

/// A value with the trace that it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct PointExemplar {
    pub unix_ns: u64,
    pub value: f64,
    /// `trace_id`, `span_id` and filtered attributes, sorted by name.
    pub labels: Vec<(String, String)>,
}

/// A metric on its way into the head, with what all its points share.
pub struct MetricFold<'a> {
    kind: Kind,
    name: String,
    resource: &'a ResourceLabels,
}

impl Metric<'_> {
    /// Says what the metric is.
    pub fn tell(&self, fold: &mut Fold<'_>) {
        let help = self.description;
        let end = (0..=help.len().min(HELP_BYTES_MAX))
            .rev()
            .find(|end| help.is_char_boundary(*end));
        let metadata = Metadata {
            kind: metadata_kind(self.kind),
            unit: name::unit(self.unit),
            help: help.get(..end.unwrap_or(0)).unwrap_or_default().to_owned(),
        };
        fold.metadata(&name::metric(self), metadata);
    }
}

impl<'a> MetricFold<'a> {
    /// Names the metric.
    #[must_use]
    pub fn new(metric: &Metric<'_>, resource: &'a ResourceLabels) -> Self {
        Self {
            kind: metric.kind,
            name: name::metric(metric),
            resource,
        }
    }

    /// Adds a point. A histogram without native buckets becomes as many series as it has bounds, and two.
    pub fn fold(&self, point: &Point<'_>, fold: &mut Fold<'_>) {
        let mut labels = PointLabels::new(self.resource, point.attributes);
        match point.data {
            Data::Number(value) => {
                let id = self.put(&mut labels, "", None, point, value, fold);
                exemplars(point.exemplars, id, fold);
            }
            Data::Histogram {
                count,
                sum,
                bounds,
                counts,
            } => self.classic(&mut labels, (count, sum, bounds, counts), point, fold),
            Data::ExpHistogram { .. } => self.native(&mut labels, point, fold),
            Data::Summary {
                count,
                sum,
                quantiles,
            } => {
                for (quantile, value) in quantiles {
                    let quantile = ("quantile", number_text(*quantile));
                    self.put(&mut labels, "", Some(quantile), point, *value, fold);
                }
                self.put(&mut labels, "_sum", None, point, sum, fold);
                self.put(&mut labels, "_count", None, point, count as f64, fold);
            }
        }
    }

    /// Adds a number to the series with this suffix and this label more.
    fn put(
        &self,
        labels: &mut PointLabels<'_>,
        suffix: &str,
        more: Option<(&'static str, String)>,
        point: &Point<'_>,
        value: f64,
        fold: &mut Fold<'_>,
    ) -> Option<SeriesId> {
        let unix_ms = unix_ms(point.time_unix_ns);
        let name = match suffix {
            "" => Cow::Borrowed(self.name.as_str()),
            suffix => Cow::Owned(format!("{}{suffix}", self.name)),
        };
        labels.with(&name, more, |labels| {
            if point.no_value {
                return fold.float(labels, unix_ms, f64::from_bits(STALE_BITS));
            }
            if self.kind.is_delta() {
                return fold.window(labels, window_of(point, Value::Float(value)));
            }
            fold.float(labels, unix_ms, value)
        })
    }

    fn classic(
        &self,
        labels: &mut PointLabels<'_>,
        (count, sum, bounds, counts): (u64, Option<f64>, &[f64], &[u64]),
        point: &Point<'_>,
        fold: &mut Fold<'_>,
    ) {
        let mut below = 0u64;
        let mut exemplars_of = point.exemplars.to_vec();
        for (bound, n) in bounds.iter().zip(counts) {
            below = below.saturating_add(*n);
            let le = ("le", number_text(*bound));
            let id = self.put(labels, "_bucket", Some(le), point, below as f64, fold);
            let (inside, others) = exemplars_of.into_iter().partition(|e| e.value <= *bound);
            exemplars_of = others;
            let inside: Vec<PointExemplar> = inside;
            exemplars(&inside, id, fold);
        }
        let le = ("le", "+Inf".to_owned());
        let id = self.put(labels, "_bucket", Some(le), point, count as f64, fold);
        exemplars(&exemplars_of, id, fold);
        if let Some(sum) = sum {
            self.put(labels, "_sum", None, point, sum, fold);
        }
        self.put(labels, "_count", None, point, count as f64, fold);
    }

    fn native(&self, labels: &mut PointLabels<'_>, point: &Point<'_>, fold: &mut Fold<'_>) {
        let unix_ms = unix_ms(point.time_unix_ns);
        let id = labels.with(&self.name, None, |labels| {
            if point.no_value {
                return fold.float(labels, unix_ms, f64::from_bits(STALE_BITS));
            }
            let histogram = native_of(&point.data)?;
            if self.kind.is_delta() {
                return fold.window(labels, window_of(point, Value::Histogram(histogram.into())));
            }
            fold.histogram(labels, unix_ms, histogram)
        });
        exemplars(point.exemplars, id, fold);
    }
}

fn exemplars(all: &[PointExemplar], series: Option<SeriesId>, fold: &mut Fold<'_>) {
    let Some(series) = series else { return };
    for exemplar in all {
        fold.exemplar(Exemplar {
            series,
            unix_ms: unix_ms(exemplar.unix_ns),
            value: exemplar.value,
            labels: exemplar.labels.clone(),
        });
    }
}

fn metadata_kind(kind: Kind) -> MetricKind {
    match kind {
        Kind::Gauge
        | Kind::Sum {
            monotonic: false, ..
        } => MetricKind::Gauge,
        Kind::Sum {
            monotonic: true, ..
        } => MetricKind::Counter,
        Kind::Histogram { .. } | Kind::ExpHistogram { .. } => MetricKind::Histogram,
        Kind::Summary => MetricKind::Summary,
    }
}

pub(crate) fn unix_ms(unix_ns: u64) -> i64 {
    (unix_ns / NS_PER_MS) as i64
}

/// A delta without a start has no length.
pub(crate) fn window(start_unix_ns: u64, time_unix_ns: u64, value: Value) -> Window {
    let end_unix_ms = unix_ms(time_unix_ns);
    let start = unix_ms(start_unix_ns);
    let has_start = start_unix_ns > 0 && start < end_unix_ms;
    Window {
        start_unix_ms: if has_start { start } else { end_unix_ms },
        end_unix_ms,
        value,
    }
}

fn window_of(point: &Point<'_>, value: Value) -> Window {
    window(point.start_unix_ns, point.time_unix_ns, value)
}

/// A number as the labels `le` and `quantile` have it.
fn number_text(number: f64) -> String {
    if number == f64::INFINITY {
        "+Inf".to_owned()
    } else {
        format!("{number}")
    }
}

/// OpenTelemetry's bucket i begins where Prometheus's bucket i + 1 does; finer ones than Prometheus knows are added up.
fn native_of(data: &Data<'_>) -> Option<Histogram> {
    let Data::ExpHistogram {
        scale,
        count,
        sum,
        zero_count,
        zero_threshold,
        positive,
        negative,
    } = *data
    else {
        return None;
    };
    let schema = scale.min(crate::derived::SCHEMA_MAX);
    let side = |(offset, counts): (i32, &[u64])| {
        let buckets = Buckets {
            offset: offset.saturating_add(1),
            counts: counts.iter().map(|n| *n as f64).collect(),
        };
        at_schema(&buckets, scale, schema)
    };
    Some(Histogram {
        schema,
        zero_threshold,
        zero_count: zero_count as f64,
        count: count as f64,
        sum: sum.unwrap_or(f64::NAN),
        positive: side(positive),
        negative: side(negative),
        ..Histogram::default()
    })
}

/// The labels of a point: those of its resource and its own, which win.
struct PointLabels<'a> {
    /// Sorted by name, no value empty, without the metric's name.
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> PointLabels<'a> {
    fn new(resource: &'a ResourceLabels, attributes: &'a [(Cow<'a, str>, Cow<'a, str>)]) -> Self {
        let mut own: Vec<(Cow<'a, str>, &'a str, &'a str)> = attributes
            .iter()
            .map(|(key, value)| (name::label(key), key.as_ref(), value.as_ref()))
            .collect();
        // keys that become one name are joined in their own order, as Prometheus does
        own.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, _, value) in own {
            match pairs.last_mut() {
                Some((last, joined)) if *last == name => {
                    joined.to_mut().push(';');
                    joined.to_mut().push_str(value);
                }
                _ => pairs.push((name, Cow::Borrowed(value))),
            }
        }
        for (name, value) in resource.pairs() {
            if let Err(place) = pairs.binary_search_by(|(at, _)| at.as_ref().cmp(name)) {
                pairs.insert(place, (Cow::Borrowed(name), Cow::Borrowed(value)));
            }
        }
        pairs.retain(|(name, value)| !value.is_empty() && name != NAME);
        Self { pairs }
    }

    /// Hands over the labels with the metric's name and one more.
    fn with<T>(
        &mut self,
        name: &str,
        more: Option<(&'static str, String)>,
        take: impl FnOnce(&[(&str, &str)]) -> T,
    ) -> T {
        let pairs = self.pairs.iter();
        let mut labels: Vec<(&str, &str)> = Vec::with_capacity(self.pairs.len() + 2);
        labels.extend(pairs.map(|(name, value)| (name.as_ref(), value.as_ref())));
        let more = more.as_ref().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in [(NAME, name)].into_iter().chain(more) {
            match labels.binary_search_by(|(at, _)| (*at).cmp(name)) {
                Ok(place) => {
                    if let Some(pair) = labels.get_mut(place) {
                        pair.1 = value;
                    }
                }
                Err(place) => labels.insert(place, (name, value)),
            }
        }
        take(&labels)
    }
}

#[cfg(test)]
mod tests;
