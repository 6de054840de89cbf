//! `tracewell top`: what flows through a server now, and its busiest services, anew each interval. In: two readings of `/metrics` and the list of services.
//! Out: a screen, or a JSON object a line.

mod pipeline;
mod scrape;

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use telemetry::{Clock, units};

use super::Output;
use super::columns::{Columns, percent, rate, seconds};
use super::print::{self, Safe};
use super::remote::{RemoteError, client, send};
use pipeline::Pipeline;
use scrape::Scrape;

pub(super) const EXAMPLES: &str = "Examples:
  tracewell top                                 a screen each 2 s; Ctrl-C ends it
  tracewell top --sort errors --interval 5s
  tracewell top --count 1 -o table              one view and the end
  tracewell top --json | jq .pipeline.spans_per_s";

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const INTERVAL_MIN: Duration = Duration::from_millis(200);
const INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// Puts the cursor to the beginning and clears what is below.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// What is shown, and how often.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Time between two views, such as 2s; rates are of this time
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = interval)]
    interval: Duration,
    /// Views after which it ends; without it only Ctrl-C does
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// The order of services: numbers largest first
    #[arg(long, value_enum, default_value = "rate")]
    sort: Sort,
    /// Services at most
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// The same as -o json: an object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    Name,
    Rate,
    Errors,
    P95,
    State,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::P95 => "p95",
            Self::State => "state",
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = units::duration::parse(text).map_err(|error| error.to_string())?;
    if (INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        Ok(interval)
    } else {
        Err("it must be from 200ms to 1h".to_owned())
    }
}

/// A service as the screen shows it.
#[derive(Debug, Deserialize)]
struct Item {
    name: String,
    state: String,
    rate: f64,
    error_ratio: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
}

/// Shows views until there were as many as wanted, or nobody reads any more.
pub(super) async fn watch(url: &str, which: &Which, output: Output) -> Result<(), RemoteError> {
    let clock = Clock::host();
    let is_json = which.json || output == Output::Json;
    let mut before = (scraped(url).await?, clock.monotonic());
    let mut shown = 0;
    while which.count.is_none_or(|count| shown < count) {
        tokio::time::sleep(which.interval).await;
        let now = (scraped(url).await?, clock.monotonic());
        let passed = now.1.saturating_duration_since(before.1);
        let pipeline = Pipeline::between(&before.0, &now.0, passed, clock.wall());
        let waiting = waiting(url).await?;
        let services = services(url, which).await?;
        let at = Timestamp::from_millisecond(clock.wall().unix_ms);
        let at = at.map_or_else(|_| String::new(), |at| format!("{at:.3}"));
        let goes_on = if is_json {
            print::line(json!({
                "at": at, "ready": waiting.is_empty(), "waiting": waiting, "pipeline": pipeline.json(), "services": services,
            }))
        } else {
            let lines = screen(url, &at, &waiting, &pipeline, &services);
            let clear = if std::io::stdout().is_terminal() {
                CLEAR
            } else {
                ""
            };
            print::line(format_args!("{clear}{}", lines.join("\n")))
        };
        if !goes_on {
            return Ok(());
        }
        before = now;
        shown += 1;
    }
    Ok(())
}

fn screen(
    url: &str,
    at: &str,
    waiting: &[String],
    pipeline: &Pipeline,
    services: &Value,
) -> Vec<String> {
    let state = if waiting.is_empty() {
        "ready".to_owned()
    } else {
        format!("not ready: {}", Safe(&waiting.join("; ")))
    };
    let mut lines = vec![format!("tracewell {url}  {at}  {state}"), String::new()];
    lines.extend(pipeline.lines());
    lines.push(String::new());
    let items: Vec<Item> = services
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| Item::deserialize(item).ok())
        .collect();
    if items.is_empty() {
        lines.push("no service was heard of in the last minute".to_owned());
        return lines;
    }
    let mut columns = Columns::new(&["SERVICE", "STATE", "RATE/S", "ERRORS", "P50", "P95"]);
    for item in &items {
        columns.row(vec![
            Safe(&item.name).to_string(),
            Safe(&item.state).to_string(),
            rate(item.rate),
            percent(item.error_ratio),
            seconds(item.p50),
            seconds(item.p95),
        ]);
    }
    lines.extend(columns.lines());
    lines
}

/// A body, bounded.
async fn body(mut response: reqwest::Response) -> Result<String, RemoteError> {
    let url = response.url().to_string();
    let unreadable = |what: String| RemoteError::BadAnswer {
        url: url.clone(),
        what,
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreadable(error.to_string()))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(unreadable(format!("it is over {ANSWER_BYTES_MAX} bytes")));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn scraped(url: &str) -> Result<Scrape, RemoteError> {
    let response = send(client().get(format!("{url}/metrics"))).await?;
    Ok(Scrape::parse(&body(response).await?))
}

/// What readiness waits for. The answer has a status of its own while it does.
async fn waiting(url: &str) -> Result<Vec<String>, RemoteError> {
    let address = format!("{url}/-/ready");
    let unreachable = |error: reqwest::Error| RemoteError::Unreachable {
        url: address.clone(),
        cause: error.to_string(),
    };
    let response = client().get(&address).send().await.map_err(unreachable)?;
    let answer: Value = serde_json::from_str(&body(response).await?).unwrap_or_default();
    let waiting = answer["waiting"].as_array().into_iter().flatten();
    Ok(waiting
        .filter_map(|what| what.as_str().map(str::to_owned))
        .collect())
}

/// The rows of `/services` of the last minute.
async fn services(url: &str, which: &Which) -> Result<Value, RemoteError> {
    let parameters = [
        ("from", "now-1m".to_owned()),
        ("sort", which.sort.word().to_owned()),
        ("limit", which.limit.to_string()),
    ];
    let request = client().get(format!("{url}/api/tracewell/v1/services"));
    let response = send(request.query(&parameters)).await?;
    let address = response.url().to_string();
    let mut answer: Value =
        serde_json::from_str(&body(response).await?).map_err(|error| RemoteError::BadAnswer {
            url: address,
            what: error.to_string(),
        })?;
    Ok(answer["items"].take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_shows_the_flow_and_then_the_services() {
        let services = json!([{"name": "cart", "state": "bad", "rate": 12.0, "error_ratio": 0.5, "p50": 0.1, "p95": null, "more": 1}]);
        let lines = screen("u", "t", &[], &Pipeline::default(), &services);
        assert_eq!(lines[0], "tracewell u  t  ready");
        assert_eq!(
            lines[lines.len() - 2..],
            [
                "SERVICE  STATE  RATE/S  ERRORS     P50  P95",
                "cart     bad      12.0  50.0 %  100 ms    –"
            ]
        );
        let waiting = ["metrics: reading".to_owned()];
        let lines = screen("u", "t", &waiting, &Pipeline::default(), &Value::Null);
        assert_eq!(lines[0], "tracewell u  t  not ready: metrics: reading");
        assert!(
            lines
                .last()
                .is_some_and(|line| line.starts_with("no service"))
        );
    }

    #[test]
    fn intervals_have_a_unit_and_bounds() {
        assert_eq!(interval("2s"), Ok(Duration::from_secs(2)));
        for text in ["2", "1ms", "2h", "x"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
