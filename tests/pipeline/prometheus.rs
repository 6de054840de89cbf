//! Metrics as their users have them: a real Prometheus writes to us and is asked the same questions, promtool asks us, and RED of spans is counted.

mod alike;
mod doors;
mod red;
mod scraper;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::Tracewell;
use serde_json::Value;

const LOOK: Duration = Duration::from_millis(200);

/// Asks a server until the answer is as wanted.
pub(crate) async fn until<T>(
    what: &str,
    at_most: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let answered = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(at_most, answered)
        .await
        .with_context(|| format!("{what}: not within {at_most:?}"))?
}

/// `data` of an answer of Prometheus' API at `url`.
async fn ask(
    http: &reqwest::Client,
    url: &str,
    path: &str,
    parameters: &[(&str, &str)],
) -> Result<Value> {
    let request = http.get(format!("{url}/api/v1/{path}")).query(parameters);
    let (status, mut body) = {
        let answer = request.send().await?;
        (answer.status(), answer.json::<Value>().await?)
    };
    ensure!(
        status.is_success(),
        "{path} {parameters:?}: {status} {body}"
    );
    Ok(body["data"].take())
}

/// The only value of an instant query now; none if there is no series.
pub(crate) async fn value(server: &Tracewell, query: &str) -> Result<Option<f64>> {
    let data = ask(
        server.http_client(),
        &server.query_url(),
        "query",
        &[("query", query)],
    )
    .await?;
    match data["result"][0]["value"][1].as_str() {
        Some(text) => Ok(Some(text.parse()?)),
        None => Ok(None),
    }
}
