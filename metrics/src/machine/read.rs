//! Reading a record, apart from folding it: whatever its bytes do to the reader, they become a dead letter and nothing more.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bus::{Kind, Record};
use telemetry::derived::DerivedRecord;

use crate::fold::Fold;

/// The readers of everything that is sent; they own their memory from record to record.
#[derive(Default)]
pub(super) struct Readers {}

/// A record that could be read.
pub(super) enum Read {}

impl Readers {
    /// The points of a record that was sent.
    ///
    /// # Errors
    /// Why it cannot be read: a function of its bytes.
    pub(super) fn read(&mut self, record: &Record) -> Result<Read, String> {
        match record.header.kind {
            Kind::Otlp => Err("OTLP".to_owned()),
            Kind::RemoteWrite1 => Err("remote write".to_owned()),
            Kind::Tick | Kind::Control | Kind::Derived => Err("nothing that was sent".to_owned()),
        }
    }
}

impl Read {
    pub(super) fn rejected(&self) -> Option<(u32, String)> {
        match *self {}
    }

    pub(super) fn fold(self, _fold: &mut Fold<'_>) {
        match self {}
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
