//! The configuration: one `tracewell.toml`, a section a folder. Defaults < file < environment < flags; this file alone reads them.
//!
//! In: text from all four. Out: one checked [`Config`] with where each value came from, or every mistake at once.

mod layers;
mod least;
mod origin;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use layers::Layered;
pub(crate) use origin::{Mistake, Origin};

/// Everything that can be set. Each section is documented where its code is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) bus: bus::Config,
    pub(crate) blocks: blocks::Config,
    pub(crate) collector: collector::Config,
    pub(crate) sampler: sampler::Config,
    pub(crate) trace_store: trace_store::Config,
    pub(crate) metrics: metrics::Config,
    pub(crate) service_map: service_map::Config,
    pub(crate) query: query::Config,
    pub(crate) agent: agent::Config,
}

impl Config {
    /// `[sampler]` with what `[metrics]` says of the series that it counts.
    pub(crate) fn sampler(&self) -> sampler::Config {
        sampler::Config {
            red_dimensions: self.metrics.red.dimensions.clone(),
            red_series_max: sampler::red::SeriesMax {
                of_tenant: self.metrics.red.series_max,
                of_service: self.metrics.red.span_names_max,
            },
            ..self.sampler.clone()
        }
    }
}

/// `[server]`: the process itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Where the log and the blocks are. Default `./tracewell-data`.
    pub(crate) data_dir: PathBuf,
    /// How long a stop waits for requests that are under way. Default 10 s.
    #[serde(with = "telemetry::units::duration")]
    pub(crate) shutdown: std::time::Duration,
    /// Lets listeners be reachable from outside this machine, though there is no authentication yet. `--insecure-listen`.
    pub(crate) insecure_listen: bool,
    pub(crate) log: Log,
}

/// `[server.log]`: what the process says on stderr.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// Least level that is written: error, warn, info, debug or trace.
    pub(crate) level: Level,
    /// Text on a terminal, else JSON.
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Auto,
    Text,
    Json,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./tracewell-data"),
            shutdown: std::time::Duration::from_secs(10),
            insecure_listen: false,
            log: Log::default(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: Level::Info,
            format: LogFormat::Auto,
        }
    }
}

/// What a command line says of the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `--config`; without it `./tracewell.toml` is read if it is there.
    pub(crate) file: Option<PathBuf>,
    /// `--set a.b=c`, in order.
    pub(crate) sets: Vec<String>,
}

/// File that is read when none is named.
const DEFAULT_FILE: &str = "tracewell.toml";
/// Longest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

impl Sources {
    /// Reads defaults, file, environment and flags.
    ///
    /// # Errors
    /// Every mistake that was found, in the order of the layers.
    pub(crate) fn load(&self) -> Result<Layered, Vec<Mistake>> {
        let mut layered = Layered::defaults();
        let mut mistakes = Vec::new();
        match self.read_file() {
            Ok(Some((path, text))) => mistakes.extend(layered.apply_file(&path, &text)),
            Ok(None) => {}
            Err(mistake) => mistakes.push(mistake),
        }
        mistakes.extend(layered.apply_environment(std::env::vars()));
        mistakes.extend(layered.apply_sets(&self.sets));
        if mistakes.is_empty() {
            mistakes.extend(layered.contradictions());
        }
        if mistakes.is_empty() {
            Ok(layered)
        } else {
            Err(mistakes)
        }
    }

    fn read_file(&self) -> Result<Option<(PathBuf, String)>, Mistake> {
        let path = self
            .file
            .clone()
            .unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        if self.file.is_none() && !path.exists() {
            return Ok(None);
        }
        let told = |error: std::io::Error| Mistake::plain(format!("{}: {error}", path.display()));
        let size_bytes = std::fs::metadata(&path).map_err(told)?.len();
        if size_bytes > FILE_BYTES_MAX {
            return Err(Mistake::plain(format!(
                "{}: {size_bytes} bytes, over the limit of {FILE_BYTES_MAX}",
                path.display()
            )));
        }
        let text = std::fs::read_to_string(&path).map_err(told)?;
        Ok(Some((path, text)))
    }
}

impl Layered {
    /// What the type of a value cannot tell: how small it may be, and rules between keys.
    fn contradictions(&self) -> Vec<Mistake> {
        let config = &self.config;
        let too_small = least::unworkable(config).into_iter();
        let mistakes = too_small.map(|wrong| self.mistake(wrong.key, &wrong.why));
        let agent = agent::Agent::new(config.agent.clone(), telemetry::Clock::host());
        mistakes
            .chain(wrong_section("sampler", config.sampler().check()))
            .chain(wrong_section("trace_store", config.trace_store.check()))
            .chain(wrong_section("metrics", config.metrics.check()))
            .chain(wrong_section("service_map", config.service_map.check()))
            .chain(wrong_section("agent", agent))
            .collect()
    }
}

fn wrong_section<T>(name: &str, checked: Result<T, impl std::fmt::Display>) -> Option<Mistake> {
    let error = checked.err()?;
    Some(Mistake::plain(format!("[{name}]: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_metrics_says_of_series_of_spans_is_by_default_what_the_sampler_does_anyway() {
        assert_eq!(Config::default().sampler(), sampler::Config::default());
    }
}
