//! A derived record reads as what it says or is refused.

use telemetry::derived::DerivedRecord;

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(record) = DerivedRecord::decode(bytes) {
        let again = DerivedRecord::decode(&record.encode()).map(|again| again.encode());
        assert_eq!(
            again,
            Ok(record.encode()),
            "a record that says something else"
        );
    }
}
