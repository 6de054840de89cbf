//! A request that has arrived: its body read, nothing made of it yet.

use bus::{Kind, Topic};
use bytes::Bytes;
use telemetry::Tenant;
use tokio::time::Instant;

use crate::admit::Reserved;
use crate::inflate::Encoding;

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    /// Metrics as Prometheus remote write 1.0 sends them.
    RemoteWrite,
}

impl Signal {
    /// As metrics name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics | Self::RemoteWrite => "metrics",
        }
    }

    /// Where its records go.
    pub(crate) fn topic(self) -> Topic {
        match self {
            Self::Traces => Topic::Spans,
            Self::Metrics | Self::RemoteWrite => Topic::Points,
        }
    }

    /// What their payloads are.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Traces | Self::Metrics => Kind::Otlp,
            Self::RemoteWrite => Kind::RemoteWrite1,
        }
    }
}

/// What a body is written in. The answer is written in the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Protobuf,
    Json,
}

/// How a request came in, as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
    RemoteWrite,
}

/// A whole request.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) tenant: Tenant,
    pub(crate) signal: Signal,
    pub(crate) format: Format,
    pub(crate) encoding: Encoding,
    /// As sent. All of it is in `reserved`.
    pub(crate) body: Bytes,
    /// xxh3-128 of `body`.
    pub(crate) body_hash: u128,
    pub(crate) reserved: Reserved,
    /// Imported: what is counted from it is counted at its own times.
    pub(crate) is_historic: bool,
    /// When the answer has to leave.
    pub(crate) answer_by: Instant,
}

impl Format {
    /// What a `content-type` header names, its parameters aside.
    pub(crate) fn named(content_type: &[u8]) -> Option<Self> {
        let name = content_type.split(|&b| b == b';').next()?.trim_ascii();
        if name.eq_ignore_ascii_case(b"application/x-protobuf") {
            Some(Self::Protobuf)
        } else if name.eq_ignore_ascii_case(b"application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Protobuf => Protocol::HttpProtobuf,
            Self::Json => Protocol::HttpJson,
        }
    }
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http_protobuf",
            Self::HttpJson => "http_json",
            Self::RemoteWrite => "remote_write",
        }
    }
}

/// The tenant that authentication put into a request; without one, the default tenant.
pub(crate) fn tenant_of(extensions: &http::Extensions) -> Tenant {
    extensions
        .get::<Tenant>()
        .cloned()
        .unwrap_or_else(Tenant::default_tenant)
}
