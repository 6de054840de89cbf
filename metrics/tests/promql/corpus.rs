//! The corpus of Prometheus's answers: 66 data sets (253 series, samples as [ms, value]) and 386 cases with the answers of Prometheus 3.x, values rounded
//! to 3 decimals, look-back 300 s. From SigNoz's conformance corpus (MIT), its cases from Prometheus' own tests (Apache-2.0).

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "how many of the corpus pass is the result; a test that does nothing says so"
)]

use std::collections::BTreeMap;

use metrics::promql::{Engine, Features, PromqlError, QueryOptions, QueryRange, Value};
use serde_json::Value as Json;
use telemetry::Tenant;

use super::world::{Load, World, run};

/// Where the corpus's time 0 is put: a whole number of weeks.
const ZERO_MS: i64 = 2_810 * 7 * 86_400_000;

type Points = Vec<(i64, f64)>;
type Answer = BTreeMap<Vec<(String, String)>, Points>;

/// The corpus; none where this project stands alone.
fn corpus() -> Option<Json> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/fixtures/promql/corpus-base.json"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: no corpus at {path}");
        return None;
    };
    Some(serde_json::from_str(&text).expect("the corpus is JSON"))
}

fn number(json: &Json) -> f64 {
    match json.as_str() {
        Some("stale") => f64::from_bits(0x7ff0_0000_0000_0002),
        Some(text) => text.parse().expect("a float"),
        None => json.as_f64().expect("a number"),
    }
}

fn points(json: &Json) -> Points {
    let pairs = json.as_array().expect("points").iter();
    pairs
        .map(|pair| {
            (
                ZERO_MS + pair[0].as_i64().expect("a time"),
                number(&pair[1]),
            )
        })
        .collect()
}

fn labels(json: &Json) -> Vec<(String, String)> {
    let pairs = json.as_object().expect("labels").iter();
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let mut labels: Vec<(String, String)> = pairs
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    labels.sort();
    labels
}

fn tenant(dataset: &Json) -> Tenant {
    format!("d{dataset}").parse().expect("a tenant")
}

async fn load(world: &mut World, corpus: &Json) {
    for dataset in corpus["datasets"].as_array().expect("data sets") {
        let series = dataset["series"].as_array().expect("series").iter();
        let loads: Vec<Load> = series
            .map(|series| Load {
                labels: labels(&series["labels"]),
                samples: points(&series["samples"]),
                histograms: Vec::new(),
            })
            .collect();
        world.load(&tenant(&dataset["id"]), &loads).await;
    }
}

async fn ask(engine: &Engine, case: &Json) -> Result<Answer, PromqlError> {
    let time = |key: &str| ZERO_MS + case[key].as_i64().expect("a time");
    let query = case["expr"].as_str().expect("a query");
    let tenant = tenant(&case["dataset"]);
    let options = QueryOptions::default();
    let answer = if case["instant"] == true {
        engine
            .instant(&tenant, query, time("start_ms"), options)
            .await?
    } else {
        let range = QueryRange {
            start_unix_ms: time("start_ms"),
            end_unix_ms: time("end_ms"),
            step_ms: case["step_ms"].as_i64().expect("a step"),
        };
        engine.range(&tenant, query, range, options).await?
    };
    Ok(answer_of(answer.value))
}

fn answer_of(value: Value) -> Answer {
    let owned = |labels: &metrics::Labels| -> Vec<(String, String)> {
        let pairs = labels.iter();
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    match value {
        Value::Scalar { at_unix_ms, value } => {
            BTreeMap::from([(Vec::new(), vec![(at_unix_ms, value)])])
        }
        Value::String { .. } => panic!("the corpus has no strings"),
        Value::Vector(samples) => {
            let pairs = samples.iter().map(|sample| {
                let metrics::Value::Float(value) = sample.value else {
                    panic!("the corpus has no histograms");
                };
                (owned(&sample.labels), vec![(sample.at_unix_ms, value)])
            });
            pairs.collect()
        }
        Value::Matrix(series) => {
            let pairs = series.into_iter();
            pairs
                .map(|series| (owned(&series.labels), series.points.floats))
                .collect()
        }
    }
}

fn expected(case: &Json) -> Answer {
    let series = case["expected"].as_array().expect("series").iter();
    series
        .map(|series| (labels(&series["labels"]), points(&series["points"])))
        .collect()
}

/// As far as the rounding of the corpus tells.
fn is_same(got: &Answer, expected: &Answer) -> bool {
    let near = |got: f64, expected: f64| {
        let tolerance = if expected.abs() >= 1.0 {
            5.1e-4 + expected.abs() * 1e-9
        } else {
            expected.abs() * 5.1e-3
        };
        got == expected
            || got.is_nan() && expected.is_nan()
            || (got - expected).abs() <= tolerance
            || expected == 0.0 && got.abs() < 5e-4
    };
    got.len() == expected.len()
        && got.iter().zip(expected).all(|((a, got), (b, expected))| {
            a == b
                && got.len() == expected.len()
                && got
                    .iter()
                    .zip(expected)
                    .all(|((at, got), (to, expected))| at == to && near(*got, *expected))
        })
}

/// Counts cases that give what Prometheus gives, and those that are refused by the name of a feature.
async fn count(engine: &Engine, corpus: &Json) -> (usize, usize) {
    let (mut n_same, mut n_named) = (0, 0);
    for case in corpus["cases"].as_array().expect("cases") {
        match ask(engine, case).await {
            Ok(got) if is_same(&got, &expected(case)) => n_same += 1,
            Err(PromqlError::NotSupported { feature }) => {
                assert_eq!(feature, "promql-duration-expr", "{case}");
                n_named += 1;
            }
            other => println!(
                "{} [{} {}]: {:?}\n  instead of {:?}",
                case["expr"],
                case["source"],
                case["start_ms"],
                other,
                expected(case)
            ),
        }
    }
    (n_same, n_named)
}

#[test]
fn answers_are_those_of_prometheus() {
    let Some(corpus) = corpus() else { return };
    run(ZERO_MS + 20_100_000, async |mut world| {
        load(&mut world, &corpus).await;
        let plain = world.engine(Features::default());
        let (n_same, n_named) = count(&plain, &corpus).await;
        println!(
            "PromQL corpus: {n_same} of 386 as Prometheus, {n_named} refused by the name of a feature"
        );
        assert_eq!((n_same, n_named), (368, 18));
        let extended = world.engine(Features {
            duration_expressions: true,
            ..Features::default()
        });
        let (n_same, n_named) = count(&extended, &corpus).await;
        println!("with promql-duration-expr: {n_same} of 386");
        assert_eq!((n_same, n_named), (386, 0));
    });
}
