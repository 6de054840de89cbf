//! A server to be measured: how it is started, where it takes remote write, and what it leaves on disk.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::super::OLD_SAMPLES;
use super::super::sealing::Sealing;
use crate::process::{Process, free_address, version};
use crate::product::Product;

/// Which server, by its binary.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Tracewell(PathBuf),
    VictoriaMetrics(PathBuf),
    Prometheus(PathBuf),
}

impl Kind {
    pub(super) fn name(&self) -> String {
        let (Self::Tracewell(binary) | Self::VictoriaMetrics(binary) | Self::Prometheus(binary)) =
            self;
        version(binary)
    }
}

/// A running server.
#[derive(Debug)]
pub(super) enum Side {
    Tracewell(Product),
    VictoriaMetrics(Process),
    Prometheus(Process),
}

impl Side {
    pub(super) fn start(kind: &Kind, folder: &Path) -> anyhow::Result<Self> {
        let data = folder.join("data");
        let http = free_address()?;
        match kind {
            Kind::Tracewell(binary) => Ok(Self::Tracewell(Product::start(
                binary,
                folder,
                OLD_SAMPLES,
            )?)),
            Kind::VictoriaMetrics(binary) => {
                let mut command = Command::new(binary);
                command.args([
                    format!("-storageDataPath={}", data.display()),
                    format!("-httpListenAddr={http}"),
                    "-retentionPeriod=1".to_owned(),
                    "-search.latencyOffset=1ms".to_owned(),
                    "-loggerLevel=ERROR".to_owned(),
                ]);
                Process::start(command, http, &data, "/health").map(Self::VictoriaMetrics)
            }
            Kind::Prometheus(binary) => {
                let config = folder.join("prometheus.yml");
                std::fs::write(&config, "global: {}\n")?;
                let mut command = Command::new(binary);
                command.args([
                    format!("--config.file={}", config.display()),
                    format!("--storage.tsdb.path={}", data.display()),
                    format!("--web.listen-address={http}"),
                    "--web.enable-remote-write-receiver".to_owned(),
                    "--web.enable-admin-api".to_owned(),
                    "--log.level=error".to_owned(),
                ]);
                Process::start(command, http, &data, "/-/ready").map(Self::Prometheus)
            }
        }
    }

    pub(super) fn process(&self) -> &Process {
        match self {
            Self::Tracewell(product) => product.process(),
            Self::VictoriaMetrics(process) | Self::Prometheus(process) => process,
        }
    }

    /// Where it takes remote write.
    pub(super) fn write(&self) -> SocketAddr {
        match self {
            Self::Tracewell(product) => product.http(),
            Self::VictoriaMetrics(process) | Self::Prometheus(process) => process.http(),
        }
    }

    /// Waits until all samples lie in blocks, if it holds them back until a time, and returns the CPU that this took beside idling.
    pub(super) fn seal(&self, n_samples: u64) -> anyhow::Result<Duration> {
        match self {
            Self::Tracewell(product) => Sealing::begin(product)?.finish(product, n_samples),
            Self::VictoriaMetrics(_) | Self::Prometheus(_) => Ok(Duration::ZERO),
        }
    }

    /// Bytes on disk for each of `n_samples`, after it was asked to finish its files.
    pub(super) fn bytes_a_sample(&self, n_samples: u64) -> anyhow::Result<f64> {
        let n_samples = n_samples as f64;
        match self {
            Self::Tracewell(product) => {
                let sealed = product.metric("tracewell_metrics_samples_total", &[])?;
                Ok(product.metric("tracewell_metrics_bytes_total", &[])? / sealed.max(1.0))
            }
            Self::VictoriaMetrics(process) => {
                for path in ["/internal/force_flush", "/internal/force_merge"] {
                    let (status, answer) = process.get(path)?;
                    ensure!(status == 200, "{path} answered {status}: {answer}");
                }
                super::idle(process)?;
                let folders = ["data", "indexdb"].map(|folder| process.bytes_of(folder));
                let n_bytes: u64 = folders.into_iter().sum::<anyhow::Result<u64>>()?;
                Ok(n_bytes as f64 / n_samples)
            }
            Self::Prometheus(process) => {
                let (status, answer) = process.ask("POST", "/api/v1/admin/tsdb/snapshot")?;
                ensure!(status == 200, "a snapshot was answered {status}: {answer}");
                let n_bytes = process.bytes_of("snapshots").context("after a snapshot")?;
                Ok(n_bytes as f64 / n_samples)
            }
        }
    }
}
