//! Blocks read back what was built, find what matchers mean, and no damage is silent.

use std::sync::Arc;

use blocks::{BlockKind, BlockName, BlockStore, Blocks};
use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use telemetry::{Clock, Tenant};

use super::build::compare_series;
use super::read::{Opened, ReadError};
use super::{BlockBuilder, Built};
use crate::chunk::Effort;
use crate::histogram::{Buckets, Histogram};
use crate::row::{Exemplar, Metadata, MetricKind, Row};
use crate::series::Kind;
use crate::{Labels, MatchOp, Matcher, Value, Window};

type Series = (Labels, Row);

fn histogram() -> impl Strategy<Value = Arc<Histogram>> {
    (0u32..100, vec((0u32..9).prop_map(f64::from), 0..6)).prop_map(|(sum, counts)| {
        Arc::new(Histogram {
            schema: 3,
            count: counts.iter().sum(),
            sum: f64::from(sum),
            positive: Buckets { offset: 2, counts },
            ..Histogram::default()
        })
    })
}

fn samples() -> impl Strategy<Value = Row> {
    let floats = btree_map(0i64..5_000, -50i64..50, 0..30);
    let histograms = btree_map(5_000i64..6_000, histogram(), 0..4);
    (floats, histograms).prop_map(|(floats, histograms)| Row {
        kind: Kind::Samples,
        floats: floats
            .into_iter()
            .map(|(at, v)| (at, v as f64 / 4.0))
            .collect(),
        histograms: histograms.into_iter().collect(),
        windows: Vec::new(),
    })
}

fn windows() -> impl Strategy<Value = Row> {
    let value = prop_oneof![
        any::<f64>()
            .prop_filter("comparable", |v| !v.is_nan())
            .prop_map(Value::Float),
        histogram().prop_map(Value::Histogram),
    ];
    btree_map((0i64..5_000, 1i64..50), value, 0..30).prop_map(|windows| Row {
        kind: Kind::Windows,
        floats: Vec::new(),
        histograms: Vec::new(),
        windows: windows
            .into_iter()
            .map(|((end, length), value)| Window {
                start_unix_ms: end - length,
                end_unix_ms: end,
                value,
            })
            .collect(),
    })
}

fn all_series() -> impl Strategy<Value = Vec<Series>> {
    let labels = vec(("[a-c]", "[xyü]{1,2}"), 0..3);
    let row = prop_oneof![samples(), windows()];
    vec((prop::option::of("[m-o]"), labels, row), 0..12).prop_map(|all| {
        let mut series: Vec<Series> = all
            .into_iter()
            .map(|(metric, labels, mut row)| {
                let metric = metric.map(|metric| ("__name__".to_owned(), metric));
                // windows ascend by (end, start), as every row's do
                row.windows
                    .sort_by_key(|w| (w.end_unix_ms, w.start_unix_ms));
                (Labels::new(labels.into_iter().chain(metric)), row)
            })
            .collect();
        series.sort_by(|a, b| compare_series((a.0.iter(), a.1.kind), (b.0.iter(), b.1.kind)));
        series.dedup_by(|a, b| a.0 == b.0 && a.1.kind == b.1.kind);
        series
    })
}

fn build(series: &[Series], effort: Effort) -> Built {
    let mut builder = BlockBuilder::new(effort);
    for (labels, row) in series {
        let number = builder.push(labels.iter(), row);
        builder.push_exemplar(exemplar(number));
    }
    builder.put_metadata("m", &metadata());
    builder.finish().expect("a small block")
}

fn exemplar(series: u32) -> Exemplar<u32> {
    Exemplar {
        series,
        unix_ms: -5,
        value: 0.25,
        labels: vec![("trace_id".to_owned(), "ab".to_owned())],
    }
}

fn metadata() -> Metadata {
    Metadata {
        kind: MetricKind::Counter,
        unit: "s".to_owned(),
        help: "time".to_owned(),
    }
}

struct Store {
    blocks: Blocks,
    _folder: tempfile::TempDir,
}

impl Store {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, metrics) = (blocks::Config::default(), blocks::Metrics::default());
        let local =
            blocks::Local::open(folder.path().to_owned(), config, Clock::host(), metrics).await;
        Self {
            blocks: Blocks::Local(local.expect("a store")),
            _folder: folder,
        }
    }

    async fn open(&self, id: &str, body: Bytes) -> Result<Opened, ReadError> {
        let name = BlockName {
            kind: BlockKind::Metrics,
            tenant: Tenant::default_tenant(),
            id: id.to_owned(),
        };
        let size = body.len() as u64;
        let content = blocks::ContentHash(xxhash_rust::xxh3::xxh3_128(&body));
        let put = self.blocks.put(&name, content, Bytes::new(), body).await;
        put.expect("stored");
        Opened::open(&self.blocks, &name, size).await
    }

    async fn rows(
        &self,
        opened: &Opened,
        numbers: &[u32],
        (from, to): (i64, i64),
    ) -> Result<Vec<Series>, ReadError> {
        let pages = opened.fetch(&self.blocks, numbers, from, to).await?;
        let rows = opened.rows(&pages, numbers, from, to)?;
        let labels = |number| opened.index.owned_labels(number);
        Ok(rows.into_iter().map(|(n, row)| (labels(n), row)).collect())
    }
}

fn cut(row: &Row, (from, to): (i64, i64)) -> Row {
    let inside = |at: i64| from < at && at <= to;
    let mut row = row.clone();
    row.floats.retain(|(at, _)| inside(*at));
    row.histograms.retain(|(at, _)| inside(*at));
    row.windows.retain(|window| inside(window.end_unix_ms));
    row
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_block_reads_back_what_it_was_built_from(series in all_series(), from in -1i64..6_000, length in 0i64..6_000) {
        runtime().block_on(async {
            let store = Store::new().await;
            let quick = build(&series, Effort::Quick);
            let thorough = build(&series, Effort::Thorough);
            assert_eq!(quick.content, thorough.content);
            for (id, built) in [("quick", quick), ("thorough", thorough)] {
                let opened = store.open(id, built.body).await.expect("a block");
                assert_eq!(opened.index.n_series(), series.len());
                let all: Vec<u32> = (0..series.len() as u32).collect();
                for range in [(i64::MIN, i64::MAX), (from, from + length)] {
                    let read = store.rows(&opened, &all, range).await.expect("rows");
                    let expected: Vec<Series> = series
                        .iter()
                        .map(|(labels, row)| (labels.clone(), cut(row, range)))
                        .filter(|(_, row)| row.n_points() > 0)
                        .collect();
                    assert_eq!(read, expected);
                }
                let exemplars = opened.exemplars(&store.blocks).await.expect("exemplars");
                assert_eq!(exemplars, all.iter().map(|n| exemplar(*n)).collect::<Vec<_>>());
                let known = opened.metadata(&store.blocks).await.expect("metadata");
                assert_eq!(known, [("m".to_owned(), metadata())]);
            }
        });
    }

    #[test]
    fn matchers_find_in_a_block_what_they_mean(series in all_series(), metric in "[l-o]", value in "[xy]{0,2}", ops in 0u8..16) {
        let regex = regex::Regex::new(&format!("^(?s:{value}.?)$")).expect("a pattern");
        let ops = [
            if ops & 1 == 0 { MatchOp::Equal } else { MatchOp::NotEqual },
            if ops & 2 == 0 { MatchOp::Regex(regex.clone()) } else { MatchOp::NotRegex(regex) },
        ];
        let [first, second] = ops;
        let matchers = [
            Matcher { name: "__name__".into(), op: first, value: metric },
            Matcher { name: "a".into(), op: second, value },
        ];
        runtime().block_on(async {
            let store = Store::new().await;
            let opened = store.open("b", build(&series, Effort::Quick).body).await.expect("a block");
            for n in 0..=2 {
                let matchers = &matchers[..n];
                let expected: Vec<u32> = (0..series.len() as u32)
                    .filter(|s| Matcher::all_match(matchers, &series[*s as usize].0))
                    .collect();
                assert_eq!(opened.index.select(matchers), expected, "{matchers:?}");
            }
        });
    }

    #[test]
    fn damage_is_an_error_or_changes_nothing(series in all_series(), at: prop::sample::Index, bit in 0u8..8) {
        runtime().block_on(async {
            let store = Store::new().await;
            let mut body = build(&series, Effort::Quick).body.to_vec();
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            let Ok(opened) = store.open("b", body.into()).await else { return };
            let all: Vec<u32> = (0..series.len() as u32).collect();
            let Ok(read) = store.rows(&opened, &all, (i64::MIN, i64::MAX)).await else { return };
            let expected: Vec<Series> = series.iter().filter(|(_, row)| row.n_points() > 0).cloned().collect();
            assert_eq!(read, expected);
        });
    }
}

#[test]
fn long_series_are_cut_into_chunks_and_pages_and_read_in_part() {
    runtime().block_on(async {
        let floats = |n: i64| {
            (0..10_000)
                .map(|t| (t * 10, ((t * t) % (97 + n)) as f64))
                .collect()
        };
        let series: Vec<Series> = (0..20)
            .map(|n| {
                let mut row = Row::new(Kind::Samples);
                row.floats = floats(n);
                (
                    Labels::new([("__name__", "m".to_owned()), ("n", format!("{n:02}"))]),
                    row,
                )
            })
            .collect();
        let store = Store::new().await;
        let built = build(&series, Effort::Quick);
        assert!(built.body.len() < 20 * 10_000 * 2, "{}", built.body.len());
        let opened = store.open("b", built.body).await.expect("a block");
        let range = (50_000, 50_100);
        let read = store.rows(&opened, &[3, 17], range).await.expect("rows");
        let expected: Vec<Series> = [3, 17]
            .map(|n: usize| (series[n].0.clone(), cut(&series[n].1, range)))
            .to_vec();
        assert_eq!(read, expected);
        let points: Vec<usize> = opened
            .index
            .chunks_in(3, range.0, range.1)
            .map(|chunk| opened.index.n_points(chunk))
            .collect();
        assert_eq!(points, [1_024]);
    });
}

#[test]
fn histograms_with_very_many_buckets_are_cut_into_smaller_chunks() {
    runtime().block_on(async {
        let mut row = Row::new(Kind::Samples);
        let histogram = Arc::new(Histogram {
            positive: Buckets {
                offset: 0,
                counts: vec![1.0; 16_384],
            },
            ..Histogram::default()
        });
        row.histograms = (0..300).map(|at| (at, Arc::clone(&histogram))).collect();
        let series = vec![(Labels::new([("__name__", "m")]), row)];
        let store = Store::new().await;
        let opened = store
            .open("b", build(&series, Effort::Quick).body)
            .await
            .expect("a block");
        let n_chunks = opened.index.chunks_in(0, i64::MIN, i64::MAX).count();
        assert_eq!(n_chunks, 2);
        let read = store
            .rows(&opened, &[0], (i64::MIN, i64::MAX))
            .await
            .expect("rows");
        assert_eq!(read, series);
    });
}
