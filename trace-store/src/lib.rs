//! Kept traces: blocks of them, found by id and by search.
//!
//! In: the traces an epoch kept, each as valid OTLP (`TracesData`) with the rule and probability that kept it. Out: the same traces, byte for
//! byte equal spans, by id or by what is in them. Nothing here decides what is kept.

pub mod trace;

pub use trace::{EpochName, KeptTrace, Sampling, StoredTrace};
