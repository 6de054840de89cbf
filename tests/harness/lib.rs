//! What whole-product tests share: the real binary as a process, OTLP requests, and questions through its public doors.
//!
//! In: a data folder and settings. Out: a running `tracewell` that can be killed, and what its APIs answer. No test lives here.

pub mod otlp;
pub mod process;

pub use process::{Tracewell, now};
