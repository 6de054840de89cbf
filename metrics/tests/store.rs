//! The store as a person uses it: records in through the log, series out, from heads, blocks and after restarts.

use std::time::Duration;

use blocks::{BlockKind, BlockStore, Blocks};
use bus::local::disk::Disk;
use bus::testing::SimDisk;
use bus::{Draft, Header, Kind, Local, Log, Partition, RequestHash, Topic, TopicPartition};
use metrics::{
    Config, MatchOp, Matcher, Metrics, MetricsRunner, MetricsStore, Points, SelectError,
    SelectOptions,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, exemplar,
    metric, number_data_point,
};
use prost::Message;
use telemetry::derived::{DeltaValue, DerivedRecord, SeriesDelta, TenantDelta, WindowDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::{Clock, RecordTime, Tenant};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const BEGIN_MS: i64 = 1_700_000_000_000;

struct World {
    clock: Clock,
    disk: SimDisk,
    folder: tempfile::TempDir,
    config: Config,
    n_sent: u128,
}

struct Life {
    log: Local,
    blocks: Blocks,
    store: MetricsStore,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        Self {
            clock: Clock::manual(BEGIN_MS),
            disk: SimDisk::new(1),
            folder: tempfile::tempdir().expect("a folder"),
            config: Config {
                maintenance_interval: Duration::from_secs(4),
                ..Config::default()
            },
            n_sent: 0,
        }
    }

    /// Runs a process until `what` is done, then kills it.
    fn live<F: Future<Output = ()>>(&mut self, what: impl FnOnce(Life) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let metrics = bus::Metrics::default();
            let (disk, config) = (Disk::Sim(self.disk.clone()), bus::Config::default());
            let log = Local::open_inline(disk, &config, 1, self.clock.clone(), metrics);
            let log = log.expect("a log");
            let (config, metrics) = (blocks::Config::default(), blocks::Metrics::default());
            let folder = self.folder.path().join("blocks");
            let local = blocks::Local::open(folder, config, self.clock.clone(), metrics).await;
            let blocks = Blocks::Local(local.expect("a block store"));
            let runner = MetricsRunner::new(
                &self.config,
                log.clone(),
                blocks.clone(),
                self.clock.clone(),
                Metrics::default(),
            );
            let runner = runner.await.expect("a runner");
            let life = Life {
                log,
                blocks,
                store: runner.store(),
                clock: self.clock.clone(),
            };
            tokio::select! {
                ended = runner.run(CancellationToken::new()) => panic!("{ended:?}"),
                () = what(life) => {}
            }
        });
        self.disk = self.disk.cut_power();
    }

    fn draft(&mut self, kind: Kind, payload: Vec<u8>) -> Draft {
        self.n_sent += 1;
        Draft {
            to: TopicPartition {
                topic: Topic::Points,
                partition: Partition(0),
            },
            header: Header {
                tenant: Tenant::default_tenant(),
                kind,
                accepted_at: RecordTime::default(),
                n_items: 1,
                request_hash: RequestHash(self.n_sent),
                part: 0,
                historic: false,
            },
            payload: payload.into(),
        }
    }

    /// One point of a gauge with a label `n`.
    fn gauge(&mut self, name: &str, n: u64, unix_ms: i64, value: f64) -> Draft {
        let text = any_value::Value::StringValue(n.to_string());
        let point = NumberDataPoint {
            attributes: vec![KeyValue {
                key: "n".to_owned(),
                value: Some(AnyValue { value: Some(text) }),
                ..KeyValue::default()
            }],
            time_unix_nano: unix_ms as u64 * 1_000_000,
            value: Some(number_data_point::Value::AsDouble(value)),
            exemplars: vec![Exemplar {
                time_unix_nano: unix_ms as u64 * 1_000_000,
                trace_id: vec![7; 16],
                value: Some(exemplar::Value::AsDouble(value)),
                ..Exemplar::default()
            }],
            ..NumberDataPoint::default()
        };
        let metric = Metric {
            name: name.to_owned(),
            description: "what it is".to_owned(),
            data: Some(metric::Data::Gauge(Gauge {
                data_points: vec![point],
            })),
            ..Metric::default()
        };
        let data = MetricsData {
            resource_metrics: vec![ResourceMetrics {
                scope_metrics: vec![ScopeMetrics {
                    metrics: vec![metric],
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        };
        self.draft(Kind::Otlp, data.encode_to_vec())
    }

    /// An epoch of spans of one service.
    fn epoch(
        &mut self,
        (previous_end, end): (u64, u64),
        end_unix_ms: i64,
        durations: &[f64],
    ) -> Draft {
        let mut histogram = ExpHistogram::new();
        for duration in durations {
            histogram.observe(*duration);
        }
        let labels = [("service_name", "shop"), ("span_name", "get")];
        let series = SeriesDelta {
            name: "tracewell_span_duration_seconds".to_owned(),
            labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            windows: vec![WindowDelta {
                start_unix_ms: end_unix_ms - 10_000,
                end_unix_ms,
                value: DeltaValue::Histogram(histogram),
            }],
            exemplars: Vec::new(),
        };
        let record = DerivedRecord {
            source_partition: 0,
            previous_end,
            end,
            part: 0,
            is_last: true,
            complete_to: RecordTime {
                unix_ms: end_unix_ms,
            },
            tenants: vec![TenantDelta {
                tenant: Tenant::default_tenant(),
                series: vec![series],
            }],
        };
        self.draft(Kind::Derived, record.encode())
    }
}

impl Life {
    async fn send(&self, draft: Draft) {
        self.log.append(vec![draft]).await.expect("appended");
        sleep(Duration::from_millis(100)).await;
    }

    /// Lets time pass, in steps that move shard time as far as they go.
    async fn pass(&self, s: i64) {
        for _ in 0..s / 10 {
            self.clock.advance(10_000);
            sleep(Duration::from_millis(1_100)).await;
        }
    }

    async fn n_blocks(&self) -> usize {
        self.blocks
            .list(BlockKind::Metrics)
            .await
            .expect("a list")
            .len()
    }

    /// `n` of every series of the metric, with its points.
    async fn floats(&self, metric: &str) -> Vec<(String, Vec<(i64, f64)>)> {
        let found = self
            .select(metric, (i64::MIN, i64::MAX), SelectOptions::default())
            .await;
        let floats = |series: metrics::SeriesData| match series.points {
            Points::Samples(samples) => (series.labels.get("n").to_owned(), samples.floats),
            Points::Windows(_) => panic!("{metric} came as windows"),
        };
        found.expect("an answer").into_iter().map(floats).collect()
    }

    async fn select(
        &self,
        metric: &str,
        (from, to): (i64, i64),
        options: SelectOptions,
    ) -> Result<Vec<metrics::SeriesData>, SelectError> {
        let tenant = Tenant::default_tenant();
        self.store
            .select(&tenant, &[name(metric)], from, to, options)
            .await
    }

    /// Sum of the windows of a metric's only series.
    async fn sum(&self, metric: &str, range: (i64, i64), all_windows: bool) -> f64 {
        let options = SelectOptions {
            all_windows,
            ..SelectOptions::default()
        };
        let found = self
            .select(metric, range, options)
            .await
            .expect("an answer");
        let mut sum = 0.0;
        for series in found {
            let Points::Windows(windows) = series.points else {
                panic!("{metric} came as samples");
            };
            for window in windows {
                sum += match window.value {
                    metrics::Value::Float(value) => value,
                    metrics::Value::Histogram(histogram) => histogram.count,
                };
            }
        }
        sum
    }
}

fn name(metric: &str) -> Matcher {
    Matcher {
        name: "__name__".to_owned(),
        op: MatchOp::Equal,
        value: metric.to_owned(),
    }
}

#[test]
fn points_are_seen_at_once_and_stay_after_seals_and_crashes() {
    let mut world = World::new();
    let first = world.gauge("temp", 1, BEGIN_MS, 1.0);
    let second = world.gauge("temp", 1, BEGIN_MS + 60_000, 2.0);
    let corrected = world.gauge("temp", 1, BEGIN_MS, 1.5);
    let other = world.gauge("temp", 2, BEGIN_MS, 9.0);
    let before = [("1".to_owned(), vec![(BEGIN_MS, 1.0)])];
    let after = [
        (
            "1".to_owned(),
            vec![(BEGIN_MS, 1.5), (BEGIN_MS + 60_000, 2.0)],
        ),
        ("2".to_owned(), vec![(BEGIN_MS, 9.0)]),
    ];
    world.live(|life| async move {
        life.send(first).await;
        assert_eq!(life.floats("temp").await, before, "from the head");
    });
    let before = [("1".to_owned(), vec![(BEGIN_MS, 1.0)])];
    world.live(|life| async move {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(
            life.floats("temp").await,
            before,
            "read again after a crash"
        );
        life.pass(310).await;
        assert_eq!(life.n_blocks().await, 1);
        assert_eq!(life.floats("temp").await, before, "from a block");
        for draft in [second, corrected, other] {
            life.send(draft).await;
        }
        assert_eq!(life.floats("temp").await.len(), 2);
    });
    world.live(|life| async move {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(life.floats("temp").await, after, "the higher offset wins");
        life.pass(310).await;
        assert_eq!(life.n_blocks().await, 2);
        assert_eq!(life.floats("temp").await, after, "across blocks");
        life.pass(3_600 + 1_000).await;
        assert_eq!(life.store.metrics().compacted_blocks.get(), 2);
        assert_eq!(life.floats("temp").await, after, "merged");
    });
}

#[test]
fn labels_exemplars_and_metadata_are_found_in_heads_and_blocks() {
    let mut world = World::new();
    let in_block = world.gauge("temp", 1, BEGIN_MS, 1.0);
    let in_head = world.gauge("fan", 2, BEGIN_MS + 320_000, 2.0);
    world.live(|life| async move {
        life.send(in_block).await;
        life.pass(310).await;
        life.send(in_head).await;
        let tenant = Tenant::default_tenant();
        let (store, all) = (&life.store, (i64::MIN, i64::MAX));
        let names = store.label_names(&tenant, &[], all.0, all.1).await;
        assert_eq!(names.expect("names"), ["__name__", "n"]);
        let values = store
            .label_values(&tenant, "__name__", &[], all.0, all.1)
            .await;
        assert_eq!(values.expect("values"), ["fan", "temp"]);
        let values = store
            .label_values(&tenant, "n", &[name("temp")], all.0, all.1)
            .await;
        assert_eq!(values.expect("values"), ["1"]);
        let series = store
            .series(&tenant, &[], all.0, BEGIN_MS)
            .await
            .expect("series");
        let names: Vec<&str> = series.iter().map(|labels| labels.name()).collect();
        assert_eq!(names, ["temp"], "the range counts");
        for metric in ["temp", "fan"] {
            let found = store
                .exemplars(&tenant, &[name(metric)], all.0, all.1)
                .await;
            let found = found.expect("exemplars");
            let labels = &found[0].exemplars[0].labels;
            assert_eq!(
                labels,
                &[("trace_id".to_owned(), "07".repeat(16))],
                "{metric}"
            );
        }
        let metadata = store.metadata(&tenant).await.expect("metadata");
        let known: Vec<(&str, &str, &str)> = metadata
            .iter()
            .map(|(name, m)| (name.as_str(), m.kind.name(), m.help.as_str()))
            .collect();
        assert_eq!(
            known,
            [
                ("fan", "gauge", "what it is"),
                ("temp", "gauge", "what it is")
            ]
        );
        let counted = store
            .cardinality(&tenant, all.0, all.1, 1)
            .await
            .expect("counts");
        assert_eq!((counted.n_series, counted.series_by_metric.len()), (2, 1));
        assert_eq!(counted.values_by_label[0].name, "__name__");
        let other = "other".parse().expect("a tenant");
        let series = store
            .series(&other, &[], all.0, all.1)
            .await
            .expect("series");
        assert!(series.is_empty(), "a tenant sees its own alone");
    });
}

#[test]
fn spans_are_windows_also_under_the_names_of_other_tools() {
    let mut world = World::new();
    let first = world.epoch((0, 10), BEGIN_MS, &[0.1, 0.3]);
    let late = world.epoch((10, 20), BEGIN_MS, &[0.2]);
    let next = world.epoch((20, 30), BEGIN_MS + 320_000, &[3.0]);
    let again = world.epoch((20, 30), BEGIN_MS + 320_000, &[3.0]);
    world.live(|life| async move {
        assert_eq!(life.store.complete_to(), None);
        life.send(first).await;
        life.pass(310).await;
        for draft in [late, next, again] {
            life.send(draft).await;
        }
        let complete_to = life.store.complete_to().map(|at| at.unix_ms);
        assert_eq!(complete_to, Some(BEGIN_MS + 320_000));
        let (all, last) = ((i64::MIN, i64::MAX), (BEGIN_MS, i64::MAX));
        assert_eq!(
            life.sum("tracewell_span_duration_seconds", all, false)
                .await,
            4.0
        );
        assert_eq!(
            life.sum("tracewell_span_duration_seconds", last, false)
                .await,
            1.0
        );
        assert_eq!(
            life.sum("tracewell_span_duration_seconds", last, true)
                .await,
            4.0
        );
        assert_eq!(
            life.sum("traces_spanmetrics_calls_total", all, false).await,
            4.0
        );
        let tenant = Tenant::default_tenant();
        let bucket = [
            name("traces_spanmetrics_latency_bucket"),
            Matcher {
                name: "le".to_owned(),
                ..name("1.024")
            },
        ];
        let found = life
            .store
            .select(&tenant, &bucket, all.0, all.1, SelectOptions::default());
        assert_eq!(found.await.expect("an answer").len(), 1);
        let listed = life
            .store
            .label_values(&tenant, "__name__", &[], all.0, all.1)
            .await;
        let listed = listed.expect("values");
        assert!(listed.contains(&"traces_span_metrics_calls_total".to_owned()));
    });
}

#[test]
fn a_query_that_would_read_too_much_is_refused() {
    let mut world = World::new();
    let drafts: Vec<Draft> = (0..20)
        .map(|n| world.gauge("temp", n, BEGIN_MS, 1.0))
        .collect();
    world.live(|life| async move {
        for draft in drafts {
            life.send(draft).await;
        }
        for in_block in [false, true] {
            let few = SelectOptions {
                samples_max: 19,
                ..SelectOptions::default()
            };
            let refused = life.select("temp", (i64::MIN, i64::MAX), few).await;
            assert!(
                matches!(
                    refused,
                    Err(SelectError::TooManySamples { samples_max: 19 })
                ),
                "in a block: {in_block}"
            );
            life.pass(310).await;
        }
    });
}

#[test]
fn blocks_are_deleted_by_age_and_by_size() {
    let mut world = World::new();
    world.config.retention = Duration::from_secs(1_200);
    let drafts: Vec<Draft> = (0..6)
        .map(|n| world.gauge("temp", n, BEGIN_MS + n as i64 * 310_000, 1.0))
        .collect();
    world.live(|life| async move {
        for draft in drafts {
            life.send(draft).await;
            life.pass(310).await;
        }
        let kept: Vec<String> = life
            .floats("temp")
            .await
            .into_iter()
            .map(|(n, _)| n)
            .collect();
        assert!(
            !kept.contains(&"0".to_owned()) && kept.contains(&"5".to_owned()),
            "{kept:?}"
        );
        assert_eq!(life.n_blocks().await, kept.len());
    });
    world.config.bytes_max = 1;
    world.live(|life| async move {
        life.pass(310).await;
        assert_eq!(life.n_blocks().await, 0);
    });
}

#[test]
fn a_lost_ledger_adds_nothing_twice() {
    let mut world = World::new();
    let first = world.epoch((0, 10), BEGIN_MS, &[0.1, 0.3]);
    let next = world.epoch((10, 20), BEGIN_MS + 10_000, &[0.2]);
    let again = world.epoch((0, 10), BEGIN_MS, &[0.1, 0.3]);
    world.live(|life| async move {
        life.send(first).await;
        life.pass(310).await;
        life.send(next).await;
        let scope = "ledger/points/0";
        let entries = life.blocks.kv_list(scope).await.expect("entries");
        let keys: Vec<String> = entries.into_iter().map(|(key, _)| key).collect();
        assert!(!keys.is_empty());
        life.blocks.kv_delete(scope, &keys).await.expect("deleted");
    });
    world.live(|life| async move {
        sleep(Duration::from_secs(1)).await;
        life.send(again).await;
        let all = (i64::MIN, i64::MAX);
        let metric = "tracewell_span_duration_seconds";
        assert_eq!(life.sum(metric, all, false).await, 3.0);
        assert_eq!(life.store.metrics().ledgers_lost.get(), 1);
    });
}
