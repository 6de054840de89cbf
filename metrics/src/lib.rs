//! The time-series store: a machine over `points`, series in blocks, and PromQL over them.
//!
//! In: records of the topic `points` (OTLP metrics, remote write, derived records). Out: series for a matcher and a range, and PromQL answers.
//! This crate knows nothing of spans, HTTP or samplers.

pub mod block;
pub mod chunk;
pub mod head;
pub mod histogram;
pub mod labels;
pub mod matcher;
pub mod matching;
pub mod points;
pub mod row;
pub mod series;
pub mod symbols;
pub mod window;

pub use histogram::{Buckets, Histogram, ResetHint};
pub use labels::Labels;
pub use matcher::{MatchOp, Matcher};
pub use points::{Points, Samples, SeriesData, Value, Window};
