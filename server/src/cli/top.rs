//! `tracewell top`: what flows through a server now, and its busiest services, anew each interval. In: two readings of `/metrics` and the list of services.
//! Out: a screen, or a JSON object a line.

mod pipeline;
mod scrape;

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use telemetry::{Clock, units};

use super::Output;
use super::columns::{Columns, percent, rate, seconds};
use super::csv::{Csv, items};
use super::print::{self, Safe};
use super::remote::{Answer, Parameters, Remote, RemoteError, ask, send_any};
use super::services::Sort;
use pipeline::Pipeline;
use scrape::Scrape;

pub(super) const EXAMPLES: &str = "Examples:
  tracewell top                                 a screen each 2 s; Ctrl-C ends it
  tracewell top --sort errors --interval 5s
  tracewell top --count 1 -o table              one view and the end
  tracewell top -o json | jq .pipeline.spans_per_s";

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
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
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

/// What is shown at once.
struct View {
    at: String,
    waiting: Vec<String>,
    pipeline: Pipeline,
    /// The rows of `/services`.
    services: Vec<Value>,
}

/// Shows views until there were as many as wanted, or nobody reads any more.
pub(super) async fn watch(remote: Remote, which: Which) -> Result<(), RemoteError> {
    let clock = Clock::host();
    let mut before = (scraped(&remote).await?, clock.monotonic());
    let mut shown = 0;
    while which.count.is_none_or(|count| shown < count) {
        tokio::time::sleep(which.interval).await;
        let now = (scraped(&remote).await?, clock.monotonic());
        let passed = now.1.saturating_duration_since(before.1);
        let at = Timestamp::from_millisecond(clock.wall().unix_ms);
        let view = View {
            at: at.map_or_else(|_| String::new(), |at| format!("{at:.3}")),
            waiting: waiting(&remote).await?,
            pipeline: Pipeline::between(&before.0, &now.0, passed, clock.wall()),
            services: services(&remote, &which).await?,
        };
        if !view.show(&remote, shown == 0) {
            return Ok(());
        }
        before = now;
        shown += 1;
    }
    Ok(())
}

impl View {
    /// False when nobody reads any more.
    fn show(&self, remote: &Remote, is_first: bool) -> bool {
        match remote.output {
            Output::Json => print::line(self.json()),
            Output::Yaml => print::line("---") && print::yaml(&self.json()),
            Output::Csv => self.csv(is_first),
            Output::Table => {
                let is_screen = std::io::stdout().is_terminal();
                let clear = if is_screen { CLEAR } else { "" };
                let lines = self.screen(remote.url());
                print::line(format_args!("{clear}{}", lines.join("\n")))
            }
        }
    }

    fn json(&self) -> Value {
        json!({
            "at": self.at, "ready": self.waiting.is_empty(), "waiting": self.waiting,
            "pipeline": self.pipeline.json(), "services": self.services,
        })
    }

    /// The stages in a row a view; services have rows of their own in `tracewell services`.
    fn csv(&self, is_first: bool) -> bool {
        let mut row = self.pipeline.json();
        row["at"] = json!(self.at);
        row["ready"] = json!(self.waiting.is_empty());
        let stages = row.as_object().into_iter().flatten();
        let heads: Vec<&str> = ["at", "ready"]
            .into_iter()
            .chain(
                stages
                    .map(|(name, _)| name.as_str())
                    .filter(|name| !["at", "ready"].contains(name)),
            )
            .collect();
        let csv = Csv::of_items(&heads, [&row]);
        if is_first {
            csv.print()
        } else {
            csv.print_rows()
        }
    }

    fn screen(&self, url: &str) -> Vec<String> {
        let state = match self.waiting.is_empty() {
            true => "ready".to_owned(),
            false => format!("not ready: {}", Safe(&self.waiting.join("; "))),
        };
        let at = &self.at;
        let mut lines = vec![format!("tracewell {url}  {at}  {state}"), String::new()];
        lines.extend(self.pipeline.lines());
        lines.push(String::new());
        lines.extend(busiest(&self.services));
        lines
    }
}

/// A line a service.
fn busiest(services: &[Value]) -> Vec<String> {
    let read = services
        .iter()
        .filter_map(|item| Item::deserialize(item).ok());
    let items: Vec<Item> = read.collect();
    if items.is_empty() {
        return vec!["no service was heard of in the last minute".to_owned()];
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
    columns.lines()
}

async fn scraped(remote: &Remote) -> Result<Scrape, RemoteError> {
    let answer = ask(remote.get("/metrics", Parameters::default())).await?;
    Ok(Scrape::parse(answer.text()))
}

/// What readiness waits for. The answer has a status of its own while it does.
async fn waiting(remote: &Remote) -> Result<Vec<String>, RemoteError> {
    let response = send_any(remote.get("/-/ready", Parameters::default())).await?;
    let answer: Value = Answer::of(response).await?.read().unwrap_or_default();
    let waiting = items(&answer, "waiting").iter();
    Ok(waiting
        .filter_map(|what| what.as_str().map(str::to_owned))
        .collect())
}

/// The rows of `/services` of the last minute.
async fn services(remote: &Remote, which: &Which) -> Result<Vec<Value>, RemoteError> {
    let parameters = Parameters::default()
        .with("from", Some("now-1m"))
        .choice("sort", Some(which.sort))
        .with("limit", Some(which.limit));
    let answer = ask(remote.get("/api/tracewell/v1/services", parameters)).await?;
    Ok(items(&answer.read()?, "items").to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_shows_the_flow_and_then_the_services() {
        let view = |waiting: &[&str], services: Value| View {
            at: "t".to_owned(),
            waiting: waiting.iter().map(ToString::to_string).collect(),
            pipeline: Pipeline::default(),
            services: services.as_array().cloned().unwrap_or_default(),
        };
        let services = json!([{"name": "cart", "state": "bad", "rate": 12.0, "error_ratio": 0.5, "p50": 0.1, "p95": null, "more": 1}]);
        let lines = view(&[], services).screen("u");
        assert_eq!(lines[0], "tracewell u  t  ready");
        assert_eq!(
            lines[lines.len() - 2..],
            [
                "SERVICE  STATE  RATE/S  ERRORS     P50  P95",
                "cart     bad      12.0  50.0 %  100 ms    –"
            ]
        );
        let lines = view(&["metrics: reading"], Value::Null).screen("u");
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
