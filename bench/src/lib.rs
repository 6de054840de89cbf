//! What Tracewell costs, measured beside references in the same run.
//!
//! In: a seed. Out: tables on stdout. Nothing here decides whether a figure is good; docs/benchmarks.md says what each means.

pub mod corpus;
pub mod cost;
pub mod load;
pub mod null_log;
pub mod process;
pub mod product;
pub mod rng;
pub mod section;
pub mod table;
pub mod warm;

mod stored;
