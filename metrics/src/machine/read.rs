//! Reading a record, apart from folding it: whatever its bytes do to the reader, they become a dead letter and nothing more.

mod otlp;
mod remote_write;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bus::{Kind, Record};
use telemetry::derived::DerivedRecord;
use telemetry::wire::{MetricsView, MetricsWalker, WriteView, WriteWalker};

use crate::fold::Fold;

/// What reads records, one at a time, used again and again.
#[derive(Debug, Default)]
pub(super) struct Readers {
    otlp: MetricsWalker,
    remote_write: WriteWalker,
}

/// A record that could be read.
pub(super) enum Read<'r> {
    Otlp(MetricsView<'r>),
    RemoteWrite(WriteView<'r>),
}

impl Readers {
    /// The points of a record that was sent.
    ///
    /// # Errors
    /// Why it cannot be read: a function of its bytes.
    pub(super) fn read<'r>(&'r mut self, record: &'r Record) -> Result<Read<'r>, String> {
        let Self { otlp, remote_write } = self;
        caught(|| match record.header.kind {
            Kind::Otlp => {
                let view = otlp.read(&record.payload);
                view.map(Read::Otlp).map_err(|error| error.to_string())
            }
            Kind::RemoteWrite1 => {
                let view = remote_write.read(&record.payload);
                view.map(Read::RemoteWrite)
                    .map_err(|error| error.to_string())
            }
            Kind::Tick | Kind::Control | Kind::Derived => Err("it was not sent".to_owned()),
        })
    }
}

impl Read<'_> {
    pub(super) fn fold(&self, fold: &mut Fold<'_>) {
        match self {
            Self::Otlp(view) => otlp::fold(view, fold),
            Self::RemoteWrite(view) => remote_write::fold(view, fold),
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
