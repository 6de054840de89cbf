//! `tracewell-bench [SECTIONS]`: measures and prints tables. `tracewell-bench load …` is the load generator that it starts beside itself.

use bench::section::{Section, Settings};
use clap::{Parser, Subcommand};

/// What Tracewell costs, beside references in the same run
#[derive(Debug, Parser)]
#[command(name = "tracewell-bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// What to measure; everything without any
    #[arg(value_enum)]
    sections: Vec<Section>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send a corpus to a receiver
    Load(bench::load::Plan),
    /// Fill a shard with open traces and say what they hold
    #[command(hide = true)]
    OpenTraces { n_traces: u64 },
    /// Fill a head with active series and say what they hold
    #[command(hide = true)]
    ActiveSeries { n_series: u64 },
    /// Count an epoch and say what its counts hold
    #[command(hide = true)]
    CountedMemory { n_spans: u64, peers_bytes: u64 },
    /// Send series that live for so many scrapes through a machine and say what they hold
    #[command(hide = true)]
    ShortLivedSeries { n_scrapes: u64, life_scrapes: u64 },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.verb {
        Some(Verb::Load(plan)) => return bench::load::generate(plan),
        Some(Verb::OpenTraces { n_traces }) => return bench::section::open_traces(n_traces),
        Some(Verb::CountedMemory {
            n_spans,
            peers_bytes,
        }) => return bench::section::counted_memory(n_spans, peers_bytes),
        Some(Verb::ActiveSeries { n_series }) => return bench::section::active_series(n_series),
        Some(Verb::ShortLivedSeries {
            n_scrapes,
            life_scrapes,
        }) => return bench::section::short_lived_series(n_scrapes, life_scrapes),
        None => {}
    }
    let sections = if cli.sections.is_empty() {
        Section::ALL.to_vec()
    } else {
        cli.sections
    };
    if sections.iter().any(|section| section.starts_a_server()) {
        bench::warm::touch_free_memory()?;
    }
    sections
        .iter()
        .try_for_each(|section| section.run(&cli.settings))
}
