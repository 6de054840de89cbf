//! The program: configuration, wiring and the command line. `app.rs` is the place to begin reading.
//!
//! In: arguments, environment and a configuration file. Out: a running Tracewell, or one answer of a client verb.

pub mod cli;
pub mod exit;

mod app;
mod config;
mod grpc;
mod import;
mod live;
mod logging;
mod memory;
mod readiness;
mod status;
mod writes;
