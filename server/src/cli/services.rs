//! `tracewell services`: services with their rate, errors and durations, as a table or as the server's own JSON.

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::Output;
use super::columns::{Columns, percent, rate, seconds};
use super::print::{self, Safe, complain};
use super::remote::{RemoteError, client, send};

pub(super) const EXAMPLES: &str = "Examples:
  tracewell services                            those of the last hour
  tracewell services --sort errors --from now-5m
  tracewell services --env prod --match cart
  tracewell services --json | jq '.items[] | select(.state == \"bad\").name'";

/// Which services.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// A part of the name, in any case
    #[arg(long = "match", value_name = "TEXT")]
    matching: Option<String>,
    /// Services that run in this environment
    #[arg(long)]
    env: Option<String>,
    /// The order: numbers largest first
    #[arg(long, value_enum)]
    sort: Option<Sort>,
    /// Begin of the range: now-15m, RFC 3339, or ms since 1970
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End of the range
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Services at most
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The same as -o json
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

#[derive(Debug, Deserialize)]
struct Answer {
    items: Vec<Item>,
    total: usize,
}

#[derive(Debug, Deserialize)]
struct Item {
    name: String,
    rate: f64,
    error_ratio: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    state: String,
    versions: Vec<String>,
    instances: usize,
}

impl Which {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let sort = self.sort.map(|sort| match sort {
            Sort::Name => "name",
            Sort::Rate => "rate",
            Sort::Errors => "errors",
            Sort::P95 => "p95",
            Sort::State => "state",
        });
        [
            ("q", self.matching.clone()),
            ("env", self.env.clone()),
            ("sort", sort.map(str::to_owned)),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("limit", Some(self.limit.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

pub(super) async fn list(url: &str, which: &Which, output: Output) -> Result<(), RemoteError> {
    let request = client().get(format!("{url}/api/tracewell/v1/services"));
    let response = send(request.query(&which.parameters())).await?;
    let address = response.url().to_string();
    let unreadable = |what: String| RemoteError::BadAnswer {
        url: address.clone(),
        what,
    };
    let text = response
        .text()
        .await
        .map_err(|error| unreadable(error.to_string()))?;
    if which.json || output == Output::Json {
        print::line(text);
        return Ok(());
    }
    let answer: Answer =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if answer.items.is_empty() {
        complain("no service was heard of in this range; a longer one: --from now-24h");
        return Ok(());
    }
    let _all = table(&answer).lines().iter().all(print::line);
    if answer.items.len() < answer.total {
        complain(format_args!(
            "{} of {}; more with --limit {}",
            answer.items.len(),
            answer.total,
            answer.total
        ));
    }
    Ok(())
}

fn table(answer: &Answer) -> Columns {
    let mut columns = Columns::new(&[
        "SERVICE",
        "STATE",
        "RATE/S",
        "ERRORS",
        "P50",
        "P95",
        "P99",
        "INSTANCES",
        "VERSIONS",
    ]);
    for item in &answer.items {
        columns.row(vec![
            Safe(&item.name).to_string(),
            Safe(&item.state).to_string(),
            rate(item.rate),
            percent(item.error_ratio),
            seconds(item.p50),
            seconds(item.p95),
            seconds(item.p99),
            item.instances.to_string(),
            Safe(&item.versions.join(", ")).to_string(),
        ]);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_a_table() {
        let answer: Answer = serde_json::from_str(
            r#"{"items":[{"name":"cart","rate":12.0,"error_ratio":0.5,"p50":0.1,"p95":0.2,"p99":null,"state":"bad","versions":["1","2"],"instances":3}],"total":1}"#,
        )
        .expect("valid");
        assert_eq!(
            table(&answer).lines(),
            [
                "SERVICE  STATE  RATE/S  ERRORS     P50     P95  P99  INSTANCES  VERSIONS",
                "cart     bad      12.0  50.0 %  100 ms  200 ms    –          3      1, 2",
            ]
        );
    }
}
