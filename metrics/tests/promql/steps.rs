//! A range query gives at each step what an instant query gives there: two ways through the evaluator that must agree.

use std::collections::BTreeMap;

use bus::testing::Seeded;
use metrics::promql::{Engine, Features, PromqlError, QueryOptions, QueryRange, Value};
use telemetry::Tenant;

use super::notation::{self, Point};
use super::world::{Load, World, run};

const NOW_MS: i64 = 2_000_000_000;
const STEP_MS: i64 = 45_000;
const END_MS: i64 = 1_200_000;

/// Series with gaps, resets, ends, floats and histograms.
const SERIES: [&str; 14] = [
    "c_total{a=\"1\", b=\"x\"} 0+5x10 0+3x10",
    "c_total{a=\"1\", b=\"y\"} 0+1x4 stale _x4 20+2x8",
    "c_total{a=\"2\", b=\"x\"} _x6 1+4x12",
    "c_total{a=\"2\", b=\"y\"} 7 _x14 9",
    "g{a=\"1\"} 5 -3 NaN 8 2.5 Inf 3 _ _ 1 0 4-1x6",
    "g{a=\"2\"} 1x19",
    "g{a=\"3\"} _x3 2 stale 3 stale 4 5 6 7",
    "h{a=\"1\"} {{schema:0 count:4 sum:4 buckets:[1 2 1]}}x3 {{schema:1 count:9 sum:9 buckets:[3 3 3]}} {{schema:0 count:1 sum:1 buckets:[1]}} {{schema:0 count:6 sum:5 buckets:[3 3]}}x8",
    "h{a=\"2\"} 1 2 {{schema:0 count:2 sum:4 buckets:[2]}} 4",
    "l_bucket{a=\"1\", le=\"1\"} 0+1x19",
    "l_bucket{a=\"1\", le=\"2\"} 0+2x19",
    "l_bucket{a=\"1\", le=\"+Inf\"} 0+3x9 stale",
    "l_bucket{a=\"2\", le=\"1\"} _x5 0+1x9",
    "l_bucket{a=\"2\", le=\"+Inf\"} _x5 0+4x9",
];

const VECTORS: [&str; 12] = [
    "c_total",
    "c_total{b=\"x\"}",
    "c_total{a=\"1\"} offset 1m",
    "g",
    "g @ 300",
    "g @ end()",
    "h",
    "l_bucket",
    "{__name__=~\"g|h\"}",
    "vector(time())",
    "nothing",
    "g offset -2m",
];

const RANGES: [&str; 8] = [
    "[2m]",
    "[5m]",
    "[90s] offset 1m",
    "[5m] @ 600",
    "[4m:1m]",
    "[3m:40s] offset 30s",
    "[5m:] @ start()",
    "[1s]",
];

const OF_RANGES: [&str; 17] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "changes",
    "resets",
    "deriv",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "stddev_over_time",
    "present_over_time",
    "absent_over_time",
];

const OF_VECTORS: [&str; 17] = [
    "abs",
    "ceil",
    "-",
    "sgn",
    "timestamp",
    "histogram_count",
    "histogram_sum",
    "histogram_avg",
    "absent",
    "sort",
    "minute",
    "sqrt",
    "sum",
    "avg by (a)",
    "count without (b)",
    "max by (b)",
    "max",
];

const BETWEEN: [&str; 16] = [
    "+",
    "-",
    "*",
    "/",
    "==",
    "> bool",
    "<",
    "and",
    "or",
    "unless",
    "and on(a)",
    "+ on(a)",
    "* on(a) group_left",
    "or on(b)",
    "% ignoring(b) group_right",
    "!=",
];

fn pick<'a>(seeded: &mut Seeded, from: &[&'a str]) -> &'a str {
    let n = seeded.below(from.len() as u64);
    from[usize::try_from(n).expect("few")]
}

fn vector(seeded: &mut Seeded, depth: u32) -> String {
    let kinds = if depth == 0 { 2 } else { 7 };
    match seeded.below(kinds) {
        0 => pick(seeded, &VECTORS).to_owned(),
        1 => format!(
            "{}({}{})",
            pick(seeded, &OF_RANGES),
            pick(seeded, &["c_total", "g", "h", "l_bucket{a=\"1\"}"]),
            pick(seeded, &RANGES)
        ),
        2 => format!(
            "{}({})",
            pick(seeded, &OF_VECTORS),
            vector(seeded, depth - 1)
        ),
        3 => format!(
            "({}) {} ({})",
            vector(seeded, depth - 1),
            pick(seeded, &BETWEEN),
            vector(seeded, depth - 1)
        ),
        4 => format!(
            "({}) {} {}",
            vector(seeded, depth - 1),
            pick(seeded, &["+", "*", "^", ">", "<= bool"]),
            pick(seeded, &["2", "time()", "scalar(g{a=\"2\"})", "NaN"])
        ),
        5 => format!(
            "histogram_quantile(0.{}, {})",
            1 + seeded.below(9),
            vector(seeded, depth - 1)
        ),
        _ => format!(
            "label_replace({}, \"b\", \"$1\", \"a\", \"(.*)\")",
            vector(seeded, depth - 1)
        ),
    }
}

type Lines = BTreeMap<metrics::Labels, Point>;

/// What each step of a range query has.
async fn by_range(engine: &Engine, query: &str) -> Result<BTreeMap<i64, Lines>, PromqlError> {
    let range = QueryRange {
        start_unix_ms: 0,
        end_unix_ms: END_MS,
        step_ms: STEP_MS,
    };
    let tenant = Tenant::default_tenant();
    let answer = engine
        .range(&tenant, query, range, QueryOptions::default())
        .await?;
    let Value::Matrix(series) = answer.value else {
        panic!("{query} gives no matrix");
    };
    let mut steps: BTreeMap<i64, Lines> = BTreeMap::new();
    for series in series {
        for (at, value) in &series.points.floats {
            let lines = steps.entry(*at).or_default();
            lines.insert(series.labels.clone(), Point::Float(*value));
        }
        for (at, histogram) in &series.points.histograms {
            let value = metrics::Value::Histogram(histogram.clone());
            let lines = steps.entry(*at).or_default();
            lines.insert(series.labels.clone(), Point::of(&value));
        }
    }
    Ok(steps)
}

async fn by_instant(engine: &Engine, query: &str, at: i64) -> Result<Lines, PromqlError> {
    let tenant = Tenant::default_tenant();
    let answer = engine
        .instant(&tenant, query, at, QueryOptions::default())
        .await?;
    let Value::Vector(samples) = answer.value else {
        panic!("{query} gives no vector");
    };
    let lines = samples.into_iter();
    Ok(lines
        .map(|sample| (sample.labels, Point::of(&sample.value)))
        .collect())
}

/// Tells where both differ. An instant query of a step that fails makes the range query fail, and no other way.
async fn differs(engine: &Engine, query: &str) -> Option<String> {
    let ranged = by_range(engine, query).await;
    let mut failed = None;
    for at in (0..=END_MS).step_by(45_000) {
        // start() and end() of an instant query are the instant
        let query = query.replace("start()", "0").replace("end()", "1170");
        let instant = match by_instant(engine, &query, at).await {
            Ok(lines) => lines,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        let Ok(ranged) = &ranged else {
            continue;
        };
        let none = Lines::new();
        let lines = ranged.get(&at).unwrap_or(&none);
        let is_same = lines.len() == instant.len()
            && lines
                .iter()
                .zip(&instant)
                .all(|((a, got), (b, wanted))| a == b && got.is_near(wanted));
        if !is_same {
            return Some(format!("at {at}: {lines:?}\n  instead of {instant:?}"));
        }
    }
    match (ranged, failed) {
        (Ok(_), Some(error)) => Some(format!("only an instant fails: {error}")),
        // labels that are the same at different steps only are an error for functions of ranges
        (Err(error), None) if !error.to_string().contains("same labelset") => {
            Some(format!("only the range fails: {error}"))
        }
        _ => None,
    }
}

#[test]
fn steps_are_instants() {
    run(NOW_MS, async |mut world: World| {
        let loads: Vec<Load> = SERIES
            .iter()
            .map(|series| notation::load(series, 60_000))
            .collect();
        world.load(&Tenant::default_tenant(), &loads).await;
        let engine = world.engine(Features::default());
        let mut seeded = Seeded::new(7);
        let (mut n_answers, mut failures) = (0, Vec::new());
        for _ in 0..400 {
            let query = vector(&mut seeded, 2);
            if by_range(&engine, &query)
                .await
                .is_ok_and(|steps| !steps.is_empty())
            {
                n_answers += 1;
            }
            if let Some(told) = differs(&engine, &query).await {
                failures.push(format!("{query}\n  {told}"));
            }
        }
        assert!(
            failures.is_empty(),
            "{} differ:\n{}",
            failures.len(),
            failures[..failures.len().min(8)].join("\n")
        );
        assert!(
            n_answers > 150,
            "only {n_answers} of 400 queries have an answer"
        );
    });
}
