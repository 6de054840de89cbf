//! The service map: who calls whom and what runs on what, as pure functions on petgraph.
//!
//! In: decided traces (for edge rules) and rows of edge and info series that others read. Out: edges, graphs, layouts, differences. This crate knows nothing of
//! stores, clocks or HTTP.
