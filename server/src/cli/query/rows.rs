//! An answer of Prometheus' API as CSV: a column for each label there is, then the time and the value, a row a sample.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::csv::{Csv, cell, items};

/// Labels by name, `timestamp` in seconds, `value`; a histogram is its JSON. A scalar has no labels.
pub(super) fn csv(answer: &Value) -> Csv {
    let data = &answer["data"];
    let is_alone = matches!(data["resultType"].as_str(), Some("scalar" | "string"));
    if is_alone {
        let mut csv = Csv::new(["timestamp", "value"]);
        csv.row(point(&data["result"]));
        return csv;
    }
    let series = items(data, "result");
    let names: BTreeSet<&str> = series.iter().flat_map(labels).collect();
    let heads = names.iter().copied().chain(["timestamp", "value"]);
    let mut csv = Csv::new(heads);
    for one in series {
        let alone = ["value", "histogram"].into_iter().map(|key| &one[key]);
        let many = ["values", "histograms"];
        let many = many.into_iter().flat_map(|key| items(one, key));
        for sample in alone.filter(|sample| sample.is_array()).chain(many) {
            let of_labels = names.iter().map(|name| cell(&one["metric"][*name]));
            csv.row(of_labels.chain(point(sample)));
        }
    }
    csv
}

fn labels(series: &Value) -> impl Iterator<Item = &str> {
    let labels = series["metric"].as_object().into_iter().flatten();
    labels.map(|(name, _)| name.as_str())
}

/// Time and value of a sample.
fn point(sample: &Value) -> [String; 2] {
    [cell(&sample[0]), cell(&sample[1])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(data: Value, expected: &[&str]) {
        assert_eq!(csv(&json!({ "data": data })).lines(), expected);
    }

    #[test]
    fn samples_are_rows_with_their_labels() {
        check(
            json!({"resultType": "scalar", "result": [1.5, "2"]}),
            &["timestamp,value", "1.5,2"],
        );
        check(
            json!({"resultType": "vector", "result": []}),
            &["timestamp,value"],
        );
        check(
            json!({"resultType": "vector", "result": [
                {"metric": {"__name__": "up", "job": "a,b"}, "value": [1, "NaN"]},
                {"metric": {"x": "y"}, "histogram": [1, {"count": "3"}]}]}),
            &[
                "__name__,job,x,timestamp,value",
                "up,\"a,b\",,1,NaN",
                ",,y,1,\"{\"\"count\"\":\"\"3\"\"}\"",
            ],
        );
        check(
            json!({"resultType": "matrix", "result": [
                {"metric": {}, "values": [[1, "1"], [2, "2"]]}]}),
            &["timestamp,value", "1,1", "2,2"],
        );
    }
}
