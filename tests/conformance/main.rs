//! The seams: what the traits promise, executable, run on every implementation.

mod blocks;
mod bus;
