//! The server as client verbs ask it. In: its address and what is asked. Out: an answer, printed as data or read for a table, or an error that
//! says what to do.

mod error;
mod parameters;

use std::future::Future;
use std::time::Duration;

use reqwest::{RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Builder;

use super::Output;
use super::csv::Csv;
use super::print::{self, complain};
use super::runtime::block_on;
use crate::exit::Exit;
pub(super) use error::RemoteError;
pub(super) use parameters::Parameters;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes: several times the largest trace.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A server, and how what it answers is printed.
pub(super) struct Remote {
    http: reqwest::Client,
    /// Without a slash at its end.
    url: String,
    pub(super) output: Output,
}

/// A whole answer.
pub(super) struct Answer {
    /// Where it came from.
    url: String,
    text: String,
}

impl Remote {
    fn new(url: &str, output: Output) -> Result<Self, RemoteError> {
        let wrong = |what: &str| {
            RemoteError::BadUsage(format!(
                "--url {url:?} is no address: {what}; write http://HOST:PORT"
            ))
        };
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if parsed.scheme() != "http" {
            return Err(wrong("only http is spoken"));
        }
        let http = reqwest::Client::builder().connect_timeout(CONNECT).build();
        Ok(Self {
            http: http.map_err(|error| RemoteError::BadUsage(error::root_cause(&error)))?,
            url: url.trim_end_matches('/').to_owned(),
            output,
        })
    }

    /// Runs a client verb to its end.
    pub(super) fn run<F>(url: &str, output: Output, verb: impl FnOnce(Self) -> F) -> Exit
    where
        F: Future<Output = Result<(), RemoteError>>,
    {
        let ended = async {
            let remote = Self::new(url, output)?;
            tokio::select! {
                ended = verb(remote) => ended.map(|()| Exit::Done),
                () = interrupted() => Ok(Exit::Interrupted),
            }
        };
        let exit = async {
            ended.await.unwrap_or_else(|error: RemoteError| {
                complain(&error);
                error.exit()
            })
        };
        block_on(Builder::new_current_thread(), "tracewell-client", exit)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn get(&self, path: &str, parameters: Parameters) -> RequestBuilder {
        let request = self.http.get(format!("{}{path}", self.url));
        request.query(&parameters.pairs())
    }

    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.url))
    }

    /// Prints an answer as data: as it came, or as YAML, or the rows that `csv` makes of it. `table` prints it for a person instead.
    pub(super) fn show(
        &self,
        answer: &Answer,
        csv: impl FnOnce(&Answer) -> Result<Csv, RemoteError>,
        table: impl FnOnce(&Answer) -> Result<(), RemoteError>,
    ) -> Result<(), RemoteError> {
        match self.output {
            Output::Table => return table(answer),
            Output::Json => print::line(&answer.text),
            Output::Yaml => print::yaml(&answer.read::<Value>()?),
            Output::Csv => csv(answer)?.print(),
        };
        Ok(())
    }
}

/// Returns at Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await; // then the signal ends the process by itself
    }
}

/// Sends a request and makes sure that it was answered well.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, RemoteError> {
    let response = send_any(request).await?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let answer = Answer::of(response).await?;
    Err(RemoteError::refused(answer.url, status, &answer.text))
}

/// Sends a request and takes whatever status it is answered with.
pub(super) async fn send_any(request: RequestBuilder) -> Result<Response, RemoteError> {
    request.send().await.map_err(RemoteError::unreachable)
}

/// Sends a request and reads its answer whole.
pub(super) async fn ask(request: RequestBuilder) -> Result<Answer, RemoteError> {
    Answer::of(send(request).await?).await
}

impl Answer {
    /// All of what a server sends, within bounds.
    pub(super) async fn of(mut response: Response) -> Result<Self, RemoteError> {
        let url = response.url().to_string();
        let mut bytes = Vec::new();
        let gone = |error| RemoteError::gone(&url, &error);
        while let Some(chunk) = response.chunk().await.map_err(gone)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                let what = format!("it is over {ANSWER_BYTES_MAX} bytes");
                return Err(RemoteError::BadAnswer { url, what });
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Self { url, text })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What the JSON says.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, RemoteError> {
        serde_json::from_str(&self.text).map_err(|error| RemoteError::BadAnswer {
            url: self.url.clone(),
            what: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_before_anything_is_sent() {
        for url in ["http://127.0.0.1:1", "http://[::1]:16686/", "http://h/base"] {
            let remote = Remote::new(url, Output::Json);
            assert!(remote.is_ok_and(|remote| !remote.url().ends_with('/')));
        }
        for (url, told) in [
            ("nonsense", "write http://HOST:PORT"),
            ("127.0.0.1:16686", "no address"),
            ("https://127.0.0.1:1", "only http is spoken"),
        ] {
            let error = Remote::new(url, Output::Json).err().expect("no address");
            assert!(error.to_string().contains(told), "{error}");
            assert_eq!(error.exit(), Exit::Usage);
        }
    }
}
