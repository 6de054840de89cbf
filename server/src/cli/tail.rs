//! `tracewell tail`: traces as they come, from the server's event stream.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::csv::Csv;
use super::print::{self, Safe};
use super::remote::{Parameters, Remote, RemoteError, send};
use super::{Output, tree};

pub(super) const EXAMPLES: &str = "Examples:
  tracewell tail                                traces as they come; Ctrl-C ends it
  tracewell tail --service checkout --tag http.response.status_code=500
  tracewell tail --min-duration 1s -o json | jq .trace_id";

/// Longest event, in bytes; the server's are a few hundred.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Which traces are shown.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only traces with a span of this service
    #[arg(long)]
    service: Option<String>,
    /// Only traces with a span of this name
    #[arg(long)]
    operation: Option<String>,
    /// Only traces with a span that has this attribute; may be repeated
    #[arg(long = "tag", value_name = "KEY:VALUE")]
    tags: Vec<String>,
    /// Only traces with a span that took at least this long, such as 100ms
    #[arg(long, value_name = "DURATION")]
    min_duration: Option<String>,
}

impl Which {
    fn parameters(&self) -> Parameters {
        Parameters::default()
            .with("service", self.service.as_ref())
            .with("operation", self.operation.as_ref())
            .with("min_duration", self.min_duration.as_ref())
            .each("tag", &self.tags)
    }
}

/// Fields of a trace that are columns of CSV.
const CSV: [&str; 9] = [
    "trace_id",
    "root_service",
    "root_operation",
    "start_unix_ns",
    "duration_ns",
    "span_count",
    "error_count",
    "state",
    "rule",
];

/// What is shown of a trace.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    trace_id: String,
    root_service: String,
    root_operation: String,
    duration_ns: String,
    span_count: u64,
    error_count: u64,
    state: String,
    rule: Option<String>,
}

/// Prints until the reader of stdout goes away, or the server does, which is an error.
pub(super) async fn follow(remote: Remote, which: Which) -> Result<(), RemoteError> {
    let request = remote
        .get("/api/tracewell/v1/tail", which.parameters())
        .header("accept", "text/event-stream");
    let mut response = send(request).await?;
    let url = response.url().to_string();
    let is_read = remote.output != Output::Csv || print::line(CSV.join(","));
    let mut events = Events::default();
    let gone = |error| RemoteError::gone(&url, &error);
    while let Some(chunk) = response.chunk().await.map_err(gone)? {
        for data in events.push(&chunk) {
            if !is_read || !show(&data, remote.output) {
                return Ok(());
            }
        }
        if events.pending.len() > EVENT_BYTES_MAX {
            let what = format!("an event is over {EVENT_BYTES_MAX} bytes");
            return Err(RemoteError::BadAnswer { url, what });
        }
    }
    let cause = "it has stopped".to_owned();
    Err(RemoteError::Gone { url, cause })
}

/// False when nobody reads any more.
fn show(data: &str, output: Output) -> bool {
    let event: Value = serde_json::from_str(data).unwrap_or_default();
    if event["trace_id"].is_null() {
        return true; // progress, not a trace
    }
    match output {
        Output::Table => row(event),
        Output::Json => print::line(data),
        Output::Yaml => print::line("---") && print::yaml(&event),
        Output::Csv => Csv::of_items(&CSV, [&event]).print_rows(),
    }
}

fn row(event: Value) -> bool {
    let item: Item = serde_json::from_value(event).unwrap_or_default();
    let errors = if item.error_count > 0 {
        format!("  {} errors", item.error_count)
    } else {
        String::new()
    };
    let rule = item.rule.map_or(String::new(), |rule| format!(" ({rule})"));
    let took = tree::duration(item.duration_ns.parse().unwrap_or(0));
    print::line(format_args!(
        "{}  {:>10}  {:>4} spans  {}: {}{errors}  {}{}",
        Safe(&item.trace_id),
        took,
        item.span_count,
        Safe(&item.root_service),
        Safe(&item.root_operation),
        Safe(&item.state),
        Safe(&rule)
    ))
}

/// Splits a stream of server-sent events into the data of each.
#[derive(Default)]
struct Events {
    pending: Vec<u8>,
}

impl Events {
    fn push(&mut self, chunk: &[u8]) -> Vec<String> {
        self.pending.extend_from_slice(chunk);
        let mut data = Vec::new();
        while let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.pending.drain(..end + 2).collect();
            let lines = String::from_utf8_lossy(&event).into_owned();
            let parts: Vec<&str> = lines
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim_start)
                .collect();
            if !parts.is_empty() {
                data.push(parts.join("\n"));
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_from_chunks() {
        let mut events = Events::default();
        assert!(events.push(b"event: trace\nda").is_empty());
        assert_eq!(
            events.push(b"ta: {\"a\":1}\n\n: keep-alive\n\ndata: x\ndata: y\n\nda"),
            ["{\"a\":1}", "x\ny"]
        );
    }
}
