//! What runs below a trace: its critical path, the containers and hosts of its spans, and what those did meanwhile.
//!
//! In: the spans of a trace, entity info series and metrics. Out: places with the confidence of their joins, lanes of signals on the trace's own axis, and a
//! sentence for each join that is missing or weak. What is computed is pure (`critical`, `join`, `evaluate`, `usual`); `load` and `lane` read.

mod constants;
mod critical;
mod evaluate;
mod grid;
mod info;
mod join;
mod lane;
mod load;
mod missing;
mod promql;
mod stack;
mod strip;
mod trace;
mod usual;

pub(crate) use constants::PAD_NS_MAX;
pub(crate) use join::Method;
pub(crate) use lane::{Lane, Measured};
pub(crate) use stack::{Relation, Stack, stack};
pub(crate) use strip::{Asked, Strip, strip};
