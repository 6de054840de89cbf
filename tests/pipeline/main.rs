//! The product, as its users meet it: the real binary, in by OTLP, out by the public APIs, through real ports.

mod bad_input;
mod bad_points;
mod bad_queries;
mod counts;
mod damage;
mod disk;
mod import;
mod infra;
mod kill;
mod map;
mod metrics;
mod poison;
mod program;
mod prometheus;
mod sdk;
mod verbs;
