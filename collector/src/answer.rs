//! The only maker of answers, above all of refusals.
//!
//! In: what became of a request. Out: the gRPC or HTTP response that makes a sender do the right thing: go on, wait, or give up.
//! What a sender does with each is the table of docs/decisions/050-answers.md; this file decides nothing else.

mod grpc;
mod http;
mod pacing;
mod remote_write;

use std::borrow::Cow;
use std::time::Duration;

use bus::PublishError;
use tonic::Code;

pub(crate) use self::grpc::{grpc, grpc_other};
pub(crate) use self::http::{HttpBody, http, plain, refused};
pub(crate) use self::pacing::Pacing;
pub(crate) use self::remote_write::remote_write;

/// Longest message of a refusal, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 256;
/// Longest message of a partial success, in bytes.
pub(crate) const PARTIAL_BYTES_MAX: usize = 1024;

/// A request whose records are durable. All of its items were taken, except those rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Spans or points, as the signal has them.
    pub(crate) n_accepted: u64,
    pub(crate) n_rejected: u32,
    /// Attributes and exemplars over a limit that items were taken without. Of points; spans say it themselves.
    pub(crate) n_attributes_dropped: u64,
    pub(crate) n_exemplars_dropped: u64,
    /// Why the first ones were rejected; empty if none was.
    pub(crate) message: String,
}

/// Why nothing of a request was taken. Each variant is a row of the table of answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The bytes are not what they claim to be. The sender drops them.
    #[error("{field}: {problem}")]
    Malformed {
        field: Cow<'static, str>,
        problem: String,
    },
    /// Over a limit that no waiting changes. The sender drops it.
    #[error("{what}: {amount} is over the limit {limit} of {max}")]
    TooLarge {
        what: &'static str,
        amount: u64,
        limit: &'static str,
        max: u64,
    },
    /// Good, but not now. The sender waits and sends it again.
    #[error("{0}")]
    Overloaded(Overload),
    /// More than the tenant may send in a second. The sender waits and sends it again.
    #[error("the tenant sends more than {items_per_s} {of} a second (limits.{of})")]
    Quota { of: QuotaOf, items_per_s: u64 },
    /// Nobody serves this here.
    #[error("{problem}")]
    Unsupported { what: Unsupported, problem: String },
    /// The body came too slowly.
    #[error("{0}")]
    Slow(String),
    /// Our own fault, once: the sender may try again.
    #[error("the collector failed on this request; send it again")]
    Panicked,
    /// Our own fault, on the same bytes again: the sender drops them.
    #[error("the collector failed on this request before; it is refused for 10 min")]
    PanickedAgain,
}

/// What a tenant may send so many of in a second; named as the setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuotaOf {
    Spans,
    Points,
}

impl std::fmt::Display for QuotaOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spans => "spans",
            Self::Points => "points",
        })
    }
}

/// What is short at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overload {
    #[error(
        "memory for requests is used up ({wanted} bytes wanted of {max}, limits.ingest_memory)"
    )]
    Memory { wanted: u64, max: u64 },
    #[error("the log is full")]
    LogFull,
    #[error("the disk is full")]
    DiskFull,
    #[error("the log is read-only")]
    ReadOnly,
    #[error("the log is unavailable")]
    LogUnavailable,
    #[error("the log did not confirm in time")]
    Deadline,
    #[error("the collector is shutting down")]
    Draining,
}

/// What of a request is unknown here; over HTTP each has its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsupported {
    Encoding,
    ContentType,
    Path,
    /// With the verbs that are allowed.
    Verb(&'static str),
}

/// What a sender does with a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Drops,
    Waits,
}

impl Refusal {
    pub(crate) fn malformed(
        field: impl Into<Cow<'static, str>>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// The reason as metrics name it: a closed set.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::Overloaded(Overload::Memory { .. }) => "memory",
            Self::Overloaded(Overload::LogFull) => "log_full",
            Self::Overloaded(Overload::DiskFull) => "disk_full",
            Self::Overloaded(Overload::ReadOnly) => "read_only",
            Self::Overloaded(Overload::LogUnavailable) => "log_unavailable",
            Self::Overloaded(Overload::Deadline) => "deadline",
            Self::Overloaded(Overload::Draining) => "draining",
            Self::Quota { .. } => "quota",
            Self::Unsupported { .. } => "unsupported",
            Self::Slow(_) => "slow_body",
            Self::Panicked | Self::PanickedAgain => "panic",
        }
    }

    /// Whether the same request can succeed later, so that the answer says when.
    pub(crate) fn is_retryable(&self) -> bool {
        self.then() == Then::Waits
    }

    fn then(&self) -> Then {
        match self {
            Self::Overloaded(_) | Self::Quota { .. } | Self::Panicked => Then::Waits,
            _ => Then::Drops,
        }
    }

    fn grpc_code(&self) -> Code {
        match self {
            Self::Malformed { .. } => Code::InvalidArgument,
            Self::TooLarge { .. } | Self::Quota { .. } => Code::ResourceExhausted,
            Self::Overloaded(_) | Self::Panicked => Code::Unavailable,
            Self::Unsupported { .. } => Code::Unimplemented,
            Self::Slow(_) => Code::Cancelled,
            Self::PanickedAgain => Code::Internal,
        }
    }

    pub(crate) fn http_status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::TooLarge { .. } => 413,
            Self::Quota { .. } => 429,
            Self::Overloaded(_) | Self::Panicked => 503,
            Self::Unsupported { what, .. } => match what {
                Unsupported::Encoding | Unsupported::ContentType => 415,
                Unsupported::Path => 404,
                Unsupported::Verb(_) => 405,
            },
            Self::Slow(_) => 408,
            Self::PanickedAgain => 500,
        }
    }

    /// The gRPC code as it is written.
    pub(crate) fn grpc_name(&self) -> &'static str {
        match self.grpc_code() {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::Unavailable => "UNAVAILABLE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Cancelled => "CANCELLED",
            _ => "INTERNAL",
        }
    }

    /// The HTTP status as it is written.
    pub(crate) fn http_name(&self) -> &'static str {
        match self.http_status() {
            400 => "400",
            404 => "404",
            405 => "405",
            408 => "408",
            413 => "413",
            415 => "415",
            429 => "429",
            503 => "503",
            _ => "500",
        }
    }

    /// The text for the sender, at most [`MESSAGE_BYTES_MAX`] long.
    pub(crate) fn message(&self) -> String {
        cut(self.to_string(), MESSAGE_BYTES_MAX)
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        Self::Overloaded(match error {
            PublishError::Full { .. } => Overload::LogFull,
            PublishError::DiskFull { .. } => Overload::DiskFull,
            PublishError::ReadOnly => Overload::ReadOnly,
            PublishError::Closed => Overload::Draining,
            PublishError::Unavailable(_) => Overload::LogUnavailable,
            PublishError::TooLarge { bytes, bytes_max } => {
                return Self::TooLarge {
                    what: "a record of this request",
                    amount: bytes,
                    limit: "of the log",
                    max: bytes_max,
                };
            }
        })
    }
}

/// A refusal with the wait that it asks of the sender, if waiting helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) retry_in: Option<Duration>,
}

/// At most `bytes_max` bytes of `text`, cut between characters.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = (0..=bytes_max)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
