//! An answer as lines for a person: a value and its series on a line, or the values of a series below its name.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::answer::{Data, Histogram, Sample, Series};
use crate::cli::print::Safe;

pub(super) fn lines(data: &Data) -> Vec<String> {
    match data {
        Data::Scalar((_, value)) | Data::String((_, value)) => vec![Safe(value).to_string()],
        Data::Vector(samples) => of_vector(samples),
        Data::Matrix(series) => series.iter().flat_map(of_series).collect(),
    }
}

fn of_vector(samples: &[Sample]) -> Vec<String> {
    let rows: Vec<(String, String)> = samples
        .iter()
        .map(|sample| (value(sample), name(&sample.metric)))
        .collect();
    let width = rows.iter().map(|(value, _)| value.chars().count()).max();
    let Some(width) = width.map(|width| width.max("VALUE".len())) else {
        return Vec::new();
    };
    let heading = format!("{:width$}  SERIES", "VALUE");
    let lines = rows
        .iter()
        .map(|(value, name)| format!("{value:width$}  {name}"));
    std::iter::once(heading).chain(lines).collect()
}

fn value(sample: &Sample) -> String {
    match (&sample.value, &sample.histogram) {
        (Some((_, value)), _) => Safe(value).to_string(),
        (None, Some((_, histogram))) => distribution(histogram),
        (None, None) => String::new(),
    }
}

fn of_series(series: &Series) -> Vec<String> {
    let floats = series
        .values
        .iter()
        .map(|(at, value)| (*at, Safe(value).to_string()));
    let histograms = series
        .histograms
        .iter()
        .map(|(at, one)| (*at, distribution(one)));
    let mut points: Vec<(f64, String)> = floats.chain(histograms).collect();
    points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let lines = points
        .iter()
        .map(|(at, value)| format!("  {}  {value}", time(*at)));
    std::iter::once(name(&series.metric)).chain(lines).collect()
}

/// Count and sum, and where most observations lie.
fn distribution(histogram: &Histogram) -> String {
    let count = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let fullest = histogram
        .buckets
        .iter()
        .max_by(|(.., a), (.., b)| count(a).total_cmp(&count(b)));
    let most = fullest.map(|(_, lower, upper, n)| {
        format!(
            ", most between {} and {}: {}",
            Safe(lower),
            Safe(upper),
            Safe(n)
        )
    });
    format!(
        "count {}, sum {}{}",
        Safe(&histogram.count),
        Safe(&histogram.sum),
        most.unwrap_or_default()
    )
}

/// `name{label="value"}` as in a query.
fn name(metric: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = metric
        .iter()
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| format!("{}=\"{}\"", Safe(name), Safe(value)))
        .collect();
    let name = metric.get("__name__").map_or("", String::as_str);
    match labels.is_empty() && !name.is_empty() {
        true => Safe(name).to_string(),
        false => format!("{}{{{}}}", Safe(name), labels.join(", ")),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a number that is too large saturates, and is then no time"
)]
fn time(seconds: f64) -> String {
    let at = Timestamp::from_millisecond((seconds * 1_000.0).round() as i64);
    at.map_or_else(|_| seconds.to_string(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let data: Data = serde_json::from_str(json).expect("an answer");
        assert_eq!(lines(&data), expected);
    }

    #[test]
    fn answers_are_told_in_lines() {
        check(r#"{"resultType":"scalar","result":[1.5,"NaN"]}"#, &["NaN"]);
        check(
            r#"{"resultType":"string","result":[1.5,"a\u001bb"]}"#,
            &["a\\u{1b}b"],
        );
        check(r#"{"resultType":"vector","result":[]}"#, &[]);
        check(
            r#"{"resultType":"vector","result":[
                {"metric":{"__name__":"up"},"value":[1,"1"]},
                {"metric":{"__name__":"up","job":"a"},"value":[1,"1234567"]},
                {"metric":{},"histogram":[1,{"count":"3","sum":"4","buckets":[[0,"1","2","1"],[0,"2","4","2"]]}]}]}"#,
            &[
                "VALUE                                    SERIES",
                "1                                        up",
                "1234567                                  up{job=\"a\"}",
                "count 3, sum 4, most between 2 and 4: 2  {}",
            ],
        );
        check(
            r#"{"resultType":"matrix","result":[{"metric":{"job":"a"},"values":[[0,"1"],[60.5,"2"]]}]}"#,
            &[
                "{job=\"a\"}",
                "  1970-01-01T00:00:00.000Z  1",
                "  1970-01-01T00:01:00.500Z  2",
            ],
        );
    }
}
