//! `tracewell services`: services with their rate, errors and durations, as a table or as data.

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::columns::{Columns, percent, rate, seconds};
use super::csv::{Csv, items};
use super::print::{self, Safe, complain};
use super::remote::{Answer, Parameters, Remote, RemoteError, ask};

pub(super) const EXAMPLES: &str = "Examples:
  tracewell services                            those of the last hour
  tracewell services --sort errors --from now-5m
  tracewell services --env prod --match cart
  tracewell services -o json | jq '.items[] | select(.state == \"bad\").name'";

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
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u32,
}

/// The order of services: numbers largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Sort {
    Name,
    Rate,
    Errors,
    P95,
    State,
}

#[derive(Debug, Deserialize)]
struct Services {
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

/// Fields of a service that are columns of CSV.
const CSV: [&str; 11] = [
    "name",
    "namespace",
    "state",
    "rate",
    "error_ratio",
    "p50",
    "p95",
    "p99",
    "instances",
    "versions",
    "last_seen",
];

impl Which {
    fn parameters(&self) -> Parameters {
        Parameters::default()
            .with("q", self.matching.as_ref())
            .with("env", self.env.as_ref())
            .choice("sort", self.sort)
            .with("from", self.from.as_ref())
            .with("to", self.to.as_ref())
            .with("limit", Some(self.limit))
    }
}

pub(super) async fn list(remote: Remote, which: Which) -> Result<(), RemoteError> {
    let answer = ask(remote.get("/api/tracewell/v1/services", which.parameters())).await?;
    remote.show(&answer, csv, print_table)
}

fn csv(answer: &Answer) -> Result<Csv, RemoteError> {
    Ok(Csv::of_items(&CSV, items(&answer.read()?, "items")))
}

fn print_table(answer: &Answer) -> Result<(), RemoteError> {
    let services: Services = answer.read()?;
    let n_shown = services.items.len();
    if n_shown == 0 {
        complain("no service was heard of in this range; a longer one: --from now-24h");
        return Ok(());
    }
    let _all = table(&services).lines().iter().all(print::line);
    if n_shown < services.total {
        complain(format_args!(
            "{n_shown} of {}; more with --limit {}",
            services.total, services.total
        ));
    }
    Ok(())
}

fn table(services: &Services) -> Columns {
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
    for item in &services.items {
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
        let services: Services = serde_json::from_str(
            r#"{"items":[{"name":"cart","rate":12.0,"error_ratio":0.5,"p50":0.1,"p95":0.2,"p99":null,"state":"bad","versions":["1","2"],"instances":3}],"total":1}"#,
        )
        .expect("valid");
        assert_eq!(
            table(&services).lines(),
            [
                "SERVICE  STATE  RATE/S  ERRORS     P50     P95  P99  INSTANCES  VERSIONS",
                "cart     bad      12.0  50.0 %  100 ms  200 ms    –          3      1, 2",
            ]
        );
    }
}
