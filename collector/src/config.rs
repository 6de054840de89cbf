//! `[collector]`: where it listens and what it takes in at most.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::units;

/// Settings of the receivers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub otlp_grpc: OtlpGrpc,
    pub otlp_http: OtlpHttp,
    pub limits: Limits,
}

/// `[collector.otlp_grpc]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpGrpc {
    /// Address and port. Default 127.0.0.1:4317.
    pub listen: SocketAddr,
}

/// `[collector.otlp_http]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpHttp {
    /// Address and port. Default 127.0.0.1:4318.
    pub listen: SocketAddr,
}

/// `[collector.limits]`: what one request, one connection and all of them together may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Body of a request as sent, in bytes. Default 16 MiB.
    #[serde(with = "units::bytes")]
    pub body_max: u64,
    /// Body of a request once decompressed, in bytes. Default 64 MiB (the advice of OTLP).
    #[serde(with = "units::bytes")]
    pub inflated_max: u64,
    /// Spans or data points in a request, or messages around them. Default 65 536.
    pub items_max: u32,
    /// Spans that a tenant may send in a second; what is more is refused until it may come. Default `0/s`: no limit.
    #[serde(with = "units::rate")]
    pub spans: u64,
    /// Data points and samples that a tenant may send in a second, likewise. Default `0/s`: no limit.
    #[serde(with = "units::rate")]
    pub points: u64,
    /// Bytes that all requests under way may hold together, in every form. Default 80 MiB.
    #[serde(with = "units::bytes")]
    pub ingest_memory: u64,
    /// Header fields of a request, in bytes. Default 16 KiB.
    #[serde(with = "units::bytes")]
    pub headers_max: u64,
    /// Connections of a listener; further ones are closed at once. Default 4 096.
    pub connections_max: u32,
    /// Requests under way on one HTTP/2 connection. Default 128.
    pub streams_max: u32,
    /// Age at which a connection is asked to end, so that senders spread anew. Default 30 min.
    #[serde(with = "units::duration")]
    pub connection_age: Duration,
    /// Longest pause within a body, and before the first byte of a connection. Default 10 s.
    #[serde(with = "units::duration")]
    pub body_idle: Duration,
    /// Longest time that a whole body may take. Default 60 s.
    #[serde(with = "units::duration")]
    pub body_total: Duration,
    /// Longest time from a request's last byte to its answer; 80 % of a shorter `grpc-timeout` instead. Default 4 s.
    #[serde(with = "units::duration")]
    pub answer: Duration,
    /// Longest wait for requests under way once the listeners stop. Default 8 s.
    #[serde(with = "units::duration")]
    pub drain: Duration,
}

impl Default for OtlpGrpc {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4317)),
        }
    }
}

impl Default for OtlpHttp {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4318)),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_max: 16 << 20,
            inflated_max: 64 << 20,
            items_max: 65_536,
            spans: 0,
            points: 0,
            ingest_memory: 80 << 20,
            headers_max: 16 << 10,
            connections_max: 4_096,
            streams_max: 128,
            connection_age: Duration::from_secs(30 * 60),
            body_idle: Duration::from_secs(10),
            body_total: Duration::from_secs(60),
            answer: Duration::from_secs(4),
            drain: Duration::from_secs(8),
        }
    }
}
