//! Probes of a host and its containers and processes, pushed as OTLP metrics.
//!
//! In: procfs and cgroup files. Out: OTLP requests, each interval. It never listens.
