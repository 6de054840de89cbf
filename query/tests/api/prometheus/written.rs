//! Series into the log as remote write has them, and from there into the store.

use std::time::Duration;

use bus::{Draft, Header, Kind, Log, Partition, RequestHash, Topic, TopicPartition};
use prost::Message;
use telemetry::{RecordTime, Tenant};

use crate::served::Served;

/// `prometheus.WriteRequest`, as far as tests need it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(super) metadata: Vec<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(int64, tag = "3")]
    pub(super) timestamp: i64,
}

/// A histogram of whole counts with positive buckets alone.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(uint64, tag = "1")]
    pub(super) count: u64,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    pub(super) positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct BucketSpan {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(string, tag = "2")]
    pub(super) metric_family_name: String,
    #[prost(string, tag = "4")]
    pub(super) help: String,
    #[prost(string, tag = "5")]
    pub(super) unit: String,
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
    let label = |(name, value): &(&str, &str)| Label {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    let mut labels: Vec<Label> = pairs.iter().map(label).collect();
    labels.sort_by(|a, b| a.name.cmp(&b.name));
    labels
}

/// A series of floats at times in ms.
pub(super) fn series(pairs: &[(&str, &str)], samples: &[(i64, f64)]) -> TimeSeries {
    let sample = |(timestamp, value): &(i64, f64)| Sample {
        value: *value,
        timestamp: *timestamp,
    };
    TimeSeries {
        labels: labels(pairs),
        samples: samples.iter().map(sample).collect(),
        ..TimeSeries::default()
    }
}

/// Writes one request for a tenant and waits until its series are there, which the tenant has none of before.
pub(super) async fn write(served: &Served, tenant: &Tenant, number: u128, request: WriteRequest) {
    let draft = Draft {
        to: TopicPartition {
            topic: Topic::Points,
            partition: Partition(0),
        },
        header: Header {
            tenant: tenant.clone(),
            kind: Kind::RemoteWrite1,
            accepted_at: RecordTime::default(),
            n_items: 1,
            request_hash: RequestHash(number),
            part: 0,
            historic: false,
        },
        payload: request.encode_to_vec().into(),
    };
    served.log.append(vec![draft]).await.expect("appended");
    let n_series = request.timeseries.len();
    let all_there = async {
        loop {
            let found = served.series.series(tenant, &[], i64::MIN, i64::MAX).await;
            if found.expect("series").len() >= n_series {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let there = tokio::time::timeout(Duration::from_secs(60), all_there).await;
    there.expect("the series are seen");
}
