//! Why a query gets no answer. One type for all APIs; each writes it in its own style.

use http::StatusCode;

/// A refusal: what kind it is, and a sentence for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// What the caller does differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request says something that cannot be meant, or asks for more than one may.
    Invalid,
    /// There is no such trace.
    NotFound,
    /// This server does not have that route, or not yet.
    NotServed,
    /// The answer would be larger than one may be.
    TooLarge,
    /// Too many queries run, and the time in the queue is over.
    Busy,
    /// The query took too long.
    Deadline,
    /// A part that must be asked does not answer now.
    Unavailable,
    /// What is stored cannot be read.
    Internal,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, text)
    }

    pub(crate) fn trace_not_found() -> Self {
        Self::new(Kind::NotFound, "trace not found")
    }
}

impl Kind {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::NotServed => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Deadline | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Code of the message catalogue (TW3: queries).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Invalid => "TW3001",
            Self::NotFound => "TW3002",
            Self::NotServed => "TW3003",
            Self::TooLarge => "TW3004",
            Self::Busy => "TW3005",
            Self::Deadline => "TW3006",
            Self::Unavailable => "TW3007",
            Self::Internal => "TW3008",
        }
    }

    /// A few words that are the same for every refusal of this kind.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Invalid => "The request is not valid",
            Self::NotFound => "Not found",
            Self::NotServed => "Not served",
            Self::TooLarge => "The answer is too large",
            Self::Busy => "Too many queries",
            Self::Deadline => "The query took too long",
            Self::Unavailable => "Not available now",
            Self::Internal => "What is stored cannot be read",
        }
    }

    pub(crate) fn grpc(self) -> tonic::Code {
        match self {
            Self::Invalid => tonic::Code::InvalidArgument,
            Self::NotFound => tonic::Code::NotFound,
            Self::NotServed => tonic::Code::Unimplemented,
            Self::TooLarge | Self::Busy => tonic::Code::ResourceExhausted,
            Self::Deadline => tonic::Code::DeadlineExceeded,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Internal => tonic::Code::Internal,
        }
    }
}

impl From<Refusal> for tonic::Status {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind.grpc(), refusal.text)
    }
}
