//! The product, as its users meet it: the real binary, in by OTLP, out by the public APIs, through real ports.

mod bad_input;
mod bad_queries;
mod counts;
mod damage;
mod disk;
mod infra;
mod kill;
mod map;
mod metrics;
mod program;
mod prometheus;
mod sdk;
