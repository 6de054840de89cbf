//! Reading a record, apart from folding it: whatever its bytes do to the reader, they become a dead letter and nothing more.

mod otlp;
mod remote_write;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bus::{Kind, Record};
use telemetry::derived::DerivedRecord;

use crate::fold::Fold;

/// A record that could be read.
pub(super) enum Read {
    Otlp(otlp::Request),
    RemoteWrite(remote_write::Request),
}

impl Read {
    /// The points of a record that was sent.
    ///
    /// # Errors
    /// Why it cannot be read: a function of its bytes.
    pub(super) fn of(record: &Record) -> Result<Self, String> {
        caught(|| match record.header.kind {
            Kind::Otlp => otlp::read(&record.payload).map(Self::Otlp),
            Kind::RemoteWrite1 => remote_write::read(&record.payload).map(Self::RemoteWrite),
            Kind::Tick | Kind::Control | Kind::Derived => Err("it was not sent".to_owned()),
        })
    }

    pub(super) fn fold(&self, fold: &mut Fold<'_>) {
        match self {
            Self::Otlp(request) => otlp::fold(request, fold),
            Self::RemoteWrite(request) => remote_write::fold(request, fold),
        }
    }
}

/// A derived record.
///
/// # Errors
/// Why it cannot be read: a function of its bytes.
pub(super) fn derived(payload: &[u8]) -> Result<DerivedRecord, String> {
    caught(|| DerivedRecord::decode(payload).map_err(|error| error.to_string()))
}

/// A panic as an error.
fn caught<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("reading it panicked".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_panics_has_not_read() {
        let read: Result<(), String> = caught(|| panic!("on purpose"));
        assert_eq!(read, Err("reading it panicked".to_owned()));
        assert!(derived(&[]).is_err());
    }
}
