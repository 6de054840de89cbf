//! Scripts of `scripts/*.test`: series to load, queries to ask, answers to get. The format is that of Prometheus's own tests:
//!
//! ```text
//! load 10s
//!   metric{job="1"} 0+1x10 _ stale NaN {{schema:0 count:1 sum:2 buckets:[1]}}
//! eval instant at 1m sum(metric)
//!   {} 6
//! eval range from 0 to 1m step 30s metric
//!   metric{job="1"} 0 3 6
//! eval instant at 0 sum(metric) + metric
//!   expect fail many-to-many
//! clear
//! ```
//!
//! Beside Prometheus's rules: an answer that was not said to have warnings or infos must have none. `expect ordered` compares the order as well;
//! `with FEATURE` on a line of its own turns a feature on from there.

use std::collections::BTreeMap;

use metrics::promql::{Engine, Features, PromqlError, QueryOptions, QueryRange, Value};
use metrics::{Histogram, Labels};
use telemetry::Tenant;

use super::notation::{self, Point};
use super::world::{Load, World, run};

const NOW_MS: i64 = 2_000_000_000;

/// What an answer must be.
#[derive(Debug, Default)]
struct Expected {
    lines: Vec<(Labels, Vec<Point>)>,
    fails_with: Option<String>,
    warnings: Vec<String>,
    infos: Vec<String>,
    is_ordered: bool,
}

struct Query {
    line: usize,
    text: String,
    range: Option<QueryRange>,
    at: i64,
    expected: Expected,
}

enum Step {
    Load(Vec<Load>),
    Clear,
    With(String),
    Eval(Query),
}

/// Runs a script; tells all that is not as it says.
#[track_caller]
pub(crate) fn check(name: &str, script: &str) {
    let steps = parse(script);
    let (mut failures, mut n_queries) = (Vec::new(), 0);
    run(NOW_MS, async |mut world: World| {
        let (mut n_clears, mut features) = (0, Vec::new());
        for step in steps {
            let tenant: Tenant = format!("t{n_clears}").parse().expect("a tenant");
            match step {
                Step::Clear => n_clears += 1,
                Step::With(feature) => features.push(feature),
                Step::Load(loads) => world.load(&tenant, &loads).await,
                Step::Eval(query) => {
                    let features = Features::from_names(&features).expect("features");
                    let engine = world.engine(features);
                    n_queries += 1;
                    if let Err(told) = ask(&engine, &tenant, &query).await {
                        failures.push(format!("{name}:{}: {}\n  {told}", query.line, query.text));
                    }
                }
            }
        }
    });
    assert!(n_queries > 0, "{name} asks nothing");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn ask(engine: &Engine, tenant: &Tenant, query: &Query) -> Result<(), String> {
    let options = QueryOptions::default();
    let answer = match query.range {
        Some(range) => engine.range(tenant, &query.text, range, options).await,
        None => engine.instant(tenant, &query.text, query.at, options).await,
    };
    let expected = &query.expected;
    let answer = match (answer, &expected.fails_with) {
        (Err(error), Some(said)) if error.to_string().contains(said) => return Ok(()),
        (Err(PromqlError::Unavailable(error)), _) => return Err(format!("unavailable: {error}")),
        (Err(error), _) => return Err(format!("failed: {error}")),
        (Ok(answer), Some(said)) => return Err(format!("did not fail with {said:?}: {answer:?}")),
        (Ok(answer), None) => answer,
    };
    noted(&answer.warnings, &expected.warnings)?;
    noted(&answer.infos, &expected.infos)?;
    let got = lines_of(answer.value, query);
    let wanted = |lines: &[(Labels, Vec<Point>)]| {
        let mut lines = lines.to_vec();
        if !expected.is_ordered {
            lines.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        lines
    };
    let (got, wanted) = (wanted(&got), wanted(&expected.lines));
    let is_same = got.len() == wanted.len()
        && got.iter().zip(&wanted).all(|((a, got), (b, wanted))| {
            let points = got.iter().zip(wanted);
            a == b && got.len() == wanted.len() && points.into_iter().all(|(a, b)| a.is_near(b))
        });
    if is_same {
        Ok(())
    } else {
        Err(format!("{got:?}\n  instead of {wanted:?}"))
    }
}

/// Every sentence must hold one of those expected, and the other way round.
fn noted(got: &[String], expected: &[String]) -> Result<(), String> {
    let all_expected = got
        .iter()
        .all(|got| expected.iter().any(|said| got.contains(said)));
    let all_got = expected
        .iter()
        .all(|said| got.iter().any(|got| got.contains(said)));
    if all_expected && all_got {
        Ok(())
    } else {
        Err(format!("said {got:?} instead of {expected:?}"))
    }
}

/// A value as lines of points, one for each step.
fn lines_of(value: Value, query: &Query) -> Vec<(Labels, Vec<Point>)> {
    match value {
        Value::Scalar { value, .. } => vec![(Labels::default(), vec![Point::Float(value)])],
        Value::String { value, .. } => vec![(Labels::new([("string", value)]), Vec::new())],
        Value::Vector(samples) => {
            let samples = samples.into_iter();
            samples
                .map(|sample| (sample.labels, vec![Point::of(&sample.value)]))
                .collect()
        }
        Value::Matrix(series) => series
            .into_iter()
            .map(|series| {
                let mut by_time: BTreeMap<i64, Point> = BTreeMap::new();
                for (at, value) in series.points.floats {
                    by_time.insert(at, Point::Float(value));
                }
                for (at, histogram) in series.points.histograms {
                    by_time.insert(at, Point::Histogram(Histogram::clone(&histogram)));
                }
                let points = match query.range {
                    None => by_time.into_values().collect(),
                    Some(range) => {
                        let n = (range.end_unix_ms - range.start_unix_ms) / range.step_ms;
                        let at = |step: i64| range.start_unix_ms + step * range.step_ms;
                        (0..=n)
                            .map(|step| by_time.remove(&at(step)).unwrap_or(Point::None))
                            .collect()
                    }
                };
                (series.labels, points)
            })
            .collect(),
    }
}

fn parse(script: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step_ms = 0;
    for (idx, line) in script.lines().enumerate() {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            match steps.last_mut() {
                Some(Step::Load(loads)) => loads.push(notation::load(text, step_ms)),
                Some(Step::Eval(query)) => query.expected.line(text),
                _ => panic!("line {}: {text}", idx + 1),
            }
        } else if let Some(step) = text.strip_prefix("load ") {
            step_ms = notation::duration(step);
            steps.push(Step::Load(Vec::new()));
        } else if text == "clear" {
            steps.push(Step::Clear);
        } else if let Some(feature) = text.strip_prefix("with ") {
            steps.push(Step::With(feature.to_owned()));
        } else {
            steps.push(Step::Eval(query(idx + 1, text)));
        }
    }
    steps
}

fn query(line: usize, text: &str) -> Query {
    let word = |text: &'static str| {
        move |rest: &str| -> Option<(String, String)> {
            let rest = rest.strip_prefix(text)?.trim_start();
            let (first, rest) = rest.split_once(' ')?;
            Some((first.to_owned(), rest.trim_start().to_owned()))
        }
    };
    let (at, range, text) = if let Some((at, text)) = word("eval instant at")(text) {
        (notation::duration(&at), None, text)
    } else {
        let (start, rest) = word("eval range from")(text).expect("a start");
        let (end, rest) = word("to")(&rest).expect("an end");
        let (step, text) = word("step")(&rest).expect("a step");
        let range = QueryRange {
            start_unix_ms: notation::duration(&start),
            end_unix_ms: notation::duration(&end),
            step_ms: notation::duration(&step),
        };
        (0, Some(range), text)
    };
    Query {
        line,
        text,
        range,
        at,
        expected: Expected::default(),
    }
}

impl Expected {
    fn line(&mut self, text: &str) {
        let said = |word: &str| text.strip_prefix(word).map(|said| said.trim().to_owned());
        if let Some(said) = said("expect fail") {
            self.fails_with = Some(said);
        } else if let Some(said) = said("expect warn") {
            self.warnings.push(said);
        } else if let Some(said) = said("expect info") {
            self.infos.push(said);
        } else if text == "expect ordered" {
            self.is_ordered = true;
        } else {
            self.lines.push(notation::line(text));
        }
    }
}
