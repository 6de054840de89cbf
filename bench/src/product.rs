//! The real binary as a child process, on a folder and ports of its own. Seen from outside only: CPU time, memory, files, `/metrics`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use telemetry::Clock;

use crate::cost;

/// Longest wait for a start.
const READY_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest wait for an answer of the query port.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A running `tracewell`. Killed when dropped.
#[derive(Debug)]
pub struct Product {
    child: Child,
    data_dir: PathBuf,
    grpc: SocketAddr,
    http: SocketAddr,
    query: SocketAddr,
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
        let log = File::create(folder.join("stderr.log"))?;
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
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let child = child.with_context(|| format!("starting {}", binary.display()))?;
        let mut product = Self {
            child,
            data_dir,
            grpc,
            http,
            query,
        };
        product.wait_until_ready(folder)?;
        Ok(product)
    }

    fn wait_until_ready(&mut self, folder: &Path) -> anyhow::Result<()> {
        let clock = Clock::host();
        let begun = clock.monotonic();
        loop {
            if self.get("/-/ready").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || clock.monotonic() - begun > READY_WAIT_MAX {
                let log = std::fs::read_to_string(folder.join("stderr.log")).unwrap_or_default();
                bail!("tracewell is not ready (ended: {ended:?}); its log: {log}");
            }
            std::thread::sleep(POLL);
        }
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
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
        cost::cpu_of(self.pid()).context("reading the CPU time of tracewell")
    }

    /// Its memory now and at most.
    ///
    /// # Errors
    /// When it ended.
    pub fn memory(&self) -> anyhow::Result<cost::Memory> {
        cost::memory_of(self.pid()).context("reading the memory of tracewell")
    }

    /// Bytes of the files in `folder` of its data.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn bytes_of(&self, folder: &str) -> anyhow::Result<u64> {
        cost::folder_bytes(&self.data_dir.join(folder))
            .with_context(|| format!("measuring the folder {folder}"))
    }

    /// Asks the query port: status and body.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.query)?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n",
            self.query
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("an answer has a head and a body")?;
        let status = head
            .split(' ')
            .nth(1)
            .context("an answer has a status")?
            .parse()?;
        Ok((status, body.to_owned()))
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

impl Drop for Product {
    fn drop(&mut self) {
        // It may have ended; nothing can be done about a child that cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
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

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
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
