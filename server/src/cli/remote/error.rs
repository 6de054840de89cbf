//! Why a client verb failed, in words that say what to do, and the exit code that says the same to a script.

use std::error::Error;
use std::path::Path;

use crate::cli::print::Safe;
use crate::exit::Exit;

/// Longest part of a refusal that is shown, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Why a client verb failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum RemoteError {
    #[error(
        "no server answers at {url}: {cause}; start one with `tracewell`, or name another with --url"
    )]
    Unreachable { url: String, cause: String },
    /// In the middle of an answer.
    #[error("{url} went away: {cause}")]
    Gone { url: String, cause: String },
    #[error("{url} answered {status}: {text}")]
    Refused {
        url: String,
        status: u16,
        text: String,
    },
    #[error("{0}")]
    BadUsage(String),
    #[error("{0}")]
    BadInput(String),
    #[error("the answer of {url} cannot be read: {what}")]
    BadAnswer { url: String, what: String },
}

impl RemoteError {
    pub(in crate::cli) fn gone(url: &str, error: &reqwest::Error) -> Self {
        Self::Gone {
            url: url.to_owned(),
            cause: root_cause(error),
        }
    }

    pub(super) fn unreachable(error: reqwest::Error) -> Self {
        Self::Unreachable {
            url: error
                .url()
                .map_or_else(|| "the address".to_owned(), ToString::to_string),
            cause: root_cause(&error),
        }
    }

    pub(super) fn refused(url: String, status: u16, text: &str) -> Self {
        Self::Refused {
            url,
            status,
            text: reason(text),
        }
    }

    /// The same about a file that was sent: what is refused then is the file, not how it was asked for.
    pub(in crate::cli) fn of_file(self, file: &Path) -> Self {
        match self {
            Self::Refused {
                status: 400 | 413 | 415 | 422,
                text,
                ..
            } => Self::BadInput(format!("{}: {text}", file.display())),
            other => other,
        }
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Gone { .. } => Exit::Unavailable,
            Self::BadUsage(_) => Exit::Usage,
            Self::BadInput(_) => Exit::BadInput,
            Self::BadAnswer { .. } => Exit::Failed,
            Self::Refused { status, .. } => match status {
                400 | 422 => Exit::Usage,
                401 | 403 => Exit::NoPermission,
                429 | 503 | 504 => Exit::TryAgain,
                _ => Exit::Failed,
            },
        }
    }
}

/// The sentence in a problem answer (RFC 9457), in Prometheus' or a receiver's, else the text itself, shortened.
fn reason(text: &str) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let keys = ["detail", "title", "error", "message"];
    let detail = problem
        .as_ref()
        .and_then(|problem| keys.iter().find_map(|key| problem.get(key)))
        .and_then(|detail| detail.as_str());
    let safe = Safe(detail.unwrap_or(text)).to_string();
    safe.chars().take(REASON_CHARS_MAX).collect()
}

pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_reason_and_an_exit_code() {
        for (status, text, told, exit) in [
            (400, r#"{"title":"a","detail":"b"}"#, "b", Exit::Usage),
            (422, r#"{"status":"error","error":"c"}"#, "c", Exit::Usage),
            (403, "", "", Exit::NoPermission),
            (404, r#"{"code":12,"message":"d"}"#, "d", Exit::Failed),
            (429, "plain\u{1b}", "plain\\u{1b}", Exit::TryAgain),
            (503, "[1]", "[1]", Exit::TryAgain),
            (500, "x", "x", Exit::Failed),
        ] {
            let error = RemoteError::refused("u".to_owned(), status, text);
            assert_eq!(error.to_string(), format!("u answered {status}: {told}"));
            assert_eq!(error.exit(), exit, "{status}");
        }
        assert_eq!(reason(&"x".repeat(1_000)).len(), REASON_CHARS_MAX);
    }
}
