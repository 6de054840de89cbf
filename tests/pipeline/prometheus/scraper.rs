//! Debian's real Prometheus, which scrapes itself and writes to a server under test; and promtool.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result};

/// A running Prometheus. Killed when dropped.
pub(super) struct Scraper {
    child: Child,
    port: u16,
}

fn program(name: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let path = root
        .context("tests/ has a parent")?
        .join("target/servers/prometheus/usr/bin")
        .join(name);
    anyhow::ensure!(
        path.exists(),
        "{} is not there: `make test-pipeline` sets it up",
        path.display()
    );
    Ok(path)
}

impl Scraper {
    /// Scrapes itself each second, and what comes back from `/federate` at `query_url`, and sends the samples to `write_url`.
    pub(super) fn start(folder: &Path, write_url: &str, query_url: &str) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let query = query_url.trim_start_matches("http://");
        let config = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n\
             scrape_configs:\n  - job_name: prometheus\n    static_configs:\n      - targets: ['127.0.0.1:{port}']\n  \
             - job_name: federation\n    metrics_path: /federate\n    params: {{ 'match[]': ['prometheus_tsdb_head_series{{job=\"prometheus\"}}'] }}\n    \
             static_configs:\n      - targets: ['{query}']\n\
             remote_write:\n  - url: {write_url}/api/v1/write\n    queue_config: {{ batch_send_deadline: 200ms }}\n    \
             metadata_config: {{ send_interval: 2s }}\n"
        );
        std::fs::write(folder.join("prometheus.yml"), config)?;
        let log = std::fs::File::create(folder.join("stderr.log"))?;
        let child = Command::new(program("prometheus")?)
            .current_dir(folder)
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self { child, port })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `promtool query` with these arguments.
pub(super) async fn promtool(arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(program("promtool")?);
    command.arg("query").args(arguments).kill_on_drop(true);
    Ok(command.output().await?)
}
