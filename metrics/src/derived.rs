//! What was derived from spans, as series: RED and edges are windows, info series are samples of 1. In: a tenant's part of a derived record.

use telemetry::derived::{DeltaValue, SeriesDelta, TenantDelta};
use telemetry::histogram::ExpHistogram;

use crate::fold::Fold;
use crate::histogram::{Buckets, Histogram};
use crate::labels::NAME;
use crate::row::Exemplar;
use crate::window::at_schema;
use crate::{Value, Window};

/// Finest resolution of native histograms in Prometheus.
pub const SCHEMA_MAX: i32 = 8;

pub(crate) fn fold(delta: &TenantDelta, fold: &mut Fold<'_>) {
    for series in &delta.series {
        fold_series(series, fold);
    }
}

fn fold_series(series: &SeriesDelta, fold: &mut Fold<'_>) {
    let pairs = series.labels.iter();
    let mut labels: Vec<(&str, &str)> = pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let place = labels.partition_point(|(name, _)| *name < NAME);
    labels.insert(place, (NAME, &series.name));
    let mut id = None;
    for delta in &series.windows {
        let value = match &delta.value {
            DeltaValue::Seen => {
                id = fold.float(&labels, delta.end_unix_ms, 1.0);
                continue;
            }
            DeltaValue::Count(count) => Value::Float(*count),
            DeltaValue::Histogram(histogram) => Value::Histogram(native(histogram).into()),
        };
        let window = Window {
            start_unix_ms: delta.start_unix_ms,
            end_unix_ms: delta.end_unix_ms,
            value,
        };
        id = fold.window(&labels, window);
    }
    let Some(id) = id else { return };
    for exemplar in &series.exemplars {
        fold.exemplar(Exemplar {
            series: id,
            unix_ms: exemplar.unix_ms,
            value: exemplar.value,
            labels: vec![
                ("span_id".to_owned(), exemplar.span_id.to_string()),
                ("trace_id".to_owned(), exemplar.trace_id.to_string()),
            ],
        });
    }
}

/// A histogram of spans as the store has it. OpenTelemetry's bucket i begins where Prometheus's bucket i + 1 does.
#[must_use]
pub fn native(histogram: &ExpHistogram) -> Histogram {
    let buckets = Buckets {
        offset: histogram.offset().saturating_add(1),
        counts: histogram.buckets().collect(),
    };
    let scale = i32::from(histogram.scale());
    let schema = scale.min(SCHEMA_MAX);
    Histogram {
        schema,
        zero_count: histogram.zero_count(),
        count: histogram.count(),
        sum: histogram.sum(),
        positive: at_schema(&buckets, scale, schema),
        ..Histogram::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_of_spans_keeps_its_buckets() {
        let mut histogram = ExpHistogram::new();
        for value in [1.5, 2.0, 3.0, 0.0] {
            histogram.observe(value);
        }
        let native = native(&histogram);
        assert_eq!((native.schema, native.count, native.sum), (3, 4.0, 6.5));
        assert_eq!(native.zero_count, 1.0);
        let counted: Vec<(i32, f64)> = (native.positive.offset..)
            .zip(native.positive.counts)
            .filter(|(_, count)| *count > 0.0)
            .collect();
        // eight buckets an octave: 2 is the upper bound of bucket 8, 1.5 and 3 lie in the fifth of their octaves
        assert_eq!(counted, [(5, 1.0), (8, 1.0), (13, 1.0)]);
    }
}
