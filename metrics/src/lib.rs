//! The time-series store: a machine over `points`, series in blocks, and PromQL over them.
//!
//! In: records of the topic `points` (OTLP metrics, remote write, derived records). Out: series for a matcher and a range, and PromQL answers.
//! This crate knows nothing of spans, HTTP or samplers.

pub mod block;
pub mod catalog;
pub mod chunk;
pub mod compact;
pub mod config;
pub mod control;
pub mod derived;
pub mod fold;
pub mod head;
pub mod histogram;
pub mod labels;
mod live;
pub mod machine;
pub mod maintenance;
pub mod matcher;
pub mod matching;
pub mod metrics;
pub mod otlp;
pub mod points;
pub mod promql;
pub mod row;
pub mod run;
mod selection;
pub mod series;
pub mod store;
pub mod symbols;
pub mod view;
pub mod window;

pub use config::{Config, RedConfig};
pub use histogram::{Buckets, Histogram, ResetHint};
pub use labels::Labels;
pub use matcher::{MatchOp, Matcher};
pub use metrics::Metrics;
pub use points::{Points, Samples, SeriesData, Value, Window};
pub use run::MetricsRunner;
pub use store::{MetricsStore, SelectError, SelectOptions};
