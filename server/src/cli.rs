//! The command line: what a person types, and which part answers it. Data goes to stdout, everything else to stderr.

mod agent;
mod columns;
mod configuration;
mod csv;
mod import;
mod map;
mod print;
mod query;
mod remote;
mod runtime;
mod serve;
mod services;
mod tail;
mod top;
mod trace;
mod tree;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Layered, Sources};
use crate::exit::Exit;
use print::complain;
use remote::Remote;

/// Distributed tracing that counts everything, keeps what matters and survives kill -9.
#[derive(Debug, Parser)]
#[command(name = "tracewell", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "Examples:
  tracewell                                  run everything, data in ./tracewell-data
  tracewell --set server.data_dir=/var/lib/tracewell
  tracewell agent                            on each host: its CPU, memory, disks, containers
  tracewell trace 83a9efd15c1c98a977e0711cc93ee28b
  tracewell tail --service checkout          traces as they come
  tracewell services --sort errors           rate, errors and durations of each
  tracewell map --only problems              who calls whom
  tracewell query 'sum(rate(traces_span_metrics_calls_total[5m]))'
  tracewell top                              what flows through the server now
  tracewell import trace.json requests.pb    traces and metrics of OTLP, traces of Jaeger
  tracewell config check                     what is wrong with tracewell.toml
  tracewell config print                     every setting with its source";

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every verb")]
struct Common {
    /// Configuration file; without it ./tracewell.toml is read if it is there
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, over file and environment; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Lets listeners be reachable from outside this machine without authentication
    #[arg(long, global = true)]
    insecure_listen: bool,
    /// The server that client verbs ask
    #[arg(
        long,
        global = true,
        env = "TRACEWELL_URL",
        default_value = "http://127.0.0.1:16686"
    )]
    url: String,
    /// How data is printed; a table on a terminal, JSON in a pipe
    #[arg(short, long, global = true)]
    output: Option<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Yaml,
    Csv,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server (the default)
    #[command(
        after_help = "Examples:\n  tracewell serve\n  tracewell serve --set query.listen=127.0.0.1:8080"
    )]
    Serve,
    /// Read this host, its containers and processes, and push what they show to a server
    #[command(after_help = agent::EXAMPLES)]
    Agent,
    /// Show one trace as a tree
    #[command(
        after_help = "Examples:\n  tracewell trace 83a9efd15c1c98a977e0711cc93ee28b\n  tracewell trace 83a9efd15c1c98a977e0711cc93ee28b -o json | jq ."
    )]
    Trace {
        /// Trace id: 1 to 32 hex digits
        id: String,
    },
    /// List services with their rate, errors and durations
    #[command(after_help = services::EXAMPLES)]
    Services(services::Which),
    /// Show who calls whom
    #[command(after_help = map::EXAMPLES)]
    Map(map::Which),
    /// Ask for metrics in PromQL, at an instant or over a range
    #[command(after_help = query::EXAMPLES)]
    Query(query::Question),
    /// Show traces as they come
    #[command(after_help = tail::EXAMPLES)]
    Tail(tail::Which),
    /// Show what flows through the server now, and its busiest services
    #[command(after_help = top::EXAMPLES)]
    Top(top::Which),
    /// Send files to the server; what they hold keeps its times
    #[command(after_help = import::EXAMPLES)]
    Import {
        /// OTLP JSON or protobuf of traces or metrics, or Jaeger JSON; plain, gzip or zstd
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Check or print the configuration
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Tell every mistake; exit 64 if there is one
    Check,
    /// Print every setting with its source
    Print,
}

/// Runs the program and says how it ended.
#[must_use]
pub fn main() -> Exit {
    match Cli::try_parse() {
        Ok(cli) => print::unless_lost(cli.run()),
        Err(told) => print::usage(&told),
    }
}

impl Cli {
    fn run(self) -> Exit {
        let Common {
            config,
            mut sets,
            insecure_listen,
            url,
            output: wanted,
        } = self.common;
        sets.extend(insecure_listen.then(|| "server.insecure_listen=true".to_owned()));
        let sources = Sources { file: config, sets };
        let output = print::format(wanted);
        let verb = self.verb.unwrap_or(Verb::Serve);
        match verb {
            Verb::Serve => with_config(&sources, serve::run),
            Verb::Agent => with_config(&sources, agent::run),
            Verb::Trace { id } => Remote::run(&url, output, |remote| trace::show(remote, id)),
            Verb::Services(which) => Remote::run(&url, output, |r| services::list(r, which)),
            Verb::Map(which) => Remote::run(&url, output, |remote| map::show(remote, which)),
            Verb::Query(question) => Remote::run(&url, output, |r| query::ask(r, question)),
            Verb::Tail(which) => Remote::run(&url, output, |remote| tail::follow(remote, which)),
            Verb::Top(which) => Remote::run(&url, output, |remote| top::watch(remote, which)),
            Verb::Import { files } => Remote::run(&url, output, |r| import::send_all(r, files)),
            Verb::Config { verb } => match verb {
                ConfigVerb::Check => with_config(&sources, |_| configuration::checked()),
                ConfigVerb::Print => {
                    with_config(&sources, |layered| configuration::print(&layered, output))
                }
            },
            Verb::Version => print::version(wanted),
        }
    }
}

fn with_config(sources: &Sources, then: impl FnOnce(Layered) -> Exit) -> Exit {
    match sources.load() {
        Ok(layered) => then(layered),
        Err(mistakes) => {
            mistakes.iter().for_each(complain);
            Exit::Usage
        }
    }
}
