//! What the client verbs share: one small runtime, one HTTP client, and errors that say what to do.

use std::future::Future;
use std::time::Duration;

use super::print::complain;
use crate::exit::Exit;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Why a client verb failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error(
        "no server answers at {url}: {cause}; start one with `tracewell`, or name another with --url"
    )]
    Unreachable { url: String, cause: String },
    #[error("{url} answered {status}: {text}")]
    Refused {
        url: String,
        status: u16,
        text: String,
    },
    #[error("{0}")]
    BadInput(String),
    #[error("the answer of {url} cannot be read: {what}")]
    BadAnswer { url: String, what: String },
}

impl RemoteError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unavailable,
            Self::BadInput(_) => Exit::BadInput,
            Self::Refused { .. } | Self::BadAnswer { .. } => Exit::Failed,
        }
    }
}

/// Runs a client verb to its end.
pub(super) fn run(verb: impl Future<Output = Result<(), RemoteError>>) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(verb),
        Err(error) => {
            complain(format_args!("cannot start: {error}"));
            return Exit::Failed;
        }
    };
    match outcome {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(&error);
            error.exit()
        }
    }
}

pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .build()
        .unwrap_or_default()
}

/// Sends a request and makes sure that it was answered well.
pub(super) async fn send(
    request: reqwest::RequestBuilder,
) -> Result<reqwest::Response, RemoteError> {
    let response = request
        .send()
        .await
        .map_err(|error| RemoteError::Unreachable {
            url: error
                .url()
                .map_or_else(|| "the address".to_owned(), ToString::to_string),
            cause: root_cause(&error),
        })?;
    if response.status().is_success() {
        return Ok(response);
    }
    let (url, status) = (response.url().to_string(), response.status().as_u16());
    let text = response.text().await.unwrap_or_default();
    Err(RemoteError::Refused {
        url,
        status,
        text: reason(&text),
    })
}

/// The sentence in a problem answer (RFC 9457) or in Prometheus' one, else the text itself, shortened.
fn reason(text: &str) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let detail = problem
        .as_ref()
        .and_then(|p| ["detail", "title", "error"].iter().find_map(|at| p.get(at)))
        .and_then(|d| d.as_str());
    super::print::Safe(detail.unwrap_or(text))
        .to_string()
        .chars()
        .take(500)
        .collect()
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}
