//! The nouns of Tracewell: ids, tenants, times, attributes, and OTLP read and written on the wire without building it in memory.
//!
//! In: bytes of OTLP requests and of log records. Out: checked views by byte range, and valid OTLP again.
//! This crate does no I/O, spawns nothing and reads no clock except through [`clock::Clock`], which shells hand around.

pub mod clock;
pub mod derived;
pub mod entity;
pub mod histogram;
pub mod id;
pub mod partition;
pub mod semconv;
pub mod signals;
pub mod span_name;
pub mod tenant;
pub mod time;
pub mod units;
pub mod wire;

pub use clock::Clock;
pub use id::{SpanId, TraceId};
pub use partition::{partition_of, partition_of_hash};
pub use tenant::Tenant;
pub use time::{RecordTime, ShardClock, ShardTime};
