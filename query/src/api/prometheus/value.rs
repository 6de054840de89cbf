//! Values of PromQL as JSON, in the shapes that Prometheus' clients read. In: what a query gave. Out: the `data` of an answer.

use ::metrics::promql::{Sample, Series, Value};

use super::out::Out;
use crate::refusal::Refusal;

/// What a query cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stats {
    pub(super) total_s: f64,
    pub(super) n_samples: u64,
}

/// The `data` of an answer, as long as it may be.
pub(super) fn written(
    value: &Value,
    stats: Option<Stats>,
    bytes_max: u64,
) -> Result<Vec<u8>, Refusal> {
    let mut out = Out::new(bytes_max);
    let kind = match value {
        Value::Scalar { .. } => "scalar",
        Value::String { .. } => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    };
    out.put(format_args!("{{\"resultType\":\"{kind}\",\"result\":"));
    match value {
        Value::Scalar { at_unix_ms, value } => out.point(*at_unix_ms, |out| out.float(*value)),
        Value::String { at_unix_ms, value } => out.point(*at_unix_ms, |out| out.text(value)),
        Value::Vector(samples) => out.list(samples, Out::sample)?,
        Value::Matrix(series) => out.list(series, Out::series)?,
    }
    if let Some(stats) = stats {
        out.stats(stats);
    }
    out.raw("}");
    out.done()
}

/// What a value is made of.
impl Out {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "an item of a list, some of which fail"
    )]
    fn sample(&mut self, sample: &Sample) -> Result<(), Refusal> {
        self.raw("{\"metric\":");
        self.labels(&sample.labels);
        match &sample.value {
            ::metrics::Value::Float(value) => {
                self.raw(",\"value\":");
                self.point(sample.at_unix_ms, |out| out.float(*value));
            }
            ::metrics::Value::Histogram(histogram) => {
                self.raw(",\"histogram\":");
                self.point(sample.at_unix_ms, |out| out.histogram(histogram));
            }
        }
        self.raw("}");
        Ok(())
    }

    fn series(&mut self, series: &Series) -> Result<(), Refusal> {
        self.raw("{\"metric\":");
        self.labels(&series.labels);
        if !series.points.floats.is_empty() {
            self.raw(",\"values\":");
            self.list(&series.points.floats, |out, (at, value)| {
                out.point(*at, |out| out.float(*value));
                Ok(())
            })?;
        }
        if !series.points.histograms.is_empty() {
            self.raw(",\"histograms\":");
            self.list(&series.points.histograms, |out, (at, histogram)| {
                out.point(*at, |out| out.histogram(histogram));
                Ok(())
            })?;
        }
        self.raw("}");
        Ok(())
    }

    fn stats(&mut self, stats: Stats) {
        let Stats { total_s, n_samples } = stats;
        let json = serde_json::json!({
            "timings": {
                "evalTotalTime": total_s,
                "resultSortTime": 0,
                "queryPreparationTime": 0,
                "innerEvalTime": total_s,
                "execQueueTime": 0,
                "execTotalTime": total_s,
            },
            "samples": { "totalQueryableSamples": n_samples, "peakSamples": n_samples },
        });
        self.put(format_args!(",\"stats\":{json}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::metrics::{Buckets, Histogram, Labels, Samples};
    use serde_json::json;

    use super::*;
    use crate::refusal::Kind;

    #[track_caller]
    fn check(value: &Value, expected: &serde_json::Value) {
        let bytes = written(value, None, 1 << 20).expect("written");
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(json, *expected);
    }

    fn histogram() -> Arc<Histogram> {
        Arc::new(Histogram {
            count: 2.0,
            sum: 3.5,
            positive: Buckets {
                offset: 0,
                counts: vec![2.0],
            },
            ..Histogram::default()
        })
    }

    #[test]
    fn every_type_has_its_shape() {
        let labels = Labels::new([("__name__", "up"), ("path", "a\"b\\\u{1}")]);
        let told = json!({ "__name__": "up", "path": "a\"b\\\u{1}" });
        let buckets = json!({ "count": "2", "sum": "3.5", "buckets": [[0, "0.5", "1", "2"]] });
        check(
            &Value::Scalar {
                at_unix_ms: 1_500,
                value: f64::NAN,
            },
            &json!({ "resultType": "scalar", "result": [1.5, "NaN"] }),
        );
        check(
            &Value::String {
                at_unix_ms: 2_000,
                value: "é\n".into(),
            },
            &json!({ "resultType": "string", "result": [2, "é\n"] }),
        );
        check(
            &Value::Vector(vec![
                Sample {
                    labels: labels.clone(),
                    at_unix_ms: 1,
                    value: ::metrics::Value::Float(f64::INFINITY),
                },
                Sample {
                    labels: Labels::default(),
                    at_unix_ms: 1,
                    value: ::metrics::Value::Histogram(histogram()),
                },
            ]),
            &json!({ "resultType": "vector", "result": [
                { "metric": told, "value": [0.001, "+Inf"] },
                { "metric": {}, "histogram": [0.001, buckets] },
            ] }),
        );
        let points = Samples {
            floats: vec![(1_000, 1.0), (2_000, -0.5)],
            histograms: vec![(3_000, histogram())],
        };
        check(
            &Value::Matrix(vec![Series { labels, points }]),
            &json!({ "resultType": "matrix", "result": [
                { "metric": told, "values": [[1, "1"], [2, "-0.5"]], "histograms": [[3, buckets]] },
            ] }),
        );
        check(
            &Value::Matrix(vec![]),
            &json!({ "resultType": "matrix", "result": [] }),
        );
    }

    #[test]
    fn an_answer_that_is_too_long_is_given_up() {
        let sample = Sample {
            labels: Labels::new([("a", "b")]),
            at_unix_ms: 0,
            value: ::metrics::Value::Float(1.0),
        };
        let refused = written(&Value::Vector(vec![sample; 1_000]), None, 1_000);
        assert_eq!(refused.expect_err("too long").kind, Kind::TooLarge);
    }
}
