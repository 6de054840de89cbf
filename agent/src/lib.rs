//! Probes of a host and its containers and processes, pushed as OTLP metrics.
//!
//! In: procfs and cgroup files, whose content nobody vouches for. Out: OTLP requests over gRPC, each interval. It never listens, it writes nothing to disk,
//! and it asks a container runtime for names alone, where that is wanted. It is no part of the way of a span: an agent that stops costs figures, never a trace.
//!
//! A round passes `probes` → `host`, `container`, `process` → `sheet` → `batch` → `push`.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod batch;
mod config;
mod container;
#[cfg(test)]
mod fake_files;
mod file;
mod host;
mod instrument;
mod probes;
mod process;
mod push;
mod resource;
mod run;
mod schedule;
mod sheet;

pub use config::{Config, Paths, Probe};
pub use run::{Agent, NewError, RunError};
