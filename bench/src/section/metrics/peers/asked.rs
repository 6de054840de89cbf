//! The questions that every server is asked, and how its answers are compared.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use telemetry::Clock;

use super::super::promql::escaped;
use crate::process::Process;

/// A question over an hour, in steps of a minute.
pub(super) struct Question {
    pub(super) told: &'static str,
    query: &'static str,
}

pub(super) const QUESTIONS: [Question; 4] = [
    Question {
        told: "rate of 1,000",
        query: "rate(node_00_io_bytes_total[5m])",
    },
    Question {
        told: "sum of that",
        query: SUM,
    },
    Question {
        told: "topk of all",
        query: "topk(10, {__name__=~\"node_.*\"})",
    },
    Question {
        told: "quantile of 1,500",
        query: "histogram_quantile(0.99, sum by (le) (rate(request_duration_seconds_bucket[5m])))",
    },
];

const SUM: &str = "sum(rate(node_00_io_bytes_total[5m]))";
/// Answers of a question that are timed, in at most this time.
const N_ASKED: usize = 21;
const ASKED_MAX: Duration = Duration::from_secs(8);
const RANGE_S: i64 = 3_600;
const STEP_S: i64 = 60;

impl Question {
    /// The median time until the answer is read, the first one left out. None if it is refused.
    pub(super) fn p50_ms(&self, of: &Process, end_unix_ms: i64) -> anyhow::Result<Option<f64>> {
        let clock = Clock::host();
        let begun = clock.monotonic();
        let mut times: Vec<Duration> = Vec::new();
        for nth in 0..=N_ASKED {
            if nth > 1 && clock.monotonic() - begun > ASKED_MAX {
                break;
            }
            let asked_at = clock.monotonic();
            let (status, answer) = of.get(&path(self.query, end_unix_ms, nth as i64))?;
            if matches!(status, 422 | 503) {
                return Ok(None);
            }
            let start = answer.get(..300).unwrap_or(&answer);
            ensure!(
                status == 200 && answer.contains("\"values\""),
                "{}: {status}, {start}",
                self.query
            );
            times.extend((nth > 0).then(|| clock.monotonic() - asked_at));
        }
        times.sort();
        let p50 = times
            .get(times.len() / 2)
            .context("at least one was answered")?;
        Ok(Some(p50.as_secs_f64() * 1e3))
    }
}

/// Each question is asked some seconds earlier, so that no answer is one of before.
fn path(query: &str, end_unix_ms: i64, nth: i64) -> String {
    let query: String = query.bytes().map(escaped).collect();
    let end_s = end_unix_ms / 1_000 - 10 - nth;
    let begin_s = end_s - RANGE_S;
    format!("/api/v1/query_range?query={query}&start={begin_s}&end={end_s}&step={STEP_S}&nocache=1")
}

/// The values of the sum of rates, a step each.
pub(super) fn compared(of: &Process, end_unix_ms: i64) -> anyhow::Result<Vec<f64>> {
    let (_, answer) = of.get(&path(SUM, end_unix_ms, 0))?;
    let answer: Value = serde_json::from_str(&answer)?;
    let values = &answer["data"]["result"][0]["values"];
    let values = values.as_array().context("a sum has values")?;
    values
        .iter()
        .map(|pair| Ok(pair[1].as_str().context("a value is a string")?.parse()?))
        .collect()
}

/// The median relative difference of the steps of two answers; infinite if they have different numbers of steps.
pub(super) fn difference(theirs: &[f64], ours: &[f64]) -> f64 {
    if theirs.len() != ours.len() {
        return f64::INFINITY;
    }
    let steps = theirs.iter().zip(ours);
    let mut differences: Vec<f64> = steps
        .map(|(theirs, ours)| (theirs - ours).abs() / ours.abs().max(f64::MIN_POSITIVE))
        .collect();
    differences.sort_by(f64::total_cmp);
    differences
        .get(differences.len() / 2)
        .copied()
        .unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_by_the_median_difference_of_their_steps() {
        assert_eq!(difference(&[1.0, 2.0, 9.0], &[1.0, 2.0, 3.0]), 0.0);
        assert_eq!(difference(&[1.5, 3.0], &[1.0, 2.0]), 0.5);
        assert_eq!(difference(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(difference(&[], &[]), f64::INFINITY);
    }
}
