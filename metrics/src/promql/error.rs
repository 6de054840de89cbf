//! Why a query has no answer.

use std::time::Duration;

use crate::store::SelectError;

/// Why a query has no answer. The first three are known before anything is read.
#[derive(Debug, thiserror::Error)]
pub enum PromqlError {
    /// It is no PromQL, or of wrong types. `errorType` bad_data.
    #[error("{line}:{column}: parse error: {message}")]
    Parse {
        line: usize,
        column: usize,
        message: String,
    },
    /// A bound on what may be asked, or an argument that makes no sense. `errorType` bad_data.
    #[error("{0}")]
    BadData(String),
    /// Prometheus has it behind a feature flag that is off here, or it is not built. `errorType` bad_data.
    #[error(
        "{feature} is not enabled: add it to query.promql_features if this version supports it"
    )]
    NotSupported { feature: &'static str },
    /// What it asks for cannot be worked out on the series that are there. `errorType` execution.
    #[error("{0}")]
    Execution(String),
    /// `errorType` execution.
    #[error(
        "query processing would load too many samples: more than {samples_max}; ask for a shorter range or fewer series"
    )]
    TooManySamples { samples_max: u64 },
    /// `errorType` execution.
    #[error(
        "query processing would hold more than {bytes_max} bytes; ask for a shorter range, a longer step or fewer series"
    )]
    TooMuchMemory { bytes_max: u64 },
    /// `errorType` timeout.
    #[error(
        "query timed out after {} s; ask for a shorter range or fewer series",
        after.as_secs_f64()
    )]
    Timeout { after: Duration },
    /// A block cannot be read, or the process is stopping. `errorType` unavailable.
    #[error("the metrics store cannot answer: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The `errorType` of Prometheus's HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    BadData,
    Execution,
    Timeout,
    Unavailable,
}

impl PromqlError {
    #[must_use]
    pub fn error_type(&self) -> ErrorType {
        match self {
            Self::Parse { .. } | Self::BadData(_) | Self::NotSupported { .. } => ErrorType::BadData,
            Self::Execution(_) | Self::TooManySamples { .. } | Self::TooMuchMemory { .. } => {
                ErrorType::Execution
            }
            Self::Timeout { .. } => ErrorType::Timeout,
            Self::Unavailable(_) => ErrorType::Unavailable,
        }
    }
}

impl PromqlError {
    /// See [`SelectError::is_gone`].
    pub(super) fn is_gone(&self) -> bool {
        let Self::Unavailable(cause) = self else {
            return false;
        };
        let cause = cause.downcast_ref::<SelectError>();
        cause.is_some_and(SelectError::is_gone)
    }
}

impl From<SelectError> for PromqlError {
    fn from(error: SelectError) -> Self {
        match error {
            SelectError::TooManySamples { samples_max } => Self::TooManySamples { samples_max },
            error @ SelectError::Read(_) => Self::Unavailable(Box::new(error)),
        }
    }
}
