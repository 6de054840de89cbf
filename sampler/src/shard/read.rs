//! Reading a record, apart from folding it: whatever its bytes do to the reader, they become a dead letter and nothing more.

use std::panic::{AssertUnwindSafe, catch_unwind};

use telemetry::wire::{TraceWalker, TracesView, WalkLimits};

/// The spans of a payload.
///
/// # Errors
/// Why it cannot be read: a function of its bytes.
pub(super) fn read<'a>(
    walker: &'a mut TraceWalker,
    payload: &'a [u8],
) -> Result<TracesView<'a>, String> {
    // a walker begins anew with each walk, so one that broke off does no harm
    caught(|| {
        walker
            .walk(payload, &WalkLimits::trusted())
            .map_err(|error| error.to_string())
    })
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
        let mut walker = TraceWalker::new();
        assert!(super::read(&mut walker, &[255]).is_err());
        assert_eq!(
            super::read(&mut walker, &[]).map(|view| view.n_spans()),
            Ok(0)
        );
    }
}
