//! A process with a log, a block store and an engine, fed by remote write.

use std::time::Duration;

use blocks::Blocks;
use bus::local::disk::Disk;
use bus::testing::SimDisk;
use bus::{Draft, Header, Kind, Local, Log, Partition, RequestHash, Topic, TopicPartition};
use metrics::histogram::Buckets;
use metrics::promql::{self, Engine, EngineConfig, Features};
use metrics::{
    Config, Histogram, Metrics, MetricsRunner, MetricsStore, Points, ResetHint, SelectOptions,
    SeriesData,
};
use prost::Message;
use telemetry::{Clock, RecordTime, Tenant};
use tokio_util::sync::CancellationToken;

/// A series with its samples.
pub(crate) struct Load {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) samples: Vec<(i64, f64)>,
    pub(crate) histograms: Vec<(i64, Histogram)>,
}

pub(crate) struct World {
    pub(crate) log: Local,
    pub(crate) store: MetricsStore,
    n_sent: u128,
}

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<NativeHistogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct NativeHistogram {
    #[prost(double, optional, tag = "2")]
    count: Option<f64>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(double, optional, tag = "7")]
    zero_count: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    negative_spans: Vec<BucketSpan>,
    #[prost(double, repeated, tag = "10")]
    negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<BucketSpan>,
    #[prost(double, repeated, tag = "13")]
    positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    reset_hint: i32,
    #[prost(int64, tag = "15")]
    timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    custom_values: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

fn native((timestamp, histogram): &(i64, Histogram)) -> NativeHistogram {
    let spans = |buckets: &Buckets| {
        let length = u32::try_from(buckets.counts.len()).expect("few buckets");
        let offset = buckets.offset;
        (length > 0).then_some(BucketSpan { offset, length })
    };
    NativeHistogram {
        count: Some(histogram.count),
        sum: histogram.sum,
        schema: histogram.schema,
        zero_threshold: histogram.zero_threshold,
        zero_count: Some(histogram.zero_count),
        negative_spans: spans(&histogram.negative).into_iter().collect(),
        negative_counts: histogram.negative.counts.clone(),
        positive_spans: spans(&histogram.positive).into_iter().collect(),
        positive_counts: histogram.positive.counts.clone(),
        reset_hint: match histogram.reset_hint {
            ResetHint::Unknown => 0,
            ResetHint::Reset => 1,
            ResetHint::NotReset => 2,
            ResetHint::Gauge => 3,
        },
        timestamp: *timestamp,
        custom_values: histogram.custom_bounds.clone(),
    }
}

/// Runs `what` beside a store; its clock stands at `now_ms`.
pub(crate) fn run<F: Future<Output = ()>>(now_ms: i64, what: impl FnOnce(World) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let clock = Clock::manual(now_ms);
        let (disk, metrics) = (Disk::Sim(SimDisk::new(1)), bus::Metrics::default());
        let log = Local::open_inline(disk, &bus::Config::default(), 1, clock.clone(), metrics);
        let log = log.expect("a log");
        let (config, metrics) = (blocks::Config::default(), blocks::Metrics::default());
        let path = folder.path().join("blocks");
        let local = blocks::Local::open(path, config, clock.clone(), metrics).await;
        let blocks = Blocks::Local(local.expect("a block store"));
        let config = Config {
            out_of_order: Duration::from_hours(24 * 365),
            ..Config::default()
        };
        let runner = MetricsRunner::new(&config, log.clone(), blocks, clock, Metrics::default());
        let runner = runner.await.expect("a runner");
        let world = World {
            log,
            store: runner.store(),
            n_sent: 0,
        };
        tokio::select! {
            ended = runner.run(CancellationToken::new()) => panic!("{ended:?}"),
            () = async {
                world.store.all_caught_up().await;
                what(world).await;
            } => {}
        }
    });
}

impl World {
    pub(crate) fn engine(&self, features: Features) -> Engine {
        let config = EngineConfig {
            features,
            ..EngineConfig::default()
        };
        Engine::new(self.store.clone(), config)
    }

    /// Writes series, and waits until they are seen.
    pub(crate) async fn load(&mut self, tenant: &Tenant, series: &[Load]) {
        let timeseries = series.iter().map(|series| TimeSeries {
            labels: labels(&series.labels),
            samples: series
                .samples
                .iter()
                .map(|(timestamp, value)| Sample {
                    value: *value,
                    timestamp: *timestamp,
                })
                .collect(),
            histograms: series.histograms.iter().map(native).collect(),
        });
        let request = Request {
            timeseries: timeseries.collect(),
        };
        let n_samples: usize = series
            .iter()
            .map(|series| series.samples.len() + series.histograms.len())
            .sum();
        let had = self.n_samples(tenant).await;
        self.send(tenant, Kind::RemoteWrite1, request.encode_to_vec())
            .await;
        for _ in 0..2_000 {
            if self.n_samples(tenant).await >= had + n_samples {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the store did not take {n_samples} samples");
    }

    async fn n_samples(&self, tenant: &Tenant) -> usize {
        let any = promql::parse_matchers("{__name__=~\".+\"}").expect("matchers");
        let options = SelectOptions::default();
        let all = (i64::MIN, i64::MAX);
        let found = self.store.select(tenant, &any, all.0, all.1, options).await;
        let n_points = |series: &SeriesData| match &series.points {
            Points::Samples(samples) => samples.floats.len() + samples.histograms.len(),
            Points::Windows(windows) => windows.len(),
        };
        found.expect("an answer").iter().map(n_points).sum()
    }

    pub(crate) async fn send(&mut self, tenant: &Tenant, kind: Kind, payload: Vec<u8>) {
        self.n_sent += 1;
        let draft = Draft {
            to: TopicPartition {
                topic: Topic::Points,
                partition: Partition(0),
            },
            header: Header {
                tenant: tenant.clone(),
                kind,
                accepted_at: RecordTime::default(),
                n_items: 1,
                request_hash: RequestHash(self.n_sent),
                part: 0,
                historic: false,
            },
            payload: payload.into(),
        };
        self.log.append(vec![draft]).await.expect("appended");
    }
}

fn labels(pairs: &[(String, String)]) -> Vec<Label> {
    let mut pairs: Vec<Label> = pairs
        .iter()
        .map(|(name, value)| Label {
            name: name.clone(),
            value: value.clone(),
        })
        .collect();
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    pairs
}
