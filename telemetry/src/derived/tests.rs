use proptest::prelude::*;

use super::*;

fn histogram(values: &[(f64, bool)]) -> ExpHistogram {
    let mut histogram = ExpHistogram::new();
    for (value, weighted) in values {
        if *weighted {
            histogram.observe_weighted(*value, 2.5);
        } else {
            histogram.observe(*value);
        }
    }
    histogram
}

fn value() -> impl Strategy<Value = DeltaValue> {
    prop_oneof![
        Just(DeltaValue::Seen),
        (0.0..1e9f64).prop_map(DeltaValue::Count),
        prop::collection::vec((1e-9..1e9f64, prop::bool::weighted(0.1)), 0..20)
            .prop_map(|values| DeltaValue::Histogram(histogram(&values))),
    ]
}

prop_compose! {
    fn series()(
        name in "[a-z_]{1,12}",
        labels in prop::collection::btree_map("[a-z_]{1,6}", "[a-zß/ {}]{1,9}", 0..6),
        windows in prop::collection::btree_map(-10_000..10_000i64, (0..100_000i64, value()), 0..4),
        exemplars in prop::collection::vec((any::<i64>(), 0.0..1e3f64, any::<[u8; 16]>(), any::<[u8; 8]>()), 0..3),
    ) -> SeriesDelta {
        let window = |(start, (length, value)): (i64, (i64, DeltaValue))| WindowDelta {
            start_unix_ms: start * 10_000,
            end_unix_ms: start * 10_000 + length,
            value,
        };
        let exemplar = |(unix_ms, value, trace_id, span_id)| Exemplar {
            unix_ms, value, trace_id: TraceId(trace_id), span_id: SpanId(span_id),
        };
        SeriesDelta {
            name,
            labels: labels.into_iter().collect(),
            windows: windows.into_iter().map(window).collect(),
            exemplars: exemplars.into_iter().map(exemplar).collect(),
        }
    }
}

prop_compose! {
    fn record()(
        source_partition: u32, previous_end: u64, end: u64, part: u32, is_last: bool, unix_ms: i64,
        tenants in prop::collection::btree_map("[a-z]{1,8}", prop::collection::vec(series(), 0..4), 0..3),
    ) -> DerivedRecord {
        let delta = |(tenant, series): (String, Vec<SeriesDelta>)| TenantDelta {
            tenant: tenant.parse().expect("a name"),
            series,
        };
        DerivedRecord {
            source_partition, previous_end, end, part, is_last,
            complete_to: RecordTime { unix_ms },
            tenants: tenants.into_iter().map(delta).collect(),
        }
    }
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(record in record()) {
        prop_assert_eq!(DerivedRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn what_was_changed_is_refused_or_reads_as_what_it_says(record in record(), at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = record.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = DerivedRecord::decode(&bytes) {
            // as text, which tells 0 from the negative 0 that a changed sign makes of it
            let is_same = format!("{read:?}") == format!("{record:?}");
            prop_assert!(!is_same || read.encode() != bytes);
        }
    }

    #[test]
    fn what_was_cut_is_refused(record in record(), at: prop::sample::Index) {
        let bytes = record.encode();
        let at = at.index(bytes.len());
        prop_assert!(DerivedRecord::decode(&bytes[..at]).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        if let Ok(read) = DerivedRecord::decode(&bytes) {
            let again = DerivedRecord::decode(&read.encode()).map(|again| again.encode());
            prop_assert_eq!(again, Ok(read.encode()));
        }
    }
}

#[test]
fn a_later_version_is_refused_by_name() {
    let error = DerivedRecord::decode(&[9, 0]).expect_err("later");
    assert_eq!(
        error.to_string(),
        "a derived record of format 9, this release reads format 1"
    );
}
