//! The service map: who calls whom, as pure functions.
//!
//! In: facts of spans (from the sampler's shards) and rows of series (that others read). Out: edges, and what is drawn from them. No I/O, clock, task
//! or order of a hash map in here.

pub mod communities;
mod config;
pub mod diff;
pub mod edge;
pub mod entity;
pub mod graph;
pub mod layout;
pub mod reach;

pub use config::{Config, ConfigError};
