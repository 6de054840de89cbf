//! Requests that are written once and then get new times and values in place: a load that costs its sender little.
//!
//! Both formats have values of 8 bytes behind or before a time of fixed size, so that a template stays as long as it is.

use std::ops::Range;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::{Course, DEVICE_NAMES, Fleet, Host, HostMetric, Line, Source};
use crate::rng::Rng;

/// Stands for each value until the template is made; no label has these bytes.
const MARK: u64 = 0x214b_5241_4d21_214b;
/// Times of this corpus lie between 2004 and 2109, where a varint of ms has 6 bytes.
const TIME_VARINT_BYTES: usize = 6;
const BEGIN_MS: i64 = 1_700_000_000_000;
/// Scrapes of different hosts are apart by up to so many ms.
const JITTER_MS: u64 = 20;

/// A request of OTLP metrics: some hosts, a point a series.
#[derive(Debug)]
pub struct Otlp(Template);

/// A request of remote write 1.0: some series, a sample each.
#[derive(Debug)]
pub struct RemoteWrite(Template);

#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    spots: Vec<Spot>,
    rng: Rng,
    compressor: snap::raw::Encoder,
    compressed: Vec<u8>,
}

/// Where a sample stands.
#[derive(Debug)]
struct Spot {
    value_at: usize,
    /// Sent as a whole number.
    is_int: bool,
    source: Source,
}

impl Template {
    /// `sources` in the order in which their values stand in `bytes`.
    fn new(bytes: Vec<u8>, sources: Vec<(Source, bool)>, seed: u64) -> Self {
        let mark = MARK.to_le_bytes();
        let mut from = 0;
        let mut spots = Vec::with_capacity(sources.len());
        for (source, is_int) in sources {
            let found = memchr::memmem::find(&bytes[from..], &mark);
            let value_at = from + found.expect("a template has a mark a value");
            from = value_at + mark.len();
            spots.push(Spot {
                value_at,
                is_int,
                source,
            });
        }
        Self {
            bytes,
            spots,
            rng: Rng::new(seed),
            compressor: snap::raw::Encoder::new(),
            compressed: Vec::new(),
        }
    }

    /// Puts the next value of each series in, and has `put_time` put its time in.
    fn fill(&mut self, unix_ms: i64, put_time: fn(&mut [u8], usize, i64)) {
        let jitter_ms = self.rng.below(JITTER_MS) as i64;
        for spot in &mut self.spots {
            let value = spot.source.next(&mut self.rng);
            let bits = if spot.is_int {
                (value as i64).to_le_bytes()
            } else {
                value.to_le_bytes()
            };
            self.bytes[spot.value_at..spot.value_at + 8].copy_from_slice(&bits);
            put_time(&mut self.bytes, spot.value_at, unix_ms + jitter_ms);
        }
    }
}

impl Otlp {
    #[must_use]
    pub fn new(fleet: Fleet, hosts: Range<usize>) -> Self {
        let seed = fleet.seed ^ hosts.start as u64;
        let hosts: Vec<Host> = fleet.hosts(hosts).collect();
        let request = ExportMetricsServiceRequest {
            resource_metrics: hosts.iter().map(resource_metrics).collect(),
        };
        let metrics = hosts.into_iter().flat_map(|host| host.metrics);
        let sources = metrics.flat_map(|metric| {
            let is_int = is_int(metric.course);
            let sources = metric.sources.into_iter();
            sources.map(move |source| (source, is_int))
        });
        Self(Template::new(
            request.encode_to_vec(),
            sources.collect(),
            seed,
        ))
    }

    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.0.spots.len()
    }

    /// The next scrape.
    pub fn scrape(&mut self, unix_ms: i64) -> &[u8] {
        // time_unix_nano is a fixed64 and stands before the tag of the value
        self.0.fill(unix_ms, |bytes, value_at, unix_ms| {
            let time = (unix_ms * 1_000_000).to_le_bytes();
            bytes[value_at - 9..value_at - 1].copy_from_slice(&time);
        });
        &self.0.bytes
    }
}

impl RemoteWrite {
    #[must_use]
    pub fn new(lines: &[Line], seed: u64) -> Self {
        let mut bytes = Vec::new();
        for line in lines {
            put_series(&mut bytes, line);
        }
        let sources = lines.iter().map(|line| (line.source.clone(), false));
        Self(Template::new(bytes, sources.collect(), seed))
    }

    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.0.spots.len()
    }

    /// The next scrape, as a record of the log has it.
    pub fn plain_scrape(&mut self, unix_ms: i64) -> &[u8] {
        self.0.fill(unix_ms, |bytes, value_at, unix_ms| {
            let mut time = Vec::with_capacity(TIME_VARINT_BYTES);
            prost::encoding::encode_varint(unix_ms as u64, &mut time);
            bytes[value_at + 9..value_at + 9 + TIME_VARINT_BYTES].copy_from_slice(&time);
        });
        &self.0.bytes
    }

    /// The next scrape, compressed as senders do.
    pub fn scrape(&mut self, unix_ms: i64) -> &[u8] {
        self.plain_scrape(unix_ms);
        let Template {
            bytes,
            compressor,
            compressed,
            ..
        } = &mut self.0;
        compressed.resize(snap::raw::max_compress_len(bytes.len()), 0);
        let n_bytes = compressor
            .compress(bytes, compressed)
            .expect("the buffer is as large as the bound says");
        &compressed[..n_bytes]
    }
}

/// `WriteRequest.timeseries`: labels (1: name, value) and a sample (2: value, timestamp).
fn put_series(out: &mut Vec<u8>, line: &Line) {
    let mut series = Vec::new();
    for (name, value) in &line.labels {
        let mut label = Vec::new();
        put_field(&mut label, 1, name.as_bytes());
        put_field(&mut label, 2, value.as_bytes());
        put_field(&mut series, 1, &label);
    }
    let mut sample = vec![0x09];
    sample.extend_from_slice(&MARK.to_le_bytes());
    sample.push(0x10);
    prost::encoding::encode_varint(BEGIN_MS as u64, &mut sample);
    put_field(&mut series, 2, &sample);
    put_field(out, 1, &series);
}

fn put_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, out);
    prost::encoding::encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn is_int(course: Course) -> bool {
    !matches!(course, Course::Seconds | Course::Share)
}

fn resource_metrics(host: &Host) -> ResourceMetrics {
    let attributes = [
        ("service.name", "node"),
        ("service.instance.id", &host.instance),
        ("host.id", &host.id),
        ("host.name", &host.name),
        ("deployment.environment.name", "production"),
        ("k8s.cluster.name", "production-eu-1"),
        ("cloud.availability_zone", host.zone),
    ];
    let scope = InstrumentationScope {
        name: "host.metrics".to_owned(),
        version: "0.1.0".to_owned(),
        ..InstrumentationScope::default()
    };
    ResourceMetrics {
        resource: Some(Resource {
            attributes: attributes.map(attribute).to_vec(),
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(scope),
            metrics: host.metrics.iter().map(metric_of).collect(),
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    }
}

pub(super) fn attribute((key, value): (&str, &str)) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn metric_of(metric: &HostMetric) -> Metric {
    let data_points = (0..metric.sources.len())
        .map(|device| point(metric.course, device))
        .collect();
    let data = if metric.course.is_counter() {
        metric::Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        })
    } else {
        metric::Data::Gauge(Gauge { data_points })
    };
    Metric {
        name: metric.name.replacen('_', ".", 2),
        description: "what a host has".to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn point(course: Course, device: usize) -> NumberDataPoint {
    let value = if is_int(course) {
        number_data_point::Value::AsInt(MARK as i64)
    } else {
        number_data_point::Value::AsDouble(f64::from_bits(MARK))
    };
    let attributes = [
        ("device", DEVICE_NAMES[device % DEVICE_NAMES.len()]),
        ("mode", ["user", "system", "idle"][device % 3]),
    ];
    let unix_ns = BEGIN_MS as u64 * 1_000_000;
    NumberDataPoint {
        attributes: attributes.map(attribute).to_vec(),
        start_time_unix_nano: unix_ns,
        time_unix_nano: unix_ns,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

#[cfg(test)]
mod tests {
    use telemetry::wire::{MetricLimits, MetricsWalker};

    use super::*;

    const FLEET: Fleet = Fleet {
        seed: 7,
        n_hosts: 2,
        host_series: 125,
    };

    #[test]
    fn otlp_has_the_times_and_values_that_were_put_in() {
        let mut body = Otlp::new(FLEET, 0..2);
        assert_eq!(body.n_samples(), 250);
        for unix_ms in [BEGIN_MS, BEGIN_MS + 10_000] {
            let bytes = body.scrape(unix_ms);
            let mut walker = MetricsWalker::new();
            let view = walker
                .walk(bytes, &MetricLimits::default())
                .expect("it is OTLP");
            assert_eq!((view.n_points(), view.rejected().n_points()), (250, 0));
            let request =
                ExportMetricsServiceRequest::decode(bytes).expect("prost takes it as well");
            let all = request.resource_metrics.iter();
            let metrics = all
                .flat_map(|it| &it.scope_metrics)
                .flat_map(|it| &it.metrics);
            for metric in metrics {
                let points = match metric.data.as_ref().expect("data") {
                    metric::Data::Sum(sum) => &sum.data_points,
                    metric::Data::Gauge(gauge) => &gauge.data_points,
                    other => panic!("{other:?}"),
                };
                for point in points {
                    let ms = point.time_unix_nano as i64 / 1_000_000 - unix_ms;
                    assert!((0..20).contains(&ms), "{ms} ms");
                    assert_ne!(
                        point.value,
                        Some(number_data_point::Value::AsInt(MARK as i64))
                    );
                }
            }
        }
    }

    #[test]
    fn remote_write_has_them_too_and_the_same_seed_the_same_bytes() {
        let lines = FLEET.lines(0..2);
        let mut bodies = [(); 2].map(|()| RemoteWrite::new(&lines, 1));
        let [first, second] = &mut bodies;
        for unix_ms in [BEGIN_MS, BEGIN_MS + 10_000] {
            let bytes = first.scrape(unix_ms);
            assert_eq!(bytes, second.scrape(unix_ms));
            let bytes = snap::raw::Decoder::new()
                .decompress_vec(bytes)
                .expect("snappy");
            let mut time = vec![0x10];
            prost::encoding::encode_varint(unix_ms as u64, &mut time);
            // 20 ms change the lowest byte of the time alone, if it does not overflow
            let same = memchr::memmem::find_iter(&bytes, &time[2..]).count();
            assert!(same >= 250, "{same} samples");
            assert!(memchr::memmem::find(&bytes, &MARK.to_le_bytes()).is_none());
        }
    }
}
