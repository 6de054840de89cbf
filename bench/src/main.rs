//! `tracewell-bench [SECTIONS]`: measures and prints tables. `tracewell-bench load …` is the load generator that it starts beside itself.

use clap::{Parser, Subcommand};

/// What Tracewell costs, beside references in the same run
#[derive(Debug, Parser)]
#[command(name = "tracewell-bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send a corpus to a receiver
    Load(bench::load::Plan),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {
        Some(Verb::Load(plan)) => bench::load::generate(plan),
        None => Ok(()),
    }
}
