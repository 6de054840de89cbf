//! The figures of one resource at one time, as OTLP. In: an instrument, a value and its attributes. Out: a `ResourceMetrics`.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value as Any,
};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::instrument::{Instrument, Kind};

const SCOPE: &str = "tracewell.agent";

/// What one resource shows at one moment. Attributes that are equal within a metric are the caller's mistake, not checked.
#[derive(Debug)]
pub(crate) struct Sheet {
    resource: Vec<KeyValue>,
    /// Since when counters count: boot, or the start of the container or process.
    start_unix_ns: u64,
    time_unix_ns: u64,
    metrics: Vec<Metric>,
    n_points: usize,
}

/// The value of an attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attr<'a> {
    Text(&'a str),
    Texts(&'a [String]),
    Int(u64),
}

impl<'a> From<&'a str> for Attr<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [String]> for Attr<'a> {
    fn from(texts: &'a [String]) -> Self {
        Self::Texts(texts)
    }
}

impl From<u64> for Attr<'_> {
    fn from(number: u64) -> Self {
        Self::Int(number)
    }
}

/// The value of a point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Int(u64),
    Double(f64),
}

/// What may become the value of a point: a number, or none where it could not be read.
pub(crate) trait Figure {
    fn number(self) -> Option<Number>;
}

impl Figure for u64 {
    fn number(self) -> Option<Number> {
        Some(Number::Int(self))
    }
}

impl Figure for f64 {
    fn number(self) -> Option<Number> {
        Some(Number::Double(self))
    }
}

impl<F: Figure> Figure for Option<F> {
    fn number(self) -> Option<Number> {
        self?.number()
    }
}

impl Sheet {
    pub(crate) fn new(resource: Vec<KeyValue>, start_unix_ns: u64, time_unix_ns: u64) -> Self {
        Self {
            resource,
            // A clock that was set back must not make a range that ends before it begins.
            start_unix_ns: start_unix_ns.min(time_unix_ns),
            time_unix_ns,
            metrics: Vec::new(),
            n_points: 0,
        }
    }

    /// Puts a point. What could not be read is `None` and leaves no point.
    pub(crate) fn put(
        &mut self,
        instrument: &Instrument,
        figure: impl Figure,
        attributes: &[(&str, Attr<'_>)],
    ) {
        let Some(number) = figure.number() else {
            return;
        };
        let point = NumberDataPoint {
            attributes: attributes
                .iter()
                .map(|(key, value)| attribute(key, *value))
                .collect(),
            start_time_unix_nano: match instrument.kind {
                Kind::Gauge => 0,
                Kind::Counter | Kind::UpDown => self.start_unix_ns,
            },
            time_unix_nano: self.time_unix_ns,
            value: Some(match number {
                Number::Int(int) => Value::AsInt(i64::try_from(int).unwrap_or(i64::MAX)),
                Number::Double(double) => Value::AsDouble(double),
            }),
            ..NumberDataPoint::default()
        };
        self.n_points += 1;
        self.points_of(instrument).push(point);
    }

    fn points_of(&mut self, instrument: &Instrument) -> &mut Vec<NumberDataPoint> {
        // From the end: points of one instrument come one after another.
        let place = self.metrics.iter().rposition(|m| m.name == instrument.name);
        let place = place.unwrap_or_else(|| {
            self.metrics.push(metric_of(instrument));
            self.metrics.len() - 1
        });
        match self.metrics.get_mut(place).and_then(|m| m.data.as_mut()) {
            Some(Data::Gauge(gauge)) => &mut gauge.data_points,
            Some(Data::Sum(sum)) => &mut sum.data_points,
            _ => unreachable!("metric_of makes gauges and sums alone"),
        }
    }

    pub(crate) fn n_points(&self) -> usize {
        self.n_points
    }

    pub(crate) fn finish(self) -> ResourceMetrics {
        ResourceMetrics {
            resource: Some(Resource {
                attributes: self.resource,
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: SCOPE.to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics: self.metrics,
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }
    }
}

fn metric_of(instrument: &Instrument) -> Metric {
    let sum = |is_monotonic| {
        Data::Sum(Sum {
            data_points: Vec::new(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic,
        })
    };
    Metric {
        name: instrument.name.to_owned(),
        unit: instrument.unit.to_owned(),
        data: Some(match instrument.kind {
            Kind::Gauge => Data::Gauge(Gauge::default()),
            Kind::Counter => sum(true),
            Kind::UpDown => sum(false),
        }),
        ..Metric::default()
    }
}

/// An attribute as OTLP has it.
pub(crate) fn attribute<'a>(key: &str, value: impl Into<Attr<'a>>) -> KeyValue {
    let text = |text: &str| Any::StringValue(text.to_owned());
    let some = |value| AnyValue { value: Some(value) };
    let value = match value.into() {
        Attr::Text(one) => text(one),
        Attr::Texts(all) => Any::ArrayValue(ArrayValue {
            values: all.iter().map(|one| some(text(one))).collect(),
        }),
        Attr::Int(int) => Any::IntValue(i64::try_from(int).unwrap_or(i64::MAX)),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(some(value)),
        ..KeyValue::default()
    }
}

#[cfg(test)]
impl Sheet {
    /// A sheet for tests, and what it says as lines `name{k=v} value`.
    pub(crate) fn for_test() -> Self {
        Self::new(Vec::new(), 1, 2)
    }

    pub(crate) fn lines(self) -> Vec<String> {
        lines_of(&self.finish())
    }
}

#[cfg(test)]
pub(crate) fn lines_of(metrics: &ResourceMetrics) -> Vec<String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(int)) => int.to_string(),
        other => format!("{other:?}"),
    };
    let mut lines = Vec::new();
    for metric in metrics.scope_metrics.iter().flat_map(|s| &s.metrics) {
        let points = match metric.data.as_ref().expect("data") {
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Sum(sum) => &sum.data_points,
            other => panic!("{other:?}"),
        };
        for point in points {
            let attributes: Vec<String> = point
                .attributes
                .iter()
                .map(|a| format!("{}={}", a.key, text(&a.value)))
                .collect();
            let value = match point.value.expect("value") {
                Value::AsInt(int) => int.to_string(),
                Value::AsDouble(double) => format!("{double}"),
            };
            lines.push(format!(
                "{}{{{}}} {value}",
                metric.name,
                attributes.join(",")
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{SYSTEM_CPU_LOAD_1M, SYSTEM_DISK_IO, SYSTEM_MEMORY_USAGE};

    #[test]
    fn points_of_one_instrument_are_one_metric() {
        let mut sheet = Sheet::new(vec![attribute("host.name", "a")], 5, 9);
        sheet.put(
            &SYSTEM_DISK_IO,
            1_u64,
            &[("disk.io.direction", "read".into())],
        );
        sheet.put(&SYSTEM_CPU_LOAD_1M, 0.5, &[]);
        sheet.put(
            &SYSTEM_DISK_IO,
            2_u64,
            &[("disk.io.direction", "write".into())],
        );
        sheet.put(&SYSTEM_MEMORY_USAGE, None::<u64>, &[]);
        assert_eq!(sheet.n_points(), 3);
        let metrics = sheet.finish();
        assert_eq!(metrics.scope_metrics[0].metrics.len(), 2);
        assert_eq!(
            lines_of(&metrics),
            [
                "system.disk.io{disk.io.direction=read} 1",
                "system.disk.io{disk.io.direction=write} 2",
                "system.cpu.load_average.1m{} 0.5"
            ]
        );
        let Some(Data::Sum(io)) = &metrics.scope_metrics[0].metrics[0].data else {
            panic!("a counter is a sum")
        };
        assert!(io.is_monotonic);
        assert_eq!(io.data_points[0].start_time_unix_nano, 5);
        assert_eq!(io.data_points[0].time_unix_nano, 9);
    }

    #[test]
    fn a_start_after_the_reading_is_the_reading() {
        let mut sheet = Sheet::new(Vec::new(), 10, 9);
        sheet.put(&SYSTEM_DISK_IO, u64::MAX, &[]);
        let metrics = sheet.finish();
        let Some(Data::Sum(io)) = &metrics.scope_metrics[0].metrics[0].data else {
            panic!("a counter is a sum")
        };
        assert_eq!(io.data_points[0].start_time_unix_nano, 9);
        assert_eq!(io.data_points[0].value, Some(Value::AsInt(i64::MAX)));
    }
}
