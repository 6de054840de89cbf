//! How scripts write series: `name{a="b"} 0+1x10 _x2 stale {{schema:0 count:1 buckets:[1]}}x3`.

use metrics::histogram::{Buckets, CUSTOM_SCHEMA};
use metrics::{Histogram, Labels, MatchOp, ResetHint, promql};

use super::world::Load;

/// A value at a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Point {
    None,
    Float(f64),
    Histogram(Histogram),
}

impl Point {
    pub(crate) fn of(value: &metrics::Value) -> Self {
        match value {
            metrics::Value::Float(value) => Self::Float(*value),
            metrics::Value::Histogram(histogram) => Self::Histogram(Histogram::clone(histogram)),
        }
    }

    pub(crate) fn is_near(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Float(a), Self::Float(b)) => near(*a, *b),
            (Self::Histogram(a), Self::Histogram(b)) => {
                let buckets = |a: &Buckets, b: &Buckets| {
                    let (a, b) = (trimmed(a), trimmed(b));
                    a.0 == b.0
                        && a.1.len() == b.1.len()
                        && a.1.iter().zip(&b.1).all(|(a, b)| near(*a, *b))
                };
                a.schema == b.schema
                    && a.custom_bounds == b.custom_bounds
                    && near(a.zero_threshold, b.zero_threshold)
                    && near(a.zero_count, b.zero_count)
                    && near(a.count, b.count)
                    && near(a.sum, b.sum)
                    && buckets(&a.positive, &b.positive)
                    && buckets(&a.negative, &b.negative)
                    && (b.reset_hint == ResetHint::Unknown || a.reset_hint == b.reset_hint)
            }
            _ => false,
        }
    }
}

fn near(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Without empty buckets at the ends.
fn trimmed(buckets: &Buckets) -> (i32, Vec<f64>) {
    let is_full = |count: &f64| *count != 0.0;
    let Some(first) = buckets.counts.iter().position(is_full) else {
        return (0, Vec::new());
    };
    let last = buckets.counts.iter().rposition(is_full).unwrap_or(first);
    let offset = buckets.offset + i32::try_from(first).expect("few buckets");
    (offset, buckets.counts[first..=last].to_vec())
}

/// `1m30s`, or seconds.
pub(crate) fn duration(text: &str) -> i64 {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds * 1000.0) as i64;
    }
    let mut ms = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).expect("a unit");
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => panic!("{text}: no unit {unit}"),
        };
        ms += number.parse::<i64>().expect("a number") * unit_ms;
        rest = tail;
    }
    ms
}

/// A series with a point at each step, from 0.
pub(crate) fn load(text: &str, step_ms: i64) -> Load {
    let (labels, points) = line(text);
    let mut load = Load {
        labels: labels
            .iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        samples: Vec::new(),
        histograms: Vec::new(),
    };
    for (at, point) in (0..).map(|step: i64| step * step_ms).zip(points) {
        match point {
            Point::None => {}
            Point::Float(value) => load.samples.push((at, value)),
            Point::Histogram(histogram) => load.histograms.push((at, histogram)),
        }
    }
    load
}

/// Labels and points.
pub(crate) fn line(text: &str) -> (Labels, Vec<Point>) {
    let in_braces = text.find('{').filter(|open| !text[..*open].contains(' '));
    let end = match in_braces {
        Some(open) => closed(text, open),
        None => text.find(' ').unwrap_or(text.len()),
    };
    let (series, points) = text.split_at(end);
    if series.parse::<f64>().is_ok() {
        return (Labels::default(), self::points(text)); // a scalar
    }
    (labels(series), self::points(points))
}

/// Behind the brace that closes the one at `open`.
fn closed(text: &str, open: usize) -> usize {
    let mut in_quotes = false;
    for (at, c) in text[open..].char_indices() {
        match c {
            '"' => in_quotes = !in_quotes,
            '}' if !in_quotes => return open + at + 1,
            _ => {}
        }
    }
    panic!("{text}: no closed brace");
}

fn labels(series: &str) -> Labels {
    if series == "{}" {
        return Labels::default();
    }
    let matchers = promql::parse_matchers(series).expect("a series");
    let pairs = matchers.into_iter().map(|matcher| {
        assert!(matches!(matcher.op, MatchOp::Equal), "{series}");
        (matcher.name, matcher.value)
    });
    Labels::new(pairs)
}

fn points(text: &str) -> Vec<Point> {
    let mut points = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if rest.starts_with("{{") {
            let close = rest.find("}}").expect("a closed histogram") + 2;
            close + rest[close..].find(' ').unwrap_or(rest.len() - close)
        } else {
            rest.find(' ').unwrap_or(rest.len())
        };
        let (word, tail) = rest.split_at(end);
        expand(word, &mut points);
        rest = tail.trim_start();
    }
    points
}

fn expand(word: &str, to: &mut Vec<Point>) {
    if let Some(body) = word.strip_prefix("{{") {
        let (body, times) = body.split_once("}}").expect("a closed histogram");
        let times = times
            .strip_prefix('x')
            .map_or(0, |times| times.parse().expect("a number"));
        let point = Point::Histogram(histogram(body));
        to.extend(std::iter::repeat_n(point, times + 1));
        return;
    }
    let (value, times) = word.split_once('x').unwrap_or((word, "0"));
    let times: usize = times.parse().expect("a number");
    if value == "_" {
        to.extend(std::iter::repeat_n(Point::None, times.max(1)));
        return;
    }
    let (start, by) = change(value);
    let values =
        (0..=times).map(|n| Point::Float(if n == 0 { start } else { start + by * n as f64 }));
    to.extend(values);
}

/// `5+2` is 5 and 2 more each time.
fn change(text: &str) -> (f64, f64) {
    let float = |text: &str| match text {
        "stale" => f64::from_bits(0x7ff0_0000_0000_0002),
        text => text.parse().expect("a float"),
    };
    let is_exponent = |at: usize| text[..at].ends_with(['e', 'E']);
    let sign = text
        .rfind(['+', '-'])
        .filter(|at| *at > 0 && !is_exponent(*at));
    match sign {
        Some(at) => (float(&text[..at]), float(&text[at..])),
        None => (float(text), 0.0),
    }
}

/// `schema:0 count:3 sum:2 z_bucket:1 z_bucket_w:0.1 buckets:[1 2] offset:1`.
fn histogram(body: &str) -> Histogram {
    let mut histogram = Histogram::default();
    let mut rest = body.trim();
    while !rest.is_empty() {
        let (key, tail) = rest.split_once(':').expect("a key");
        let end = if tail.starts_with('[') {
            tail.find(']').expect("a closed list") + 1
        } else {
            tail.find(' ').unwrap_or(tail.len())
        };
        let (value, tail) = tail.split_at(end);
        let list = || -> Vec<f64> {
            let words = value.trim_matches(['[', ']']).split(' ');
            words.map(|word| word.parse().expect("a count")).collect()
        };
        let number = || value.parse::<f64>().expect("a number");
        match key {
            "schema" => histogram.schema = value.parse().expect("a schema"),
            "count" => histogram.count = number(),
            "sum" => histogram.sum = number(),
            "z_bucket" => histogram.zero_count = number(),
            "z_bucket_w" => histogram.zero_threshold = number(),
            "buckets" => histogram.positive.counts = list(),
            "n_buckets" => histogram.negative.counts = list(),
            "offset" => histogram.positive.offset = value.parse().expect("an offset"),
            "n_offset" => histogram.negative.offset = value.parse().expect("an offset"),
            "custom_values" => {
                histogram.schema = CUSTOM_SCHEMA;
                histogram.custom_bounds = list();
            }
            "counter_reset_hint" => {
                histogram.reset_hint = match value {
                    "gauge" => ResetHint::Gauge,
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    _ => ResetHint::Unknown,
                }
            }
            _ => panic!("no {key} in a histogram"),
        }
        rest = tail.trim_start();
    }
    histogram
}
