//! The real binary as a child process, on a folder and ports of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;

use crate::cost;
use crate::process::{Process, free_address};

/// A running `tracewell`. Killed when dropped.
#[derive(Debug)]
pub struct Product {
    /// Its query port is where it answers HTTP.
    process: Process,
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Product {
    /// Starts `binary` with its data below `folder` and the text of a configuration file, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start; its log is then part of the error.
    pub fn start(binary: &Path, folder: &Path, toml: &str) -> anyhow::Result<Self> {
        let data_dir = folder.join("data");
        let config = folder.join("tracewell.toml");
        std::fs::write(&config, toml)?;
        let [grpc, http, query] = [free_address()?, free_address()?, free_address()?];
        let settings = [
            format!("server.data_dir={}", data_dir.display()),
            format!("collector.otlp_grpc.listen={grpc}"),
            format!("collector.otlp_http.listen={http}"),
            format!("query.listen={query}"),
        ];
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(&config);
        settings.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        Ok(Self {
            process: Process::start(command, query, &data_dir, "/-/ready")?,
            grpc,
            http,
        })
    }

    /// The process, which answers HTTP on the query port.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// CPU time of all its threads so far.
    ///
    /// # Errors
    /// When it ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.process.cpu()
    }

    /// Its memory now and at most.
    ///
    /// # Errors
    /// When it ended.
    pub fn memory(&self) -> anyhow::Result<cost::Memory> {
        self.process.memory()
    }

    /// Bytes of the files in `folder` of its data.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn bytes_of(&self, folder: &str) -> anyhow::Result<u64> {
        self.process.bytes_of(folder)
    }

    /// Asks the query port: status and body.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.process.get(path)
    }

    /// Sum of a counter over the label sets that contain each of `labels` (`state="stored"`).
    ///
    /// # Errors
    /// When there is no answer.
    pub fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let (status, text) = self.get("/metrics")?;
        ensure!(status == 200, "/metrics answered {status}");
        Ok(sum(&text, name, labels))
    }
}

fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let of_name = text
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name));
    let wanted = of_name.filter(|line| labels.iter().all(|label| line.contains(label)));
    wanted
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_over_the_label_sets_asked_for() {
        let text = "# TYPE a counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"1\",y=\"3\"} 4\na_totals{x=\"1\"} 9\nb 7\n";
        assert_eq!(sum(text, "a_total", &["x=\"1\""]), 7.0);
        assert_eq!(sum(text, "a_total", &["y=\"3\""]), 4.0);
        assert_eq!(sum(text, "b", &[]), 7.0);
    }
}
