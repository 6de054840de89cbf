//! The query APIs through a real port, over a store in a folder and a live side that a test fills.

mod fixtures;
mod grpc;
mod infra;
mod joined;
mod map;
mod own;
mod prometheus;
mod refusals;
mod sampling;
mod schema;
mod served;
