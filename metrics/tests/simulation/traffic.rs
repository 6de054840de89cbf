//! What samplers and senders put into `points`: epochs in parts, each written by one owner or by two, and what it all must add up to.

use std::collections::BTreeMap;

use bus::testing::Seeded;
use bus::{Draft, Header, Kind, Partition, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    Sum, metric, number_data_point,
};
use prost::Message;
use telemetry::derived::{DeltaValue, DerivedRecord, SeriesDelta, TenantDelta, WindowDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::{RecordTime, Tenant};

pub(crate) const N_SERIES: u64 = 6;
/// Length of the windows of derived series, in ms.
const WINDOW_MS: i64 = 10_000;

/// (tenant, series, end of window) to (count, observations).
pub(crate) type Truth = BTreeMap<(String, String, i64), (f64, f64)>;

/// The epochs of one partition of `spans`.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    partition: u32,
    end: u64,
    n_partitions: u32,
    /// Epochs that were written, to be written again by an owner that knows no better.
    written: Vec<Vec<DerivedRecord>>,
    pub(crate) truth: Truth,
}

impl Source {
    pub(crate) fn new(partition: u32, n_partitions: u32) -> Self {
        Self {
            partition,
            end: 0,
            n_partitions,
            written: Vec::new(),
            truth: Truth::new(),
        }
    }

    /// The next epoch, for every partition of `points`: its parts in order.
    pub(crate) fn epoch(
        &mut self,
        seeded: &mut Seeded,
        now_ms: i64,
    ) -> Vec<(Partition, DerivedRecord)> {
        let previous_end = self.end;
        self.end += 1 + seeded.below(1_000);
        let mut all = Vec::new();
        for partition in 0..self.n_partitions {
            let n_parts = 1 + seeded.below(3) as u32;
            for part in 0..n_parts {
                let record = DerivedRecord {
                    source_partition: self.partition,
                    previous_end,
                    end: self.end,
                    part,
                    is_last: part + 1 == n_parts,
                    complete_to: RecordTime { unix_ms: now_ms },
                    tenants: self.tenants(seeded, partition, now_ms),
                };
                all.push((Partition(partition), record));
            }
        }
        self.written
            .push(all.iter().map(|(_, record)| record.clone()).collect());
        all
    }

    fn tenants(&mut self, seeded: &mut Seeded, partition: u32, now_ms: i64) -> Vec<TenantDelta> {
        let mut tenants = Vec::new();
        for name in ["a", "b"] {
            let mut series = Vec::new();
            for number in 0..N_SERIES {
                // a series has one writer
                if number % u64::from(self.n_partitions) == u64::from(partition)
                    && seeded.chance(0.5)
                {
                    series.push(self.series(seeded, name, number, now_ms));
                }
            }
            if !series.is_empty() {
                tenants.push(TenantDelta {
                    tenant: tenant(name),
                    series,
                });
            }
        }
        tenants
    }

    fn series(
        &mut self,
        seeded: &mut Seeded,
        tenant: &str,
        number: u64,
        now_ms: i64,
    ) -> SeriesDelta {
        let name = format!("calls_{number}");
        let late = seeded.below(12) as i64 * i64::from(seeded.chance(0.2));
        let end_unix_ms = now_ms / WINDOW_MS * WINDOW_MS - late * WINDOW_MS;
        let truth = self
            .truth
            .entry((tenant.to_owned(), name.clone(), end_unix_ms));
        let truth = truth.or_default();
        let value = if number.is_multiple_of(2) {
            let count = seeded.below(1_000) as f64;
            truth.0 += count;
            DeltaValue::Count(count)
        } else {
            let mut histogram = ExpHistogram::new();
            for _ in 0..=seeded.below(5) {
                histogram.observe(seeded.below(1_000) as f64 / 8.0);
            }
            truth.1 += histogram.count();
            DeltaValue::Histogram(histogram)
        };
        SeriesDelta {
            name,
            labels: vec![("service_name".to_owned(), "shop".to_owned())],
            windows: vec![WindowDelta {
                start_unix_ms: end_unix_ms - WINDOW_MS,
                end_unix_ms,
                value,
            }],
            exemplars: Vec::new(),
        }
    }

    /// One of the last epochs again, or none.
    pub(crate) fn again(&self, seeded: &mut Seeded) -> Vec<(Partition, DerivedRecord)> {
        let back = seeded.below(3) as usize;
        let Some(epoch) = self.written.iter().rev().nth(back) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        let mut partition = 0;
        for record in epoch {
            all.push((Partition(partition), record.clone()));
            partition += u32::from(record.is_last);
        }
        all
    }
}

/// A request of somebody who sends deltas by OTLP, and what it adds to the truth.
pub(crate) fn deltas(
    seeded: &mut Seeded,
    now_ms: i64,
    n_partitions: u32,
    truth: &mut Truth,
) -> Draft {
    let number = seeded.below(4);
    let count = 1 + seeded.below(100);
    let key = ("a".to_owned(), format!("hits_{number}_total"), now_ms);
    truth.entry(key).or_default().0 += count as f64;
    let point = NumberDataPoint {
        start_time_unix_nano: (now_ms as u64 - 4_000) * 1_000_000,
        time_unix_nano: now_ms as u64 * 1_000_000,
        value: Some(number_data_point::Value::AsInt(count as i64)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: format!("hits.{number}"),
        data: Some(metric::Data::Sum(Sum {
            data_points: vec![point],
            aggregation_temporality: AggregationTemporality::Delta as i32,
            is_monotonic: true,
        })),
        ..Metric::default()
    };
    let scope_metrics = vec![ScopeMetrics {
        metrics: vec![metric],
        ..ScopeMetrics::default()
    }];
    let resource_metrics = vec![ResourceMetrics {
        scope_metrics,
        ..ResourceMetrics::default()
    }];
    Draft {
        to: TopicPartition {
            topic: Topic::Points,
            partition: Partition(number as u32 % n_partitions),
        },
        header: Header {
            tenant: tenant("a"),
            kind: Kind::Otlp,
            accepted_at: RecordTime::default(),
            n_items: 1,
            request_hash: RequestHash(u128::from(seeded.next_u64())),
            part: 0,
            historic: false,
        },
        payload: Bytes::from(MetricsData { resource_metrics }.encode_to_vec()),
    }
}

pub(crate) fn tenant(name: &str) -> Tenant {
    name.parse().expect("a tenant")
}

/// As a sampler writes it: the request hash says nothing.
pub(crate) fn draft(partition: Partition, record: &DerivedRecord) -> Draft {
    Draft {
        to: TopicPartition {
            topic: Topic::Points,
            partition,
        },
        header: Header {
            tenant: Tenant::default_tenant(),
            kind: Kind::Derived,
            accepted_at: RecordTime::default(),
            n_items: record.tenants.iter().map(|t| t.series.len() as u32).sum(),
            request_hash: RequestHash(0),
            part: 0,
            historic: false,
        },
        payload: record.encode().into(),
    }
}

/// What a store's answer says, in the same shape as the truth.
pub(crate) fn told(tenant: &str, series: &[metrics::SeriesData], truth: &mut Truth) {
    for one in series {
        let metrics::Points::Windows(windows) = &one.points else {
            continue;
        };
        for window in windows {
            let key = (
                tenant.to_owned(),
                one.labels.name().to_owned(),
                window.end_unix_ms,
            );
            let sum = truth.entry(key).or_default();
            match &window.value {
                metrics::Value::Float(value) => sum.0 += value,
                metrics::Value::Histogram(histogram) => {
                    sum.1 += histogram.count;
                    let buckets: f64 = histogram.positive.counts.iter().sum();
                    assert_eq!(buckets + histogram.zero_count, histogram.count);
                }
            }
        }
    }
}

/// Truths of several sources, and of what was sent, as one.
pub(crate) fn joined<'a>(sources: impl Iterator<Item = &'a Source>, sent: &Truth) -> Truth {
    let mut all = sent.clone();
    for (key, (count, observed)) in sources.flat_map(|source| &source.truth) {
        let sum = all.entry(key.clone()).or_default();
        sum.0 += count;
        sum.1 += observed;
    }
    all
}
