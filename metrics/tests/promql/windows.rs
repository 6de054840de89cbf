//! Series made of windows: what an epoch of spans adds, and what senders of deltas add.

use metrics::promql::{Engine, Features, QueryOptions, QueryRange, Value};
use telemetry::derived::{DeltaValue, DerivedRecord, SeriesDelta, TenantDelta, WindowDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::{RecordTime, Tenant};

use super::world::{World, run};

const BEGIN_MS: i64 = 1_700_000_000_000;

/// Epochs of 10 s: in the n-th n + 1 spans of 0.1 s are counted.
async fn epochs(world: &mut World, n_epochs: u64) {
    epochs_every(world, n_epochs, 10_000).await;
}

async fn epochs_every(world: &mut World, n_epochs: u64, every_ms: i64) {
    for n in 0..n_epochs {
        let mut histogram = ExpHistogram::new();
        for _ in 0..=n {
            histogram.observe(0.1);
        }
        let end_unix_ms = BEGIN_MS + every_ms * (i64::try_from(n).expect("few epochs") + 1);
        let labels = [("service_name", "shop"), ("span_name", "get")];
        let series = SeriesDelta {
            name: "tracewell_span_duration_seconds".to_owned(),
            labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            windows: vec![WindowDelta {
                start_unix_ms: end_unix_ms - 10_000,
                end_unix_ms,
                value: DeltaValue::Histogram(histogram),
            }],
            exemplars: Vec::new(),
        };
        let record = DerivedRecord {
            source_partition: 0,
            previous_end: n * 10,
            end: (n + 1) * 10,
            part: 0,
            is_last: true,
            complete_to: RecordTime {
                unix_ms: end_unix_ms,
            },
            tenants: vec![TenantDelta {
                tenant: Tenant::default_tenant(),
                series: vec![series],
            }],
        };
        world
            .send(
                &Tenant::default_tenant(),
                bus::Kind::Derived,
                record.encode(),
            )
            .await;
    }
    let last = BEGIN_MS + every_ms * i64::try_from(n_epochs).expect("few epochs");
    for _ in 0..2_000 {
        let complete_to = world.store.complete_to().map(|to| to.unix_ms);
        if complete_to == Some(last) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    panic!("the store is not complete");
}

fn end_of(epoch: u64) -> i64 {
    BEGIN_MS + 10_000 * (i64::try_from(epoch).expect("few epochs") + 1)
}

async fn float(engine: &Engine, query: &str, at: i64) -> Option<f64> {
    let tenant = Tenant::default_tenant();
    let answer = engine
        .instant(&tenant, query, at, QueryOptions::default())
        .await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.warnings, [""; 0], "{query}");
    let Value::Vector(samples) = answer.value else {
        panic!("{query} gives no vector");
    };
    assert!(samples.len() < 2, "{query} gives {samples:?}");
    match samples.first().map(|sample| &sample.value) {
        Some(metrics::Value::Float(value)) => Some(*value),
        Some(metrics::Value::Histogram(_)) => panic!("{query} gives a histogram"),
        None => None,
    }
}

#[test]
fn windows_count_exactly_and_nothing_is_guessed() {
    run(BEGIN_MS + 200_000, async |mut world| {
        epochs(&mut world, 12).await; // 1 + 2 + … + 12 = 78
        let engine = world.engine(Features::default());
        let (last, calls) = (end_of(11), "traces_span_metrics_calls_total");
        for (query, at, expected) in [
            // the raw value is the sum of all windows that have ended
            (calls.to_owned(), last, Some(78.0)),
            (calls.to_owned(), end_of(2), Some(6.0)),
            (calls.to_owned(), end_of(2) - 1, Some(3.0)),
            (calls.to_owned(), end_of(11) + 299_999, Some(78.0)),
            (calls.to_owned(), end_of(11) + 300_000, None),
            (calls.to_owned(), BEGIN_MS, None),
            // the first increment counts, and no range reaches back behind it
            (format!("increase({calls}[5m])"), last, Some(78.0)),
            (format!("increase({calls}[10s])"), last, Some(12.0)),
            (format!("increase({calls}[20s])"), last, Some(23.0)),
            (format!("rate({calls}[10s])"), last, Some(1.2)),
            (format!("irate({calls}[1m])"), last, Some(1.2)),
            (
                format!("increase({calls}[10s] offset 110s)"),
                last,
                Some(1.0),
            ),
            (format!("increase({calls}[5m])"), last + 600_000, None),
            // a window longer than the range counts by its part
            (format!("increase({calls}[5s])"), last, Some(6.0)),
            (format!("increase({calls}[5s])"), last - 5_000, Some(6.0)),
            // other functions see the raw value
            (format!("max_over_time({calls}[30s])"), last, Some(78.0)),
            (format!("min_over_time({calls}[30s])"), last, Some(55.0)),
            (format!("count_over_time({calls}[1m])"), last, Some(6.0)),
            (format!("resets({calls}[5m])"), last, Some(0.0)),
            (format!("sum(increase({calls}[1m]))"), last, Some(57.0)),
            (format!("increase({calls}[1m:10s])"), last, Some(60.0)),
            (
                "histogram_count(increase(tracewell_span_duration_seconds[20s]))".to_owned(),
                last,
                Some(23.0),
            ),
            (
                "histogram_count(tracewell_span_duration_seconds)".to_owned(),
                last,
                Some(78.0),
            ),
            (
                "histogram_count(rate(tracewell_span_duration_seconds[10s]))".to_owned(),
                last,
                Some(1.2),
            ),
        ] {
            let got = float(&engine, &query, at).await;
            let is_near = match (got, expected) {
                (Some(got), Some(expected)) => (got - expected).abs() < 1e-9,
                (got, expected) => got == expected,
            };
            assert!(is_near, "{query} at {at}: {got:?}, not {expected:?}");
        }
        let quantile = "histogram_quantile(0.5, sum(rate(tracewell_span_duration_seconds[1m])))";
        let native = float(&engine, quantile, last).await.expect("a value");
        assert!((native - 0.1).abs() < 0.005, "{native}");
        let classic = "histogram_quantile(0.5, sum by (le) (rate(traces_span_metrics_duration_milliseconds_bucket[1m])))";
        let classic = float(&engine, classic, last).await.expect("a value");
        assert!((50.0..=200.0).contains(&classic), "{classic}");
    });
}

#[test]
fn ranges_side_by_side_add_up_to_the_whole() {
    run(BEGIN_MS + 400_000, async |mut world| {
        epochs(&mut world, 30).await;
        let engine = world.engine(Features::default());
        for step_ms in [10_000, 15_000, 30_000, 50_000, 60_000] {
            let query = format!("increase(traces_span_metrics_calls_total[{step_ms}ms])");
            let range = QueryRange {
                start_unix_ms: BEGIN_MS + step_ms,
                end_unix_ms: BEGIN_MS + 300_000,
                step_ms,
            };
            let tenant = Tenant::default_tenant();
            let answer = engine
                .range(&tenant, &query, range, QueryOptions::default())
                .await;
            let Value::Matrix(series) = answer.expect("an answer").value else {
                panic!("a matrix");
            };
            let sum: f64 = series[0].points.floats.iter().map(|(_, value)| value).sum();
            assert_eq!(sum, 465.0, "every {step_ms} ms");
        }
    });
}

#[test]
fn the_raw_value_reaches_back_over_all_that_is_retained() {
    const DAY_MS: i64 = 24 * 3_600_000;
    run(BEGIN_MS + 400 * DAY_MS, async |mut world| {
        epochs_every(&mut world, 300, DAY_MS).await;
        let engine = world.engine(Features::default());
        let calls = "traces_span_metrics_calls_total";
        let last = BEGIN_MS + 300 * DAY_MS;
        assert_eq!(float(&engine, calls, last).await, Some(45_150.0));
        assert_eq!(
            float(&engine, calls, last - 200 * DAY_MS).await,
            Some(5_050.0)
        );
        let since = format!("{calls} - {calls} offset 30d");
        assert_eq!(float(&engine, &since, last).await, Some(8_565.0));
    });
}
