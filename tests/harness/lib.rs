//! What whole-product tests share: the real binary as a process, OTLP requests, and questions through its public doors.
//!
//! In: a data folder and settings. Out: a running `tracewell` that can be killed, and what its APIs answer. No test lives here.

pub mod otlp;
pub mod process;

use std::io::Write;

pub use process::{Tracewell, now};

/// Says that a test is skipped, and why, past what captures the words of tests that pass.
///
/// # Panics
/// Where there is no standard error.
pub fn skipped(test: &str, why: &str) {
    let told = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
    told.expect("standard error is there");
}
