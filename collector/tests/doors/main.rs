//! The collector through its real ports, over a log in memory: what comes in is in the log as it was, or is refused by the table of answers.

mod bad_input;
mod corpus;
mod grpc;
mod http;
mod import;
mod local_log;
mod memory_log;
mod metrics;
mod pressure;
mod remote_write;
mod server;
mod wire;
