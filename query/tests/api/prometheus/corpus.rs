//! 386 queries of Prometheus' own test suite with its answers, over HTTP. Each data set is a tenant, so that its series stand alone.

use serde_json::Value;
use telemetry::Tenant;

use super::written::{WriteRequest, series, write};
use crate::fixtures::folder;
use crate::served::Served;

/// Cases that use what Prometheus has behind a feature flag. They are refused by that flag's name.
const N_REFUSED: usize = 18;
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) if text == "stale" => f64::from_bits(STALE_BITS),
        Value::String(text) => text.parse().expect("a number"),
        value => value.as_f64().expect("a number"),
    }
}

/// Labels of a series, sorted, with its points.
type Row = (Vec<(String, String)>, Vec<(i64, f64)>);

fn row(labels: &Value, points: impl Iterator<Item = (i64, f64)>) -> Row {
    let labels = labels.as_object().expect("labels").iter();
    let pair =
        |(name, value): (&String, &Value)| (name.clone(), value.as_str().expect("text").to_owned());
    let mut labels: Vec<_> = labels.map(pair).collect();
    labels.sort();
    (labels, points.collect())
}

fn expected(case: &Value) -> Vec<Row> {
    let of_series = |series: &Value| {
        let points = series["points"].as_array().expect("points").iter();
        let points = points.map(|point| (point[0].as_i64().expect("ms"), number(&point[1])));
        row(&series["labels"], points)
    };
    let mut rows: Vec<Row> = case["expected"]
        .as_array()
        .expect("rows")
        .iter()
        .map(of_series)
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

/// Rows of an answer to a range query.
fn answered(data: &Value) -> Vec<Row> {
    let of_series = |series: &Value| {
        let points = series["values"].as_array().expect("values").iter();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "times of the corpus are small"
        )]
        let points = points.map(|point| {
            let ms = (point[0].as_f64().expect("s") * 1_000.0).round() as i64;
            (ms, number(&point[1]))
        });
        row(&series["metric"], points)
    };
    let mut rows: Vec<Row> = data["result"]
        .as_array()
        .expect("rows")
        .iter()
        .map(of_series)
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

/// Answers of the corpus are rounded to three decimals.
fn alike(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 0.000_6 + b.abs() * 1e-9
}

fn same(found: &[Row], expected: &[Row]) -> bool {
    let points = |a: &[(i64, f64)], b: &[(i64, f64)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && alike(a.1, b.1))
    };
    found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(a, b)| a.0 == b.0 && points(&a.1, &b.1))
}

fn tenant(number: &Value) -> Tenant {
    format!("set-{number}").parse().expect("a tenant")
}

async fn stored(corpus: &Value) -> Served {
    let features = vec!["promql-experimental-functions".to_owned()];
    let served = Served::with(query::Config {
        promql_features: features.try_into().expect("features"),
        ..query::Config::default()
    })
    .await;
    for (number, set) in (1..).zip(corpus["datasets"].as_array().expect("data sets")) {
        let all = set["series"].as_array().expect("series").iter().map(|one| {
            let (labels, samples) = row(
                &one["labels"],
                one["samples"]
                    .as_array()
                    .expect("samples")
                    .iter()
                    .map(|sample| (sample[0].as_i64().expect("ms"), number_of(sample))),
            );
            let pairs: Vec<(&str, &str)> = labels
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            series(&pairs, &samples)
        });
        let request = WriteRequest {
            timeseries: all.collect(),
            metadata: vec![],
        };
        write(&served, &tenant(&set["id"]), number, request).await;
    }
    served
}

fn number_of(sample: &Value) -> f64 {
    number(&sample[1])
}

/// What became of one case: nothing to say, refused for a named feature, or how it differs.
async fn fault(served: &Served, case: &Value) -> Result<bool, String> {
    let seconds = |name: &str| format!("{:.3}", case[name].as_f64().expect("ms") / 1_000.0);
    let expr = case["expr"].as_str().expect("a query");
    let (start, end, step) = (seconds("start_ms"), seconds("end_ms"), seconds("step_ms"));
    let parameters = [
        ("query", expr),
        ("start", &start),
        ("end", &end),
        ("step", &step),
    ];
    let of = tenant(&case["dataset"]);
    let answer = served
        .post_form("/api/v1/query_range", &of, &parameters)
        .await;
    if answer.status == 400 && answer.text.contains("promql-duration-expr") {
        return Ok(false);
    }
    if answer.status != 200 {
        return Err(format!("{} {}", answer.status, answer.text));
    }
    let (found, expected) = (answered(&answer.json()["data"]), expected(case));
    match same(&found, &expected) {
        true => Ok(true),
        false => Err(format!("\n  found    {found:?}\n  expected {expected:?}")),
    }
}

#[tokio::test]
async fn prometheus_own_queries_have_its_answers() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read(folder.join("promql/corpus-base.json")).expect("the corpus");
    let corpus: Value = serde_json::from_slice(&text).expect("JSON");
    let served = stored(&corpus).await;
    let cases = corpus["cases"].as_array().expect("cases");
    let (mut n_same, mut n_refused, mut faults) = (0, 0, Vec::new());
    for case in cases {
        match fault(&served, case).await {
            Ok(true) => n_same += 1,
            Ok(false) => n_refused += 1,
            Err(why) => faults.push(format!("{} {}: {why}", case["source"], case["expr"])),
        }
    }
    #[expect(clippy::print_stdout, reason = "the figure is the result")]
    {
        println!(
            "PromQL corpus over HTTP: {n_same} of {} as Prometheus, {n_refused} refused by feature",
            cases.len()
        );
    }
    assert_eq!(
        (n_same, n_refused),
        (cases.len() - N_REFUSED, N_REFUSED),
        "{}",
        faults.join("\n")
    );
}
