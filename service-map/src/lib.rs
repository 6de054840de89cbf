//! The service map: who calls whom, as pure functions.
//!
//! In: facts of spans (from the sampler's shards) and rows of series (that others read). Out: edges, and what is drawn from them. No I/O, clock, task
//! or order of a hash map in here.

pub mod edge;
