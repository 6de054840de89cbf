//! `tracewell tail`: traces as they come, from the server's event stream.

use clap::Args;
use serde::Deserialize;

use super::print::{self, Safe};
use super::remote::{RemoteError, client, send};
use super::{Output, tree};

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
    fn parameters(&self) -> Vec<(&'static str, &str)> {
        let single = [
            ("service", &self.service),
            ("operation", &self.operation),
            ("min_duration", &self.min_duration),
        ];
        let named = single
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        named
            .chain(self.tags.iter().map(|tag| ("tag", tag.as_str())))
            .collect()
    }
}

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

/// Prints until the server or the reader of stdout goes away.
pub(super) async fn follow(url: &str, which: &Which, output: Output) -> Result<(), RemoteError> {
    let request = client()
        .get(format!("{url}/api/tracewell/v1/tail"))
        .query(&which.parameters())
        .header("accept", "text/event-stream");
    let mut response = send(request).await?;
    let address = response.url().to_string();
    let mut events = Events::default();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| RemoteError::Unreachable {
            url: address.clone(),
            cause: error.to_string(),
        })?
    {
        for data in events.push(&chunk) {
            if !show(&data, output) {
                return Ok(());
            }
        }
        if events.pending.len() > EVENT_BYTES_MAX {
            return Err(RemoteError::BadAnswer {
                url: address,
                what: format!("an event is over {EVENT_BYTES_MAX} bytes"),
            });
        }
    }
    Ok(())
}

/// False when nobody reads any more.
fn show(data: &str, output: Output) -> bool {
    if output == Output::Json {
        return print::line(data);
    }
    let item: Item = serde_json::from_str(data).unwrap_or_default();
    if item.trace_id.is_empty() {
        return true; // progress, not a trace
    }
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
